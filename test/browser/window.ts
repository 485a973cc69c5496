import { mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { AxeResults, RunOptions } from 'axe-core'
import { type Browser, chromium, type Page } from 'playwright-core'
import { expect } from 'vitest'
import { CHROMIUM } from '../needs.ts'

/**
 * A window of real Chromium. Violations of the content security policy fail the test. It also runs
 * axe, and takes pictures for the docs.
 */

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const { BROKER_SCREENSHOTS = '' } = process.env
/** The folder for pictures. Not set, or empty: no pictures are taken. */
export const SCREENSHOTS = BROKER_SCREENSHOTS === '' ? undefined : BROKER_SCREENSHOTS

/**
 * Starts Chromium. The first start on a machine reads it from a cold disk, which may take a minute.
 */
export const launchChromium = (more: readonly string[] = []): Promise<Browser> =>
  chromium.launch({
    executablePath: CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', ...more],
    timeout: 110_000,
  })

export interface Looks {
  width: number
  height?: number
  dark?: boolean | undefined
  /** The language that the browser accepts. */
  language?: string | undefined
  zone?: string | undefined
  /** Ignores the content security policy, for scripts that the test itself adds to a page. */
  bypassCSP?: boolean | undefined
  /** False turns the page's own scripts off. */
  scripts?: boolean | undefined
}

export async function openWindow(
  browser: Browser,
  {
    width,
    height = 720,
    dark,
    language = 'en',
    zone = 'UTC',
    bypassCSP = false,
    scripts = true,
  }: Looks,
) {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: dark ? 'dark' : 'light',
    locale: language,
    timezoneId: zone,
    bypassCSP,
    javaScriptEnabled: scripts,
  })
  context.setDefaultTimeout(60_000)
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', (message) => {
    if (/Content.Security.Policy|Refused to/i.test(message.text())) complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(error.message))
  return { context, page, complaints, [Symbol.asyncDispose]: () => context.close() }
}

interface WithAxe {
  axe?: { run(options: RunOptions): Promise<AxeResults> }
}

/**
 * Returns axe's violations. It does not collect the rules that hold, which on a large page takes as
 * long as the rules themselves.
 */
export async function objections(page: Page): Promise<string[]> {
  if (!(await page.evaluate(() => (globalThis as unknown as WithAxe).axe !== undefined)))
    await page.evaluate(AXE)
  const { violations } = await page.evaluate(() =>
    (globalThis as unknown as Required<WithAxe>).axe.run({ resultTypes: ['violations'] }),
  )
  return violations.flatMap((violation) =>
    violation.nodes.map((node) => `${violation.id}: ${node.html}`),
  )
}

export async function picture(page: Page, name: string, fullPage = true): Promise<void> {
  if (SCREENSHOTS === undefined) return
  mkdirSync(SCREENSHOTS, { recursive: true })
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage })
}

/** Moves by Tab alone to the element with this name, which has to show the focus. */
export async function tabTo(page: Page, name: RegExp): Promise<void> {
  for (let tabs = 0; tabs < 60; tabs++) {
    await page.keyboard.press('Tab')
    const at = await page.evaluate(() => {
      const focused = document.activeElement
      const label =
        focused instanceof HTMLInputElement ||
        focused instanceof HTMLSelectElement ||
        focused instanceof HTMLTextAreaElement
          ? focused.labels?.[0]
          : focused
      return {
        words: (focused?.getAttribute('aria-label') ?? label?.textContent ?? '').trim(),
        seen: [focused, focused?.closest('.choice')].some(
          (part) => part && getComputedStyle(part).outlineStyle !== 'none',
        ),
      }
    })
    if (!name.test(at.words)) continue
    expect(at.seen, `focus shows on ${at.words}`).toBe(true)
    return
  }
  throw new Error(`No way by keyboard to ${String(name)}.`)
}

/** Moves to the element with this name and presses it. */
export async function pressAt(page: Page, name: RegExp): Promise<void> {
  await tabTo(page, name)
  await page.keyboard.press('Enter')
}

/**
 * Checks one page, loaded once: no wider than its window at each width, and without violations of
 * axe, in light on a desktop and dark on a phone.
 */
export async function fits(page: Page, name: string): Promise<void> {
  for (const width of [1440, 768, 320]) {
    await page.setViewportSize({ width, height: 800 })
    expect([name, width, await page.evaluate(() => document.documentElement.scrollWidth)]).toEqual([
      name,
      width,
      width,
    ])
    for (const colorScheme of width === 320
      ? (['light', 'dark'] as const)
      : (['dark', 'light'] as const)) {
      if (width === 768 && colorScheme === 'dark') continue
      // A button would otherwise fade into its new color, and be checked in between.
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
      await picture(page, `${name}-${width}-${colorScheme}`)
    }
    if (width !== 768) expect([name, width, await objections(page)]).toEqual([name, width, []])
  }
}
