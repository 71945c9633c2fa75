/* Part 6: the strategy. Its genes, each with its worth where a knock-out measured it, and rules as curves. */
import { callName, fullName, placeOf, wholeTextOf, type Knockout, type Report } from './document'
import { divergence, FATES } from './about'
import { scalePow } from 'd3-scale'
import { clipped, h, replace, s, say } from './dom'
import { count, placesOf, plural, signedTo, sizeExact } from './format'
import { section, type Part } from './part'
import { ruleCurves } from './rule_curves'
import { choice } from './state'
import { readGenes, type GeneText } from './strategy_text'
import { GENES } from './variables'
import { term } from './words'

const WIDTH = 180
/** Where a worth stands in its bar. */
type Place = (v: number) => number

export class StrategyPart implements Part {
  readonly root: HTMLElement
  /** Decimals of all worths that are shown. */
  private places = 0
  /** What the genes were drawn from: a document that does not change them leaves them, and whoever reads them, alone. */
  private drawn = ''
  private readonly head = h('p', { class: 'summary' })
  private readonly genes = h('div', { class: 'genes' })
  private readonly pins = h('div')
  private readonly text = h('pre', { class: 'strategy', tabindex: '0', 'aria-label': 'The text of the strategy' })
  private readonly copy = h('button', { type: 'button', 'data-focus': 'strategy:copy', onclick: () => void this.copyText() }, 'Copy the text')

  private readonly whole = h('details', { class: 'more' }, h('summary', {}, 'The whole text'), this.copy, this.text)

  constructor() {
    this.root = section('strategy', 'The strategy',
      ['What the selected ', term('individual'), ' is made of: each ', term('gene'), ' with its ', term('worth', 'worth'), ', and ', term('rule', 'rules'),
        ' as curves. The bars of worth have a square-root scale, so that small ones show. In a curve one variable moves while the others stand at their ', term('usual', 'usual values'), ', which dotted lines mark; a dashed curve is the compared individual’s. Point at a curve, or go through it with the arrow keys, for its values.'],
      this.head, this.genes, this.pins, this.whole)
  }

  update(r: Report): void {
    this.draw(r)
  }

  chosen(r: Report): void {
    this.draw(r)
  }

  redraw(): void {}

  private async copyText(): Promise<void> {
    try {
      await navigator.clipboard.writeText(this.text.textContent ?? '')
      say('copied')
      this.copy.textContent = 'Copied'
    } catch {
      getSelection()?.selectAllChildren(this.text)
      this.copy.textContent = 'Selected: copy it with the keyboard'
    }
    setTimeout(() => { this.copy.textContent = 'Copy the text' }, 2500)
  }

  private draw(r: Report): void {
    const i = placeOf(r, choice.selected)
    this.whole.hidden = i < 0
    if (i < 0) {
      this.head.textContent = 'Nobody is selected.'
      this.text.textContent = ''
      this.drawn = ''
      replace(this.pins)
      return replace(this.genes)
    }
    const lines = wholeTextOf(r, i)
    const text = lines.join('\n')
    if (this.text.textContent !== text) this.text.textContent = text
    const p = r.doc.individuals
    const worths = new Map(r.doc.knockouts.filter((k) => k.id === p.id[i]).map((k) => [k.gene, k]))
    replace(this.head, h('b', { 'data-say': fullName(r, i) }, callName(r, i)), ` (${FATES[r.fate[i]]}, #${p.id[i]}): ${divergence(r, i)}; ${p.bytes[i] > 0 ? sizeExact(p.bytes[i]) : 'it never had a plan'}. `,
      ...(worths.size > 0 ? [] : ['What its genes are worth has not been measured: ', h('code', {}, 'wildtype explain'), ' does it.']))
    this.drawGenes(r, i, readGenes(lines), worths)
  }

  private drawGenes(r: Report, i: number, genes: GeneText[], worths: Map<string, Knockout>): void {
    const scale = this.worthScale([...worths.values()])
    this.places = placesOf([...worths.values()].map((k) => k.change))
    const b = placeOf(r, choice.compared)
    const others = b < 0 || b === i ? new Map<string, string>() : new Map(readGenes(wholeTextOf(r, b)).map((g) => [g.gene, g.value]))
    const source = JSON.stringify([genes, [...worths.values()], [...others]])
    if (source === this.drawn) return
    this.drawn = source
    // A knock-out may have set a gene that the strategy leaves at its default.
    const written = new Set(genes.map((gene) => gene.gene))
    const silent = [...worths.keys()].filter((gene) => !written.has(gene) && !gene.startsWith('pin ')).map((gene): GeneText => ({ gene, value: GENES[gene]?.otherwise ?? '', pins: [] }))
    const rows = [...genes, ...silent].map((gene) => this.gene(gene, worths.get(gene.gene), scale, others, written.has(gene.gene)))
    replace(this.genes, ...(rows.length > 0 ? rows : [h('p', { class: 'none' }, 'Every gene is at its default.')]))
    const pinWorths = [...worths.values()].filter((k) => k.gene.startsWith('pin '))
    replace(this.pins, pinWorths.length > 0 && h('h3', {}, 'What single ', term('pin', 'pins'), ' are worth'), pinWorths.length > 0 && h('ul', { class: 'pin-worths' },
      ...pinWorths.map((k) => h('li', {}, h('code', {}, k.gene.slice(4)), this.worth(k, scale)))))
  }

  private worthScale(worths: Knockout[]): Place | null {
    const all = worths.flatMap((k) => [k.change, k.low, k.high]).filter((v): v is number => v !== null)
    return all.length === 0 ? null : scalePow().exponent(0.5).domain([Math.min(0, ...all), Math.max(0, ...all)]).range([6, WIDTH - 6])
  }

  private gene(gene: GeneText, worth: Knockout | undefined, scale: Place | null, others: Map<string, string>, written: boolean): HTMLElement {
    const info = GENES[gene.gene]
    const isPins = gene.pins.length > 1
    const value = isPins ? `{ ${plural(gene.pins.length, 'tensor')} }` : gene.value
    const other = others.get(gene.gene)
    return h('article', { class: 'gene' }, h('div', { class: 'said' },
      h('h3', {}, h('span', { class: 'term', tabindex: '0', 'data-say': info ? `${info.help} What people use: ${info.human}` : 'A gene that this page does not know.' }, gene.gene)),
      h('code', { class: 'value' }, value, !written && h('span', { class: 'small' }, ' (its default)')),
      isPins && this.pinTypes(gene.pins),
      worth && this.worth(worth, scale),
      !!info?.domain && other !== undefined && other !== gene.value && h('p', { class: 'small' }, gene.gene === 'alloc.price' ? 'compared (dashed, drawn to the same height): ' : 'compared (dashed): ', h('code', {}, other))),
      info?.domain && written && ruleCurves(gene.gene, info, gene.value, other ?? null, gene.gene === 'alloc.price'))
  }

  private pinTypes(pins: [string, string][]): HTMLElement {
    const types = new Map<string, number>()
    for (const [, type] of pins) types.set(type, (types.get(type) ?? 0) + 1)
    return h('p', { class: 'small' }, [...types].sort((a, b) => b[1] - a[1]).map(([type, n]) => `${count(n)} × ${type}`).join(', '), '. Which tensor has which type is in the plan above and in the whole text.')
  }

  private worth(k: Knockout, scale: Place | null): HTMLElement {
    if (k.change === null || !scale) return h('p', { class: 'worth' }, 'worth: not measured')
    const low = k.low ?? k.change, high = k.high ?? k.change, places = this.places
    const verdict = verdictOn(k)
    const kind = low > 0 ? 'good' : high < 0 ? 'bad' : 'unknown'
    const zero = scale(0), at = scale(k.change)
    const svg = s('svg', { width: WIDTH, height: 22, class: `worth-bar ${kind}`, 'aria-hidden': 'true' },
      s('rect', { x: Math.min(zero, at), width: Math.max(1, Math.abs(at - zero)), y: 6, height: 10, class: 'amount' }),
      s('line', { x1: scale(low), x2: scale(high), y1: 11, y2: 11, class: 'whisker' }), s('line', { x1: zero, x2: zero, y1: 0, y2: 22, class: 'zero' }))
    return h('p', { class: 'worth', 'data-say': `Set to ${k.value || 'the rules'}, the divergence changes by ${signedTo(k.change, places)} nats per token; 95% interval ${signedTo(k.low, places)} to ${signedTo(k.high, places)}: ${verdict}.` },
      h('span', { class: 'sign' }, kind === 'good' ? '▲ ' : kind === 'bad' ? '▼ ' : '○ '), svg, h('b', {}, `${signedTo(k.change, places)} nats per token`), h('span', { class: 'small' }, ` (${signedTo(k.low, places)} to ${signedTo(k.high, places)}) against `, clipped(k.value || 'the rules', 120), `: ${verdict}`))
  }
}

/** What a knock-out says: pins were given back to the rules, other genes set to what people use. */
export function verdictOn(k: Knockout): string {
  const than = k.gene.startsWith('pin ') ? 'what the rules choose' : 'what people use'
  const low = k.low ?? k.change ?? 0, high = k.high ?? k.change ?? 0
  return low > 0 ? `better than ${than}` : high < 0 ? `worse than ${than}` : `not to be told apart from ${than}`
}

/** Worths that did not hold, for the last part. */
export function unsupported(r: Report): Knockout[] {
  return r.doc.knockouts.filter((k) => k.change !== null && (k.low ?? k.change) <= 0)
}

export function worthText(k: Knockout, places: number): string {
  return `${signedTo(k.change, places)} nats per token (${signedTo(k.low, places)} to ${signedTo(k.high, places)})`
}
