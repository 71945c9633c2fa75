/* A part of the page: its section, and how it follows the document and the reader's choice. */
import type { Report } from './document'
import { h } from './dom'

export interface Part {
  root: HTMLElement
  /** A new document. */
  update(r: Report): void
  /** Another individual was chosen, or another to compare with. */
  chosen(r: Report): void
  /** Another colour scheme, or another width. */
  redraw(r: Report): void
}

export function section(id: string, title: string, lead: (Node | string)[], ...children: Node[]): HTMLElement {
  return h('section', { id, 'aria-labelledby': `${id}-title` },
    h('h2', { id: `${id}-title` }, title), h('p', { class: 'lead' }, ...lead), ...children)
}

/** A set of choices of which one holds. */
export function radio<T extends string>(legend: string, options: [T, string][], value: T, change: (value: T) => void): HTMLElement {
  const name = legend.replace(/\W+/g, '-').toLowerCase()
  return h('fieldset', { class: 'radio' }, h('legend', {}, legend),
    ...options.map(([key, label]) => h('label', {},
      h('input', { type: 'radio', name, value: key, checked: key === value, onchange: () => change(key) }), h('span', {}, label))))
}
