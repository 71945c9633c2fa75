/*
 * A table that sorts by its heads, in pages where it is long. Where the page is narrow some columns have no head in sight: a list above the
 * table sorts by every column there. Rows can be chosen by a button in their first cell or by a click.
 */
import { freshId, h, keepFocus, replace, say } from './dom'
import { NONE, plural } from './format'
import { type Word } from './words'

export interface Column<T> {
  key: string
  head: string
  word?: Word
  /** A second line of the head. */
  under?: () => Node | string
  /** What it sorts by; missing ones come last in either direction. Columns without it do not sort. */
  value?: (row: T) => number | string | null
  cell: (row: T) => Node | string
  numeric?: boolean
  wide?: boolean
  /** Left out where the page is narrow. */
  roomy?: boolean
  /** Left out while no row has a value. */
  optional?: boolean
}

/** Where wide columns stand below their rows: beside the others they would be cut off, and leave tall rows that look empty. */
const NARROW = matchMedia('(max-width: 1000px)')

export interface TableOptions<T> {
  name: string
  caption: string
  columns: Column<T>[]
  key: (row: T) => string
  /** The first cell becomes a button where rows can be chosen. */
  choose?: (row: T) => void
  chosen?: (row: T) => boolean
  sort?: { key: string; down?: boolean }
  page?: number
  /** What stands there while there are no rows. */
  empty: string | (() => string)
}

function classesOf(column: { numeric?: boolean; wide?: boolean; roomy?: boolean }): string | undefined {
  return [column.numeric && 'number', column.wide && 'wide', column.roomy && 'roomy'].filter(Boolean).join(' ') || undefined
}

export class Table<T> {
  readonly root: HTMLElement
  private readonly o: TableOptions<T>
  private rows: T[] = []
  private columns: Column<T>[] = []
  private sorted: T[] = []
  private sortKey: string
  private down: boolean
  private first = 0
  private readonly head = h('thead')
  private readonly body = h('tbody')
  private readonly pager = h('div', { class: 'pager' })
  private readonly scroller: HTMLElement
  private readonly sorter: HTMLElement
  private readonly sortList: HTMLSelectElement
  private readonly turnSort: HTMLButtonElement

  constructor(options: TableOptions<T>) {
    this.o = options
    this.sortKey = options.sort?.key ?? ''
    this.down = options.sort?.down ?? false
    const table = h('table', { class: 'rows' }, h('caption', { class: 'for-readers' }, options.caption), this.head, this.body)
    this.scroller = h('div', { class: 'scroller', tabindex: '0', role: 'region', 'aria-label': options.caption }, table)
    const id = freshId('sort')
    this.sortList = h('select', { id, 'data-focus': `${options.name}:sort-by`, onchange: () => this.sortWith(this.sortList.value, false) })
    this.turnSort = h('button', { type: 'button', 'data-focus': `${options.name}:sort-turn`, onclick: () => this.sortWith(this.sortKey, !this.down) })
    this.sorter = h('div', { class: 'sorter', role: 'group', 'aria-label': `Order of the table: ${options.caption}` }, h('label', { for: id }, 'Sort by'), this.sortList, this.turnSort)
    this.root = h('div', { class: 'table' }, this.sorter, this.scroller, this.pager)
    NARROW.addEventListener('change', () => this.draw())
  }

  set(rows: T[]): void {
    this.rows = rows
    this.order()
    this.draw()
  }

  /** After a choice: the rows stay, their marks change. */
  refresh(): void {
    this.draw()
  }

  private order(): void {
    const column = this.o.columns.find((c) => c.key === this.sortKey)
    this.sorted = [...this.rows]
    const value = column?.value
    if (!value) return
    const sign = this.down ? -1 : 1
    const keyed = this.sorted.map((row, i) => ({ row, i, v: value(row) }))
    keyed.sort((a, b) => {
      if (a.v === null || b.v === null) return a.v === b.v ? a.i - b.i : a.v === null ? 1 : -1
      if (typeof a.v === 'string' || typeof b.v === 'string')
        return sign * String(a.v).localeCompare(String(b.v), 'en', { numeric: true }) || a.i - b.i
      return sign * (a.v - b.v) || a.i - b.i
    })
    this.sorted = keyed.map((k) => k.row)
  }

  /** By the column's key; '': in the order in which the rows came. */
  private sortWith(key: string, down: boolean): void {
    this.down = down
    this.sortKey = key
    this.first = 0
    this.order()
    this.draw()
    const column = this.o.columns.find((c) => c.key === key)
    say(column ? `sorted by ${column.head}, ${down ? 'descending' : 'ascending'}` : 'in the usual order')
  }

  private drawSorter(): void {
    const sortable = this.columns.filter((column) => column.value)
    this.sorter.hidden = !NARROW.matches || sortable.length < 2 || this.rows.length < 2
    if (this.sorter.hidden) return
    const options = [...(this.o.sort ? [] : [['', 'usual order']]), ...sortable.map((column) => [column.key, column.head])]
    // A list that is open would close, should its entries be made anew.
    if (options.map(([key]) => key).join() !== [...this.sortList.options].map((option) => option.value).join())
      replace(this.sortList, ...options.map(([key, head]) => h('option', { value: key }, head)))
    this.sortList.value = this.sortKey
    this.turnSort.disabled = this.sortKey === ''
    this.turnSort.textContent = this.down ? '▼ descending' : '▲ ascending'
    this.turnSort.setAttribute('aria-label', `${this.down ? 'Descending' : 'Ascending'}: turn the order round`)
  }

  private headCell(column: Column<T>): HTMLElement {
    const sorted = column.key === this.sortKey
    const th = h('th', {
      scope: 'col', class: classesOf(column),
      'aria-sort': sorted ? (this.down ? 'descending' : 'ascending') : undefined,
    })
    if (column.value) {
      th.append(h('button', {
        type: 'button', class: 'sort', 'data-focus': `${this.o.name}:sort:${column.key}`, 'data-tip': column.word,
        'aria-describedby': column.word ? `word-${column.word}` : undefined, onclick: () => this.sortWith(column.key, sorted && !this.down),
      }, column.head, h('span', { class: 'arrow', 'aria-hidden': 'true' }, sorted ? (this.down ? '\u00a0▼' : '\u00a0▲') : '\u00a0↕')))
    } else if (column.word) {
      th.append(h('span', { class: 'term', tabindex: '0', 'data-tip': column.word, 'aria-describedby': `word-${column.word}` }, column.head))
    } else th.append(column.head)
    if (column.under) th.append(h('div', { class: 'under' }, column.under()))
    return th
  }

  private beside(): Column<T>[] {
    return this.columns.filter((column) => !(column.wide && NARROW.matches))
  }

  /** What stands below a row where the page is narrow; null: nothing. */
  private below(row: T): HTMLElement | null {
    const content = this.columns.filter((column) => column.wide && NARROW.matches).map((column) => ({ column, cell: column.cell(row) }))
      .filter(({ cell }) => (cell instanceof Node ? cell.textContent : cell) !== NONE)
    if (content.length === 0) return null
    return h('tr', { class: 'below' }, h('td', { colspan: this.beside().length }, h('div', { class: 'content' },
      ...content.map(({ column, cell }) => h('div', {}, h('span', { class: 'for-readers' }, `${column.head}: `), cell)))))
  }

  private bodyRows(row: T): HTMLElement[] {
    const chosen = this.o.chosen?.(row) ?? false
    const tr = h('tr', {})
    this.beside().forEach((column, i) => {
      const content = column.cell(row)
      const classes = classesOf(column)
      if (i === 0 && this.o.choose) {
        const button = h('button', {
          type: 'button', class: 'pick', 'data-focus': `${this.o.name}:row:${this.o.key(row)}`, 'aria-pressed': String(chosen),
        }, content)
        tr.append(h('th', { scope: 'row', class: classes }, button))
      } else tr.append(h(i === 0 ? 'th' : 'td', { class: classes, scope: i === 0 ? 'row' : undefined }, content))
    })
    const below = this.below(row)
    if (below) tr.classList.add('above')
    const both = below ? [tr, below] : [tr]
    for (const each of both) {
      if (chosen) each.classList.add('chosen')
      if (!this.o.choose) continue
      each.classList.add('choosable')
      each.addEventListener('click', () => this.o.choose?.(row))
    }
    return both
  }

  private draw(): void {
    keepFocus(() => {
      const page = this.o.page ?? Infinity
      if (this.first >= this.sorted.length) this.first = 0
      const shown = this.sorted.slice(this.first, this.first + page)
      this.columns = this.o.columns.filter((column) => !column.optional || this.rows.some((row) => !['', null, undefined].includes(column.value?.(row) as string | null)))
      replace(this.head, shown.length > 0 && h('tr', {}, ...this.beside().map((column) => this.headCell(column))))
      replace(this.body, ...shown.flatMap((row) => this.bodyRows(row)))
      if (shown.length === 0) replace(this.body, h('tr', {}, h('td', { class: 'none' }, typeof this.o.empty === 'string' ? this.o.empty : this.o.empty())))
      this.drawSorter()
      this.drawPager(page)
    })
  }

  private turn(to: number): void {
    this.first = to
    this.draw()
    say(`rows ${to + 1} to ${Math.min(to + (this.o.page ?? 0), this.sorted.length)}`)
  }

  private drawPager(page: number): void {
    const total = this.sorted.length
    this.pager.hidden = total <= page
    if (this.pager.hidden) return
    const last = Math.floor((total - 1) / page) * page
    const button = (label: string, to: number, off: boolean) =>
      h('button', { type: 'button', disabled: off, 'data-focus': `${this.o.name}:page:${label}`, onclick: () => this.turn(to) }, label)
    replace(this.pager,
      button('First', 0, this.first === 0), button('Previous', Math.max(0, this.first - page), this.first === 0),
      h('span', {}, `${this.first + 1} to ${Math.min(total, this.first + page)} of ${plural(total, 'row')}`),
      button('Next', Math.min(last, this.first + page), this.first >= last), button('Last', last, this.first >= last))
  }
}
