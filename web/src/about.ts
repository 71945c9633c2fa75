/* What the page says of one individual, in hover texts and to listeners. */
import { callName, textOf, type Fate, type Report } from './document'
import { h } from './dom'
import { brief, count, digits, NONE, share, size } from './format'

export const FATES: Record<Fate, string> = {
  survivor: 'survivor', human: 'human', rejected: 'rejected finalist', living: 'evolved', raced: 'sent home in a race', lethal: 'lethal',
}

const MOST_LINES = 9

export function whoIs(r: Report, i: number): string {
  const p = r.doc.individuals
  return `${callName(r, i)}, ${FATES[r.fate[i]]}, #${p.id[i]}`
}

/** `unit`: as a sentence needs it, without the head of a table's column. */
export function divergence(r: Report, i: number, unit = true): string {
  const p = r.doc.individuals
  if (p.kld[i] === null) return 'not measured'
  const error = p.kld_stderr[i] === null ? '' : ` ± ${digits(p.kld_stderr[i], 2)}`
  const part = r.full[i] ? '' : ` on ${count(p.measured[i])} of ${count(r.doc.run.chunks)} chunks`
  return `${digits(p.kld[i])}${error}${unit ? ' nats per token' : ''}${part}`
}

function origin(r: Report, i: number): string {
  const p = r.doc.individuals
  const parents = [p.parent1[i], p.parent2[i]].filter((id) => id > 0).map((id) => `#${id}`)
  const operator = r.doc.operators[p.operator[i]] ?? ''
  return `generation ${p.generation[i]}, by ${operator || NONE}${parents.length > 0 ? ' from ' + parents.join(' and ') : ''}`
}

export function familyName(r: Report, i: number): string {
  const family = r.doc.individuals.family[i]
  return family < 0 || r.familyLetter[family] === undefined ? 'none' : `family ${r.familyLetter[family]}`
}

/** The lines of a strategy that fit a hover: pins are counted, not listed. */
export function geneLines(lines: string[], most = MOST_LINES): string[] {
  const short: string[] = []
  let pins = -1
  for (const line of lines.flatMap((text) => text.split('\n'))) {
    if (line.startsWith('strategy')) continue
    if (pins >= 0) {
      if (line.trim() === '}') {
        short.push(`alloc.pins = ${pins} tensors`)
        pins = -1
      } else pins++
    } else if (/^alloc\.pins\s*=\s*\{\s*$/.test(line)) pins = 0
    else if (line.trim() !== '') short.push(line.replace(/\s+=\s/, ' = '))
  }
  if (short.length <= most) return short
  return [...short.slice(0, most - 1), `and ${short.length - most + 1} more genes`]
}

export function individualTip(r: Report, i: number): HTMLElement {
  const p = r.doc.individuals
  const row = (name: string, value: string) => h('div', { class: 'fact' }, h('span', {}, name), h('b', {}, value))
  const tip = h('div', { class: 'about' },
    h('strong', {}, callName(r, i)), h('span', { class: 'who' }, `${FATES[r.fate[i]]} · #${p.id[i]}`),
    row('divergence', divergence(r, i)),
    row('size', p.bytes[i] > 0 ? size(p.bytes[i]) : 'it never had a plan'))
  if (p.same_top[i] !== null) tip.append(row('same top token', share(p.same_top[i])))
  if (r.fate[i] !== 'human') tip.append(row('from', origin(r, i)), row('species', `${r.doc.species[p.species[i]] ?? NONE}, ${familyName(r, i)}`))
  if (p.cause[i] !== '') tip.append(h('p', { class: 'cause' }, brief(p.cause[i], 400)))
  const lines = geneLines(textOf(r, i))
  if (lines.length > 0) tip.append(h('pre', {}, lines.map((line) => (line.length > 110 ? line.slice(0, 109) + '…' : line)).join('\n')))
  return tip
}

export function speakOf(r: Report, i: number): string {
  const p = r.doc.individuals
  return `${whoIs(r, i)}; ${divergence(r, i)}; ${p.bytes[i] > 0 ? size(p.bytes[i]) : 'no plan'}; ${p.cause[i] || origin(r, i)}`
}
