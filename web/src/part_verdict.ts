/* Part 1: the verdict in one sentence and one table; what was asked, and what was met. */
import { callName, placeOf, survivorsOf, type Asked, type Missing, type Report, type Verdict } from './document'
import { clipped, h, replace, s } from './dom'
import { brief, count, digits, duration, nats, NONE, plural, share, size, sizeExact, tick } from './format'
import { scaleOver, ticksOf, type Scale } from './axes'
import { radio, section, type Part } from './part'
import { choice, select } from './state'
import { Table } from './table'
import { term, WORDS, type Word } from './words'

const WIDTH = 150
/** A verdict, or what stands in its place while there is none: how somebody does on the search text. */
type Row = Omit<Verdict, 'role'> & { role: Verdict['role'] | 'leader' }
const ROLES: Record<Row['role'], string> = { survivor: '★ survivor', leader: '● evolved', human: '◆ human', rejected: '✕ rejected' }
const ORDER: Record<Row['role'], number> = { survivor: 0, leader: 1, human: 1, rejected: 1 }
const LEADERS = 5
const AXES: Record<string, Word> = { kld: 'kld', kld_p99: 'p99', same_top: 'same_top', perplexity_ratio: 'perplexity_ratio', memory: 'memory', bytes: 'size_limit',
  tasks: 'tasks', flips: 'flips', kld_half: 'kld_half', kld_full: 'kld_full', kld_other: 'kld_other', encode_seconds: 'encode_seconds' }

/** A constraint's bound or a value of its axis, in the axis' unit. */
function inUnit(axis: string, unit: string, x: Missing): string {
  if (x === null) return NONE
  if (axis === 'bytes' || axis === 'memory' || unit === 'bytes') return size(x)
  if (axis === 'same_top' || unit === 'share') return share(x, 2)
  return `${digits(x)}${unit && unit !== '1' ? ' ' + unit : ''}`
}

function valueOf(r: Report, row: Row, axis: string): Missing {
  const p = r.doc.individuals
  const i = placeOf(r, row.id)
  switch (axis) {
    case 'kld': return row.kld
    case 'kld_p99': return row.p99
    case 'same_top': return row.same_top
    case 'perplexity_ratio': return row.perplexity_ratio
    case 'bytes': return row.bytes
    case 'memory': return i < 0 ? null : p.memory[i]
    default: return row.values?.[axis] ?? null
  }
}

function meets(asked: Asked, x: Missing): boolean | null {
  if (x === null) return null
  return (asked.min === null || x >= asked.min) && (asked.max === null || x <= asked.max)
}

/** Whether the verdict's rows are a verdict: complete, or that of before a run went on again. Those of one that is being measured are not. */
function showsVerdict(r: Report): boolean {
  const { stage, ended } = r.doc.run
  return r.doc.verdict.length > 0 && (stage === 'judged' || ended === null)
}

type Humans = 'same' | 'all'
/** Humans count as being of the same size within this share of it. */
const ABOUT = 0.15

export class VerdictPart implements Part {
  readonly root: HTMLElement
  private humans: Humans = 'same'
  private readonly hidden = h('span', { class: 'small' })
  private readonly controls: HTMLElement
  private scale: Scale | null = null
  private report: Report | null = null
  private readonly sentence = h('p', { class: 'sentence' })
  private readonly asked = h('div', { class: 'asked' })
  private readonly facts = h('dl', { class: 'facts' })
  private readonly rules = h('pre', { class: 'rules', tabindex: '0' })
  private readonly table: Table<Row>

  constructor() {
    this.table = new Table<Row>({
      name: 'verdict', caption: 'Survivors and humans', key: (row) => String(row.id),
      choose: (row) => select(row.id), chosen: (row) => row.id === choice.selected, empty: 'Nobody has been measured on the whole search text yet.',
      columns: [
        { key: 'who', head: 'Who', value: (row) => this.nameOf(row), cell: (row) => h('span', {}, this.nameOf(row), h('span', { class: `under-name role ${row.role}` }, ROLES[row.role] ?? row.role), h('span', { class: 'under-name size' }, this.sizeCell(row))) },
        { key: 'role', head: 'Role', word: 'survivor', roomy: true, value: (row) => Object.keys(ROLES).indexOf(row.role),
          cell: (row) => h('span', { class: `role ${row.role}` }, ROLES[row.role] ?? row.role) },
        { key: 'size', head: 'Size', word: 'size_limit', numeric: true, roomy: true, value: (row) => row.bytes, cell: (row) => this.sizeCell(row) },
        { key: 'kld', head: 'Divergence, nats', word: 'kld', numeric: true, value: (row) => row.kld, cell: (row) => digits(row.kld) },
        { key: 'interval', head: '95% interval, nats', word: 'interval', value: (row) => row.low, under: () => this.intervalAxis(), cell: (row) => this.interval(row) },
        { key: 'p99', head: '99% divergence, nats', word: 'p99', numeric: true, optional: true, value: (row) => row.p99, cell: (row) => digits(row.p99) },
        { key: 'top', head: 'Same top token', word: 'same_top', numeric: true, value: (row) => row.same_top, cell: (row) => share(row.same_top, 2) },
        { key: 'ratio', head: 'Perplexity ratio', word: 'perplexity_ratio', numeric: true, value: (row) => row.perplexity_ratio, cell: (row) => digits(row.perplexity_ratio, 5) },
        { key: 'note', head: 'Note', wide: true, optional: true, value: (row) => row.note, cell: (row) => (row.note ? clipped(row.note) : NONE) },
      ],
    })
    this.controls = h('div', { class: 'controls' },
      radio<Humans>('Humans', [['same', 'of about this size'], ['all', 'of every size']], this.humans, (v) => { this.humans = v; if (this.report) this.fillTable(this.report) }), this.hidden)
    this.root = section('verdict', 'The verdict',
      ['Measured on the ', term('holdout'), ', which no one searched on; survivors in the order of the search and its ', term('playoff'), '. Choose a row, and the rest of the page shows that individual.'],
      this.sentence,
      this.controls, this.table.root, this.asked,
      h('details', { class: 'more' }, h('summary', {}, 'The run: model, text, machine, rules'), this.facts, h('h3', {}, 'Rules of survival'), this.rules))
    this.root.querySelector('h2')?.after(this.sentence)
  }

  private nameOf(row: Row): string {
    const i = this.report ? placeOf(this.report, row.id) : -1
    return this.report && i >= 0 ? callName(this.report, i) : `#${row.id}`
  }

  private sizeCell(row: Row): HTMLElement {
    const target = this.report?.doc.run.target_bytes ?? null
    const over = target !== null && row.bytes > target
    return h('span', { 'data-say': sizeExact(row.bytes) + (over ? '; over the size limit' : '') }, size(row.bytes), over && h('span', { class: 'over' }, 'over the limit'))
  }

  private intervalAxis(): Node {
    const svg = s('svg', { width: WIDTH, height: 16, viewBox: `0 0 ${WIDTH} 16`, class: 'interval', 'aria-hidden': 'true' })
    if (!this.scale) return svg
    const [from, to] = this.scale.range()
    // On a logarithmic scale they come closer to each other: those that would touch the one before have their line alone.
    let end = from
    for (const t of ticksOf(this.scale, 3)) {
      const x = this.scale(t), half = tick(t).length * 3.4
      if (x - half < end || x + half > to + 6) continue
      svg.append(s('text', { x, y: 12, 'text-anchor': 'middle', class: 'tick' }, tick(t)))
      end = x + half + 6
    }
    return svg
  }

  private interval(row: Row): Node {
    const text = `${digits(row.low)} to ${digits(row.high)}`
    if (!this.scale || row.low === null || row.high === null || row.kld === null) return h('span', {}, NONE)
    const x = this.scale
    const svg = s('svg', { width: WIDTH, height: 20, viewBox: `0 0 ${WIDTH} 20`, class: `interval ${row.role}`, 'aria-hidden': 'true' })
    for (const t of ticksOf(x, 3)) svg.append(s('line', { x1: x(t), x2: x(t), y1: 0, y2: 20, class: 'grid' }))
    svg.append(s('line', { x1: x(row.low), x2: Math.max(x(row.high), x(row.low) + 1), y1: 10, y2: 10, class: 'whisker' }))
    for (const end of [row.low, row.high]) svg.append(s('line', { x1: x(end), x2: x(end), y1: 5, y2: 15, class: 'whisker end' }))
    svg.append(s('circle', { cx: x(row.kld), cy: 10, r: 2.6, class: 'mean' }))
    return h('span', { class: 'stacked', 'data-say': `${text} nats per token` }, svg, h('span', { class: 'small' }, text))
  }

  update(r: Report): void {
    this.report = r
    this.sentence.textContent = r.doc.sentence
    this.fillTable(r)
    this.drawAsked(r)
    this.drawFacts(r)
  }

  private fillTable(r: Report): void {
    const size = r.doc.run.target_bytes ?? r.doc.verdict.find((row) => row.role === 'survivor')?.bytes ?? null
    const all = showsVerdict(r) ? (r.doc.verdict as Row[]) : this.soFar(r)
    const about = (row: Row) => row.role !== 'human' || size === null || Math.abs(row.bytes / size - 1) <= ABOUT
    const rows = this.humans === 'all' ? all : all.filter(about)
    const left = all.length - rows.length
    this.lead(r, all.length > 0)
    this.controls.hidden = all.length === 0
    this.hidden.textContent = left > 0 ? `${plural(left, 'human')} of other sizes not shown` : ''
    const values = rows.flatMap((row) => [row.low, row.high]).filter((x): x is number => x !== null)
    const low = Math.min(...values), high = Math.max(...values)
    this.scale = values.length === 0 ? null : scaleOver(low, high, 6, WIDTH - 6, low > 0 && high / low > 3)
    this.table.set([...rows].sort((a, b) => ORDER[a.role] - ORDER[b.role] || (a.role === 'survivor' ? 0 : (a.kld ?? Infinity) - (b.kld ?? Infinity))))
  }

  /** While there is no verdict: the best of the evolved within the size, and the humans, by what was measured on the search text. */
  private soFar(r: Report): Row[] {
    const p = r.doc.individuals
    const limit = r.doc.run.target_bytes ?? Infinity
    const measured = r.fate.map((_, i) => i).filter((i) => r.full[i] && !r.law[i])
    const leaders = measured.filter((i) => r.fate[i] !== 'human' && p.bytes[i] <= limit).sort((a, b) => (p.kld[a] as number) - (p.kld[b] as number)).slice(0, LEADERS)
    return [...leaders, ...measured.filter((i) => r.fate[i] === 'human')].map((i): Row => {
      const kld = p.kld[i] as number, error = p.kld_stderr[i]
      return { id: p.id[i], role: r.fate[i] === 'human' ? 'human' : 'leader', file: '', bytes: p.bytes[i], kld, stderr: error, low: error === null ? null : kld - 1.96 * error, high: error === null ? null : kld + 1.96 * error,
        p99: null, same_top: p.same_top[i], perplexity_ratio: p.perplexity_ratio[i], values: {}, note: '' }
    })
  }

  private lead(r: Report, any: boolean): void {
    const lead = this.root.querySelector('.lead') as HTMLElement
    const { stage } = r.doc.run
    const before = showsVerdict(r) && stage !== 'judged'
    if (before) replace(lead, 'This is the ', term('verdict'), ' from before the run was resumed, on the ', term('holdout'), '. A new one takes its place at the end.')
    else if (!showsVerdict(r) && any) replace(lead, `${{ searching: 'No verdict yet.', judging: 'The verdict is not complete yet.', judged: '', stopped: 'There is no complete verdict.' }[stage]} Shown is how things stand on the `,
      term('search', 'search text'), ', by which everybody was selected; on text that no one searched on, this may differ.')
    else if (!any) replace(lead, stage === 'stopped' ? 'There is no verdict: the run was stopped before it.' : 'There is no verdict yet: it comes when the search has ended.')
    else replace(lead, 'Measured on the ', term('holdout'), ', which no one searched on; survivors in the order of the search and its ', term('playoff'), '. Choose a row, and the rest of the page shows that individual.')
  }

  private drawAsked(r: Report): void {
    const survivors = (showsVerdict(r) ? survivorsOf(r) : []).slice(0, 4).map((i) => r.verdict.get(r.doc.individuals.id[i]) as Verdict)
    const title = h('h3', {}, 'What was asked, what was met')
    if (r.doc.asked.length === 0) return replace(this.asked, title, h('p', {}, 'The rules name no constraints.'))
    const head = h('tr', {}, h('th', { scope: 'col' }, 'Axis'), h('th', { scope: 'col' }, 'Asked'),
      ...survivors.map((row) => h('th', { scope: 'col' }, brief(this.nameOf(row), 24))))
    const lines = r.doc.asked.map((a) => {
      const word = AXES[a.axis]
      const bound = [a.min === null ? '' : `at least ${inUnit(a.axis, a.unit, a.min)}`, a.max === null ? '' : `at most ${inUnit(a.axis, a.unit, a.max)}`]
      return h('tr', {}, h('th', { scope: 'row' }, word ? term(word, a.axis) : a.axis), h('td', {}, bound.filter(Boolean).join(', ') || NONE),
        ...survivors.map((row) => {
          const value = valueOf(r, row, a.axis), met = meets(a, value)
          return h('td', {}, h('span', { class: met === false ? 'unmet' : 'met' }, met === null ? '? ' : met ? '✓ met: ' : '✕ not met: '), inUnit(a.axis, a.unit, value))
        }))
    })
    const none = survivors.length === 0 && h('p', {}, r.doc.run.stage === 'judged' ? 'Nothing survived, so nothing was met.' : r.doc.run.stage === 'stopped' ? 'The run was stopped before its verdict, so it is not known what was met.' : 'Nobody has survived yet; the verdict says what is met.')
    replace(this.asked, title, h('div', { class: 'scroller' }, h('table', { class: 'rows' }, h('thead', {}, head), h('tbody', {}, ...lines))), none)
  }

  private drawFacts(r: Report): void {
    const run = r.doc.run
    const fact = (name: string | Node, value: string) => h('div', {}, h('dt', {}, name), h('dd', {}, value))
    const saved = run.full_tokens && run.raced_tokens !== null
      ? fact(term('race', 'Races saved'), `${share(1 - run.raced_tokens / run.full_tokens, 0)} of ${count(run.full_tokens)} tokens`) : null
    replace(this.facts,
      fact('Model', run.model), fact('Text', run.text), fact(term('size_limit', 'Size limit'), sizeExact(run.target_bytes)),
      fact(term('individual', 'Individuals measured'), count(run.measured)), fact(term('token', 'Tokens'), count(run.tokens)), fact('Time', duration(run.seconds)),
      fact(term('chunk', 'Chunks of search text'), count(run.chunks)), fact(term('noise', 'Noise floor'), `${nats(run.noise)} per token`), saved ?? '',
      fact(term('seed', 'Seed'), String(run.seed)), fact('Processor', `${run.cpu} instructions, ${plural(run.threads, 'thread')}`),
      fact('Made by', `wildtype ${run.version}`), fact('Ended', run.ended ?? (run.stage === 'searching' ? 'not yet' : 'it was stopped')))
    this.rules.textContent = run.rules
    this.rules.setAttribute('aria-label', WORDS.constraint[0])
  }

  chosen(): void {
    this.table.refresh()
  }

  redraw(): void {}
}
