import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { languageFor } from '../../src/pages/texts.ts'
import { en } from '../../src/config/languages/texts/en.ts'

/**
 * The texts of users' pages: a missing one fails the type check, an unused one fails here, and so
 * does a sentence written past the catalog.
 */

const SRC = resolve(import.meta.dirname, '../../src')
const CATALOG = 'config/languages/texts/'
const USERS = ['provider/authorize/', 'provider/logout/', 'provider/account/', 'pages/']

const sources = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((path) => /\.tsx?$/.test(path) && !path.startsWith(CATALOG))
  .map((path) => ({ path, text: readFileSync(join(SRC, path), 'utf8') }))

function* leaves(node: object, at: string[] = []): Generator<string[]> {
  for (const [key, value] of Object.entries(node) as [string, unknown][]) {
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      yield* leaves(value, [...at, key])
    else yield [...at, key]
  }
}

const word = (text: string): RegExp => new RegExp(String.raw`\b${text}\b`)

/**
 * `t.group.key` by name; or a table of texts that is indexed or handed on (`t.group[which]`), where
 * the keys that follow are names in the sources.
 */
function isUsed(path: string[], source: string): boolean {
  for (let length = path.length; length > 0; length--) {
    const prefix = String.raw`\bt\.${path.slice(0, length).join(String.raw`\.`)}`
    if (
      length === path.length
        ? word(prefix.slice(2)).test(source)
        : new RegExp(String.raw`${prefix}(?![\w.])`).test(source)
    )
      return path.slice(length).every((key) => word(key).test(source))
  }
  return false
}

const unused = (texts: object, source: string): string[] =>
  [...leaves(texts)].filter((path) => !isUsed(path, source)).map((path) => path.join('.'))

/**
 * Returns the text that a reader would see and that is written in the page itself: between tags, or
 * in a property that is shown.
 */
function sentences(source: string): string[] {
  const markup = source
    .replace(/\/\*[^]*?\*\/|\/\/.*/g, '')
    .replace(/<code>[^<]*<\/code>|<a href="https:[^<]*<\/a>/g, '')
  return [
    ...[...markup.matchAll(/(?<!=)>\s*([A-Za-z][^<>{}=;()|]*[a-z.])\s*[<{]/g)].map(
      ([, text = '']) => text,
    ),
    ...[
      ...markup.matchAll(
        /\b(?:title|label|legend|hint|what|next|none)(?:=|: )["'`]([A-Z][^"'`]*)/g,
      ),
    ].map(([, text = '']) => text),
  ]
}

describe('the texts of users’ pages', () => {
  test('an unused text is found, whether it is named or one of a table', () => {
    const texts = {
      page: { title: 'A', old: 'B' },
      table: { one: { title: 'C' }, two: { title: 'D' } },
    }
    expect(unused(texts, "t.page.title + t.table[which].title; type Which = 'one'")).toEqual([
      'page.old',
      'table.two.title',
    ])
  })

  test('every text is used by a page', () => {
    expect(unused(en, sources.map(({ text }) => text).join('\n'))).toEqual([])
  })

  test('a sentence in a page itself is found', () => {
    expect(sentences('<p>\n  Hello you.\n</p>')).toEqual(['Hello you.'])
    expect(sentences("messagePage(c, { title: 'Hello' })")).toEqual(['Hello'])
    expect(sentences('<p>{t.page.title}</p> // <p>Hello you.</p>')).toEqual([])
    expect(sentences('type Act = (c: Context) => Promise<Response>')).toEqual([])
  })

  test('no page holds a sentence of its own', () => {
    const users = sources.filter(
      ({ path }) => path.endsWith('.tsx') && USERS.some((place) => path.startsWith(place)),
    )
    expect(users.length).toBeGreaterThan(10)
    expect(
      users.flatMap(({ path, text }) => sentences(text).map((sentence) => `${path}: ${sentence}`)),
    ).toEqual([])
  })
})

test('the language is the best that the browser accepts of those there are', () => {
  const languages = ['en', 'de'] as const
  expect(languageFor('de-CH, en;q=0.8', languages)).toBe('de')
  expect(languageFor('fr, en;q=0.2, de;q=0.7', languages)).toBe('de')
  expect(languageFor('fr, de;q=0', languages)).toBeUndefined()
  expect(languageFor('constructor', languages)).toBeUndefined()
  expect(languageFor(undefined, languages)).toBeUndefined()
})
