/* Everybody in one table, for those who search, sort, or do not see the chart. */
import { callName, fullName, type Report } from './document'
import { FATES, familyName } from './about'
import { clipped, h } from './dom'
import { count, digits, NONE, share, size } from './format'
import type { Part } from './part'
import { choice, select } from './state'
import { Table } from './table'

export class PeoplePart implements Part {
  readonly root: HTMLElement
  private report: Report | null = null
  private readonly table: Table<number>
  private readonly search: HTMLInputElement
  private readonly details: HTMLDetailsElement

  constructor() {
    const p = () => (this.report as Report).doc.individuals
    this.table = new Table<number>({
      name: 'people', caption: 'Everybody who was born or took part', key: (i) => String(p().id[i]), page: 20, sort: { key: 'kld' },
      choose: (i) => select(p().id[i]), chosen: (i) => p().id[i] === choice.selected, empty: 'Nobody was found.',
      columns: [
        { key: 'name', head: 'Who', word: 'individual', value: (i) => fullName(this.report as Report, i), cell: (i) => callName(this.report as Report, i) },
        { key: 'id', head: 'Number', numeric: true, value: (i) => p().id[i], cell: (i) => `#${p().id[i]}` },
        { key: 'fate', head: 'What became of it', value: (i) => this.fate(i), cell: (i) => this.fate(i) },
        { key: 'kld', head: 'Divergence, nats', word: 'kld', numeric: true, value: (i) => this.comparable(i), cell: (i) => digits(p().kld[i]) },
        { key: 'chunks', head: 'Chunks', word: 'chunk', numeric: true, value: (i) => p().measured[i], cell: (i) => count(p().measured[i]) },
        { key: 'bytes', head: 'Size', numeric: true, value: (i) => p().bytes[i] || null, cell: (i) => size(p().bytes[i] || null) },
        { key: 'top', head: 'Same top', word: 'same_top', numeric: true, value: (i) => p().same_top[i], cell: (i) => share(p().same_top[i]) },
        { key: 'generation', head: 'Generation', word: 'generation', numeric: true, value: (i) => p().generation[i], cell: (i) => String(p().generation[i]) },
        { key: 'operator', head: 'Operator', word: 'operator', value: (i) => this.operator(i), cell: (i) => this.operator(i) },
        { key: 'family', head: 'Family', word: 'family', value: (i) => familyName(this.report as Report, i), cell: (i) => familyName(this.report as Report, i).replace('family ', '') },
        { key: 'cause', head: 'Cause', word: 'law', wide: true, value: (i) => p().cause[i] || null, cell: (i) => (p().cause[i] ? clipped(p().cause[i]) : NONE) },
      ],
    })
    this.search = h('input', { type: 'search', 'aria-label': 'Find by name, number, cause or operator', placeholder: 'name, #number, cause, operator', 'data-focus': 'people:search', oninput: () => this.fill() })
    this.details = h('details', { class: 'more', id: 'people', ontoggle: () => this.fill() }, h('summary', {}, 'Everybody as a table'), h('label', { class: 'find' }, 'Find ', this.search), this.table.root)
    this.root = this.details
  }

  /** On all chunks first: a divergence on a part of the text cannot be compared with the others. */
  private comparable(i: number): number | null {
    const r = this.report as Report
    return r.full[i] ? r.doc.individuals.kld[i] : null
  }

  private fate(i: number): string {
    const r = this.report as Report
    return FATES[r.fate[i]]
  }

  private operator(i: number): string {
    const r = this.report as Report
    return r.doc.operators[r.doc.individuals.operator[i]] ?? NONE
  }

  private fill(): void {
    const r = this.report
    if (!r || !this.details.open) return
    const wanted = this.search.value.trim().toLowerCase()
    const rows: number[] = []
    for (let i = 0; i < r.count; i++) {
      if (wanted && ![fullName(r, i), `#${r.doc.individuals.id[i]}`, r.doc.individuals.cause[i], this.operator(i), this.fate(i)].some((t) => t.toLowerCase().includes(wanted))) continue
      rows.push(i)
    }
    this.table.set(rows)
  }

  update(r: Report): void {
    this.report = r
    this.details.hidden = r.count === 0
    this.fill()
  }

  chosen(): void {
    if (this.details.open) this.table.refresh()
  }

  redraw(): void {}
}
