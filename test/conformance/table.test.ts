import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

/** docs/conformance.md is kept to what there is. */

const ROOT = join(import.meta.dirname, '../..')
const page = readFileSync(join(ROOT, 'docs/conformance.md'), 'utf8')

interface Row {
  what: string
  file: string
  test: string
}

const rows: Row[] = page
  .split('\n')
  .filter((line) => line.startsWith('|') && line.includes('.test.ts'))
  .map((line) => {
    const cells = line.split('|').map((cell) => cell.trim())
    return {
      what: cells[1] ?? '',
      file: (cells.at(-3) ?? '').replaceAll('`', ''),
      test: cells.at(-2) ?? '',
    }
  })

/** The modules with static registration, and those that only dynamic registration has. */
const BASIC = 35 + 3
/** Modules of oidcc-test-plan that are in no other of these plans. */
const ALL_TESTS = 3
/** The guard's plan. */
const BACK_CHANNEL_RP = 8
const MODULES = 1 + BASIC + ALL_TESTS + 11 + 2 + BACK_CHANNEL_RP
/** The number of modules for transmitters and for receivers. */
const SHARED_SIGNALS = 22 + 7
const FAPI2 = 56

test.each([
  ['OpenID Connect', '`oidcc-', MODULES],
  ['Shared Signals', '`openid-ssf-', SHARED_SIGNALS],
  ['FAPI 2.0', '`fapi2-', FAPI2],
])('the table has every module of the %s plans', (_plans, prefix, count) => {
  const modules = new Set(rows.map((row) => row.what).filter((what) => what.startsWith(prefix)))
  expect(modules.size).toBe(count)
})

test('every test that the table names is there, under that name', () => {
  const texts = new Map<string, string>()
  const missing = rows.filter(({ file, test: name }) => {
    const text = texts.get(file) ?? readFileSync(join(ROOT, file), 'utf8')
    texts.set(file, text)
    return ![`'${name}',`, `"${name}",`].some((argument) => text.includes(argument))
  })
  expect(missing).toEqual([])
  expect(rows.length).toBeGreaterThan(MODULES)
})

test('every test of the plans is in the table', () => {
  for (const file of ['config', 'basic', 'logout'].map(
    (name) => `test/conformance/${name}.test.ts`,
  )) {
    const named = new Set(rows.filter((row) => row.file === file).map((row) => row.test))
    const there = [...readFileSync(join(ROOT, file), 'utf8').matchAll(/^ +test\('([^']+)',/gm)].map(
      ([, name]) => name ?? '',
    )
    expect([file, there.filter((name) => !named.has(name))]).toEqual([file, []])
  }
})
