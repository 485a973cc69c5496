import {
  isArgumentElement,
  isLiteralElement,
  isPluralElement,
  isPoundElement,
  type MessageFormatElement,
  parse,
} from '@formatjs/icu-messageformat-parser'
import { IntlMessageFormat } from 'intl-messageformat'

/**
 * Parses the texts of users' pages: ICU MessageFormat with placeholders and plural forms. Markup in
 * a message is plain text.
 */

/**
 * Returns the text for a product name: a string, or a function of the values of the English text's
 * placeholders.
 */
export type Message = (product: string) => unknown

const AS_TEXT = { ignoreTag: true }

/** Returns a message that makes its format when a page first needs it. */
export function messageOf(text: string, english: string, language: string): Message {
  let format: IntlMessageFormat | undefined
  return (product) => {
    const say = (values: Record<string, unknown>) =>
      isPlain(text)
        ? text
        : (format ??= new IntlMessageFormat(text, language, undefined, AS_TEXT)).format({
            [PRODUCT]: product,
            ...values,
          })
    return [...placeholdersOf(english).keys()].some((name) => name !== PRODUCT) ? say : say({})
  }
}

/** Returns whether a text has no placeholder and needs no parser, as most do. */
const isPlain = (text: string): boolean => !/[{}']/.test(text)

/**
 * The form of a placeholder. `plural` needs a number. `other` is every form that texts may not use,
 * such as `{at, date}`.
 */
type Kind = 'text' | 'plural' | 'other'

/**
 * Returns the placeholders of a message, including those in its plural forms.
 * @throws SyntaxError whose message names the fault
 */
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
  if (!isPlain(text)) read(parse(text, AS_TEXT))
  return found
}

/** The placeholder for the product name, which every text may use. */
export const PRODUCT = 'product'

/**
 * Compares a translated message with the English one.
 * @returns why the text cannot replace the English one, or undefined
 */
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
