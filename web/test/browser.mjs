// What the browser tests share: Debian's Chromium through playwright-core, pages written to a scratch folder, screenshots into WT_SHOTS.
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync, existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { chromium } from 'playwright-core'
import { embed } from './synthetic.mjs'

export const executable = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync)
/** The page that is tested: WT_TEST_PAGE, or what `npm run build` made. */
export const page = readFileSync(process.env.WT_TEST_PAGE ?? new URL('../dist/report.html', import.meta.url), 'utf8')
const folder = mkdtempSync(join(tmpdir(), 'wildtype-web-'))
const shots = process.env.WT_SHOTS ?? ''
if (shots) mkdirSync(shots, { recursive: true })

export function launch() {
  return chromium.launch({ executablePath: executable, args: ['--no-sandbox', '--disable-gpu'] })
}

/** A file of the page with the document in it; its address. */
export function written(name, doc) {
  const path = join(folder, `${name}.html`)
  writeFileSync(path, embed(page, doc))
  return pathToFileURL(path).href
}

/** A tab whose errors and requests are kept: a page that is right has none of the former and only the expected of the latter. */
export async function open(browser, address, { width = 1280, height = 900, dark = false } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: dark ? 'dark' : 'light' })
  const tab = await context.newPage()
  tab.errors = []
  tab.asked = []
  tab.on('pageerror', (error) => tab.errors.push(String(error)))
  tab.on('console', (message) => { if (message.type() === 'error') tab.errors.push(message.text()) })
  tab.on('request', (request) => tab.asked.push(request.url()))
  tab.on('dialog', (dialog) => { tab.errors.push(`a dialog: ${dialog.message()}`); void dialog.dismiss() })
  if (address) await tab.goto(address)
  return tab
}

export function ready(tab) {
  return tab.waitForFunction(() => document.documentElement.hasAttribute('data-ready'))
}

export async function shot(tab, name, options = { fullPage: true }) {
  if (shots) await tab.screenshot({ path: join(shots, `${name}.png`), ...options })
}

/** Whether anything is wider than the window. */
export function overflow(tab) {
  return tab.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
}
