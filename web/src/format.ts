/* Numbers with their units, as the whole page writes them. What is missing is a dash. */
import type { Missing } from './document'

export const NONE = '–'

/** A text of at most n characters. */
export function brief(text: string, n: number): string {
  return text.length > n ? text.slice(0, n - 1) + '…' : text
}
const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })

export function count(n: Missing): string {
  return n === null ? NONE : whole.format(n)
}

export function plural(n: number, one: string, many = one + 's'): string {
  return `${count(n)} ${n === 1 ? one : many}`
}

/** The unit that sizes of about this are told in, and its bytes. */
export function sizeUnit(bytes: number): { name: string; bytes: number } {
  for (const [name, power] of [['GiB', 30], ['MiB', 20], ['KiB', 10]] as const)
    if (bytes >= 2 ** power) return { name, bytes: 2 ** power }
  return { name: 'bytes', bytes: 1 }
}

export function size(bytes: Missing): string {
  if (bytes === null) return NONE
  const unit = sizeUnit(bytes)
  return unit.bytes === 1 ? `${whole.format(bytes)} bytes` : `${(bytes / unit.bytes).toFixed(2)} ${unit.name}`
}

export function sizeExact(bytes: Missing): string {
  return bytes === null ? NONE : bytes < 1024 ? size(bytes) : `${size(bytes)} (${whole.format(bytes)} bytes)`
}

/** Of four significant digits, without an exponent where people read it more easily. */
export function digits(x: Missing, n = 4): string {
  if (x === null || !Number.isFinite(x)) return NONE
  if (x === 0) return '0'
  const magnitude = Math.abs(x)
  if (magnitude < 1e-5 || magnitude >= 1e7) return x.toExponential(n - 1).replace(/\.?0+e/, 'e').replace('e+', 'e').replaceAll('-', '−')
  const places = Math.min(8, Math.max(0, n - 1 - Math.floor(Math.log10(magnitude))))
  return x.toFixed(places).replace('-', '−')
}

/** On axes, where room is short. */
export function tick(x: number): string {
  const magnitude = Math.abs(x)
  const text = x !== 0 && (magnitude >= 1e5 || magnitude < 1e-4) ? x.toExponential(magnitude < 1 && !Number.isInteger(+(magnitude / 10 ** Math.floor(Math.log10(magnitude))).toPrecision(3)) ? 1 : 0).replace('e+', 'e').replace('e-', 'e−') : String(+x.toPrecision(3))
  return text.replace(/^-/, '−')
}

export function nats(x: Missing): string {
  return x === null ? NONE : `${digits(x)} nats`
}

export function share(x: Missing, places = 1): string {
  return x === null ? NONE : `${(100 * x).toFixed(places)}%`
}

/** Decimals that show the largest of these with four digits: so many for all of them, whose lines are then compared at a glance. */
export function placesOf(values: Missing[]): number {
  const most = Math.max(...values.map((v) => Math.abs(v ?? 0)), 0)
  return most > 0 ? Math.min(12, Math.max(0, 3 - Math.floor(Math.log10(most)))) : 0
}

export function signedTo(x: Missing, places: number): string {
  if (x === null) return NONE
  const text = x.toFixed(places)
  return Number(text) === 0 ? '0' : (x > 0 ? '+' : '') + text.replace('-', '−')
}

export function duration(seconds: Missing): string {
  if (seconds === null) return NONE
  if (seconds < 90) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`
  const minutes = seconds / 60
  if (minutes < 90) return `${minutes.toFixed(minutes < 10 ? 1 : 0)} min`
  const hours = minutes / 60
  return hours < 48 ? `${hours.toFixed(1)} h` : `${(hours / 24).toFixed(1)} days`
}

/** Large counts on an axis: 12 k, 3.4 M. */
export function short(n: number): string {
  for (const [suffix, power] of [['G', 9], ['M', 6], ['k', 3]] as const)
    if (Math.abs(n) >= 10 ** power) return `${+(n / 10 ** power).toPrecision(3)} ${suffix}`
  return String(+n.toPrecision(4))
}
