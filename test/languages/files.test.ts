import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { BUILT_IN, type Language, readLanguage } from '../../src/config/languages/language.ts'
import { textsIn } from '../../src/config/languages/texts.ts'
import { en } from '../../src/config/languages/texts/en.ts'

/**
 * The files of `languages/`: no text is left out or left in English, and each has the placeholders
 * of the English one.
 */

const FOLDER = join(import.meta.dirname, '../../languages')

/** Every text by its key. */
function* leaves(node: object, path = ''): Generator<[key: string, text: string]> {
  for (const [key, value] of Object.entries(node) as [string, unknown][]) {
    if (typeof value === 'string') yield [`${path}.${key}`, value]
    else yield* leaves(value as object, `${path}.${key}`)
  }
}

const english = new Map(leaves(en))

/** Names of products and things that are called the same, and names and numbers alone. */
const ALIKE = /^\.(?:layout\.helpAt|shared\.list|history\.(?:app|pages|actor)|home|answer\.no)/

const placeholders = (text: string): string =>
  [...new Set([...text.matchAll(/\{(\w+)[,}]/g)].map(([, name]) => name))].toSorted().join(' ')

const read = (name: string): Language =>
  readLanguage(join(FOLDER, name), (problem) => expect.unreachable(problem)) ?? expect.unreachable()

test('there is a file for German, French, Spanish and Arabic, the one language from right to left', () => {
  const all = readdirSync(FOLDER).map(read)
  expect(all.map(({ language, direction }) => `${language} ${direction}`).toSorted()).toEqual([
    'ar rtl',
    'de ltr',
    'es ltr',
    'fr ltr',
  ])
})

describe.each(readdirSync(FOLDER))('%s', (name) => {
  const { texts, reviewed } = JSON.parse(readFileSync(join(FOLDER, name), 'utf8')) as {
    texts: object
    reviewed: boolean
  }
  const own = new Map(leaves(texts))

  test('has every text in other words than English, in the order of the English ones, and no other text', () => {
    expect(read(name)).toMatchObject({ missing: [], unknown: [] })
    expect([...own.keys()]).toEqual([...english.keys()])
    expect(
      [...own]
        .filter(([key, text]) => !ALIKE.test(key) && text === english.get(key))
        .map(([key]) => key),
    ).toEqual([])
  })

  test('names the product, and shows each name and number, wherever English does', () => {
    const shows = (all: ReadonlyMap<string, string>): string[] =>
      [...all].map(([key, text]) => `${key} ${placeholders(text)}`)
    expect(shows(own)).toEqual(shows(english))
  })

  test('is marked as machine-made', () => expect(reviewed).toBe(false))
})

test('numbers take the forms of the language', () => {
  const devices = (language: Language, count: number): string =>
    textsIn(language, 'Case Manager').signedOut.elsewhereTitle({ devices: count })
  expect([1, 2, 3].map((count) => devices(BUILT_IN, count))).toEqual([
    'You are still signed in on another device',
    'You are still signed in on 2 other devices',
    'You are still signed in on 3 other devices',
  ])
  const arabic = read('ar.json')
  expect(
    new Set([1, 2, 3, 11, 100].map((count) => devices(arabic, count).replaceAll(/\p{N}+/gu, '#')))
      .size,
  ).toBe(5)
})
