/*
 * The page: its parts under one another, the bar of what is selected, and the document that all of them show. The first parts are drawn
 * at once, the others right after, so that a large run is there at once too. A new document changes contents, never the reader's choices,
 * focus or place.
 */
import { bestHuman, callName, firstChoice, placeOf, readReport, survivorsOf, type Report } from './document'
import { FATES } from './about'
import { append, h, keepFocus, replace, say } from './dom'
import { brief, duration, plural } from './format'
import { onScheme } from './palette'
import type { Part } from './part'
import { FailuresPart } from './part_failures'
import { FrontPart } from './part_front'
import { PeoplePart } from './part_people'
import { PlanPart } from './part_plan'
import { StrategyPart } from './part_strategy'
import { TimePart } from './part_time'
import { TreePart } from './part_tree'
import { VerdictPart } from './part_verdict'
import { startPolling } from './poll'
import { choice, compare, offer, onChoice, select } from './state'
import { dropOrphan, startTips } from './tip'
import { glossary } from './words'

const PARTS: [string, string][] = [
  ['verdict', 'Verdict'], ['front', 'Front'], ['plan', 'Plan'], ['tree', 'Descent'], ['time', 'Time'], ['strategy', 'Strategy'], ['failures', 'What failed'], ['words', 'Words'],
]

const model = h('span', { class: 'model' })
const status = h('span', { class: 'status' })
const trouble = h('p', { class: 'trouble', role: 'alert', hidden: true })
const selectedName = h('b')
const compareList = h('select', { id: 'compare-with', 'data-focus': 'compare', onchange: () => compare(Number(compareList.value)) })
const selectList = h('select', { id: 'select-one', 'data-focus': 'select', onchange: () => select(Number(selectList.value)) })
const swap = h('button', { type: 'button', 'data-focus': 'swap', onclick: () => exchange() }, 'Swap')
const bar = h('div', { class: 'bar-choice', role: 'group', 'aria-label': 'Selected and compared individual' },
  h('label', {}, 'Selected ', selectList), h('label', {}, 'compared with ', compareList), swap)
const message = h('p', { class: 'message' }, 'Waiting for the run’s data.')
const main = h('main', { id: 'main', tabindex: '-1' })

let report: Report | null = null
const people = new PeoplePart(), front = new FrontPart()
const parts: Part[] = [new VerdictPart(), front, people, new PlanPart(), new TreePart(), new TimePart(), new StrategyPart(), new FailuresPart()]

function exchange(): void {
  const { selected, compared } = choice
  if (selected === null || compared === null) return
  select(compared)
  compare(selected)
}

function build(): void {
  const header = h('header', {}, h('h1', {}, 'wildtype ', h('small', {}, 'what survived')), h('p', { class: 'run' }, model, ' ', status))
  const nav = h('nav', { 'aria-label': 'Parts of the page' }, ...PARTS.map(([id, name]) => h('a', { href: `#${id}` }, name)))
  front.root.append(people.root)
  for (const part of parts) if (part !== people) main.append(part.root)
  main.append(h('section', { id: 'words', 'aria-labelledby': 'words-title' }, h('h2', { id: 'words-title' }, 'Words'), glossary()))
  main.hidden = bar.hidden = true
  append(document.body, [h('a', { class: 'skip', href: '#main' }, 'Skip to the report'), header, h('div', { class: 'top' }, nav, bar), trouble, message, main])
  startTips()
}

function option(r: Report, i: number): HTMLOptionElement {
  const p = r.doc.individuals
  return h('option', { value: p.id[i] }, `${callName(r, i)} (#${p.id[i]}, ${FATES[r.fate[i]]})`)
}

/** Survivors, humans, the parents of the selected one, and whoever is chosen; everybody would be thousands. */
function fillLists(r: Report): void {
  const p = r.doc.individuals
  const selected = placeOf(r, choice.selected)
  const group = (name: string, list: number[]) => list.length > 0 && h('optgroup', { label: name }, ...list.map((i) => option(r, i)))
  const humans: number[] = []
  r.fate.forEach((fate, i) => { if (fate === 'human') humans.push(i) })
  humans.sort((a, b) => p.bytes[a] - p.bytes[b])
  const rejected = r.doc.verdict.filter((row) => row.role === 'rejected' && r.place.has(row.id)).map((row) => r.place.get(row.id) as number)
  const parents = selected < 0 ? [] : [p.parent1[selected], p.parent2[selected]].map((id) => placeOf(r, id || null)).filter((i) => i >= 0)
  for (const [list, id] of [[selectList, choice.selected], [compareList, choice.compared]] as const) {
    const known = new Set([...survivorsOf(r), ...rejected, ...humans, ...parents])
    const own = placeOf(r, id)
    replace(list, group('survivors', survivorsOf(r)), group('humans, by size', humans), group('parents of the selected one', parents.filter((i) => r.fate[i] !== 'human' && r.fate[i] !== 'survivor')),
      group('rejected', rejected), own >= 0 && !known.has(own) && group('chosen in a chart or table', [own]), own < 0 && h('option', { value: '' }, 'nobody'))
    list.disabled = list.options.length < 2
    list.value = String(id ?? '')
  }
  swap.disabled = choice.selected === null || choice.compared === null
  selectedName.textContent = selected < 0 ? '' : callName(r, selected)
}

function drawHead(r: Report): void {
  const run = r.doc.run
  const name = run.model.split('/').pop() ?? run.model
  document.title = `${name}: wildtype report`
  model.textContent = brief(name, 48)
  model.setAttribute('data-say', run.model)
  const last = r.doc.generations.number.length
  status.className = run.running ? 'status running' : 'status'
  const ended = run.ended ? `ended: ${run.ended}` : 'ended'
  const stage = { searching: '● running', judging: '● search ended, verdict being measured', judged: run.running ? `${ended} · ● being explained` : ended, stopped: run.ended ? 'stopped before its verdict' : 'stopped' }[run.stage]
  const text = [stage, plural(last, 'generation'), `${plural(run.measured, 'individual')} measured`, run.seconds > 0 ? duration(run.seconds) : ''].filter(Boolean).join(' · ')
  if (status.textContent !== text) status.textContent = text
}

let drawn = 0
function drawParts(from: number, r: Report, then: () => void): void {
  const turn = ++drawn
  const next = (k: number) => {
    if (turn !== drawn) return
    if (k === parts.length) return then()
    keepFocus(() => parts[k].update(r))
    dropOrphan()
    if (k < from) next(k + 1)
    else setTimeout(() => next(k + 1), 0)
  }
  next(0)
}

/** Shows a document; whether its run goes on. */
function take(value: unknown): boolean {
  const r = readReport(value)
  const first = report === null
  report = r
  const selected = firstChoice(r), human = bestHuman(r)
  const id = (i: number) => (i < 0 ? null : r.doc.individuals.id[i])
  offer(id(selected), id(human), (n) => r.place.has(n))
  message.hidden = true
  main.hidden = false
  bar.hidden = r.count === 0
  drawHead(r)
  keepFocus(() => fillLists(r))
  drawParts(first ? 2 : 0, r, () => {
    document.documentElement.setAttribute('data-ready', String(r.count))
    if (!first && r.doc.run.running) return
    if (!first) say(`The run ended. ${r.doc.sentence}`)
  })
  if (first) performance.mark('wildtype-first')
  return r.doc.run.running
}

function start(): void {
  build()
  onChoice(() => {
    const r = report
    if (!r) return
    keepFocus(() => {
      fillLists(r)
      for (const part of parts) part.chosen(r)
    })
    dropOrphan()
    say(`selected ${selectedName.textContent ?? ''}`)
  })
  const redraw = () => { if (report) for (const part of parts) part.redraw(report) }
  onScheme(redraw)
  let width = innerWidth, timer = 0
  addEventListener('resize', () => {
    if (innerWidth === width) return
    width = innerWidth
    clearTimeout(timer)
    timer = window.setTimeout(redraw, 120)
  })
  const embedded = document.getElementById('wildtype-data')?.textContent ?? 'null'
  try {
    const value: unknown = JSON.parse(embedded)
    if (value !== null) take(value)
    else if (location.protocol === 'file:') message.textContent = 'This page holds no data. wildtype report writes one that does.'
  } catch (error) {
    message.hidden = false
    message.textContent = `The data cannot be shown: ${error instanceof Error ? error.message : String(error)}`
  }
  startPolling({
    take,
    has: () => report !== null,
    trouble: (text) => {
      trouble.hidden = text === ''
      trouble.textContent = text
    },
  })
}

start()
