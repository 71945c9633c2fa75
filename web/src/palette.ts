/*
 * Colours. Families take Okabe and Ito's colours, which people with any of the common colour blindnesses tell apart, and carry a letter
 * besides; bits per weight take viridis, whose lightness rises evenly for the same readers. The rest are the style sheet's.
 */
import { interpolateViridis } from 'd3-scale-chromatic'

const LIGHT = ['#0072b2', '#d55e00', '#009e73', '#b5589b', '#c98a00', '#3a9fd6', '#7a4a1e']
const DARK = ['#4aa8e8', '#ff8a3d', '#2fc79a', '#e39acb', '#f0c02e', '#a5d8f5', '#c89a6a']
const media = matchMedia('(prefers-color-scheme: dark)')
const paper = matchMedia('print')
let printing = false

export function isDark(): boolean {
  return media.matches && !printing && !paper.matches
}

/** Calls when colours have to be read anew: another scheme, or paper, which is always light. */
export function onScheme(change: () => void): void {
  for (const query of [media, paper]) query.addEventListener('change', change)
  addEventListener('beforeprint', () => { printing = true; change() })
  addEventListener('afterprint', () => { printing = false; change() })
}

/** Canvas pixels for a pixel of the page: paper has many. */
export function canvasRatio(): number {
  return printing || paper.matches ? 3 : Math.min(3, devicePixelRatio || 1)
}

export function css(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim()
}

export const COLOURED = LIGHT.length

/** The colour of the family at this rank by size; grey beyond the palette. */
export function familyColour(rank: number): string {
  return rank >= 0 && rank < COLOURED ? (isDark() ? DARK : LIGHT)[rank] : css('--faint')
}

export function seriesColour(n: number): string {
  return n % 8 === COLOURED ? css('--soft') : (isDark() ? DARK : LIGHT)[n % 8]
}

/** Of sRGB: the luminance that contrast is reckoned from. */
function luminance(colour: string): number {
  const channel = (k: number) => {
    const c = parseInt(colour.slice(1 + 2 * k, 3 + 2 * k), 16) / 255
    return c <= 0.04045 ? c / 12.92 : Math.pow((c + 0.055) / 1.055, 2.4)
  }
  return 0.2126 * channel(0) + 0.7152 * channel(1) + 0.0722 * channel(2)
}

/** Of bits per weight: logarithmic, because half a bit at 2 says more than at 6; from 1.5 to 8.5 bits. The ink is what reads better on it. */
export function bitsColour(bpw: number): { fill: string; ink: string } {
  const fill = interpolateViridis(Math.min(1, Math.max(0, Math.log2(bpw / 1.5) / Math.log2(8.5 / 1.5))))
  return { fill, ink: luminance(fill) > 0.18 ? '#000000' : '#ffffff' }
}

/** Of a quantity from 0 to 1 (generations). */
export function evenColour(t: number): string {
  return interpolateViridis(isDark() ? 0.25 + 0.75 * t : 0.9 * t)
}
