/* A chart of a few lines over the course of a run, in SVG; the pointer or the arrow keys read all of them at one place. */
import { drawAxes, scaleOver, type Scale } from './axes'
import type { Missing } from './document'
import { ChartReader } from './chart_reader'
import { h, replace, s } from './dom'
import { seriesColour } from './palette'

export interface Series {
  name: string
  values: Missing[]
  colour: number
  step?: boolean
}

export interface LineChartData {
  x: number[]
  xName: string
  xText: (v: number) => string
  yName: string
  yText: (v: number) => string
  /** How the hover tells a value; yText where left out. */
  told?: (v: number) => string
  log?: boolean
  /** Fixed bounds, for shares. */
  bounds?: [number, number]
  series: Series[]
  references?: { name: string; value: number }[]
}

const DASHES = ['', '7 3', '2 3', '9 3 2 3', '4 2', '1 2', '12 4', '1 4']

export class LineChart {
  readonly root: HTMLElement
  private readonly svg = s('svg', { 'aria-hidden': 'true' })
  private readonly cross = s('g')
  private readonly area: HTMLElement
  private readonly legend = h('p', { class: 'legend' })
  private data: LineChartData | null = null
  private x: Scale | null = null
  private y: Scale | null = null
  private readonly name: string
  private readonly reader: ChartReader

  constructor(title: HTMLElement, name: string) {
    this.name = name
    this.area = h('div', { class: 'chart lines', tabindex: '0', role: 'application', 'aria-roledescription': 'chart', 'data-focus': `time:${name}`, 'aria-label': `${name}; arrow keys read its values` }, this.svg)
    this.root = h('figure', { class: 'line-chart' }, h('figcaption', {}, title), this.area, this.legend)
    this.reader = new ChartReader(this.area, {
      count: () => (this.x ? (this.data?.x.length ?? 0) : 0),
      nearest: (x) => this.nearest(x),
      at: (k) => [(this.x as Scale)((this.data as LineChartData).x[k]), 40],
      tip: (k) => this.tip(k),
      speak: (k) => this.spoken(k),
      mark: (k) => this.mark(k),
    })
  }

  set(data: LineChartData): void {
    this.data = data
    this.draw()
  }

  draw(): void {
    const d = this.data
    if (!d) return
    const values = [...d.series.flatMap((line) => line.values), ...(d.references ?? []).map((ref) => ref.value)]
      .filter((v): v is number => v !== null && Number.isFinite(v) && (!d.log || v > 0))
    const known = values.length > 0 && d.x.length > 0
    const width = Math.max(260, this.area.clientWidth), height = known ? 220 : 40
    const frame = { left: 56, right: width - 12, top: 26, bottom: height - 40 }
    this.svg.setAttribute('viewBox', `0 0 ${width} ${height}`)
    this.svg.setAttribute('width', String(width))
    this.svg.setAttribute('height', String(height))
    this.reader.leave()
    if (!known) {
      this.x = this.y = null
      replace(this.svg, s('text', { x: 4, y: height / 2, class: 'note' }, d.x.length === 0 ? 'no generation has ended yet' : 'nothing was measured'))
      return replace(this.legend)
    }
    const [low, high] = d.bounds ?? [Math.min(...values), Math.max(...values)]
    // One generation alone stands at the left, where the others will follow.
    this.x = d.x.length > 1 ? scaleOver(Math.min(...d.x), Math.max(...d.x), frame.left, frame.right, false, 0.01) : scaleOver(d.x[0], d.x[0] + Math.max(1, d.x[0] * 0.5), frame.left, frame.right, false, 0.02)
    this.y = scaleOver(low, high, frame.bottom, frame.top, d.log ?? false, d.bounds ? 0 : 0.08)
    replace(this.svg, drawAxes(this.x, this.y, frame, { x: d.xName, y: d.yName, xTick: d.xText, yTick: d.yText, xTicks: Math.round(width / 90), yTicks: 5, wholeX: d.x.every(Number.isInteger) }),
      ...(d.references ?? []).flatMap((ref) => this.reference(ref, frame.left, frame.right)), ...d.series.map((line, n) => this.line(line, n)), this.cross)
    replace(this.legend, ...(d.series.length < 2 ? [] : d.series.map((line, n) => h('span', { class: 'item' },
      s('svg', { width: 26, height: 10, 'aria-hidden': 'true' }, s('path', { d: 'M0,5H26', class: 'series', stroke: seriesColour(line.colour), 'stroke-dasharray': DASHES[n % DASHES.length] })), line.name))))
  }

  private reference(ref: { name: string; value: number }, left: number, right: number): SVGElement[] {
    const y = (this.y as Scale)(ref.value)
    return [s('line', { x1: left, x2: right, y1: y, y2: y, class: 'limit' }), s('text', { x: right - 4, y: y - 4, class: 'note', 'text-anchor': 'end' }, ref.name)]
  }

  private line(line: Series, n: number): SVGElement {
    const x = this.x as Scale, y = this.y as Scale, d = this.data as LineChartData
    let path = '', known = 0
    const g = s('g')
    line.values.forEach((v, k) => {
      if (v === null || (d.log && v <= 0)) return
      const px = x(d.x[k]).toFixed(1), py = y(v).toFixed(1)
      path += path === '' ? `M${px},${py}` : line.step ? `H${px}V${py}` : `L${px},${py}`
      known++
    })
    g.append(s('path', { d: path, class: 'series', stroke: seriesColour(line.colour), 'stroke-dasharray': DASHES[n % DASHES.length] }))
    if (known <= 25) line.values.forEach((v, k) => {
      if (v !== null && (!d.log || v > 0)) g.append(s('circle', { cx: x(d.x[k]), cy: y(v), r: 2.6, fill: seriesColour(line.colour) }))
    })
    return g
  }

  private told(k: number): [string, string][] {
    const d = this.data as LineChartData
    const tell = d.told ?? d.yText
    return d.series.map((line) => [line.name, line.values[k] === null || line.values[k] === undefined ? '–' : tell(line.values[k] as number)])
  }

  private mark(k: number): void {
    const d = this.data, x = this.x, y = this.y
    if (k < 0 || !d || !x || !y) return replace(this.cross)
    const [bottom, top] = y.range()
    replace(this.cross, s('line', { x1: x(d.x[k]), x2: x(d.x[k]), y1: top, y2: bottom, class: 'cross' }))
    for (const line of d.series) {
      const v = line.values[k]
      if (v !== null && v !== undefined && (!d.log || v > 0)) this.cross.append(s('circle', { cx: x(d.x[k]), cy: y(v), r: 4, fill: seriesColour(line.colour), class: 'node' }))
    }
  }

  private tip(k: number): Node {
    const d = this.data as LineChartData
    return h('div', { class: 'about' }, h('strong', {}, `${d.xName} ${d.xText(d.x[k])}`), ...this.told(k).map(([name, v]) => h('div', { class: 'fact' }, h('span', {}, name), h('b', {}, v))))
  }

  private spoken(k: number): string {
    const d = this.data as LineChartData
    return `${this.name}, ${d.xName} ${d.xText(d.x[k])}: ${this.told(k).map((t) => t.join(' ')).join(', ')}`
  }

  private nearest(pixel: number): number {
    const places = (this.data as LineChartData).x, at = (this.x as Scale).invert(pixel)
    let near = 0
    places.forEach((v, k) => { if (Math.abs(v - at) < Math.abs(places[near] - at)) near = k })
    return near
  }
}
