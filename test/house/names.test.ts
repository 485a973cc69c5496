import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseSync, Visitor } from 'oxc-parser'
import { expect, test } from 'vitest'

const ROOT = resolve(import.meta.dirname, '../..')

/** Pronouns: none says what a variable holds. */
const PRONOUNS = new Set(['one', 'it', 'them', 'those', 'someone', 'something', 'somebody'])
const ANY_IN_CODE = new RegExp(`^\\s*(?![\\s*/]).*\\b(?:${[...PRONOUNS].join('|')})\\b`, 'm')

/** Returns the pronouns that a file reads or writes as variables. Members and keys are not variables. */
function pronounsIn(file: string, text: string): string[] {
  if (!ANY_IN_CODE.test(text)) return []
  const found: string[] = []
  const members = new Set<number>()
  new Visitor({
    MemberExpression: ({ computed, property }) => {
      if (!computed) members.add(property.start)
    },
    Property: ({ computed, shorthand, key }) => {
      if (!computed && !shorthand) members.add(key.start)
    },
    PropertyDefinition: ({ key }) => void members.add(key.start),
    MethodDefinition: ({ key }) => void members.add(key.start),
    TSPropertySignature: ({ key }) => void members.add(key.start),
    TSMethodSignature: ({ key }) => void members.add(key.start),
    Identifier: ({ name, start }) => {
      if (PRONOUNS.has(name) && !members.has(start))
        found.push(`${file}:${text.slice(0, start).split('\n').length} ${name}`)
    },
  }).visit(parseSync(file, text).program)
  return found
}

test('no variable is called by a pronoun: its name says what it holds', () => {
  const files = execFileSync('git', ['ls-files', '*.ts', '*.tsx', '*.mjs'], {
    cwd: ROOT,
    encoding: 'utf8',
  })
  const named = files
    .split('\n')
    .filter((file) => file !== '')
    .flatMap((file) => pronounsIn(file, readFileSync(join(ROOT, file), 'utf8')))
  expect(named).toEqual([])
})

test('parameters, destructured variables and shorthand count; members and keys do not', () => {
  const counted = (text: string) => pronounsIn('a.ts', text).length
  expect(counted('const f = (one: string) => one.length')).toBe(2)
  expect(counted('const { one } = numbers')).toBeGreaterThan(0)
  expect(counted('const table = { one: 1 }; table.one')).toBe(0)
})
