/**
 * Contrast of colors (WCAG 2.2, relative luminance and contrast ratio). Colors are `#rrggbb`, lower
 * case.
 */

type Rgb = readonly [number, number, number]

const rgbOf = (color: string): Rgb =>
  [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16)) as unknown as Rgb
const hexOf = (rgb: Rgb): string =>
  `#${rgb.map((channel) => Math.round(channel).toString(16).padStart(2, '0')).join('')}`

function luminance(color: string): number {
  const [red, green, blue] = rgbOf(color).map((value) => {
    const part = value / 255
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
  }) as unknown as Rgb
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}

/** Returns the contrast ratio of two colors, from 1 to 21. */
export function contrast(first: string, second: string): number {
  const [light, dark] = [luminance(first), luminance(second)].sort((a, b) => b - a) as [
    number,
    number,
  ]
  return (light + 0.05) / (dark + 0.05)
}

/**
 * Mixes two colors.
 * @param share the share of `other`, 0 to 1
 */
function mixed(color: string, other: string, share: number): string {
  const [from, to] = [rgbOf(color), rgbOf(other)]
  return hexOf(from.map((value, at) => value + ((to[at] ?? 0) - value) * share) as unknown as Rgb)
}

/** The minimum contrast of text (WCAG 1.4.3, level AA). */
const READABLE = 4.5
/**
 * The darkest background of light pages and, below, the lightest one of dark pages that has text in
 * the accent color.
 */
const LIGHT_GROUND = '#e9f1f4'
const DARK_GROUND = '#1f2a33'

/** The palest text directly on the page background of light pages, `--soft` in the style sheet. */
export const GROUND_TEXT = '#515b6b'

/**
 * Checks a background color.
 * @returns the problem, which completes the sentence "The color …", or undefined
 */
export function judgeBackground(color: string): string | undefined {
  if (!/^#[0-9a-f]{6}$/.test(color)) return 'must be a color such as #eef2f7'
  const ratio = contrast(color, GROUND_TEXT)
  if (ratio >= READABLE) return undefined
  return `must be lighter: the contrast of text on it is ${ratio.toFixed(1)}:1, and text needs ${READABLE}:1`
}

/**
 * Checks an accent color.
 * @returns the problem, which completes the sentence "The color …", or undefined
 */
export function judgeAccent(color: string): string | undefined {
  if (!/^#[0-9a-f]{6}$/.test(color)) return 'must be a color such as #1d4ed8'
  const ratio = contrast(color, LIGHT_GROUND)
  if (ratio >= READABLE) return undefined
  return `must be darker: its contrast to the pages’ background is ${ratio.toFixed(1)}:1, and text needs ${READABLE}:1`
}

export interface Accent {
  act: string
  over: string
  on: string
}

/**
 * Returns the accent colors of light and of dark pages. For dark pages the color is lightened until
 * it is readable there.
 */
export function accentsOf(color: string): { light: Accent; dark: Accent } {
  let dark = color
  for (let share = 0.1; contrast(dark, DARK_GROUND) < READABLE + 1.5; share += 0.05)
    dark = mixed(color, '#ffffff', share)
  return {
    light: { act: color, over: mixed(color, '#000000', 0.25), on: '#ffffff' },
    dark: { act: dark, over: mixed(dark, '#ffffff', 0.3), on: mixed(color, '#000000', 0.7) },
  }
}
