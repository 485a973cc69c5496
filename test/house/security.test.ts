import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT } from '../markdown.ts'

/** The threat model of SECURITY.md is kept to the tests that show it. */

/** Returns why a cell of "Shown by" holds no proof. Undefined: it names tests that exist. */
function faultOf(cell: string): string | undefined {
  const proofs = cell.split('<br>').map((proof) => proof.trim())
  const named = proofs.map((proof) => /^`(test\/[^`]+)`: (.+)$/.exec(proof))
  const wrong = proofs.find((proof, i) => {
    const [, file = '', name = ''] = named[i] ?? []
    if (file === '') return !/^No test can show .{10,}\.$/.test(proof)
    const path = join(ROOT, file)
    if (!existsSync(path)) return true
    const text = readFileSync(path, 'utf8').replace(/\(\s+/g, '(')
    return !["'", '"', '`'].some((quote) => text.includes(`(${quote}${name}${quote},`))
  })
  return wrong === undefined ? undefined : `no such test: ${wrong}`
}

const rowsOf = (page: string): string[][] =>
  (/### What is done\n([^]*?)\n### /.exec(page)?.[1] ?? '')
    .split('\n')
    .filter((line) => /^\| (?!Threat \|)/.test(line))
    .map((line) => line.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, '')))

test('each row of the threat model names a test that exists, or says what no test can show', () => {
  const rows = rowsOf(readFileSync(join(ROOT, 'SECURITY.md'), 'utf8'))
  expect(rows.length).toBeGreaterThan(35)
  const faults = rows.flatMap(([threat = '', , cell = '']) => {
    const fault = faultOf(cell)
    return fault === undefined ? [] : [`${threat}: ${fault}`]
  })
  expect(faults).toEqual([])
})

test('a row without a test, with an unknown file or an unknown name is found', () => {
  const here = '`test/house/security.test.ts`'
  for (const cell of ['', 'A reviewer has seen it.', `${here}: no such name`, '`test/no.ts`: a'])
    expect(faultOf(cell)).toBeDefined()
  const name =
    'each row of the threat model names a test that exists, or says what no test can show'
  expect(faultOf(`${here}: ${name}<br>No test can show that nobody reads it.`)).toBeUndefined()
})
