/*
 * The document of a run, as `wildtype report --format json` prints it, and what the page derives from it. The derived part is made once
 * per document: everything that a hover asks for is then an array access.
 */

import { brief } from './format'

export type Missing = number | null

/** How far the run is; what each means is in docs/report-data.md. */
export type Stage = 'searching' | 'judging' | 'judged' | 'stopped'

/** What races compare. */
export interface Axis {
  name: string
  unit: string
  higher: boolean
}

export interface RunFacts {
  model: string
  text: string
  seed: number
  version: string
  cpu: string
  threads: number
  running: boolean
  ended: string | null
  stage: Stage
  axis: Axis
  measured: number
  evaluations: number
  tokens: number
  seconds: number
  noise: Missing
  raced_tokens: Missing
  full_tokens: Missing
  chunks: number
  target_bytes: Missing
  rules: string
}

export type Role = 'survivor' | 'human' | 'rejected'

export interface Verdict {
  id: number
  role: Role
  file: string
  bytes: number
  kld: Missing
  stderr: Missing
  low: Missing
  high: Missing
  p99: Missing
  same_top: Missing
  perplexity_ratio: Missing
  /** Of axes that finalists alone are measured on. */
  values: Record<string, Missing>
  note: string
}

export interface Asked {
  axis: string
  min: Missing
  max: Missing
  unit: string
}

export interface Individuals {
  id: number[]
  generation: number[]
  name: string[]
  label: string[]
  kind: number[]
  species: number[]
  operator: number[]
  parent1: number[]
  parent2: number[]
  budget: number[]
  bytes: number[]
  memory: number[]
  kld: Missing[]
  kld_stderr: Missing[]
  same_top: Missing[]
  perplexity_ratio: Missing[]
  measured: number[]
  cause: string[]
  family: number[]
  plan: number[]
  text: number[][]
}

export interface OperatorCount {
  tried: number
  stayed: number
  rate: number
}

export interface Generations {
  number: number[]
  evaluations: number[]
  tokens: number[]
  seconds: number[]
  best: Missing[]
  diversity: Missing[]
  lethal: number[]
  born: number[]
  eliminated: number[]
  cache_hits: Missing[]
  state_reuse: Missing[]
  operators: Record<string, OperatorCount>[]
}

export interface Knockout {
  id: number
  gene: string
  value: string
  change: Missing
  low: Missing
  high: Missing
}

export interface Family {
  founder: number
  size: number
  born: number
  last: number
  alive: boolean
  best: Missing
  best_id: number
  genes: string[]
}

export interface ReportDocument {
  format: string
  version: number
  run: RunFacts
  sentence: string
  verdict: Verdict[]
  asked: Asked[]
  operators: string[]
  species: string[]
  kinds: string[]
  individuals: Individuals
  lines: string[]
  tensors: { name: string; layer: number; role: string }[]
  types: { name: string; bpw: number }[]
  plans: string[]
  generations: Generations
  knockouts: Knockout[]
  families: Family[]
  clustering: { method: string; threshold: number; weights: Record<string, number> } | null
}

/** What became of an individual; what marks and words follow from. */
export type Fate = 'survivor' | 'human' | 'rejected' | 'living' | 'raced' | 'lethal'

export interface Report {
  doc: ReportDocument
  count: number
  /** Place in the columns, by id. */
  place: Map<number, number>
  verdict: Map<number, Verdict>
  fate: Fate[]
  /** The law that a lethal one broke; '' for the others. */
  law: string[]
  /** Letter of a family as people see it: A is the largest. Index: family. */
  familyLetter: string[]
  /** Families by how many were evolved, the most first; those of humans alone last. */
  familyOrder: number[]
  /** How many of a family were evolved. */
  familyEvolved: number[]
  /** Measured on all chunks of the search text: those whose divergences can be compared. */
  full: Uint8Array
}

const COLUMNS: (keyof Individuals)[] = [
  'id', 'generation', 'name', 'label', 'kind', 'species', 'operator', 'parent1', 'parent2', 'budget', 'bytes', 'memory',
  'kld', 'kld_stderr', 'same_top', 'perplexity_ratio', 'measured', 'cause', 'family', 'plan', 'text',
]

/** A report of the document, or what is wrong with it as an error. */
export function readReport(value: unknown): Report {
  const doc = value as ReportDocument
  if (!doc || typeof doc !== 'object' || doc.format !== 'wildtype-report')
    throw new Error('this is no report of wildtype: its format is not "wildtype-report"')
  if (doc.version !== 1) throw new Error(`the report has version ${String(doc.version)}; this page reads version 1`)
  const count = doc.individuals.id.length
  for (const column of COLUMNS)
    if (!Array.isArray(doc.individuals[column]) || doc.individuals[column].length !== count)
      throw new Error(`the report's column "${column}" does not have ${count} values`)
  const place = new Map<number, number>()
  for (let i = 0; i < count; i++) place.set(doc.individuals.id[i], i)
  const verdict = new Map(doc.verdict.map((row) => [row.id, row]))
  const report: Report = {
    doc, count, place, verdict,
    fate: [], law: [], familyLetter: [], familyOrder: [], familyEvolved: [], full: new Uint8Array(count),
  }
  readFates(report)
  nameFamilies(report)
  return report
}

function readFates(r: Report): void {
  const p = r.doc.individuals
  const human = r.doc.kinds.indexOf('human')
  for (let i = 0; i < r.count; i++) {
    const cause = p.cause[i]
    const colon = cause.indexOf(':')
    const law = colon < 0 ? cause : cause.slice(0, colon)
    const outlived = law === 'race' || law === 'selection'
    const role = r.verdict.get(p.id[i])?.role
    r.law.push(cause !== '' && !outlived ? law : '')
    r.fate.push(
      role === 'survivor' || role === 'rejected' ? role
      : cause !== '' && !outlived ? 'lethal'
      : p.kind[i] === human ? 'human'
      : law === 'race' || (p.measured[i] > 0 && p.measured[i] < r.doc.run.chunks) ? 'raced'
      : 'living',
    )
    r.full[i] = p.measured[i] >= r.doc.run.chunks && p.kld[i] !== null ? 1 : 0
  }
}

function nameFamilies(r: Report): void {
  const families = r.doc.families
  r.familyEvolved = new Array(families.length).fill(0)
  r.fate.forEach((fate, i) => { if (fate !== 'human' && r.doc.individuals.family[i] in r.familyEvolved) r.familyEvolved[r.doc.individuals.family[i]]++ })
  r.familyOrder = families.map((_, f) => f).sort((a, b) => r.familyEvolved[b] - r.familyEvolved[a] || families[b].size - families[a].size || a - b)
  r.familyLetter = new Array(families.length)
  r.familyOrder.forEach((family, rank) => {
    let letter = ''
    for (let n = rank + 1; n > 0; n = Math.floor((n - 1) / 26)) letter = String.fromCharCode(65 + ((n - 1) % 26)) + letter
    r.familyLetter[family] = letter
  })
}

/** What people call an individual: the human's label, or its name. */
export function fullName(r: Report, i: number): string {
  return r.doc.individuals.label[i] || r.doc.individuals.name[i] || `#${r.doc.individuals.id[i]}`
}

/** The same, as short as tables and titles need it. */
export function callName(r: Report, i: number): string {
  return brief(fullName(r, i), 40)
}

export function textOf(r: Report, i: number): string[] {
  return r.doc.individuals.text[i].map((line) => r.doc.lines[line] ?? '')
}

/** A tensor's name as a strategy writes it. */
function quoted(name: string): string {
  return /^[A-Za-z0-9._-]+$/.test(name) ? name : `"${name.replace(/["\\]/g, '\\$&')}"`
}

const ALL_PINS = /^alloc\.pins\s*=\s*\{ all \d+ tensors as in the plan \}$/

/** The text as `wildtype` reads it: with its name, and with the pins that the document leaves to the plan. */
export function wholeTextOf(r: Report, i: number): string[] {
  const types = planOf(r, i)
  return textOf(r, i).flatMap((line) => {
    if (line === 'strategy') return [`strategy "${r.doc.individuals.name[i]}"`]
    if (!types || !ALL_PINS.test(line)) return [line]
    const pins = types.flatMap((type, t) => (r.doc.types[type] ? [`    ${quoted(r.doc.tensors[t].name)}: ${r.doc.types[type].name}`] : []))
    return ['alloc.pins      = {', ...pins, '}']
  })
}

/** Types of the tensors of an individual's plan, -1 where a tensor has none; null without a plan. */
export function planOf(r: Report, i: number): number[] | null {
  const plan = r.doc.plans[r.doc.individuals.plan[i]]
  if (plan === undefined) return null
  return r.doc.tensors.map((_, t) => (t < plan.length ? plan.charCodeAt(t) - 48 : -1))
}

/** The place of an id, -1 where there is none. */
export function placeOf(r: Report, id: number | null): number {
  return id === null ? -1 : (r.place.get(id) ?? -1)
}

/** From the individual up by its first parent, itself first. Ids grow along a line, so a document with a ring cannot hold us. */
export function lineOf(r: Report, i: number): number[] {
  const line: number[] = []
  const p = r.doc.individuals
  for (let at = i; at >= 0; ) {
    line.push(at)
    const parent = placeOf(r, p.parent1[at] || null)
    at = parent >= 0 && p.id[parent] < p.id[at] ? parent : -1
  }
  return line
}

/** Everybody that the individuals descend from by either parent, themselves among them. */
export function ancestorsOf(r: Report, from: number[]): Set<number> {
  const seen = new Set<number>(from)
  const p = r.doc.individuals
  const open = [...from]
  while (open.length > 0) {
    const at = open.pop() as number
    for (const id of [p.parent1[at], p.parent2[at]]) {
      const parent = placeOf(r, id || null)
      if (parent >= 0 && !seen.has(parent)) {
        seen.add(parent)
        open.push(parent)
      }
    }
  }
  return seen
}

/** Survivors' places, in the order that was settled before the holdout text was looked at. */
export function survivorsOf(r: Report): number[] {
  return r.doc.verdict
    .filter((row) => row.role === 'survivor' && r.place.has(row.id))
    .map((row) => r.place.get(row.id) as number)
}

/** The one that the page shows before anybody chose: the first survivor, else the best measured, else the first. */
export function firstChoice(r: Report): number {
  const survivors = survivorsOf(r)
  if (survivors.length > 0) return survivors[0]
  const p = r.doc.individuals
  let best = -1
  for (const evolved of [true, false]) {
    for (let i = 0; i < r.count; i++) {
      if (!r.full[i] || (r.fate[i] === 'human') === evolved || r.fate[i] === 'lethal') continue
      if (best < 0 || (p.kld[i] as number) < (p.kld[best] as number)) best = i
    }
    if (best >= 0) return best
  }
  return r.count > 0 ? 0 : -1
}

/** The human to compare with: the best in the verdict within the size, else the best, else the best measured. */
export function bestHuman(r: Report): number {
  const target = r.doc.run.target_bytes ?? Infinity
  const rows = r.doc.verdict.filter((row) => row.role === 'human' && r.place.has(row.id))
  const fits = rows.filter((row) => row.bytes <= target)
  const order = (fits.length > 0 ? fits : rows).sort((a, b) => (a.kld ?? Infinity) - (b.kld ?? Infinity))
  if (order.length > 0) return r.place.get(order[0].id) as number
  let best = -1
  const p = r.doc.individuals
  for (let i = 0; i < r.count; i++)
    if (r.fate[i] === 'human' && p.kld[i] !== null && p.bytes[i] <= target &&
        (best < 0 || (p.kld[i] as number) < (p.kld[best] as number))) best = i
  return best
}
