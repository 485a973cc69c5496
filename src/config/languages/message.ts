import {
  isArgumentElement,
  isLiteralElement,
  isPluralElement,
  isPoundElement,
  type MessageFormatElement,
} from '@formatjs/icu-messageformat-parser'
import { IntlMessageFormat } from 'intl-messageformat'

/**
 * A text of users' pages: a message in ICU MessageFormat with placeholders and plural forms. Markup
 * in it is text.
 */

/**
 * The text for a name of the product: a string, or a function of the values that the placeholders
 * of the English text stand for.
 */
export type Message = (product: string) => unknown

/** Parses the text when a page first needs it. */
export function messageOf(text: string, english: string, language: string): Message {
  return (product) => {
    const parsed = isPlain(text) ? undefined : parse(text, language)
    const say = (values: Record<string, unknown>) =>
      parsed?.format({ [PRODUCT]: product, ...values }) ?? text
    return [...placeholdersOf(english).keys()].some((name) => name !== PRODUCT) ? say : say({})
  }
}

/** @throws SyntaxError whose message names the fault */
const parse = (text: string, language: string): IntlMessageFormat =>
  new IntlMessageFormat(text, language, undefined, { ignoreTag: true })

/** Most texts have no placeholder, and need no parser. */
const isPlain = (text: string): boolean => !/[{}']/.test(text)

/**
 * `plural` needs a number. `other` stands for every form that no text here may have, such as `{at,
 * date}`.
 */
type Kind = 'text' | 'plural' | 'other'

/** The placeholders of a message, also those in its plural forms. */
function placeholdersOf(text: string): ReadonlyMap<string, Kind> {
  const found = new Map<string, Kind>()
  const read = (elements: readonly MessageFormatElement[]): void => {
    for (const element of elements) {
      if (isLiteralElement(element) || isPoundElement(element)) continue
      const kind = isPluralElement(element)
        ? 'plural'
        : isArgumentElement(element)
          ? 'text'
          : 'other'
      if (kind !== 'text' || !found.has(element.value)) found.set(element.value, kind)
      if (isPluralElement(element))
        for (const { value } of Object.values(element.options)) read(value)
    }
  }
  if (!isPlain(text)) read(parse(text, 'en').getAst())
  return found
}

/** The name of the product, which every text may have. */
export const PRODUCT = 'product'

/** @returns what keeps a text from standing for the English one; undefined: nothing */
export function messageProblem(text: string, english: string): string | undefined {
  const wanted = placeholdersOf(english)
  try {
    for (const [name, kind] of placeholdersOf(text)) {
      if (name !== PRODUCT && !wanted.has(name))
        return `has the placeholder {${name}}. The English text has ${listed([...wanted.keys()])}`
      if (kind === 'other' || (kind === 'plural' && wanted.get(name) !== 'plural'))
        return `uses {${name}} in a form that it cannot have: write {${name}}${wanted.get(name) === 'plural' ? ` or {${name}, plural, …}` : ''}`
    }
  } catch (error) {
    if (error instanceof SyntaxError) return `is not in ICU MessageFormat (${error.message})`
    throw error
  }
  return undefined
}

const listed = (names: readonly string[]): string =>
  names.length === 0 ? 'none' : names.map((name) => `{${name}}`).join(', ')
