import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { type Language, readLanguage } from '../../src/config/languages/language.ts'
import { en } from '../../src/config/languages/texts/en.ts'

/**
 * A language for tests: English with accents, half as long again and in brackets. Text without
 * brackets on a page is not from the catalog, and a page that fits it fits every language.
 */

const [PLAIN, ACCENTED] = ['aceinosuyzACEINOSUYZ', 'àçéîñôšüýžÀÇÉÎÑÔŠÜÝŽ']
const accented = (text: string): string =>
  text.replace(/[a-zA-Z]/g, (letter) => ACCENTED[PLAIN.indexOf(letter)] ?? letter)

/** Returns the words that lengthen a text, so that lines can break as in a real language. */
const padding = (text: string): string => ' ōōōōōō'.repeat(Math.ceil(text.length / 14))

const longer = (text: string): string =>
  /[a-z]/i.test(text) ? `⟦${accented(text)}${padding(text)}⟧` : text

/** Translates a catalog, without the values of placeholders. */
function pseudo(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(pseudo)
  if (typeof node !== 'string')
    return Object.fromEntries(
      Object.entries(node as object).map(([key, value]) => [key, pseudo(value)]),
    )
  const [, number, forms] = /^(\{\w+, plural, )(.*)\}$/.exec(node) ?? []
  if (forms !== undefined)
    return `${number}${forms.replace(/\{([^{}]*)\}/g, (_, form: string) => `{${longer(form)}}`)}}`
  return node
    .split(/(\{\w+\})/)
    .map((part) => (part.startsWith('{') ? part : longer(part)))
    .join('')
}

function readPseudo(): Language {
  const dir = mkdtempSync(join(tmpdir(), 'cmb-pseudo-'))
  const file = join(dir, 'eo.json')
  writeFileSync(
    file,
    JSON.stringify({
      language: 'eo',
      name: 'Pseudo',
      direction: 'ltr',
      locale: 'en-GB',
      reviewed: false,
      texts: pseudo(en),
    }),
  )
  const language = readLanguage(file, (problem) => expect.unreachable(problem))
  rmSync(dir, { recursive: true })
  return language ?? expect.unreachable()
}

export const PSEUDO = readPseudo()
