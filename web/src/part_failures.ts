/* Part 7: what did not work: families that died out, laws that were broken, genes without worth, finalists that failed. */
import { callName, placeOf, type Family, type Knockout, type Report, type Verdict } from './document'
import { clipped, h, replace } from './dom'
import { brief, count, nats, NONE, placesOf, plural, share } from './format'
import { section, type Part } from './part'
import { unsupported, verdictOn, worthText } from './part_strategy'
import { choice, select } from './state'
import { Table } from './table'
import { lawTip, term } from './words'

interface Death { law: string; count: number; share: number; example: string; id: number }
interface Extinct { family: Family; index: number }

export class FailuresPart implements Part {
  readonly root: HTMLElement
  private report: Report | null = null
  private readonly summary = h('p', { class: 'summary' })
  private readonly families: Table<Extinct>
  private readonly deaths: Table<Death>
  private readonly genes: Table<Knockout>
  private readonly rejected = h('div')
  private readonly method = h('p', { class: 'small' })

  constructor() {
    const who = (id: number) => (this.report && placeOf(this.report, id) >= 0 ? callName(this.report, placeOf(this.report, id)) : `#${id}`)
    this.families = new Table<Extinct>({
      name: 'families', caption: 'Families that died out', key: (row) => String(row.index), page: 10, sort: { key: 'size', down: true }, empty: 'No family died out.',
      choose: (row) => select(this.oneOf(row.family)), chosen: (row) => this.oneOf(row.family) === choice.selected,
      columns: [
        { key: 'letter', head: 'Family', word: 'family', value: (row) => this.report?.familyLetter[row.index] ?? '', cell: (row) => this.report?.familyLetter[row.index] ?? NONE },
        { key: 'size', head: 'Members', numeric: true, value: (row) => this.members(row), cell: (row) => count(this.members(row)) },
        { key: 'founder', head: 'Founder', word: 'founder', value: (row) => row.family.founder, cell: (row) => brief(who(row.family.founder), 20) },
        { key: 'life', head: 'Generations', value: (row) => row.family.born, cell: (row) => `${row.family.born} to ${row.family.last}` },
        { key: 'best', head: 'Its best', word: 'kld', numeric: true, value: (row) => row.family.best, cell: (row) => nats(row.family.best) },
        { key: 'genes', head: 'What set it apart', wide: true, cell: (row) => this.geneList(row.family.genes) },
      ],
    })
    this.deaths = new Table<Death>({
      name: 'deaths', caption: 'Laws that were broken', key: (row) => row.law, sort: { key: 'count', down: true }, empty: 'Nobody broke a law.',
      choose: (row) => select(row.id), chosen: (row) => row.id === choice.selected,
      columns: [
        { key: 'law', head: 'Law', word: 'law', value: (row) => row.law, cell: (row) => h('span', { 'data-say': lawTip(row.law) }, row.law) },
        { key: 'count', head: 'Died', numeric: true, value: (row) => row.count, cell: (row) => count(row.count) },
        { key: 'share', head: 'Of all born', numeric: true, value: (row) => row.share, cell: (row) => share(row.share) },
        { key: 'example', head: 'For example', wide: true, cell: (row) => clipped(row.example) },
      ],
    })
    this.genes = new Table<Knockout>({
      name: 'unsupported', caption: 'Genes without proven worth', key: (row) => `${row.id} ${row.gene}`, page: 10, sort: { key: 'change' },
      empty: () => (this.report?.doc.knockouts.length ? 'Every gene that was measured is worth something.' : 'What genes are worth has not been measured: wildtype explain does it.'),
      choose: (row) => select(row.id), chosen: (row) => row.id === choice.selected,
      columns: [
        { key: 'who', head: 'Whose', value: (row) => who(row.id), cell: (row) => who(row.id) },
        { key: 'gene', head: 'Gene', word: 'gene', value: (row) => row.gene, cell: (row) => h('code', {}, row.gene) },
        { key: 'change', head: 'Worth, with 95% interval', word: 'worth', wide: true, value: (row) => row.change, cell: (row) => worthText(row, placesOf(this.report?.doc.knockouts.map((k) => k.change) ?? [])) },
        { key: 'verdict', head: 'What that says', wide: true, cell: (row) => verdictOn(row) },
      ],
    })
    this.root = section('failures', 'What did not work',
      ['What the run tried and gave up: ', term('family', 'families'), ' that are ', term('extinct'), ', ', term('law', 'laws'), ' that were broken, ', term('gene', 'genes'),
        ' whose ', term('worth', 'worth'), ' was not proven, and finalists that failed on the ', term('holdout'), '.'],
      this.summary, h('h3', {}, 'Families that died out'), this.families.root, this.method, h('h3', {}, 'Genes without proven worth'), this.genes.root,
      h('h3', {}, 'Laws that were broken'), this.deaths.root, this.rejected)
  }

  private members(row: Extinct): number {
    return this.report?.familyEvolved[row.index] ?? row.family.size
  }

  /** The family's best, or its founder where nobody was measured. */
  private oneOf(family: Family): number {
    return this.report?.place.has(family.best_id) ? family.best_id : family.founder
  }

  private geneList(genes: string[]): Node {
    if (genes.length === 0) return h('span', {}, NONE)
    const list = h('ul', { class: 'changes' }, ...genes.slice(0, 5).map((line) => h('li', {}, h('code', {}, line.length > 140 ? line.slice(0, 139) + '…' : line))))
    if (genes.length > 5) list.append(h('li', {}, `and ${genes.length - 5} more`))
    return list
  }

  update(r: Report): void {
    this.report = r
    const p = r.doc.individuals
    const extinct = r.familyOrder.map((index) => ({ family: r.doc.families[index], index })).filter((row) => !row.family.alive && r.familyEvolved[row.index] > 0)
    this.families.set(extinct)
    const deaths = new Map<string, Death>()
    let evolved = 0
    for (let i = 0; i < r.count; i++) {
      if (r.fate[i] !== 'human') evolved++
      if (!r.law[i]) continue
      const known = deaths.get(r.law[i])
      if (known) known.count++
      else deaths.set(r.law[i], { law: r.law[i], count: 1, share: 0, example: p.cause[i], id: p.id[i] })
    }
    for (const death of deaths.values()) death.share = death.count / Math.max(1, evolved)
    this.deaths.set([...deaths.values()])
    const lethal = [...deaths.values()].reduce((sum, d) => sum + d.count, 0)
    const raced = r.doc.generations.eliminated.reduce((sum, n) => sum + n, 0)
    this.summary.textContent = evolved === 0 ? 'Nobody has been born yet.'
      : `Of ${plural(evolved, 'individual')} born, ${count(lethal)} ${lethal === 1 ? 'was' : 'were'} lethal (${share(lethal / evolved)}) and ${count(raced)} ${raced === 1 ? 'was' : 'were'} sent home in races; ${count(extinct.length)} of ${plural(r.familyEvolved.filter((n) => n > 0).length, 'family', 'families')} died out.`
    this.genes.set(unsupported(r))
    const c = r.doc.clustering
    replace(this.method, c && r.doc.families.length > 0 ? `Families are found by ${c.method}. The largest distance from a member to its founder is ${c.threshold}, where 0 is the same and 1 has nothing in common${Object.keys(c.weights ?? {}).length > 0 ? '; weights in the distance: ' + Object.entries(c.weights).map(([k, v]) => `${k} ${v}`).join(', ') : ''}.` : null)
    const failed = r.doc.verdict.filter((row) => row.role === 'rejected')
    replace(this.rejected, failed.length > 0 && h('h3', {}, 'Finalists that failed on the holdout text'), failed.length > 0 && h('ul', {}, ...failed.map((row) => this.failure(r, row))))
  }

  private failure(r: Report, row: Verdict): HTMLElement {
    const i = placeOf(r, row.id)
    return h('li', {}, h('button', { type: 'button', class: 'pick', 'data-focus': `rejected:${row.id}`, onclick: () => select(row.id) }, i < 0 ? `#${row.id}` : callName(r, i)), ': ', clipped(row.note || 'no reason is recorded'))
  }

  chosen(): void {
    for (const table of [this.families, this.deaths, this.genes]) table.refresh()
  }

  redraw(): void {}
}
