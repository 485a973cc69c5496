import { execFileSync } from 'node:child_process'
import { resolve } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect } from 'vitest'
import { type Demo, type DemoFacts, startDemo } from '../process/demo-process.ts'
import { launchChromium } from './window.ts'

const CMB = resolve(import.meta.dirname, '../../dist/src/cli.js')

/** Starts Chromium and a demo, which the tests of one file share. */
export function demoInChromium() {
  let browser: Browser
  let demo: Demo
  beforeAll(async () => {
    browser = await launchChromium()
    demo = await startDemo()
  })
  afterAll(async () => {
    await browser?.close()
    await demo?.interrupt()
  })
  return {
    browser: (): Browser => browser,
    demo: (): Demo => demo,
    facts: (): DemoFacts => demo.facts,
    instance: (index: number) => demo.facts.instances[index] ?? expect.fail('no such instance'),
    cmb: (...args: string[]): string =>
      execFileSync(process.execPath, [CMB, ...args], {
        encoding: 'utf8',
        env: { PATH: process.env.PATH ?? '', BROKER_DATA_DIR: demo.facts.data_dir },
      }),
    user: (name: string) =>
      demo.facts.users.find((user) => user.upn.startsWith(`${name}@`)) ?? expect.fail(`no ${name}`),
  }
}
