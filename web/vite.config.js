// Builds the page to one file, dist/report.html: script and style go into the HTML, so that it opens from disk and needs no network.
import { defineConfig } from 'vite'

/** Puts the one script and the one style sheet of the bundle where their tags were. */
function oneFile() {
  return {
    name: 'one-file',
    enforce: 'post',
    generateBundle(options, bundle) {
      const page = Object.values(bundle).find((file) => file.fileName.endsWith('.html'))
      let html = page.source
      for (const [key, file] of Object.entries(bundle)) {
        if (file === page) continue
        // What would end the element, or open a comment in which the end is not seen, is written another way in the script.
        if (file.type === 'chunk') {
          const code = file.code.trim().replace(/<(?=\/script|script|!--)/gi, '\\x3c')
          html = html.replace(/<script type="module"[^>]*><\/script>\s*/, '')
          html = html.replace('</body>', () => `<script type="module">${code}</script>\n</body>`)
        } else if (file.fileName.endsWith('.css')) {
          html = html.replace(/<link rel="stylesheet"[^>]*>/, () => `<style>${file.source.trim()}</style>`)
        } else {
          this.error(`'${file.fileName}' would be a file of its own`)
        }
        delete bundle[key]
      }
      page.source = html
      page.fileName = 'report.html'
    },
  }
}

export default defineConfig({
  plugins: [oneFile()],
  build: {
    outDir: 'dist',
    target: 'es2022',
    modulePreload: false,
    cssCodeSplit: false,
    assetsInlineLimit: 1 << 20,
  },
})
