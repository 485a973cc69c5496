import { mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { AxeResults, RunOptions } from 'axe-core'
import { type Browser, chromium, type Page } from 'playwright-core'
import { CHROMIUM } from '../needs.ts'

/** A window of real Chromium whose complaints about the policy fail the test; what axe objects to in it; and its picture for the docs. */

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
/** Where pictures are kept; not set: none are taken. */
const SCREENSHOTS = process.env.BROKER_SCREENSHOTS

/** Its first start on a machine reads it from a cold disk, which may take a minute. */
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
  /** What the browser accepts. */
  language?: string | undefined
  /** For what the test itself adds to a page. */
  bypassCSP?: boolean | undefined
}

export async function openWindow(browser: Browser, { width, height = 720, dark, language = 'en', bypassCSP = false }: Looks) {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: dark ? 'dark' : 'light',
    locale: language,
    timezoneId: 'UTC',
    bypassCSP,
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

/** What axe says of the rules that hold is not gathered: on a large page that takes as long as the rules. */
export async function objections(page: Page): Promise<string[]> {
  if (!(await page.evaluate(() => (globalThis as unknown as WithAxe).axe !== undefined))) await page.evaluate(AXE)
  const { violations } = await page.evaluate(() => (globalThis as unknown as Required<WithAxe>).axe.run({ resultTypes: ['violations'] }))
  return violations.flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.html}`))
}

export async function picture(page: Page, name: string, fullPage = true): Promise<void> {
  if (SCREENSHOTS === undefined) return
  mkdirSync(SCREENSHOTS, { recursive: true })
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage })
}
