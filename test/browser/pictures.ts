import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { Hono } from 'hono'
import pixelmatch from 'pixelmatch'
import { PNG } from 'pngjs'

/**
 * Pictures of pages that look the same on every machine with one version of Chromium: the letters
 * are from a font of the test's own. Characters that the font lacks, and the state of the live
 * connection, are left out.
 */

const FONT = readFileSync(
  createRequire(import.meta.url).resolve(
    '@fontsource-variable/inter/files/inter-latin-wght-normal.woff2',
  ),
  'base64',
)
const STYLE = `
@font-face { font-family: Pictures; src: url(data:font/woff2;base64,${FONT}) format('woff2'); font-weight: 100 900 }
* { font-family: Pictures !important; caret-color: transparent !important }
.languages, :has(> #live-state) { display: none !important }
.mark, .mark::before { color: transparent !important }
`

/** Returns the app, with that font in its style sheet. */
export const withFont = (app: Hono): Hono =>
  new Hono()
    .get('/assets/broker.css', async (c) => {
      const css = await (await app.fetch(c.req.raw)).text()
      return c.body(css + STYLE, 200, { 'Content-Type': 'text/css; charset=utf-8' })
    })
    .all('*', (c) => app.fetch(c.req.raw))

/** Flags that draw letters without the machine's own settings. */
export const ALIKE = [
  '--font-render-hinting=none',
  '--disable-lcd-text',
  '--force-color-profile=srgb',
  '--hide-scrollbars',
]

/** How many of a thousand pixels may differ. */
const TOLERATED = 5
const SEEN = join(import.meta.dirname, '../../node_modules/.cache/pictures')

/** Returns how the picture differs from the stored one, or undefined if it does not. */
export function differs(name: string, taken: Buffer, kept: Buffer): string | undefined {
  const [first, second] = [PNG.sync.read(taken), PNG.sync.read(kept)]
  const { width, height } = second
  const difference = new PNG({ width, height })
  const same = first.width === width && first.height === height
  const pixels = same
    ? pixelmatch(first.data, second.data, difference.data, width, height, { threshold: 0.2 })
    : Infinity
  if (1000 * pixels <= TOLERATED * width * height) return undefined
  mkdirSync(SEEN, { recursive: true })
  writeFileSync(join(SEEN, `${name}.png`), taken)
  if (same) writeFileSync(join(SEEN, `${name}-difference.png`), PNG.sync.write(difference))
  const how = same
    ? `${pixels} pixels differ`
    : `it is ${first.width} × ${first.height} pixels, and was ${width} × ${height}`
  return `${name}: ${how}. See node_modules/.cache/pictures; npm run pictures keeps the new ones.`
}
