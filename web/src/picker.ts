/*
 * Pointing at marks, by pointer and by keyboard. The nearest mark is found in a quadtree, so that thousands cost a hover nothing; arrow
 * keys go through the marks in the order of their places, Enter chooses, Shift compares.
 */
import { quadtree, type Quadtree } from 'd3-quadtree'
import { say } from './dom'
import { hideTip, showTip } from './tip'

export interface Spot {
  x: number
  y: number
  i: number
}

export interface PickerOptions {
  /** How near the pointer has to be. */
  radius: number
  tip: (i: number) => Node
  speak: (i: number) => string
  choose: (i: number, compare: boolean) => void
  /** Marks the one that is pointed at; -1: none. */
  mark: (i: number) => void
  /** The one that the keyboard starts from. */
  start: () => number
}

const NAMED_RADIUS = 8

export class Picker {
  private tree: Quadtree<Spot> = quadtree<Spot>()
  private named: Quadtree<Spot> = quadtree<Spot>()
  private spots: Spot[] = []
  private byX: Spot[] | null = null
  private byY: Spot[] | null = null
  private at = -1
  private readonly el: HTMLElement
  private readonly o: PickerOptions

  constructor(el: HTMLElement, options: PickerOptions) {
    this.el = el
    this.o = options
    for (const event of ['pointermove', 'pointerdown'] as const) el.addEventListener(event, (e) => this.point(e))
    // As in ChartReader: a finger that is lifted leaves what it read.
    el.addEventListener('pointerleave', (event) => { if (event.pointerType !== 'touch') this.leave() })
    el.addEventListener('click', (event) => {
      const spot = this.near(event)
      if (spot) this.o.choose(spot.i, event.shiftKey)
    })
    el.addEventListener('keydown', (event) => this.key(event))
    el.addEventListener('blur', () => this.leave())
  }

  /** Those that are named win over a crowd that they stand in. */
  set(spots: Spot[], named: Spot[] = []): void {
    this.named = quadtree<Spot>(named, (d) => d.x, (d) => d.y)
    this.spots = spots
    this.tree = quadtree<Spot>(spots, (d) => d.x, (d) => d.y)
    this.byX = this.byY = null
    if (this.at >= 0 && !spots.some((spot) => spot.i === this.at)) this.leave()
  }

  private near(event: MouseEvent): Spot | undefined {
    const box = this.el.getBoundingClientRect()
    const x = event.clientX - box.left + this.el.scrollLeft, y = event.clientY - box.top + this.el.scrollTop
    return this.named.find(x, y, NAMED_RADIUS) ?? this.tree.find(x, y, this.o.radius)
  }

  private point(event: PointerEvent): void {
    const spot = this.near(event)
    this.el.classList.toggle('pointing', !!spot)
    if (!spot) return this.leave()
    if (spot.i !== this.at) this.o.mark(spot.i)
    const moved = spot.i !== this.at
    this.at = spot.i
    if (moved) showTip(this.o.tip(spot.i), event.clientX, event.clientY, this.el)
  }

  private leave(): void {
    if (this.at < 0) return
    this.at = -1
    this.o.mark(-1)
    hideTip(this.el)
  }

  private key(event: KeyboardEvent): void {
    if (event.target !== this.el) return
    if (event.key === 'Enter' || event.key === ' ') {
      if (this.at < 0) return
      event.preventDefault()
      this.o.choose(this.at, event.shiftKey)
      return
    }
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowUp: -1, ArrowDown: 1, Home: -Infinity, End: Infinity }[event.key]
    if (step === undefined || this.spots.length === 0) return
    event.preventDefault()
    const vertical = event.key === 'ArrowUp' || event.key === 'ArrowDown'
    this.byX ??= [...this.spots].sort((a, b) => a.x - b.x || a.y - b.y)
    this.byY ??= [...this.spots].sort((a, b) => a.y - b.y || a.x - b.x)
    const order = vertical ? this.byY : this.byX
    const from = order.findIndex((spot) => spot.i === (this.at >= 0 ? this.at : this.o.start()))
    const to = this.at < 0 && Number.isFinite(step) ? Math.max(0, from) : Math.min(order.length - 1, Math.max(0, from + step))
    this.show(order[to])
  }

  private show(spot: Spot): void {
    this.at = spot.i
    this.el.scrollLeft = Math.min(Math.max(this.el.scrollLeft, spot.x - this.el.clientWidth + 40), Math.max(0, spot.x - 40))
    const box = this.el.getBoundingClientRect()
    this.o.mark(spot.i)
    showTip(this.o.tip(spot.i), box.left + spot.x - this.el.scrollLeft, box.top + spot.y, this.el, true)
    say(this.o.speak(spot.i))
  }
}
