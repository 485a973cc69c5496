import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { type Message, messageOf, messageProblem } from './message.ts'
import { en } from './texts/en.ts'

/**
 * A language of users' pages: English is built in, others are files that the operator names
 * (docs/languages.md).
 */

export interface Language {
  /** An ISO 639 code such as `de`. */
  language: string
  /** The name of the language in that language, for the user who chooses. */
  name: string
  direction: 'ltr' | 'rtl'
  /** The BCP 47 tag for dates: `en-GB` writes the day before the month. */
  locale: string
  /** True if a person who is fluent has read the texts. Otherwise they are machine translations. */
  reviewed: boolean
  /** The texts, with the keys of `en`. */
  messages: Messages
  /** Keys that the file lacks. Pages show those texts in English. */
  missing: readonly string[]
  /** Keys in the file that this version does not have. */
  unknown: readonly string[]
}

/** A tree of messages, with the keys of the English texts. */
export type Messages = Message | readonly Messages[] | { readonly [key: string]: Messages }

const isLocale = (tag: string): boolean => {
  try {
    return Intl.getCanonicalLocales(tag).length === 1
  } catch {
    return false
  }
}

const isOther = (tag: string): boolean => /^[a-z]{2,3}$/.test(tag) && tag !== 'en'

const shape = z.object(
  {
    language: z.custom<string>(
      (tag) => typeof tag === 'string' && isOther(tag),
      'must be a language of ISO 639 such as de, and not en, which is built in',
    ),
    name: z
      .string('must be the name of the language in itself')
      .min(1, 'must not be empty')
      .max(60, 'must have at most 60 characters'),
    direction: z.enum(['ltr', 'rtl'], 'must be ltr or rtl'),
    locale: z.custom<string>(
      (tag) => typeof tag === 'string' && isLocale(tag),
      'must be a language tag for dates, such as de-DE',
    ),
    reviewed: z.boolean('must be true, or false where no person who is fluent has read the texts'),
    texts: z.record(z.string(), z.unknown(), 'must be an object'),
  },
  'must be an object',
)

type Add = (problem: string) => void

/**
 * Reads a translation file. Returns undefined if it is not valid.
 * @param add receives each problem, which completes the sentence "The setting …"
 */
export function readLanguage(file: string, add: Add): Language | undefined {
  let content: unknown
  try {
    content = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    add(
      code === undefined
        ? `names ${file}, which is not valid JSON`
        : `names ${file}, which cannot be read: ${code}`,
    )
    return undefined
  }
  const addTo = (problem: string): void => add(`names ${file}: ${problem}`)
  const { data, error } = shape.safeParse(content)
  for (const { path, message } of error?.issues ?? [])
    addTo(`${path.join('.') || 'the file'} ${message}`)
  const found: Found = { language: data?.language ?? 'en', add: addTo, missing: [], unknown: [] }
  const messages = fitted(en, groupOf(groupOf(content)['texts']), ['texts'], found)
  if (data === undefined) return undefined
  const { texts: _, ...about } = data
  return { ...about, messages, missing: found.missing, unknown: found.unknown }
}

interface Found {
  language: string
  add: Add
  missing: string[]
  unknown: string[]
}

type Tree = string | readonly Tree[] | { readonly [key: string]: Tree }

/**
 * Returns the messages of a file in the shape of the English texts, with the English text for each
 * one that the file lacks.
 */
function fitted(english: Tree, own: unknown, path: readonly string[], found: Found): Messages {
  const at = path.join('.')
  if (typeof english === 'string') {
    if (own === undefined) found.missing.push(at)
    const problem =
      own === undefined || own === english
        ? undefined
        : typeof own === 'string'
          ? messageProblem(own, english)
          : 'must be a text'
    if (problem !== undefined) found.add(`${at} ${problem}`)
    return messageOf(typeof own === 'string' ? own : english, english, found.language)
  }
  const group = groupOf(own)
  if (own !== undefined && own !== group) found.add(`${at} must be a group of texts`)
  const keys = Object.keys(english)
  found.unknown.push(
    ...Object.keys(group)
      .filter((key) => !keys.includes(key))
      .map((key) => `${at}.${key}`),
  )
  const entries = Object.entries(english).map(
    ([key, text]) =>
      [
        key,
        fitted(text, Object.hasOwn(group, key) ? group[key] : undefined, [...path, key], found),
      ] as const,
  )
  return Array.isArray(english) ? entries.map(([, text]) => text) : Object.fromEntries(entries)
}

function groupOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

export const BUILT_IN: Language = {
  language: 'en',
  name: 'English',
  direction: 'ltr',
  // British dates: the day before the month.
  locale: 'en-GB',
  reviewed: true,
  messages: fitted(en, en, [], { language: 'en', add: () => {}, missing: [], unknown: [] }),
  missing: [],
  unknown: [],
}
