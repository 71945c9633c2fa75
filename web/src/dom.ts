/*
 * Elements without markup: everything that a document says goes through text nodes and attributes, so that no text of a run can become
 * code. Styles are set through the object model alone, which a strict content security policy allows.
 */

import { brief } from './format'

type Child = Node | string | number | null | undefined | false
type Props = Record<string, unknown>

const SVG = 'http://www.w3.org/2000/svg'

function fill(el: Element, props: Props, children: Child[]): void {
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue
    if (key.startsWith('on')) el.addEventListener(key.slice(2), value as EventListener)
    else if (key === 'class') el.setAttribute('class', String(value))
    else if (key === 'css') for (const [name, v] of Object.entries(value as Props)) (el as HTMLElement).style.setProperty(name, String(v))
    else el.setAttribute(key, value === true ? '' : String(value))
  }
  append(el, children)
}

export function append(el: Element, children: Child[]): void {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue
    el.append(child instanceof Node ? child : String(child))
  }
}

export function h<K extends keyof HTMLElementTagNameMap>(tag: K, props: Props = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const el = document.createElement(tag)
  fill(el, props, children)
  return el
}

export function s<K extends keyof SVGElementTagNameMap>(tag: K, props: Props = {}, ...children: Child[]): SVGElementTagNameMap[K] {
  const el = document.createElementNS(SVG, tag)
  fill(el, props, children)
  return el
}

/** A text that nobody foresaw the length of: at most n characters of it, all of it when pointed at. */
export function clipped(text: string, n = 160): HTMLElement {
  return text.length > n ? h('span', { class: 'clipped', tabindex: '0', 'data-say': text }, brief(text, n)) : h('span', {}, text)
}

export function replace(el: Element, ...children: Child[]): void {
  el.replaceChildren()
  append(el, children)
}

let made = 0
/** An id that nothing else on the page has. */
export function freshId(stem: string): string {
  return `${stem}-${++made}`
}

/** Calls `change` and gives the focus back to the element with the same data-focus, should its own element have been replaced. */
export function keepFocus(change: () => void): void {
  const active = document.activeElement as HTMLElement | null
  const key = active?.dataset?.focus
  change()
  if (!key || document.activeElement === active) return
  for (const el of document.querySelectorAll<HTMLElement>('[data-focus]'))
    if (el.dataset.focus === key) {
      el.focus({ preventScroll: true })
      return
    }
}

const live = h('div', { class: 'for-readers', role: 'status', 'aria-live': 'polite' })
document.body.append(live)
/** Says something to those who listen to the page. */
export function say(text: string): void {
  live.textContent = text
}
