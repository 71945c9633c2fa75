/* Axes of the charts in SVG: ticks that people read easily, on linear and logarithmic scales. */
import { scaleLinear, scaleLog, type ScaleLinear, type ScaleLogarithmic } from 'd3-scale'
import { s } from './dom'

export type Scale = ScaleLinear<number, number> | ScaleLogarithmic<number, number>

/** A scale over the values; logarithmic ones need values above 0. Both get some air at their ends. */
export function scaleOver(low: number, high: number, from: number, to: number, log: boolean, air = 0.05): Scale {
  if (log) {
    const spread = high > low ? Math.pow(high / low, air) : 1.2
    return scaleLog().domain([low / spread, high * spread]).range([from, to])
  }
  const spread = high > low ? (high - low) * air : Math.abs(high) * 0.1 || 1
  return scaleLinear().domain([low - spread, high + spread]).range([from, to])
}

/** About n ticks: round numbers; over more than a decade, powers of ten with as many steps between as there is room for. */
export function ticksOf(scale: Scale, n: number): number[] {
  const [low, high] = scale.domain()
  const isLog = 'base' in scale
  if (!isLog || high / low < 12) return scaleLinear().domain([low, high]).ticks(n).filter((t) => t >= low && t <= high && (!isLog || t > 0))
  const all: number[][] = [[1], [1, 3], [1, 2, 5]].map((steps) => {
    const ticks: number[] = []
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
      for (const step of steps) {
        const tick = Number(`${step}e${power}`)
        if (tick >= low && tick <= high) ticks.push(tick)
      }
    return ticks
  })
  if (all[0].length > n * 1.5) return all[0].filter((_, i) => i % Math.ceil(all[0].length / n) === 0)
  return all[2].length <= n * 1.4 ? all[2] : all[1].length <= n * 1.4 ? all[1] : all[0]
}

export interface Frame {
  left: number
  right: number
  top: number
  bottom: number
}

export interface AxisText {
  x: string
  y: string
  xTick: (v: number) => string
  yTick: (v: number) => string
  xTicks: number
  yTicks: number
  /** x has whole numbers alone. */
  wholeX?: boolean
}

export function drawAxes(x: Scale, y: Scale, frame: Frame, text: AxisText): SVGGElement {
  const g = s('g', { class: 'axes', 'aria-hidden': 'true' })
  for (const t of text.yTicks > 0 ? ticksOf(y, text.yTicks) : []) {
    const at = Math.round(y(t)) + 0.5
    g.append(s('line', { x1: frame.left, x2: frame.right, y1: at, y2: at, class: 'grid' }),
      s('text', { x: frame.left - 6, y: at, class: 'tick', 'text-anchor': 'end', dy: '0.32em' }, text.yTick(t)))
  }
  for (const t of ticksOf(x, text.xTicks)) {
    if (text.wholeX && !Number.isInteger(t)) continue
    const at = Math.round(x(t)) + 0.5
    g.append(s('line', { x1: at, x2: at, y1: frame.bottom, y2: frame.bottom + 4, class: 'axis' }),
      s('text', { x: at, y: frame.bottom + 17, class: 'tick', 'text-anchor': 'middle' }, text.xTick(t)))
  }
  g.append(s('line', { x1: frame.left, x2: frame.right, y1: frame.bottom + 0.5, y2: frame.bottom + 0.5, class: 'axis' }))
  if (text.x) g.append(s('text', { x: (frame.left + frame.right) / 2, y: frame.bottom + 34, class: 'label', 'text-anchor': 'middle' }, text.x))
  if (text.y) g.append(s('text', { x: 4, y: frame.top - 10, class: 'label' }, text.y))
  return g
}
