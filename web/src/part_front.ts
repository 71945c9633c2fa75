/*
 * Part 2: divergence against size. Thousands of faint dots go onto a canvas, which costs the page nothing while it is only looked at; axes,
 * named marks and what is chosen are SVG above it, so that they print sharply and style sheets reach them.
 */
import { callName, placeOf, type Report } from './document'
import { drawAxes, scaleOver, type Frame, type Scale } from './axes'
import { FATES, individualTip, speakOf } from './about'
import { h, replace, s } from './dom'
import { brief, sizeUnit, tick } from './format'
import { canvasRatio, COLOURED, css, evenColour, familyColour, isDark } from './palette'
import { radio, section, type Part } from './part'
import { Picker, type Spot } from './picker'
import { choice, compare, select } from './state'
import { term } from './words'

type Shown = 'all' | 'near'
type Colours = 'plain' | 'family' | 'species' | 'generation'

const BAND = 20
const MOST_BANDS = 6
const STAR = 'M0,-8 L2.1,-2.6 7.6,-2.5 3.3,1.1 4.7,6.5 0,3.4 -4.7,6.5 -3.3,1.1 -7.6,-2.5 -2.1,-2.6 Z'
const DIAMOND = 'M0,-6 L5,0 0,6 -5,0 Z'
const CROSS = 'M-4,-4 L4,4 M-4,4 L4,-4'

const measure = h('canvas').getContext('2d')
/** Of a name in the chart, in pixels. */
function textWidth(text: string, bold: boolean): number {
  if (!measure) return text.length * 8
  measure.font = `${bold ? '700 ' : ''}12px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif`
  return measure.measureText(text).width
}

interface Placed {
  width: number
  height: number
  frame: Frame
  x: Scale
  y: Scale
  bands: string[]
  /** Whether anybody has a divergence: where nobody has, there is nothing above the lethal ones. */
  measured: boolean
}

export class FrontPart implements Part {
  readonly root: HTMLElement
  private shown: Shown = 'all'
  private colours: Colours = 'plain'
  private report: Report | null = null
  private placed: Placed | null = null
  private at: Float32Array = new Float32Array(0)
  private readonly canvas = h('canvas')
  private readonly svg = s('svg', { role: 'img', 'aria-hidden': 'true' })
  private readonly ring = s('g', { class: 'ring' })
  private readonly hover = s('g', { class: 'hover' })
  private readonly chart: HTMLElement
  private readonly legend = h('p', { class: 'legend' })
  private readonly empty = h('p', { class: 'none', hidden: true }, 'Nobody has been measured yet.')
  private readonly picker: Picker
  private readonly controls: HTMLElement

  constructor() {
    this.chart = h('div', {
      class: 'chart front', tabindex: '0', role: 'application', 'aria-roledescription': 'chart', 'data-focus': 'front:chart',
      'aria-label': 'Divergence against size. Arrow keys go from individual to individual, Enter selects, Shift and Enter compares. The same data is in the table of individuals.',
    }, this.canvas, this.svg)
    this.picker = new Picker(this.chart, {
      radius: 26,
      tip: (i) => individualTip(this.report as Report, i),
      speak: (i) => speakOf(this.report as Report, i),
      choose: (i, shift) => (shift ? compare : select)((this.report as Report).doc.individuals.id[i]),
      mark: (i) => this.markHover(i),
      start: () => (this.report ? placeOf(this.report, choice.selected) : -1),
    })
    this.controls = h('div', { class: 'controls' },
      radio<Shown>('Show', [['all', 'everything'], ['near', 'near the front']], this.shown, (v) => { this.shown = v; this.draw() }),
      radio<Colours>('Colour by', [['plain', 'nothing'], ['family', 'family'], ['species', 'species'], ['generation', 'generation']], this.colours,
        (v) => { this.colours = v; this.draw() }))
    this.root = section('front', 'The front',
      [term('kld', 'Divergence'), ' against file size, both on logarithmic axes: lower and further left is better. Every dot is an individual that was measured; open ones were ',
        term('raced', 'sent home'), ' after a part of the text. ', term('lethal', 'Lethal'), ' ones stand below the axis, by the law that they broke. Point at one for its genes, click to select it, Shift and click to compare; or use the arrow keys, Enter, and Shift and Enter.'],
      this.controls, this.empty, this.chart, this.legend)
  }

  update(r: Report): void {
    this.report = r
    this.draw()
  }

  redraw(): void {
    if (this.report) this.draw()
  }

  chosen(): void {
    if (!this.report || !this.placed) return
    this.drawRings(this.report)
    this.drawLegend(this.report)
  }

  /** Bounds of what is shown, in bytes and nats. */
  private bounds(r: Report): [number, number, number, number] | null {
    const p = r.doc.individuals
    let x0 = Infinity, x1 = 0, y0 = Infinity, y1 = 0
    const evolved: number[] = []
    for (let i = 0; i < r.count; i++) {
      if (p.bytes[i] <= 0) continue
      const y = p.kld[i]
      if (y !== null && y > 0 && r.full[i] && r.fate[i] !== 'human') evolved.push(y)
    }
    evolved.sort((a, b) => a - b)
    const near = this.shown === 'near' && evolved.length > 0
    const most = near ? evolved[Math.floor(evolved.length / 2)] * 2 : Infinity
    const target = r.doc.run.target_bytes ?? 0
    for (let i = 0; i < r.count; i++) {
      const y = p.kld[i], x = p.bytes[i]
      if (x <= 0 || y === null || y <= 0 || y > most) continue
      if (near && (r.fate[i] === 'human' || r.fate[i] === 'raced') && target > 0 && (x > target * 1.06 || x < target * 0.8)) continue
      x0 = Math.min(x0, x); x1 = Math.max(x1, x); y0 = Math.min(y0, y); y1 = Math.max(y1, y)
    }
    if (x1 === 0) for (let i = 0; i < r.count; i++) if (p.bytes[i] > 0) { x0 = Math.min(x0, p.bytes[i]); x1 = Math.max(x1, p.bytes[i]) }
    if (x1 === 0) return r.count > 0 ? [target || 1 << 20, target || 1 << 20, 0.01, 1] : null
    return y1 === 0 ? [x0, x1, 0.01, 1] : [x0, x1, y0, y1]
  }

  private place(r: Report): Placed | null {
    const bounds = this.bounds(r)
    if (!bounds) return null
    const laws = new Map<string, number>()
    for (let i = 0; i < r.count; i++) if (r.law[i]) laws.set(r.law[i], (laws.get(r.law[i]) ?? 0) + 1)
    let bands = [...laws].sort((a, b) => b[1] - a[1]).map(([law]) => law)
    if (bands.length > MOST_BANDS) bands = [...bands.slice(0, MOST_BANDS - 1), 'other laws']
    const width = Math.max(280, this.chart.clientWidth)
    const measured = r.doc.individuals.kld.some((kld, i) => kld !== null && kld > 0 && r.doc.individuals.bytes[i] > 0)
    const height = (measured ? Math.round(Math.min(560, Math.max(330, width * 0.5))) : 130) + bands.length * BAND
    const frame = { left: 58, right: width - 14, top: 30, bottom: height - 44 - (bands.length > 0 ? bands.length * BAND + 14 : 0) }
    const [x0, x1, y0, y1] = bounds
    return { width, height, frame, bands, measured, x: scaleOver(x0, x1, frame.left + 8, frame.right - (width > 700 ? 76 : 20), true), y: scaleOver(y0, y1, frame.bottom, frame.top, true) }
  }

  private draw(): void {
    const r = this.report as Report
    this.placed = this.place(r)
    this.empty.hidden = this.placed !== null
    this.chart.hidden = this.legend.hidden = this.controls.hidden = this.placed === null
    if (!this.placed) return this.picker.set([])
    this.locate(r, this.placed)
    this.drawDots(r, this.placed)
    this.drawMarks(r, this.placed)
    this.drawRings(r)
    this.drawLegend(r)
  }

  /** Where everybody stands; NaN: not shown. */
  private locate(r: Report, at: Placed): void {
    const p = r.doc.individuals
    const { frame, x, y, bands } = at
    this.at = new Float32Array(2 * r.count).fill(NaN)
    const spots: Spot[] = []
    for (let i = 0; i < r.count; i++) {
      const kld = p.kld[i]
      let px = p.bytes[i] > 0 ? x(p.bytes[i]) : frame.left - 10
      let py: number
      if (r.law[i]) {
        const band = bands.indexOf(r.law[i])
        const row = band < 0 ? bands.length - 1 : band
        // A fixed scatter within the band: who stands where must not change from one document to the next.
        const scatter = ((p.id[i] * 2654435761) % 4096) / 4096 - 0.5
        py = frame.bottom + 44 + row * BAND + BAND / 2 + scatter * 9
        px = Math.min(frame.right, Math.max(frame.left, px)) + (p.bytes[i] > 0 ? 0 : scatter * 6)
      } else if (kld !== null && kld > 0 && p.bytes[i] > 0) py = y(kld)
      else continue
      if (px > frame.right + 2 || (px < frame.left - 16) || py < frame.top - 4 || (!r.law[i] && py > frame.bottom + 2)) continue
      this.at[2 * i] = px
      this.at[2 * i + 1] = py
      spots.push({ x: px, y: py, i })
    }
    this.picker.set(spots, spots.filter(({ i }) => r.fate[i] === 'survivor' || r.fate[i] === 'human' || r.fate[i] === 'rejected'))
  }

  private dotColour(r: Report, i: number, plain: string): string {
    const p = r.doc.individuals
    if (this.colours === 'family') return p.family[i] < 0 ? css('--faint') : familyColour(r.familyOrder.indexOf(p.family[i]))
    if (this.colours === 'species') return familyColour(p.species[i] === 0 ? 0 : 1)
    if (this.colours === 'generation') {
      const numbers = r.doc.generations.number
      return evenColour(p.generation[i] / Math.max(1, numbers[numbers.length - 1] ?? 1))
    }
    return plain
  }

  private drawDots(r: Report, at: Placed): void {
    const ratio = canvasRatio()
    const { canvas } = this
    canvas.width = at.width * ratio
    canvas.height = at.height * ratio
    canvas.style.setProperty('width', `${at.width}px`)
    canvas.style.setProperty('height', `${at.height}px`)
    const c = canvas.getContext('2d')
    if (!c) return
    c.scale(ratio, ratio)
    c.clearRect(0, 0, at.width, at.height)
    c.fillStyle = css('--raised')
    at.bands.forEach((_, row) => c.fillRect(at.frame.left - 16, at.frame.bottom + 45 + row * BAND, at.frame.right - at.frame.left + 16, BAND - 2))
    const plain = css('--ink'), lethal = css('--lethal')
    const crowd = r.count > 1500
    const ranks = new Map(r.familyOrder.slice(0, COLOURED).map((family, rank) => [family, familyColour(rank)]))
    const faint = css('--faint')
    const family = (i: number) => ranks.get(r.doc.individuals.family[i]) ?? faint
    for (const open of [true, false]) {
      for (let i = 0; i < r.count; i++) {
        const fate = r.fate[i]
        if (Number.isNaN(this.at[2 * i]) || fate === 'human' || fate === 'survivor' || fate === 'rejected') continue
        const isOpen = !r.law[i] && !r.full[i]
        if (isOpen !== open) continue
        const x = this.at[2 * i], y = this.at[2 * i + 1]
        const colour = r.law[i] ? lethal : this.colours === 'family' ? family(i) : this.dotColour(r, i, plain)
        c.strokeStyle = c.fillStyle = colour
        c.globalAlpha = isOpen ? 0.3 : this.colours === 'plain' && !r.law[i] ? (isDark() ? 0.5 : 0.4) : 0.75
        c.beginPath()
        if (r.law[i]) {
          c.moveTo(x - 2.5, y - 2.5); c.lineTo(x + 2.5, y + 2.5); c.moveTo(x - 2.5, y + 2.5); c.lineTo(x + 2.5, y - 2.5)
          c.stroke()
        } else {
          c.arc(x, y, crowd ? 2.1 : 3, 0, 2 * Math.PI)
          if (isOpen) c.stroke()
          else c.fill()
        }
      }
    }
  }

  private frontLine(r: Report, at: Placed): SVGElement {
    const p = r.doc.individuals
    const order: number[] = []
    for (let i = 0; i < r.count; i++) if (r.full[i] && !r.law[i] && r.fate[i] !== 'human' && p.bytes[i] > 0 && (p.kld[i] as number) > 0) order.push(i)
    order.sort((a, b) => p.bytes[a] - p.bytes[b] || (p.kld[a] as number) - (p.kld[b] as number))
    let best = Infinity, path = ''
    for (const i of order) {
      const y = p.kld[i] as number
      if (y >= best) continue
      best = y
      const px = at.x(p.bytes[i]).toFixed(1), py = at.y(y).toFixed(1)
      path += path === '' ? `M${px},${py}` : `H${px}V${py}`
    }
    return s('path', { d: path, class: 'front-line' })
  }

  private drawMarks(r: Report, at: Placed): void {
    const { frame, width, height, x, y, bands } = at
    const unit = sizeUnit(x.domain()[1])
    const inUnit = scaleOver(x.domain()[0] / unit.bytes, x.domain()[1] / unit.bytes, x.range()[0], x.range()[1], true, 0)
    this.svg.setAttribute('viewBox', `0 0 ${width} ${height}`)
    this.svg.setAttribute('width', String(width))
    this.svg.setAttribute('height', String(height))
    const clip = s('clipPath', { id: 'front-clip' }, s('rect', { x: frame.left, y: frame.top - 3, width: frame.right - frame.left + 10, height: frame.bottom - frame.top + 5 }))
    const marks = s('g', {}), labels = s('g', { class: 'labels' })
    const named: { i: number; x: number; y: number; text: string; fate: string }[] = []
    for (let i = 0; i < r.count; i++) {
      const fate = r.fate[i]
      if (Number.isNaN(this.at[2 * i]) || (fate !== 'human' && fate !== 'survivor' && fate !== 'rejected')) continue
      const px = this.at[2 * i], py = this.at[2 * i + 1]
      named.push({ i, x: px, y: py, text: callName(r, i), fate })
    }
    const rank = { survivor: 0, rejected: 2, human: 1 } as Record<string, number>
    // The best get their names first: survivors by their verdict, the others by where they stand.
    const judged = (i: number) => r.verdict.get(r.doc.individuals.id[i])?.kld ?? Infinity
    named.sort((a, b) => rank[a.fate] - rank[b.fate] || (a.fate === 'survivor' ? judged(a.i) - judged(b.i) : 0) || b.y - a.y)
    for (const m of [...named].reverse())
      marks.append(s('path', {
        d: m.fate === 'survivor' ? STAR : m.fate === 'human' ? DIAMOND : CROSS, class: `mark ${m.fate}`, transform: `translate(${m.x.toFixed(1)},${m.y.toFixed(1)})`,
      }))
    this.placeLabels(named, at, labels)
    replace(this.svg, s('defs', {}, clip),
      drawAxes(inUnit, y, frame, { x: `file size, ${unit.name}`, y: at.measured ? 'divergence, nats per token' : 'nobody was measured, so there is no divergence', xTick: (v) => String(+v.toPrecision(4)),
        yTick: tick, xTicks: Math.max(3, Math.round(width / 110)), yTicks: at.measured ? 7 : 0 }),
      ...this.limits(r, at), s('g', { 'clip-path': 'url(#front-clip)' }, this.frontLine(r, at)),
      this.bandAxis(r, at, bands), marks, labels, this.ring, this.hover)
  }

  /** Lines that the run is held to: the size limit and the noise floor. */
  private limits(r: Report, at: Placed): SVGElement[] {
    const { frame, x, y } = at
    const target = r.doc.run.target_bytes, noise = r.doc.run.noise
    const lines: SVGElement[] = []
    if (target !== null && target > 0 && x(target) > frame.left && x(target) < frame.right)
      lines.push(s('line', { x1: x(target), x2: x(target), y1: frame.top - 6, y2: frame.bottom, class: 'limit' }),
        s('text', { x: x(target) - 5, y: frame.top + 4, class: 'note', 'text-anchor': 'end' }, 'size limit'))
    if (noise !== null && noise > 0 && y(noise) < frame.bottom && y(noise) > frame.top)
      lines.push(s('line', { x1: frame.left, x2: frame.right, y1: y(noise), y2: y(noise), class: 'limit' }),
        s('text', { x: frame.left + 8, y: y(noise) - 5, class: 'note' }, 'noise floor'))
    return lines
  }

  private bandAxis(r: Report, at: Placed, bands: string[]): SVGElement {
    const g = s('g', { class: 'bands' })
    const { frame } = at
    const counts = new Map<string, number>()
    for (const law of r.law) if (law) counts.set(bands.includes(law) ? law : 'other laws', (counts.get(bands.includes(law) ? law : 'other laws') ?? 0) + 1)
    bands.forEach((law, row) => {
      const top = frame.bottom + 44 + row * BAND
      g.append(s('text', { x: frame.right - 5, y: top + BAND / 2, dy: '0.32em', class: 'note', 'text-anchor': 'end' }, `${law.slice(0, 24)}: ${counts.get(law) ?? 0} died`))
    })
    if (bands.length > 0) g.append(s('text', { x: frame.left - 20, y: frame.bottom + 44 + BAND / 2, dy: '0.32em', class: 'tick', 'text-anchor': 'end' }, 'lethal'))
    return g
  }

  /** Names beside their marks where they do not cover another name or mark; who finds no place is named by hovering. */
  private placeLabels(named: { x: number; y: number; text: string; fate: string }[], at: Placed, into: SVGElement): void {
    const taken: [number, number, number, number][] = named.map((m) => [m.x - 9, m.y - 9, m.x + 9, m.y + 9])
    const free = (box: [number, number, number, number]) =>
      box[0] > at.frame.left && box[2] < at.width && box[1] > 2 && box[3] < at.frame.bottom + 2 &&
      taken.every((t) => box[2] < t[0] || box[0] > t[2] || box[3] < t[1] || box[1] > t[3])
    for (const m of named) {
      const text = brief(m.text, at.width < 520 ? 14 : 22)
      const w = textWidth(text, m.fate === 'survivor') + 4
      const places: [number, number, 'start' | 'end' | 'middle'][] =
        [[15, 4, 'start'], [-15, 4, 'end'], [0, -14, 'middle'], [0, 23, 'middle'], [10, -9, 'start'], [10, 17, 'start'], [-10, -9, 'end'], [-10, 17, 'end'],
          [26, -22, 'start'], [26, 28, 'start'], [-26, -22, 'end'], [-26, 28, 'end']]
      const few = at.width < 520 && m.fate === 'human'
      for (const [dx, dy, anchor] of few ? places.slice(0, 4) : places) {
        const left = m.x + dx - (anchor === 'end' ? w : anchor === 'middle' ? w / 2 : 0)
        const box: [number, number, number, number] = [left, m.y + dy - 11, left + w, m.y + dy + 3]
        if (!free(box)) continue
        taken.push(box)
        if (Math.abs(dx) > 20) into.append(s('line', { x1: m.x + Math.sign(dx) * 5, y1: m.y + Math.sign(dy) * 5, x2: m.x + dx, y2: m.y + dy - 4, class: 'leader' }))
        into.append(s('text', { x: m.x + dx, y: m.y + dy, 'text-anchor': anchor, class: `name ${m.fate}` }, text))
        break
      }
    }
  }

  private ringAt(i: number, radius: number, kind: string): SVGElement | null {
    const x = this.at[2 * i], y = this.at[2 * i + 1]
    return i < 0 || Number.isNaN(x) || x === undefined ? null : s('circle', { cx: x, cy: y, r: radius, class: kind })
  }

  private drawRings(r: Report): void {
    replace(this.ring, this.ringAt(placeOf(r, choice.compared), 11, 'compared'), this.ringAt(placeOf(r, choice.selected), 11, 'selected'))
  }

  private markHover(i: number): void {
    replace(this.hover, i < 0 ? null : this.ringAt(i, 8, 'pointed'))
  }

  private drawLegend(r: Report): void {
    const item = (mark: Node, text: string) => h('span', { class: 'item' }, mark, text)
    const shape = (d: string, kind: string) => s('svg', { width: 18, height: 18, viewBox: '-9 -9 18 18', 'aria-hidden': 'true' }, s('path', { d, class: `mark ${kind}` }))
    const dot = (colour: string) => h('span', { class: 'chip', css: { background: colour } })
    const circle = (kind: string) => s('svg', { width: 12, height: 12, viewBox: '-6 -6 12 12', 'aria-hidden': 'true' }, s('circle', { r: 3.4, class: kind }))
    const evolved = r.fate.map((fate, i) => (fate === 'living' || fate === 'raced') && !r.law[i] && r.doc.individuals.kld[i] !== null)
    const whole = evolved.some((is, i) => is && r.full[i])
    const items: HTMLElement[] = []
    if (r.fate.includes('survivor')) items.push(item(shape(STAR, 'survivor'), FATES.survivor))
    if (r.fate.some((fate, i) => fate === 'human' && r.doc.individuals.kld[i] !== null)) items.push(item(shape(DIAMOND, 'human'), FATES.human))
    if (r.fate.includes('rejected')) items.push(item(shape(CROSS, 'rejected'), FATES.rejected))
    if (whole) items.push(item(circle('dot'), 'measured on the whole search text'))
    if (evolved.some((is, i) => is && !r.full[i])) items.push(item(circle('dot open'), 'on a part of it'))
    if (whole || r.fate.includes('survivor')) items.push(item(s('svg', { width: 22, height: 10, 'aria-hidden': 'true' }, s('path', { d: 'M0,2H11V8H22', class: 'front-line' })), 'front of the evolved'))
    const ring = (kind: string) => item(s('svg', { width: 16, height: 16, viewBox: '-8 -8 16 16', 'aria-hidden': 'true' }, s('circle', { r: 6, class: kind })), kind)
    if (choice.selected !== null) items.push(ring('selected'))
    if (choice.compared !== null) items.push(ring('compared'))
    if (r.law.some((law) => law)) items.push(item(h('span', { class: 'cross', 'aria-hidden': 'true' }, '✕'), 'lethal, in a row for each law; at the left edge: without a plan, so without a size'))
    if (this.colours === 'family')
      {
      r.familyOrder.slice(0, COLOURED).forEach((family, n) => r.familyEvolved[family] > 0 && items.push(item(dot(familyColour(n)), `family ${r.familyLetter[family]} (${r.familyEvolved[family]})`)))
      items.push(item(dot(css('--faint')), 'in a smaller family or in none'))
    }
    if (this.colours === 'species') r.doc.species.forEach((name, n) => items.push(item(dot(familyColour(n)), name)))
    if (this.colours === 'generation')
      [0, 0.5, 1].forEach((t) => items.push(item(dot(evenColour(t)), t === 0 ? 'first generation' : t === 1 ? 'last' : 'middle')))
    replace(this.legend, ...items)
  }
}
