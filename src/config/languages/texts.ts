import type { Child } from 'hono/jsx'
import type { Language, Messages } from './language.ts'
import type { PRODUCT } from './message.ts'
import type { en } from './texts/en.ts'

/**
 * Builds the texts of a language as pages use them: strings, and functions of the values of the
 * English text's placeholders.
 */

type Form = 'zero' | 'one' | 'two' | 'few' | 'many' | 'other'

/**
 * The placeholders of an English text, from its literal type: `['who', 'text']` for `{who}`,
 * `['count', 'plural']` for `{count, plural, …}`.
 */
type Placeholder<Text extends string> = Text extends `${infer Before}{${infer After}`
  ? Before extends `${string} ${Form} `
    ? Placeholder<After>
    : After extends `${infer Inside}}${infer Rest}`
      ? Inside extends `${infer Name}, plural,${infer Forms}`
        ? [Name, 'plural'] | Placeholder<`${Forms}}${Rest}`>
        : Exclude<[Inside, 'text'], [typeof PRODUCT, 'text']> | Placeholder<Rest>
      : never
  : never

/**
 * A text with placeholders. If one of its values is markup, the result is markup; strings in it are
 * escaped as everywhere on a page.
 */
type Formatted<P extends [string, string]> = <V extends Child = string>(
  values: Record<Extract<P, [string, 'text']>[0], V> &
    Record<Extract<P, [string, 'plural']>[0], number>,
) => [V] extends [string | number] ? string : Child

type TextOf<Text extends string> = [Placeholder<Text>] extends [never]
  ? string
  : Formatted<Placeholder<Text>>

type TextsOf<M> = { readonly [K in keyof M]: M[K] extends string ? TextOf<M[K]> : TextsOf<M[K]> }

export type Texts = Pick<Language, 'language' | 'name' | 'direction' | 'locale'> &
  TextsOf<typeof en>

const made = new WeakMap<Language, Map<string, Texts>>()

/**
 * Returns the texts of a language for a product name. They are cached, which is safe because no
 * request can choose the product name.
 */
export function textsIn(language: Language, product: string): Texts {
  const ofLanguage = made.get(language) ?? new Map<string, Texts>()
  made.set(language, ofLanguage)
  const { messages, ...about } = language
  // `readLanguage` gave the messages the shape of the English ones.
  const texts =
    ofLanguage.get(product) ??
    ({ ...about, ...(textsFrom(messages, product) as TextsOf<typeof en>) } satisfies Texts)
  ofLanguage.set(product, texts)
  return texts
}

/** Each text is made when it is first read. */
function textsFrom(messages: Messages, product: string): unknown {
  if (typeof messages === 'function') return messages(product)
  const all = Array.isArray(messages) ? [] : {}
  for (const [key, message] of Object.entries(messages)) {
    let text: unknown
    const get = (): unknown => (text ??= textsFrom(message, product))
    Object.defineProperty(all, key, { enumerable: true, get })
  }
  return all
}
