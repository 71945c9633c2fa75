/*
 * Part 3: plans as heat maps, roles by layers, the selected individual's beside the one it is compared with. They are tables, so that they
 * read out and print; the keyboard goes through their cells with the arrows.
 */
import { callName, placeOf, planOf, type Report } from './document'
import { FATES } from './about'
import { h, replace, say } from './dom'
import { brief, count, plural } from './format'
import { bitsColour } from './palette'
import { section, type Part } from './part'
import { choice } from './state'
import { hideTip, showTip } from './tip'
import { term } from './words'

const ORDER = ['attn_q', 'attn_k', 'attn_v', 'attn_qkv', 'attn_output', 'ffn_gate', 'ffn_up', 'ffn_down']

interface Grid {
  roles: string[]
  layers: number[]
  /** Tensor by role and layer; -1: there is none. */
  cell: Map<string, number>
  outside: number[]
}

function gridOf(r: Report): Grid {
  const roles = new Set<string>(), layers = new Set<number>()
  const cell = new Map<string, number>()
  const outside: number[] = []
  r.doc.tensors.forEach((tensor, t) => {
    if (tensor.layer < 0) return outside.push(t)
    roles.add(tensor.role)
    layers.add(tensor.layer)
    cell.set(`${tensor.layer} ${tensor.role}`, t)
  })
  const rank = (role: string) => (ORDER.indexOf(role) < 0 ? ORDER.length : ORDER.indexOf(role))
  return {
    roles: [...roles].sort((a, b) => rank(a) - rank(b) || a.localeCompare(b)),
    layers: [...layers].sort((a, b) => a - b), cell, outside,
  }
}

export class PlanPart implements Part {
  readonly root: HTMLElement
  private readonly maps = h('div', { class: 'maps' })
  private readonly summary = h('p', { class: 'summary' })
  private readonly legend = h('div', { class: 'legend types' })

  constructor() {
    this.root = section('plan', 'The plan',
      ['Which ', term('type', 'block type'), ' each tensor gets, coloured by ', term('bpw', 'bits per weight'), ': ', term('layer', 'layers'), ' from left to right, ',
        term('role', 'roles'), ' from top to bottom. ▲ marks a tensor that spends more bits than in the other plan, ▼ one that spends fewer, ≠ one that spends as many in another type.'],
      this.summary, this.maps, this.legend)
  }

  update(r: Report): void {
    this.draw(r)
  }

  chosen(r: Report): void {
    this.draw(r)
  }

  redraw(): void {}

  private draw(r: Report): void {
    const a = placeOf(r, choice.selected), b = placeOf(r, choice.compared)
    const plan = a < 0 ? null : planOf(r, a), other = b < 0 || b === a ? null : planOf(r, b)
    const grid = gridOf(r)
    // Another strategy's plan may have tensors that neither of these has.
    grid.outside = grid.outside.filter((t) => (plan?.[t] ?? -1) >= 0 || (other?.[t] ?? -1) >= 0)
    if (!plan && !other) {
      replace(this.summary, a < 0 ? 'Nobody is selected.' : `${callName(r, a)} has no plan${r.law[a] ? `; it died: ${brief(r.doc.individuals.cause[a], 200)}` : '.'}`)
      replace(this.maps)
      return replace(this.legend)
    }
    this.summarise(r, plan, other, a, b)
    this.maps.className = grid.layers.length > 12 ? 'maps long' : 'maps'
    replace(this.maps, plan && this.map(r, grid, plan, other, a, 'Selected'), other && this.map(r, grid, other, plan, b, 'Compared'))
    this.drawLegend(r, plan, other)
  }

  private summarise(r: Report, plan: number[] | null, other: number[] | null, a: number, b: number): void {
    if (!plan) return replace(this.summary, `${a < 0 ? 'The selected one' : callName(r, a)} has no plan. `, 'Shown is the one that it is compared with.')
    if (!other) return replace(this.summary, b < 0 ? 'It is compared with nobody.' : b === a ? 'It is compared with itself: choose another above to see differences.' : 'The one that it is compared with has no plan.')
    let more = 0, fewer = 0, same = 0
    plan.forEach((type, t) => {
      if (type === other[t]) return
      const d = this.bits(r, type) - this.bits(r, other[t])
      if (d > 0) more++
      else if (d < 0) fewer++
      else same++
    })
    const parts = [more > 0 && `▲ ${count(more)} with more bits`, fewer > 0 && `▼ ${count(fewer)} with fewer`, same > 0 && `≠ ${count(same)} of another type with as many`].filter(Boolean)
    const total = plan.filter((type, t) => type >= 0 || other[t] >= 0).length
    replace(this.summary, h('b', {}, `${count(more + fewer + same)} of ${plural(total, 'tensor')}`), ` differ between ${callName(r, a)} and ${callName(r, b)}`,
      parts.length > 0 ? `: ${parts.join(', ')}.` : '.')
  }

  private bits(r: Report, type: number): number {
    return r.doc.types[type]?.bpw ?? 0
  }

  private cell(r: Report, t: number | undefined, plan: number[], other: number[] | null, wide: boolean, tag: 'td' | 'span' = 'td'): HTMLElement {
    const type = t === undefined ? undefined : r.doc.types[plan[t]]
    if (t === undefined || !type) return h(tag, { class: 'cell missing', 'data-say': 'This plan has no such tensor.' }, '–')
    const there = other ? r.doc.types[other[t]] : undefined
    const mark = !other || !there || plan[t] === other[t] ? '' : type.bpw > there.bpw ? '▲' : type.bpw < there.bpw ? '▼' : '≠'
    const colour = bitsColour(type.bpw)
    const text = `${r.doc.tensors[t].name}: ${type.name}, ${type.bpw} bits per weight${mark ? `; ${there?.name}, ${there?.bpw} bits in the other plan` : ''}`
    return h(tag, { class: mark ? 'cell differs' : 'cell', 'data-say': text, css: { 'background-color': colour.fill, color: colour.ink } },
      h('span', { 'aria-hidden': 'true', class: 'bits' }, wide ? type.name : type.bpw.toFixed(1)), mark && h('span', { class: 'mark', 'aria-hidden': 'true' }, mark),
      h('span', { class: 'for-readers' }, `${type.name}${mark === '▲' ? ', more bits' : mark === '▼' ? ', fewer bits' : mark ? ', another type' : ''}`))
  }

  private map(r: Report, grid: Grid, plan: number[], other: number[] | null, i: number, what: string): HTMLElement {
    const wide = grid.layers.length <= 8
    const name = `${what}: ${callName(r, i)} (${FATES[r.fate[i]]}, #${r.doc.individuals.id[i]})`
    const rows = grid.roles.map((role) => h('tr', {}, h('th', { scope: 'row' }, role),
      ...grid.layers.map((layer) => this.cell(r, grid.cell.get(`${layer} ${role}`), plan, other, wide))))
    const head = h('tr', {}, h('th', { scope: 'col' }, 'layer'), ...grid.layers.map((layer) => h('th', { scope: 'col' }, String(layer))))
    const table = h('table', { class: wide ? 'heat wide' : 'heat', css: wide ? { 'min-width': `${80 + 59 * grid.layers.length}px` } : {}, tabindex: '0', 'data-focus': `plan:${what}`, 'aria-label': `${name}: types by role and layer; arrow keys go through the cells` },
      h('thead', {}, head), h('tbody', {}, ...rows))
    walkCells(table)
    const outside = h('p', { class: 'outside' }, ...grid.outside.flatMap((t) => [h('span', { class: 'pair' }, `${r.doc.tensors[t].role} `, this.cell(r, t, plan, other, true, 'span'))]))
    return h('figure', { class: 'map' }, h('figcaption', {}, name), grid.layers.length > 0 && h('div', { class: 'scroller' }, table), grid.outside.length > 0 && outside)
  }

  private drawLegend(r: Report, plan: number[] | null, other: number[] | null): void {
    const used = r.doc.types.map((type, t) => ({ type, t, a: plan?.filter((x) => x === t).length ?? 0, b: other?.filter((x) => x === t).length ?? 0 }))
      .filter((u) => u.a + u.b > 0).sort((x, y) => x.type.bpw - y.type.bpw)
    replace(this.legend, h('table', { class: 'rows small' }, h('caption', {}, 'Tensors by block type'),
      h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Type'), h('th', { scope: 'col', class: 'number' }, 'Bits per weight'),
        plan && h('th', { scope: 'col', class: 'number' }, 'Selected'), other && h('th', { scope: 'col', class: 'number' }, 'Compared'))),
      h('tbody', {}, ...used.map((u) => h('tr', {}, h('th', { scope: 'row' }, h('span', { class: 'chip square', css: { background: bitsColour(u.type.bpw).fill } }), u.type.name),
        h('td', { class: 'number' }, String(+u.type.bpw.toFixed(4))), plan && h('td', { class: 'number' }, count(u.a)), other && h('td', { class: 'number' }, count(u.b)))))))
  }
}

/** Arrow keys go from cell to cell of a table that has the focus; the hover text of the cell comes along. */
function walkCells(table: HTMLTableElement): void {
  let row = 0, column = 0
  const mark = (on: boolean) => table.tBodies[0]?.rows[row]?.cells[column + 1]?.classList.toggle('at', on)
  table.addEventListener('keydown', (event) => {
    const move = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key]
    if (!move) return
    event.preventDefault()
    mark(false)
    row = Math.max(0, Math.min(table.tBodies[0].rows.length - 1, row + move[0]))
    column = Math.max(0, Math.min(table.tBodies[0].rows[0].cells.length - 2, column + move[1]))
    mark(true)
    const cell = table.tBodies[0].rows[row].cells[column + 1]
    const text = cell.getAttribute('data-say') ?? 'no such tensor'
    cell.scrollIntoView({ block: 'nearest', inline: 'nearest' })
    const box = cell.getBoundingClientRect()
    showTip(text, box.left, box.bottom - 8, table, true)
    say(text)
  })
  table.addEventListener('blur', () => { mark(false); hideTip(table) })
}
