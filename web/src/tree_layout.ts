/*
 * Where individuals stand in the tree of descent. Generations go from left to right; each family has a lane of its own, in the order in
 * which families were born, and within a lane those of a generation stand below each other, the best first. Families beyond those with
 * a lane share one; those who are like nobody else have one, and those who never had a plan another, at the bottom.
 */
import { type Report } from './document'

export interface Lane {
  name: string
  /** Its family; -1: several, or none. */
  family: number
  top: number
  height: number
  members: number
}

export interface TreeLayout {
  lanes: Lane[]
  /** x and y of everybody, NaN who is not shown. */
  at: Float32Array
  height: number
  step: number
  radius: number
}

const LANES = 12
const TALLEST = 640
const GAP = 8
const SMALLEST_LANE = 18

/** Who has a place: everybody but humans without children. */
function shown(r: Report): boolean[] {
  const p = r.doc.individuals
  const parents = new Set<number>([...p.parent1, ...p.parent2])
  return r.fate.map((fate, i) => fate !== 'human' || parents.has(p.id[i]))
}

export function layTree(r: Report, left: number, right: number, top: number): TreeLayout {
  const p = r.doc.individuals
  const here = shown(r)
  const families = r.doc.families
  const withLane = new Set(r.familyOrder.slice(0, LANES).filter((family) => r.familyEvolved[family] > 0))
  for (const row of r.doc.verdict) {
    const i = r.place.get(row.id)
    if (i !== undefined && row.role === 'survivor' && p.family[i] >= 0) withLane.add(p.family[i])
  }
  const keys = [...withLane].sort((a, b) => families[a].born - families[b].born || families[b].size - families[a].size)
  const OTHER = -1, ALONE = -2, NONE = -3
  const laneOf = (i: number) => (p.family[i] < 0 || !families[p.family[i]] ? (p.plan[i] < 0 ? NONE : ALONE) : withLane.has(p.family[i]) ? p.family[i] : OTHER)
  const cells = new Map<number, Map<number, number[]>>()
  let last = 0
  for (let i = 0; i < r.count; i++) {
    if (!here[i]) continue
    const lane = laneOf(i)
    if (!cells.has(lane)) cells.set(lane, new Map())
    const byGeneration = cells.get(lane) as Map<number, number[]>
    const g = p.generation[i]
    last = Math.max(last, g)
    if (!byGeneration.has(g)) byGeneration.set(g, [])
    byGeneration.get(g)?.push(i)
  }
  const order = [...keys, OTHER, ALONE, NONE].filter((key) => cells.has(key))
  const most = order.map((key) => Math.max(...[...(cells.get(key) as Map<number, number[]>).values()].map((list) => list.length)))
  const total = most.reduce((sum, n) => sum + n, 0)
  const row = Math.max(1.2, Math.min(11, (TALLEST - order.length * GAP) / Math.max(1, total)))
  const step = last > 0 ? Math.min(160, (right - left) / last) : 0
  const layout: TreeLayout = { lanes: [], at: new Float32Array(2 * r.count).fill(NaN), height: 0, step, radius: Math.max(1.4, Math.min(4, row * 0.42, step * 0.36 || 4)) }
  let y = top
  order.forEach((key, k) => {
    const byGeneration = cells.get(key) as Map<number, number[]>
    const height = Math.max(SMALLEST_LANE, most[k] * row)
    let members = 0
    for (const [g, list] of byGeneration) {
      list.sort((a, b) => (p.kld[a] ?? Infinity) - (p.kld[b] ?? Infinity) || a - b)
      members += list.length
      list.forEach((i, n) => {
        layout.at[2 * i] = left + g * step
        layout.at[2 * i + 1] = y + height / 2 + (n - (list.length - 1) / 2) * row
      })
    }
    layout.lanes.push({ name: key >= 0 ? `family ${r.familyLetter[key]}` : key === OTHER ? 'small families' : key === ALONE ? 'in no family' : 'no plan', family: key, top: y, height, members })
    y += height + GAP
  })
  layout.height = y
  return layout
}

export interface LineNode {
  i: number
  column: number
  row: number
}

/**
 * The lines of some individuals up to their first ancestors, for the view that shows nobody else: a row for each line until it meets one
 * that stands already, a column for each generation that somebody of them was born in (and one more where a parent and its child are of
 * one generation). `generations` says of each column which it is.
 */
export function layLines(r: Report, lines: number[][]): { nodes: LineNode[]; generations: number[]; rows: number } {
  const p = r.doc.individuals
  const row = new Map<number, number>()
  let rows = 0
  for (const line of lines) {
    const fresh = line.filter((i) => !row.has(i))
    if (fresh.length === 0) continue
    for (const i of fresh) row.set(i, rows)
    rows++
  }
  const within = new Map<number, number>()
  for (const i of [...row.keys()].sort((a, b) => p.id[a] - p.id[b])) {
    const parent = r.place.get(p.parent1[i])
    within.set(i, parent !== undefined && row.has(parent) && p.generation[parent] === p.generation[i] ? (within.get(parent) ?? 0) + 1 : 0)
  }
  const key = (i: number) => p.generation[i] * 1e6 + (within.get(i) as number)
  const keys = [...new Set([...row.keys()].map(key))].sort((a, b) => a - b)
  const column = new Map(keys.map((k, n) => [k, n]))
  const nodes = [...row].map(([i, at]) => ({ i, row: at, column: column.get(key(i)) as number }))
  return { nodes, generations: keys.map((k) => Math.floor(k / 1e6)), rows }
}
