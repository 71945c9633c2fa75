/*
 * A rule as small curves: one variable moves over the range that models have, the others stand at usual values. Flags are two bars. The
 * compared individual's rule for the same gene is drawn dashed beside it.
 */
import { scaleOver, ticksOf, type Scale } from './axes'
import { h, s } from './dom'
import { digits, tick } from './format'
import { evaluate, parseExpression, variablesOf, type Tree } from './expression'
import type { GeneInfo, Variable } from './variables'

const WIDTH = 176
const HEIGHT = 112
const SAMPLES = 96
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

function drawCurve(variable: Variable, own: Curve | null, other: Curve | null, y: Scale, value: string): HTMLElement {
  const frame = { left: 40, right: WIDTH - 8, top: 8, bottom: HEIGHT - 20 }
  const x = scaleOver(variable.low, variable.high, frame.left, frame.right, variable.log, 0)
  const svg = s('svg', { width: WIDTH, height: HEIGHT, viewBox: `0 0 ${WIDTH} ${HEIGHT}`, 'aria-hidden': 'true' })
  for (const t of thin(ticksOf(y, 3), 4))
    svg.append(s('line', { x1: frame.left, x2: frame.right, y1: y(t), y2: y(t), class: t === 0 ? 'axis' : 'grid' }),
      s('text', { x: frame.left - 4, y: y(t), dy: '0.32em', 'text-anchor': 'end', class: 'tick' }, tick(t)))
  const shown = own ?? other
  if (variable.flag) {
    ;[['not', 0.28], ['yes', 0.72]].forEach(([name, share], k) => {
      const at = frame.left + Number(share) * (frame.right - frame.left)
      svg.append(s('text', { x: at, y: HEIGHT - 6, 'text-anchor': 'middle', class: 'tick' }, String(name)))
      for (const [curve, dx, kind] of [[own, -1, 'own'], [other, 1, 'other']] as const) {
        if (!curve) continue
        const zero = y(Math.min(Math.max(0, y.domain()[0]), y.domain()[1])), top = y(curve.y[k])
        svg.append(s('rect', { x: at + (own && other ? dx * 9 : 0) - 8, width: 16, y: Math.min(zero, top), height: Math.max(1.5, Math.abs(zero - top)), class: `curve-bar ${kind}${Math.abs(zero - top) < 3 ? ' flat' : ''}` }))
      }
    })
  } else {
    for (const t of [variable.low, variable.typical, variable.high])
      svg.append(s('text', { x: x(t), y: HEIGHT - 6, 'text-anchor': t === variable.low ? 'start' : t === variable.high ? 'end' : 'middle', class: 'tick' }, tick(t)))
    svg.append(s('line', { x1: x(variable.typical), x2: x(variable.typical), y1: frame.top, y2: frame.bottom, class: 'usual' }))
    if (other) svg.append(s('path', { d: path(other, x, y), class: 'curve other' }))
    if (own) svg.append(s('path', { d: path(own, x, y), class: 'curve own' }))
  }
  const ends = shown ? `${value} goes from ${digits(shown.y[0], 3)} to ${digits(shown.y[shown.y.length - 1], 3)} as ${variable.name} goes from ${digits(variable.low, 2)} to ${digits(variable.high, 2)}` : ''
  return h('figure', { class: 'curve' }, h('figcaption', { class: 'term', tabindex: '0', 'data-say': `${variable.name}: ${variable.help}. ${ends}. Usual values, not those of this model: the curve shows the rule’s shape.` }, `${value} over ${variable.name}`), svg, h('span', { class: 'for-readers' }, ends))
}

/**
 * The curves of a gene's expression; `other` is the compared individual's, null where it has none. With `ratios`, only ratios
 * of the values count, and the other's are drawn as high as the own ones.
 */
export function ruleCurves(info: GeneInfo, text: string, other: string | null, ratios: boolean): HTMLElement {
  const domain = info.domain as Variable[]
  const tree = parsed(text, domain), otherTree = other === text ? null : parsed(other, domain)
  if (!tree) return h('p', { class: 'none' }, 'This page cannot read the expression, so there is no curve.')
  const names = new Set([...variablesOf(tree), ...(otherTree ? variablesOf(otherTree) : [])])
  const moving = domain.filter((v) => names.has(v.name))
  if (moving.length === 0) return h('p', { class: 'none' }, `It is the same everywhere: ${digits(evaluate(tree, {}))}.`)
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
  return h('div', { class: 'curves' }, ...curves.map((c) => drawCurve(c.v, c.own, c.other, c.v.flag ? barY : y, log && !c.v.flag ? `${info.value} (log)` : info.value)))
}
