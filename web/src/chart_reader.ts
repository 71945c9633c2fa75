/*
 * Reading the lines of a chart at one place: the pointer and the finger read the place below them, the arrow keys go from place to place.
 * What is read stands in the hover text and is said aloud; the chart marks the place.
 */
import { say } from './dom'
import { hideTip, showTip } from './tip'

export interface ChartReaderOptions {
  /** How many places there are; 0: nothing can be read. */
  count: () => number
  /** The place nearest to a distance from the element's left edge, in pixels. */
  nearest: (x: number) => number
  /** How far right and down the hover text of a place stands when the keyboard asks for it, in pixels. */
  at: (k: number) => [number, number]
  tip: (k: number) => Node
  speak: (k: number) => string
  /** Marks a place; -1: none. */
  mark: (k: number) => void
  /** Where the first arrow key begins; left out: at the end that the key points away from. */
  start?: () => number
  /** Places that an arrow key passes at once; Shift and an arrow key always pass one. */
  stride?: number
}

export class ChartReader {
  private at = -1
  private readonly el: HTMLElement
  private readonly o: ChartReaderOptions

  constructor(el: HTMLElement, options: ChartReaderOptions) {
    this.el = el
    this.o = options
    for (const event of ['pointermove', 'pointerdown'] as const) el.addEventListener(event, (e) => this.point(e))
    // A finger that is lifted leaves as well, and must not take away what it asked for: that goes with the focus, or with scrolling.
    el.addEventListener('pointerleave', (event) => { if (event.pointerType !== 'touch') this.leave() })
    el.addEventListener('blur', () => this.leave())
    el.addEventListener('keydown', (event) => this.key(event))
  }

  leave(): void {
    if (this.at < 0) return
    this.at = -1
    this.o.mark(-1)
    hideTip(this.el)
  }

  private point(event: PointerEvent): void {
    if (this.o.count() === 0) return
    const k = this.o.nearest(event.clientX - this.el.getBoundingClientRect().left)
    this.show(k, event.clientX, event.clientY, false)
  }

  private show(k: number, x: number, y: number, hold: boolean): void {
    if (k !== this.at) this.o.mark(k)
    this.at = k
    showTip(this.o.tip(k), x, y, this.el, hold)
  }

  private key(event: KeyboardEvent): void {
    const step = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity }[event.key]
    const count = this.o.count()
    if (step === undefined || count === 0) return
    event.preventDefault()
    const stride = event.shiftKey ? 1 : (this.o.stride ?? 1)
    const first = this.o.start?.() ?? (step > 0 ? 0 : count - 1)
    const wanted = !Number.isFinite(step) ? (step > 0 ? count - 1 : 0) : this.at < 0 ? first : this.at + step * stride
    const k = Math.max(0, Math.min(count - 1, wanted))
    const box = this.el.getBoundingClientRect(), [x, y] = this.o.at(k)
    this.show(k, box.left + x, box.top + y, true)
    say(this.o.speak(k))
  }
}
