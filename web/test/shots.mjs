// Screenshots of the page in every state, for people to look at: WT_SHOTS=FOLDER node test/shots.mjs [PAGE.html...]. Each is a whole page:
// light and dark, wide and narrow, with everything opened, and as it prints. WT_STATES=finished,big takes those alone; pages that are given
// are taken as well.
import { basename } from 'node:path'
import { pathToFileURL } from 'node:url'
import { launch, open, ready, shot, written } from './browser.mjs'
import { synthetic } from './synthetic.mjs'

const seed = Number(process.env.WT_SEED ?? 1)
const STATES = {
  finished: { seed },
  'finished-without-explain': { seed: seed + 1, knockouts: false },
  running: { seed, kind: 'running', individuals: 90 },
  judging: { seed, kind: 'judging', individuals: 160 },
  empty: { seed, kind: 'empty' },
  lethal: { seed, kind: 'lethal', individuals: 200 },
  big: { seed, individuals: 5000, layers: 32 },
  hostile: { seed, individuals: 60, hostile: '<img src=x onerror="window.hit=1">' },
  long: { seed, individuals: 60, hostile: 'W'.repeat(300) },
}

async function take(browser, name, address) {
  for (const dark of [false, true])
    for (const width of [1400, 400]) {
      const tab = await open(browser, address, { dark, width })
      await ready(tab)
      await shot(tab, `${name}-${width}-${dark ? 'dark' : 'light'}`)
      await tab.context().close()
    }
  for (const width of [1400, 400]) {
    const tab = await open(browser, address, { width })
    await ready(tab)
    for (const summary of await tab.locator('summary:visible').all()) await summary.click()
    const lines = tab.getByLabel('only the lines, with operators')
    if (await lines.isVisible()) await lines.check()
    await tab.evaluate(() => scrollTo(0, 0))
    await shot(tab, `${name}-${width}-opened`)
    await tab.context().close()
  }
  // A4 without margins of the printer's is 794 pixels wide.
  const tab = await open(browser, address, { width: 794 })
  await ready(tab)
  await tab.emulateMedia({ media: 'print' })
  await tab.waitForTimeout(300)
  await shot(tab, `${name}-print`)
  await tab.context().close()
}

if (!process.env.WT_SHOTS) throw new Error('WT_SHOTS=FOLDER node test/shots.mjs [PAGE.html...]')
const browser = await launch()
const pages = process.argv.slice(2)
const wanted = process.env.WT_STATES?.split(',') ?? Object.keys(STATES)
for (const name of wanted) if (STATES[name]) await take(browser, name, written(name, synthetic(STATES[name])))
for (const page of pages) await take(browser, basename(page, '.html'), pathToFileURL(page).href)
await browser.close()
