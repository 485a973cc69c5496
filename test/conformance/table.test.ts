import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

/** The tables of tests in docs/ are kept to what there is. */

const ROOT = join(import.meta.dirname, '../..')

interface Row {
  what: string
  file: string
  test: string
}

/** Returns the rows of the tables of a page whose last columns are File and Test. */
function rowsOf(page: string): Row[] {
  let isOfTests = false
  return readFileSync(join(ROOT, page), 'utf8')
    .split('\n')
    .flatMap((line) => {
      if (!line.startsWith('|')) isOfTests = false
      if (line.endsWith('| File | Test |')) isOfTests = true
      else if (isOfTests && !line.startsWith('|---')) {
        const cells = line.split('|').map((cell) => cell.trim())
        const file = (cells.at(-3) ?? '').replaceAll('`', '')
        return [{ what: cells[1] ?? '', file, test: cells.at(-2) ?? '' }]
      }
      return []
    })
}

const rows = rowsOf('docs/conformance.md')

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

test.each([
  ['docs/conformance.md', MODULES],
  ['docs/dpop.md', 9],
])('every test that a row of %s names is there, under that name', (page, least) => {
  const named = rowsOf(page)
  const texts = new Map<string, string>()
  const missing = named.filter(({ file, test: name }) => {
    const path = join(ROOT, file)
    if (!file.endsWith('.test.ts') || !existsSync(path)) return true
    const text = texts.get(file) ?? readFileSync(path, 'utf8')
    texts.set(file, text)
    return ![`'${name}',`, `"${name}",`].some((argument) => text.includes(argument))
  })
  expect(missing).toEqual([])
  expect(named.length).toBeGreaterThan(least)
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
