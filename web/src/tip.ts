/*
 * The one hover text of the page. Elements ask for it by data-tip (a word of the list) or data-say (a text); charts call it with
 * content of their own. It follows the keyboard's focus as it follows the pointer, and Escape takes it away.
 */
import { h, replace } from './dom'
import { WORDS, type Word } from './words'

const box = h('div', { class: 'tip', role: 'tooltip', id: 'tip', hidden: true })
let owner: Element | null = null
/** Where a text stands that the keyboard called, against its owner: it follows when the page scrolls. */
let held: { x: number; y: number } | null = null

function put(x: number, y: number): void {
  const margin = 8
  box.style.setProperty('left', '0px')
  box.style.setProperty('top', '0px')
  const width = box.offsetWidth, height = box.offsetHeight
  const left = x + 14 + width + margin > innerWidth ? x - 14 - width : x + 14
  const top = y + 16 + height + margin > innerHeight ? y - 12 - height : y + 16
  box.style.setProperty('left', `${Math.max(margin, Math.min(left, innerWidth - width - margin))}px`)
  box.style.setProperty('top', `${Math.max(margin, Math.min(top, innerHeight - height - margin))}px`)
}

/** By the keyboard (`hold`), the text stays with its owner when the page scrolls; by the pointer, scrolling takes it away. */
export function showTip(content: Node | string, x: number, y: number, by: Element, hold = false): void {
  const at = by.getBoundingClientRect()
  if (owner !== by) hideTip()
  owner = by
  held = hold ? { x: x - at.left, y: y - at.top } : null
  replace(box, content)
  box.hidden = false
  put(x, y)
}

export function hideTip(by?: Element): void {
  if (by && owner !== by) return
  if (owner?.getAttribute('aria-describedby') === box.id) owner.removeAttribute('aria-describedby')
  owner = null
  box.hidden = true
}

/** After a part was drawn anew: a text whose owner went with the old drawing goes too. */
export function dropOrphan(): void {
  if (owner && !owner.isConnected) hideTip()
}

function tipOf(el: Element): string {
  const say = el.getAttribute('data-say')
  if (say) return say
  const word = el.getAttribute('data-tip') as Word | null
  return word && WORDS[word] ? WORDS[word][1] : ''
}

function carrier(event: Event): Element | null {
  return event.target instanceof Element ? event.target.closest('[data-tip],[data-say]') : null
}

export function startTips(): void {
  document.body.append(box)
  document.addEventListener('pointerover', (event) => {
    const el = carrier(event)
    if (el && tipOf(el)) showTip(tipOf(el), event.clientX, event.clientY, el)
    else if (owner?.matches('[data-tip],[data-say]')) hideTip()
  })
  document.addEventListener('focusin', (event) => {
    const el = carrier(event)
    if (!el || !tipOf(el) || !(event.target as Element).matches(':focus-visible')) return
    const at = el.getBoundingClientRect()
    showTip(tipOf(el), at.left, at.bottom - 8, el, true)
    // Words are described by the list at the end; whatever else has a hover text is by that text.
    if (!el.hasAttribute('aria-describedby')) el.setAttribute('aria-describedby', box.id)
  })
  document.addEventListener('focusout', (event) => {
    const el = carrier(event)
    if (el) hideTip(el)
  })
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') hideTip()
  })
  document.addEventListener('scroll', () => {
    if (box.hidden || !owner) return
    const at = owner.getBoundingClientRect()
    if (held) put(at.left + held.x, at.top + held.y)
    else hideTip()
  }, { passive: true, capture: true })
  // A finger leaves when it is lifted, and reads only then: the next touch elsewhere takes the text away.
  document.documentElement.addEventListener('pointerleave', (event) => { if (event.pointerType !== 'touch') hideTip() })
  document.addEventListener('pointerdown', (event) => {
    if (event.pointerType === 'touch' && owner && !owner.contains(event.target as Node)) hideTip()
  }, { capture: true })
}
