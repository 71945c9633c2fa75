/*
 * Part 4: the tree of descent. Everybody and every first parent on a canvas, the lines to the survivors and to the selected one in SVG above
 * it; or those lines alone, large enough to write the operators on their edges. The table below tells the selected one's line in words.
 */
import { callName, lineOf, placeOf, planOf, survivorsOf, wholeTextOf, type Report } from './document'
import { divergence, FATES, individualTip, speakOf } from './about'
import { h, replace, s } from './dom'
import { size } from './format'
import { canvasRatio, css, familyColour, isDark } from './palette'
import { radio, section, type Part } from './part'
import { Picker, type Spot } from './picker'
import { choice, compare, select } from './state'
import { genesBetween, readGenes } from './strategy_text'
import { Table } from './table'
import { layLines, layTree, type TreeLayout } from './tree_layout'
import { operatorTip, term } from './words'

type View = 'all' | 'lines'

/** Of lanes that are no family's: what stands in them, and their names where the page is narrow. */
const LANES_TOLD: Record<number, string> = { [-1]: 'in families too small for a lane', [-2]: 'like nobody else', [-3]: 'died before it had a plan' }
const SHORT_LANES: Record<number, string> = { [-1]: '…', [-2]: '1', [-3]: '∅' }
const TOP = 14
/** How far columns of the lines stand from each other: narrower where all of them then fit. */
const COLUMN = 104
const LEAST_COLUMN = 88
const ROW = 64

export class TreePart implements Part {
  readonly root: HTMLElement
  private view: View = 'all'
  private report: Report | null = null
  private at: Float32Array = new Float32Array(0)
  private readonly canvas = h('canvas')
  private readonly svg = s('svg', { 'aria-hidden': 'true' })
  private readonly overlay = s('g')
  private readonly hover = s('g', { class: 'hover' })
  private readonly chart: HTMLElement
  private readonly empty = h('p', { class: 'none' })
  private readonly legend = h('p', { class: 'legend' })
  private readonly title = h('h3')
  private readonly table: Table<number>
  private readonly picker: Picker
  private readonly controls: HTMLElement
  private layout: TreeLayout | null = null
  /** Where it is written that families died out: left, right and the middle of each line, in pixels. */
  private notes: [number, number, number][] = []
  private narrow = false
  private radius = 3

  constructor() {
    this.chart = h('div', {
      class: 'chart tree', tabindex: '0', role: 'application', 'aria-roledescription': 'chart', 'data-focus': 'tree:chart',
      'aria-label': 'Tree of descent. Arrow keys go from individual to individual, Enter selects. The line of the selected one is in the table below.',
    }, this.canvas, this.svg)
    this.picker = new Picker(this.chart, {
      radius: 18,
      tip: (i) => individualTip(this.report as Report, i),
      speak: (i) => speakOf(this.report as Report, i),
      choose: (i, shift) => (shift ? compare : select)((this.report as Report).doc.individuals.id[i]),
      mark: (i) => this.markHover(i),
      start: () => (this.report ? placeOf(this.report, choice.selected) : -1),
    })
    this.table = this.makeTable()
    this.controls = h('div', { class: 'controls' }, radio<View>('View', [['all', 'everybody'], ['lines', 'only the lines, with operators']], this.view, (v) => { this.view = v; this.draw() }))
    this.root = section('tree', 'The tree of descent',
      ['Who comes from whom. ', term('generation', 'Generations'), ' go from left to right, each ', term('family'), ' has a lane and a colour; a lane that ends in ✕ died out (',
        term('extinct'), '). Thick lines lead from the first ancestors to the survivors and to the selected individual.'],
      this.controls, this.empty, this.chart, this.legend, this.title, this.table.root)
  }

  private makeTable(): Table<number> {
    const p = () => (this.report as Report).doc.individuals
    return new Table<number>({
      name: 'line', caption: 'The line of descent of the selected individual, the first ancestor last', key: (i) => String(p().id[i]), page: 30,
      choose: (i) => select(p().id[i]), chosen: (i) => p().id[i] === choice.selected, empty: 'Nobody is selected.',
      columns: [
        { key: 'name', head: 'Who', cell: (i) => callName(this.report as Report, i) },
        { key: 'generation', head: 'Generation', word: 'generation', numeric: true, value: (i) => p().generation[i], cell: (i) => String(p().generation[i]) },
        { key: 'operator', head: 'Operator', word: 'operator', cell: (i) => this.operatorCell(i) },
        { key: 'kld', head: 'Divergence, nats per token', word: 'kld', numeric: true, value: (i) => p().kld[i], cell: (i) => divergence(this.report as Report, i, false) },
        { key: 'size', head: 'Size', numeric: true, value: (i) => p().bytes[i], cell: (i) => size(p().bytes[i] || null) },
        { key: 'change', head: 'What changed from its first parent', wide: true, cell: (i) => this.change(i) },
      ],
    })
  }

  private operator(i: number): string {
    const r = this.report as Report
    return r.doc.operators[r.doc.individuals.operator[i]] ?? ''
  }

  private operatorCell(i: number): Node {
    const p = (this.report as Report).doc.individuals
    const name = this.operator(i)
    return h('span', {}, h('span', { class: 'term', 'data-say': operatorTip(name) }, name), p.parent2[i] > 0 ? ` with #${p.parent2[i]}` : '')
  }

  private change(i: number): Node {
    const r = this.report as Report
    const parent = placeOf(r, r.doc.individuals.parent1[i] || null)
    if (parent < 0) return h('span', {}, 'no parent')
    const changes = genesBetween(readGenes(wholeTextOf(r, parent)), readGenes(wholeTextOf(r, i)))
    const plan = planOf(r, i), before = planOf(r, parent)
    const differ = plan && before ? plan.filter((type, t) => type !== before[t]).length : 0
    if (differ > 0) changes.push(`plan: ${differ} of ${plan?.filter((type) => type >= 0).length} tensors get another type`)
    if (changes.length === 0) return h('span', {}, r.doc.individuals.budget[i] !== r.doc.individuals.budget[parent] ? 'made for another size' : 'nothing')
    const list = h('ul', { class: 'changes' })
    for (const change of changes.slice(0, 6)) list.append(h('li', {}, h('code', {}, change.length > 160 ? change.slice(0, 159) + '…' : change)))
    if (changes.length > 6) list.append(h('li', {}, `and ${changes.length - 6} more changes`))
    return list
  }

  update(r: Report): void {
    this.report = r
    this.draw()
    this.fillTable(r)
  }

  redraw(): void {
    if (this.report) this.draw()
  }

  chosen(r: Report): void {
    if (this.view === 'lines') this.draw()
    else {
      this.drawLines(r)
      this.drawLegend(r)
    }
    this.fillTable(r)
  }

  private fillTable(r: Report): void {
    const i = placeOf(r, choice.selected)
    this.title.hidden = this.table.root.hidden = i < 0
    this.title.textContent = i < 0 ? '' : `The line of ${callName(r, i)}, #${r.doc.individuals.id[i]}`
    this.table.set(i < 0 ? [] : lineOf(r, i))
  }

  private sizeTo(width: number, height: number): CanvasRenderingContext2D | null {
    const ratio = canvasRatio()
    this.canvas.width = width * ratio
    this.canvas.height = height * ratio
    this.canvas.style.setProperty('width', `${width}px`)
    this.canvas.style.setProperty('height', `${height}px`)
    this.svg.setAttribute('viewBox', `0 0 ${width} ${height}`)
    this.svg.setAttribute('width', String(width))
    this.svg.setAttribute('height', String(height))
    const c = this.canvas.getContext('2d')
    c?.scale(ratio, ratio)
    return c
  }

  private draw(): void {
    const r = this.report as Report
    const evolved = r.fate.some((fate) => fate !== 'human'), drawn = evolved && (this.view === 'all' || this.lineEnds(r).length > 0)
    this.empty.hidden = drawn
    this.empty.textContent = evolved ? 'Nobody survived, and the selected one is a human, who is not in the tree: there is no line to show.' : 'Nobody has been born yet: the tree grows with the first generation.'
    this.controls.hidden = !evolved
    this.chart.hidden = this.legend.hidden = !drawn
    if (!drawn) return this.picker.set([])
    if (this.view === 'all') this.drawAll(r)
    else this.drawOnlyLines(r)
    this.drawLegend(r)
  }

  private rankColours(r: Report): (family: number) => string {
    const rank = new Map(r.familyOrder.map((family, n) => [family, n]))
    const colours = new Map<number, string>()
    const faint = css('--faint')
    return (family) => {
      if (family < 0) return faint
      if (!colours.has(family)) colours.set(family, familyColour(rank.get(family) ?? -1))
      return colours.get(family) as string
    }
  }

  private drawAll(r: Report): void {
    const p = r.doc.individuals
    const width = Math.max(300, this.chart.clientWidth)
    const narrow = this.narrow = width < 560
    const left = narrow ? 30 : 122
    const layout = layTree(r, left + 8, width - 16, TOP)
    this.layout = layout
    this.at = layout.at
    this.radius = layout.radius
    const height = layout.height + 40
    const c = this.sizeTo(width, height)
    if (!c) return
    c.fillStyle = css('--raised')
    for (const lane of layout.lanes) c.fillRect(left, lane.top - 2, width - left, lane.height + 4)
    const colour = this.rankColours(r)
    c.lineWidth = 1
    c.globalAlpha = r.count > 1500 ? 0.16 : 0.35
    for (let i = 0; i < r.count; i++) {
      const parent = placeOf(r, p.parent1[i] || null)
      if (parent < 0) continue
      const x = this.at[2 * i], y = this.at[2 * i + 1], px = this.at[2 * parent], py = this.at[2 * parent + 1]
      if (Number.isNaN(x) || Number.isNaN(px)) continue
      c.strokeStyle = colour(p.family[i])
      c.beginPath()
      c.moveTo(px, py)
      const bend = Math.min(x - px, Math.max(6, layout.step)) * 0.6
      c.bezierCurveTo(px + (x - px) - bend, py, x - bend, y, x, y)
      c.stroke()
    }
    const lethal = css('--lethal')
    const spots: Spot[] = []
    for (let i = 0; i < r.count; i++) {
      const x = this.at[2 * i], y = this.at[2 * i + 1]
      if (Number.isNaN(x)) continue
      spots.push({ x, y, i })
      const radius = layout.radius
      c.globalAlpha = r.law[i] ? 0.8 : r.fate[i] === 'raced' ? 0.45 : 0.95
      c.strokeStyle = c.fillStyle = r.law[i] ? lethal : colour(p.family[i])
      c.beginPath()
      if (r.law[i]) {
        c.moveTo(x - radius, y - radius); c.lineTo(x + radius, y + radius); c.moveTo(x - radius, y + radius); c.lineTo(x + radius, y - radius)
        c.stroke()
      } else {
        c.arc(x, y, radius, 0, 2 * Math.PI)
        c.fill()
      }
    }
    this.picker.set(spots, spots.filter(({ i }) => r.fate[i] === 'survivor'))
    replace(this.svg, this.generationAxis(r, layout, left + 8, width - 16, height), this.overlay, this.laneMarks(r, layout, left, width, narrow), this.hover)
    this.drawLines(r)
  }

  private laneMarks(r: Report, layout: TreeLayout, left: number, width: number, narrow: boolean): SVGElement {
    const g = s('g', { class: 'lanes' })
    const colour = this.rankColours(r)
    this.notes = []
    for (const lane of layout.lanes) {
      const middle = lane.top + lane.height / 2
      const family = r.doc.families[lane.family]
      if (lane.family >= 0) g.append(s('rect', { x: 2, y: middle - 7, width: 5, height: 14, fill: colour(lane.family) }))
      const name = narrow ? (SHORT_LANES[lane.family] ?? r.familyLetter[lane.family]) : lane.name
      g.append(s('text', { x: 11, y: middle, dy: '0.32em', class: 'tick' }, narrow ? name : `${name} (${lane.members})`))
      if (family && !family.alive) {
        const x = Math.min(width - 8, left + 8 + family.last * layout.step + Math.max(9, layout.step * 0.6))
        g.append(s('path', { d: `M${x - 4},${middle - 4}l8,8m0,-8l-8,8`, class: 'extinct' }))
        this.notes.push([x - 6, width - x > 150 ? x + 150 : x + 6, middle])
        if (width - x > 150) g.append(s('text', { x: x + 9, y: middle, dy: '0.32em', class: 'note' }, `died out after generation ${family.last}`))
      }
    }
    return g
  }

  private generationAxis(r: Report, layout: TreeLayout, left: number, right: number, height: number): SVGElement {
    const g = s('g', { class: 'axes' })
    const last = Math.max(0, ...r.doc.individuals.generation)
    const every = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].find((n) => n * layout.step >= 34) ?? 1000
    for (let n = 0; n <= last; n += every)
      g.append(s('text', { x: left + n * layout.step, y: height - 22, class: 'tick', 'text-anchor': 'middle' }, String(n)))
    g.append(s('text', { x: Math.min((left + right) / 2, left + (last * layout.step) / 2 + 30), y: height - 5, class: 'label', 'text-anchor': 'middle' }, 'generation'))
    return g
  }

  /** The lines to the survivors, and that of the selected one on top, over the picture of everybody. */
  private drawLines(r: Report): void {
    if (this.view !== 'all' || !this.layout) return
    replace(this.overlay)
    const chosen = placeOf(r, choice.selected), other = placeOf(r, choice.compared)
    const ends: [number, string][] = [...survivorsOf(r).map((i): [number, string] => [i, 'line survivor']), [chosen, 'line selected']]
    for (const [end, kind] of ends) if (end >= 0) this.overlay.append(...this.linePath(r, end, kind))
    for (const i of survivorsOf(r)) {
      if (Number.isNaN(this.at[2 * i])) continue
      this.overlay.append(s('path', { d: 'M0,-7 L1.9,-2.3 6.7,-2.2 2.9,1 4.1,5.7 0,3 -4.1,5.7 -2.9,1 -6.7,-2.2 -1.9,-2.3 Z', class: 'mark survivor', transform: `translate(${this.at[2 * i]},${this.at[2 * i + 1]})` }))
    }
    for (const [i, kind] of [[other, 'compared'], [chosen, 'selected']] as const)
      if (i >= 0 && !Number.isNaN(this.at[2 * i])) this.overlay.append(s('circle', { cx: this.at[2 * i], cy: this.at[2 * i + 1], r: 10, class: kind }))
  }

  private linePath(r: Report, end: number, kind: string): SVGElement[] {
    const line = lineOf(r, end).filter((i) => !Number.isNaN(this.at[2 * i]))
    const step = (this.layout as TreeLayout).step
    let d = ''
    const words: SVGElement[] = []
    for (let k = line.length - 1; k >= 0; k--) {
      const i = line[k], x = this.at[2 * i], y = this.at[2 * i + 1]
      if (d === '') {
        d = `M${x},${y}`
        continue
      }
      const px = this.at[2 * line[k + 1]], py = this.at[2 * line[k + 1] + 1]
      const bend = Math.min(x - px, Math.max(6, step)) * 0.6
      d += `C${x - bend},${py} ${x - bend},${y} ${x},${y}`
      // Where the curve is half way: at half its height, and far to the right on a long edge.
      const wordX = 0.125 * px + 0.875 * x - 0.75 * bend, wordY = (y + py) / 2 - 5
      if (kind.includes('selected') && x - px > 44 && !this.notes.some(([from, to, at]) => wordX + 26 > from && wordX - 26 < to && Math.abs(wordY - 4 - at) < 13))
        words.push(s('text', { x: wordX, y: wordY, class: 'edge', 'text-anchor': 'middle' }, this.operator(i)))
    }
    return [s('path', { d, class: 'halo' }), s('path', { d, class: kind }), ...words]
  }

  /** Whom the lines lead to. */
  private lineEnds(r: Report): number[] {
    return [...new Set([...survivorsOf(r), placeOf(r, choice.selected)])].filter((i) => i >= 0 && r.fate[i] !== 'human')
  }

  private drawOnlyLines(r: Report): void {
    const p = r.doc.individuals
    const ends = this.lineEnds(r)
    const { nodes, generations, rows } = layLines(r, ends.map((i) => lineOf(r, i)))
    const step = Math.max(LEAST_COLUMN, Math.min(COLUMN, (this.chart.clientWidth - 100) / Math.max(1, generations.length - 1)))
    const width = Math.max(this.chart.clientWidth, (generations.length - 1) * step + 100)
    const height = Math.max(1, rows) * ROW + 64
    this.layout = null
    this.radius = 6
    this.sizeTo(1, 1)
    this.svg.setAttribute('viewBox', `0 0 ${width} ${height}`)
    this.svg.setAttribute('width', String(width))
    this.svg.setAttribute('height', String(height))
    this.at = new Float32Array(2 * r.count).fill(NaN)
    for (const node of nodes) {
      this.at[2 * node.i] = 48 + node.column * step
      this.at[2 * node.i + 1] = 34 + node.row * ROW
    }
    const colour = this.rankColours(r)
    const edges = s('g'), dots = s('g')
    for (const node of nodes) {
      const x = this.at[2 * node.i], y = this.at[2 * node.i + 1]
      const parent = placeOf(r, p.parent1[node.i] || null)
      if (parent >= 0 && !Number.isNaN(this.at[2 * parent])) {
        const px = this.at[2 * parent], py = this.at[2 * parent + 1]
        edges.append(s('path', { d: `M${px},${py}C${x - 60},${py} ${x - 60},${y} ${x},${y}`, class: 'line plain' }))
        const text = p.parent2[node.i] > 0 ? `${this.operator(node.i)} #${p.parent2[node.i]}` : this.operator(node.i)
        dots.append(s('text', { x: py === y ? (px + x) / 2 : x - 46, y: y - 7, class: 'edge', 'text-anchor': 'middle' }, text))
      } else dots.append(s('text', { x: x + 6, y: y - 12, class: 'edge', 'text-anchor': 'end' }, this.operator(node.i)))
      dots.append(s('circle', { cx: x, cy: y, r: 6, fill: colour(p.family[node.i]), class: 'node' }),
        s('text', { x, y: y + 24, class: `name ${r.fate[node.i]}`, 'text-anchor': 'middle' }, `#${p.id[node.i]}${r.fate[node.i] === 'survivor' ? ' ★' : ''}`))
      if (p.id[node.i] === choice.selected) dots.append(s('circle', { cx: x, cy: y, r: 11, class: 'selected' }))
    }
    const axis = s('g', { class: 'axes' }, ...generations.map((g, k) => s('text', { x: 48 + k * step, y: height - 8, class: 'tick', 'text-anchor': 'middle' }, k === 0 ? `generation ${g}` : String(g))))
    replace(this.svg, edges, dots, axis, this.hover)
    this.picker.set(nodes.map((node) => ({ x: this.at[2 * node.i], y: this.at[2 * node.i + 1], i: node.i })))
  }

  private markHover(i: number): void {
    const x = i < 0 ? NaN : this.at[2 * i]
    replace(this.hover, Number.isNaN(x) ? null : s('circle', { cx: x, cy: this.at[2 * i + 1], r: this.radius + 4, class: 'pointed' }))
  }

  private drawLegend(r: Report): void {
    const item = (mark: Node, text: string) => h('span', { class: 'item' }, mark, text)
    const line = (kind: string) => s('svg', { width: 26, height: 10, 'aria-hidden': 'true', class: isDark() ? 'dark' : '' }, s('path', { d: 'M0,5H26', class: kind }))
    const items: (Node | null)[] = []
    if (this.view === 'all') {
      if (survivorsOf(r).length > 0) items.push(item(line('line survivor'), 'to a survivor'))
      const selected = placeOf(r, choice.selected)
      // Humans are not in the tree.
      if (selected >= 0 && !Number.isNaN(this.at[2 * selected])) items.push(item(line('line selected'), 'to the selected one'))
      const dot = (opacity: number) => s('svg', { width: 12, height: 12, viewBox: '-6 -6 12 12', 'aria-hidden': 'true' }, s('circle', { r: 4, class: 'dot', opacity }))
      if (r.fate.includes('living')) items.push(item(dot(0.95), FATES.living))
      if (r.fate.includes('raced')) items.push(item(dot(0.45), FATES.raced))
      if (r.law.some((law) => law)) items.push(item(h('span', { class: 'cross', 'aria-hidden': 'true' }, '✕'), FATES.lethal))
      if (r.doc.families.some((family, f) => !family.alive && r.familyEvolved[f] > 0))
        items.push(item(s('svg', { width: 12, height: 12, viewBox: '-6 -6 12 12', 'aria-hidden': 'true' }, s('path', { d: 'M-4,-4l8,8m0,-8l-8,8', class: 'extinct' })), 'a family died out'))
      for (const lane of this.layout?.lanes ?? []) {
        const told = LANES_TOLD[lane.family]
        if (told) items.push(item(h('b', {}, this.narrow ? SHORT_LANES[lane.family] : lane.name), told))
      }
    } else items.push(item(h('span', {}, ''), `On each edge: the operator that made the child, and the second parent of a cross.${this.chart.scrollWidth > this.chart.clientWidth ? ' Scroll sideways for more.' : ''}`))
    replace(this.legend, ...items)
  }
}
