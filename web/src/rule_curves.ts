/*
 * A rule as small curves: one variable moves over the range that models have, the others stand at usual values. Flags are two bars. The
 * compared individual's rule for the same gene is drawn dashed beside it. Pointer, finger and arrow keys read the values at one place.
 */
import { scaleOver, ticksOf, type Scale } from './axes'
import { ChartReader } from './chart_reader'
import { h, replace, s } from './dom'
import { digits, tick } from './format'
import { evaluate, parseExpression, variablesOf, type Tree } from './expression'
import type { GeneInfo, Variable } from './variables'

const WIDTH = 182
const HEIGHT = 112
/** Odd, so that one stands in the middle. */
const SAMPLES = 97
/** Places that an arrow key passes: 24 steps from end to end. */
const STRIDE = 4
const LOG_FROM = 50

interface Curve {
  x: number[]
  y: number[]
}

function usual(domain: Variable[]): Record<string, number> {
  return Object.fromEntries(domain.map((v) => [v.name, v.typical]))
}

function sample(tree: Tree, domain: Variable[], variable: Variable): Curve {
  const values = usual(domain)
  const x: number[] = [], y: number[] = []
  const n = variable.flag ? 2 : SAMPLES
  for (let k = 0; k < n; k++) {
    const t = k / (n - 1)
    const at = variable.log ? variable.low * Math.pow(variable.high / variable.low, t) : variable.low + t * (variable.high - variable.low)
    values[variable.name] = at
    x.push(at)
    y.push(evaluate(tree, values))
  }
  return { x, y }
}

function parsed(text: string | null, domain: Variable[]): Tree | null {
  if (text === null) return null
  try {
    return parseExpression(text, domain.map((v) => v.name))
  } catch {
    return null
  }
}

function path(curve: Curve, x: Scale, y: Scale): string {
  return curve.x.map((v, k) => `${k === 0 ? 'M' : 'L'}${x(v).toFixed(1)},${y(curve.y[k]).toFixed(1)}`).join('')
}

/** At most so many of the ticks, evenly. */
function thin(ticks: number[], most: number): number[] {
  const every = Math.ceil(ticks.length / most)
  return ticks.filter((_, k) => k % every === 0)
}

interface CurveFrame {
  gene: string
  variable: Variable
  own: Curve
  other: Curve | null
  x: Scale
  y: Scale
  /** What the rule's value is, and whether the compared one's was drawn to the same height. */
  value: string
  scaled: boolean
}

const FRAME = { left: 46, right: WIDTH - 8, top: 8, bottom: HEIGHT - 20 }
/** Where the bars of a flag stand, as shares of the width. */
const FLAGS = [0.28, 0.72]

function placeX(c: CurveFrame, k: number): number {
  return c.variable.flag ? FRAME.left + FLAGS[k] * (FRAME.right - FRAME.left) : c.x(c.own.x[k])
}

function nearestOf(places: number[], at: number): number {
  return places.reduce((near, place, k) => (Math.abs(place - at) < Math.abs(places[near] - at) ? k : near), 0)
}

/** What the curves are at a place: the variable's value, then the rule's, and the compared individual's. */
function toldAt(c: CurveFrame, k: number): [string, string][] {
  const at = c.variable.flag ? ['not so (0)', 'yes (1)'][k] : digits(c.own.x[k], 3)
  return [[c.variable.name, at], [c.value, digits(c.own.y[k])], ...(c.other ? [[`compared${c.scaled ? ', to the same height' : ''}`, digits(c.other.y[k])] as [string, string]] : [])]
}

/** The chart around the picture: it takes the focus, and reads. */
function readable(c: CurveFrame, svg: SVGElement, cross: SVGElement): HTMLElement {
  const area = h('div', {
    class: 'chart curve-area', tabindex: '0', role: 'application', 'aria-roledescription': 'chart', 'data-focus': `curve:${c.gene}:${c.variable.name}`,
    'aria-label': `${c.value} over ${c.variable.name}; arrow keys read its values`,
  }, svg)
  const places = c.own.x.map((_, k) => placeX(c, k))
  new ChartReader(area, {
    count: () => places.length,
    nearest: (x) => nearestOf(places, x),
    at: (k) => [places[k], HEIGHT - 12],
    tip: (k) => h('div', { class: 'about' }, ...toldAt(c, k).map(([name, v]) => h('div', { class: 'fact' }, h('span', {}, name), h('b', {}, v)))),
    speak: (k) => toldAt(c, k).map((pair) => pair.join(' ')).join(', '),
    mark: (k) => replace(cross, ...(k < 0 ? [] : [s('line', { x1: places[k], x2: places[k], y1: FRAME.top, y2: FRAME.bottom, class: 'cross' }),
      ...(['other', 'own'] as const).map((kind) => {
        const v = c[kind]?.y[k]
        return v === undefined || !Number.isFinite(v) ? null : s('circle', { cx: places[k], cy: c.y(v), r: 3.6, class: `curve-point ${kind}` })
      })])),
    start: () => (c.variable.flag ? 0 : nearestOf(c.own.x.map((v) => Number(c.x(v))), Number(c.x(c.variable.typical)))),
    stride: c.variable.flag ? 1 : STRIDE,
  })
  return area
}

function drawCurve(gene: string, variable: Variable, own: Curve, other: Curve | null, y: Scale, value: string, log: boolean, scaled: boolean): HTMLElement {
  const frame = FRAME
  const x = scaleOver(variable.low, variable.high, frame.left, frame.right, variable.log, 0)
  const svg = s('svg', { width: WIDTH, height: HEIGHT, viewBox: `0 0 ${WIDTH} ${HEIGHT}`, 'aria-hidden': 'true' })
  for (const t of thin(ticksOf(y, 3), 4))
    svg.append(s('line', { x1: frame.left, x2: frame.right, y1: y(t), y2: y(t), class: t === 0 ? 'axis' : 'grid' }),
      s('text', { x: frame.left - 4, y: y(t), dy: '0.32em', 'text-anchor': 'end', class: 'tick' }, tick(t)))
  if (variable.flag) {
    ;['not', 'yes'].forEach((name, k) => {
      const at = frame.left + FLAGS[k] * (frame.right - frame.left)
      svg.append(s('text', { x: at, y: HEIGHT - 6, 'text-anchor': 'middle', class: 'tick' }, name))
      for (const [curve, dx, kind] of [[own, -1, 'own'], [other, 1, 'other']] as const) {
        if (!curve) continue
        const zero = y(Math.min(Math.max(0, y.domain()[0]), y.domain()[1])), top = y(curve.y[k])
        svg.append(s('rect', { x: at + (other ? dx * 9 : 0) - 8, width: 16, y: Math.min(zero, top), height: Math.max(1.5, Math.abs(zero - top)), class: `curve-bar ${kind}${Math.abs(zero - top) < 3 ? ' flat' : ''}` }))
      }
    })
  } else {
    for (const t of [variable.low, variable.typical, variable.high])
      svg.append(s('text', { x: x(t), y: HEIGHT - 6, 'text-anchor': t === variable.low ? 'start' : t === variable.high ? 'end' : 'middle', class: 'tick' }, tick(t)))
    svg.append(s('line', { x1: x(variable.typical), x2: x(variable.typical), y1: frame.top, y2: frame.bottom, class: 'usual' }))
    if (other) svg.append(s('path', { d: path(other, x, y), class: 'curve other' }))
    svg.append(s('path', { d: path(own, x, y), class: 'curve own' }))
  }
  const cross = s('g')
  svg.append(cross)
  const ends = `${value} goes from ${digits(own.y[0], 3)} to ${digits(own.y[own.y.length - 1], 3)} as ${variable.name} goes from ${digits(variable.low, 2)} to ${digits(variable.high, 2)}`
  return h('figure', { class: 'curve' }, h('figcaption', { class: 'term', tabindex: '0', 'data-say': `${variable.name}: ${variable.help}. ${ends}. Usual values, not those of this model: the curve shows the rule’s shape.` }, `${value}${log ? ' (log)' : ''} over ${variable.name}`),
    readable({ gene, variable, own, other, x, y, value, scaled }, svg, cross), h('span', { class: 'for-readers' }, ends))
}

/**
 * The curves of a gene's expression; `other` is the compared individual's, null where it has none. With `ratios`, only ratios
 * of the values count, and the other's are drawn as high as the own ones.
 */
export function ruleCurves(gene: string, info: GeneInfo, text: string, other: string | null, ratios: boolean): HTMLElement {
  const domain = info.domain as Variable[]
  const tree = parsed(text, domain), otherTree = other === text ? null : parsed(other, domain)
  if (!tree) return h('p', { class: 'none' }, 'This page cannot read the expression, so there is no curve.')
  const names = new Set([...variablesOf(tree), ...(otherTree ? variablesOf(otherTree) : [])])
  const moving = domain.filter((v) => names.has(v.name))
  if (moving.length === 0) return h('p', { class: 'none' }, `It has the same value everywhere: ${digits(evaluate(tree, {}))}.`)
  const curves = moving.map((v) => ({ v, own: sample(tree, domain, v), other: otherTree ? sample(otherTree, domain, v) : null }))
  if (ratios) {
    const highest = (pick: 'own' | 'other') => Math.max(...curves.flatMap((c) => c[pick]?.y.map(Math.abs) ?? [0]))
    const factor = highest('other') > 0 ? highest('own') / highest('other') : 0
    if (factor > 0) for (const c of curves) if (c.other) c.other.y = c.other.y.map((v) => v * factor)
  }
  const all = curves.flatMap((c) => [...c.own.y, ...(c.other?.y ?? [])])
  let low = Math.min(...all), high = Math.max(...all)
  // Over many orders of magnitude a straight scale would show the highest alone.
  const log = low > 0 && high / low > LOG_FROM
  if (!log && low > 0 && low < 0.3 * high) low = 0
  const y = scaleOver(low, high, HEIGHT - 22, 10, log, low === 0 ? 0.03 : 0.06)
  // Bars begin at 0 and have a scale of their own: a flag moves the value by far less than a variable that goes over its whole range.
  const bars = curves.filter((c) => c.v.flag).flatMap((c) => [...c.own.y, ...(c.other?.y ?? [])])
  const least = Math.min(0, ...bars), most = Math.max(0, ...bars)
  const barY = scaleOver(least, most, HEIGHT - 22, 10, false, 0.06)
  return h('div', { class: 'curves' }, ...curves.map((c) => drawCurve(gene, c.v, c.own, c.other, c.v.flag ? barY : y, info.value, log && !c.v.flag, ratios)))
}
