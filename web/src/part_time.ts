/* Part 5: how the run went over time. */
import { bestHuman, callName, type Missing, type OperatorCount, type Report } from './document'
import { h, replace } from './dom'
import { brief, count, digits, duration, NONE, share, short, tick } from './format'
import { LineChart, type LineChartData } from './line_chart'
import { radio, section, type Part } from './part'
import { Table } from './table'
import { operatorTip, term, type Word } from './words'

const BEST: Record<string, Word> = { same_top: 'same_top', perplexity_ratio: 'perplexity_ratio' }

type Over = 'generation' | 'evaluations' | 'tokens' | 'seconds'
interface OperatorRow extends OperatorCount { name: string; children: number }

const OVER: Record<Over, [string, (v: number) => string]> = {
  generation: ['generation', String], evaluations: ['evaluations', short], tokens: ['tokens', short], seconds: ['time', duration],
}

export class TimePart implements Part {
  readonly root: HTMLElement
  private over: Over = 'generation'
  private report: Report | null = null
  private readonly bestTitle = h('span')
  private readonly best = new LineChart(this.bestTitle, 'Best value')
  private readonly rates = new LineChart(h('span', {}, 'How often each ', term('operator'), ' is used'), 'Use of operators')
  private readonly losses = new LineChart(h('span', {}, term('lethal', 'Lethal'), ' and ', term('raced', 'sent home'), ', of those born'), 'Lethal and sent home')
  private readonly diversity = new LineChart(h('span', {}, term('diversity', 'Diversity'), ' of the population'), 'Diversity')
  private readonly reuse = new LineChart(h('span', {}, term('cache_hits', 'Cache hits'), ' and ', term('state_reuse', 'state reuse')), 'Cache hits and state reuse')
  private readonly operators: Table<OperatorRow>
  private readonly numbers: Table<number>
  private readonly details: HTMLDetailsElement
  private readonly controls: HTMLElement

  constructor() {
    this.operators = new Table<OperatorRow>({
      name: 'operators', caption: 'Success of operators', key: (row) => row.name, sort: { key: 'success', down: true }, empty: 'No generation has ended yet.',
      columns: [
        { key: 'name', head: 'Operator', word: 'operator', value: (row) => row.name, cell: (row) => h('span', { class: 'term', tabindex: '0', 'data-say': operatorTip(row.name) }, row.name) },
        { key: 'children', head: 'Children', numeric: true, value: (row) => row.children, cell: (row) => count(row.children) },
        { key: 'success', head: 'Recent success', word: 'success', value: (row) => (row.tried > 0 ? row.stayed / row.tried : null), cell: (row) => this.successCell(row) },
        { key: 'rate', head: 'Share of the next children', numeric: true, value: (row) => row.rate, cell: (row) => share(row.rate, 0) },
      ],
    })
    this.numbers = this.makeNumbers()
    this.details = h('details', { class: 'more', ontoggle: () => this.fillNumbers() }, h('summary', {}, 'The same as a table'), this.numbers.root)
    this.controls = h('div', { class: 'controls' }, radio<Over>('Over', [['generation', 'generations'], ['evaluations', 'evaluations'], ['tokens', 'tokens'], ['seconds', 'time']], this.over,
      (v) => { this.over = v; if (this.report) this.update(this.report) }))
    this.root = section('time', 'Time', ['How the run went: what it found, what its operators were worth, what it lost and what it saved.'],
      this.controls, h('div', { class: 'charts' }, this.best.root, this.losses.root, this.rates.root, this.diversity.root, this.reuse.root,
        h('div', {}, h('p', { class: 'caption' }, term('success', 'Success'), ' of operators'), this.operators.root)), this.details)
  }

  private makeNumbers(): Table<number> {
    const g = () => (this.report as Report).doc.generations
    const column = (key: 'evaluations' | 'tokens' | 'born' | 'lethal' | 'eliminated', head: string, word: Word) =>
      ({ key, head, word, numeric: true, value: (k: number) => g()[key][k], cell: (k: number) => count(g()[key][k]) })
    const shares = (key: 'diversity' | 'cache_hits' | 'state_reuse', head: string, text: (v: Missing) => string) =>
      ({ key, head, word: key, numeric: true, value: (k: number) => g()[key][k], cell: (k: number) => text(g()[key][k]) })
    return new Table<number>({
      name: 'generations', caption: 'Generations', key: (k) => String(g().number[k]), page: 20, sort: { key: 'number' }, empty: 'No generation has ended yet.',
      columns: [
        { key: 'number', head: 'Generation', word: 'generation', numeric: true, value: (k) => g().number[k], cell: (k) => String(g().number[k]) },
        { key: 'best', head: 'Best', word: 'best', numeric: true, under: () => { const { name, unit } = (this.report as Report).doc.run.axis; return name === 'kld' ? unit : name }, value: (k) => g().best[k], cell: (k) => digits(g().best[k]) },
        column('evaluations', 'Evaluations', 'evaluation'), column('tokens', 'Tokens', 'token'),
        { key: 'seconds', head: 'Time', numeric: true, value: (k) => g().seconds[k], cell: (k) => duration(g().seconds[k]) },
        column('born', 'Born', 'born'), column('lethal', 'Lethal', 'lethal'), column('eliminated', 'Sent home', 'raced'),
        shares('diversity', 'Diversity', (v) => digits(v, 2)), shares('cache_hits', 'Cache hits', (v) => share(v, 0)), shares('state_reuse', 'State reuse', (v) => share(v, 0)),
      ],
    })
  }

  private successCell(row: OperatorRow): Node {
    if (row.tried <= 0) return h('span', {}, NONE)
    const success = row.stayed / row.tried
    const bar = h('span', { class: 'bar', 'aria-hidden': 'true' }, h('span', { css: { width: `${(100 * Math.min(1, success)).toFixed(1)}%` } }))
    return h('span', { class: 'with-chart', 'data-say': `${digits(row.stayed, 3)} of ${digits(row.tried, 3)} children stayed, better than their parents; older generations count less` }, bar, h('span', {}, share(success, 0)))
  }

  private fillNumbers(): void {
    if (this.report && this.details.open) this.numbers.set(this.report.doc.generations.number.map((_, k) => k))
  }

  update(r: Report): void {
    this.report = r
    const g = r.doc.generations
    const [xName, xText] = OVER[this.over]
    const x = this.over === 'generation' ? g.number : g[this.over]
    const common = { x, xName, xText }
    const of = (part: number[]) => part.map((n, k): Missing => (g.born[k] > 0 ? n / g.born[k] : null))
    const percent = { bounds: [0, 1] as [number, number], yText: (v: number) => share(v, 0), told: (v: number) => share(v) }
    const human = bestHuman(r)
    const axis = r.doc.run.axis
    const isShare = axis.unit === 'share', isKld = axis.name === 'kld'
    const humanKld = human < 0 ? null : ({ kld: r.doc.individuals.kld, same_top: r.doc.individuals.same_top, perplexity_ratio: r.doc.individuals.perplexity_ratio }[axis.name]?.[human] ?? null)
    // A floor far below what was reached would only press the line flat.
    const lowest = Math.min(...g.best.filter((v): v is number => v !== null), humanKld ?? Infinity)
    const references = [humanKld !== null && humanKld > 0 ? { name: `best human: ${brief(callName(r, human), 20)}`, value: humanKld } : null,
      isKld && r.doc.run.noise !== null && r.doc.run.noise > lowest / 3 ? { name: 'noise floor', value: r.doc.run.noise } : null].filter((v) => v !== null)
    const best: LineChartData = { ...common, yName: isShare ? axis.name : isKld ? axis.unit : axis.name, yText: isShare ? (v) => share(v, 0) : tick,
      told: isShare ? (v) => share(v, 2) : (v) => `${digits(v, isKld ? 4 : 5)}${axis.unit === '1' ? '' : ' ' + axis.unit}`, log: isKld,
      series: [{ name: 'best', values: g.best, colour: 0, step: true }], references: g.number.length > 0 ? references : [] }
    this.best.set(best)
    replace(this.bestTitle, ...(isKld ? ['Best ', term('kld', 'divergence')] : ['Best ', BEST[axis.name] ? term(BEST[axis.name]) : axis.name]), ' on the ', term('search', 'search text'))
    this.losses.set({ ...common, ...percent, yName: 'share of those born', series: [{ name: 'lethal', values: of(g.lethal), colour: 1 }, { name: 'sent home', values: of(g.eliminated), colour: 0 }] })
    this.diversity.set({ ...common, yName: 'mean distance, 0 to 1', yText: tick, told: (v) => digits(v, 3), bounds: [0, 1], series: [{ name: 'diversity', values: g.diversity, colour: 2 }] })
    this.reuse.set({ ...common, ...percent, yName: 'share', series: [{ name: 'cache hits', values: g.cache_hits, colour: 0 }, { name: 'state reuse', values: g.state_reuse, colour: 1 }] })
    const names = Object.keys(g.operators[g.operators.length - 1] ?? {})
    this.rates.set({ ...common, ...percent, bounds: [0, 1.08 * Math.max(0.05, ...g.operators.flatMap((o) => names.map((name) => o[name]?.rate ?? 0)))], yName: 'share of the next children',
      series: names.map((name, n) => ({ name, colour: n, values: g.operators.map((o) => o[name]?.rate ?? null) })) })
    this.fillOperators(r, names)
    this.details.hidden = this.controls.hidden = g.number.length === 0
    this.fillNumbers()
  }

  private fillOperators(r: Report, names: string[]): void {
    const g = r.doc.generations
    const born = new Map<string, number>()
    for (const operator of r.doc.individuals.operator) {
      const name = r.doc.operators[operator]
      if (name) born.set(name, (born.get(name) ?? 0) + 1)
    }
    const last = g.operators[g.operators.length - 1] ?? {}
    this.operators.set(names.map((name) => ({ name, children: born.get(name) ?? 0, ...last[name] })))
  }

  chosen(): void {}

  redraw(): void {
    for (const chart of [this.best, this.rates, this.losses, this.diversity, this.reuse]) chart.draw()
  }
}
