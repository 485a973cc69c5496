import type { Context } from 'hono'
import { createContext, useContext } from 'hono/jsx'
import { en } from './texts/en.tsx'

/** The texts of users' pages in the reader's language: a page takes them by `textsOf`, a component by `useTexts`. Call them `t`: a test looks for texts that no page uses. */

export type Texts = typeof en

/** A language is one file in `texts/` and one line here. */
const LANGUAGES: Readonly<Record<string, Texts>> = { en }

/** What an app is told about a user's sign-in is English, whatever the user reads. */
export const ENGLISH = en

export const textsOf = (c: Context): Texts => languageFor(c.req.header('Accept-Language'), LANGUAGES) ?? en

/** The best of the languages that a browser accepts (RFC 9110 §12.5.4), by its primary tag. */
export function languageFor<T>(accepted: string | undefined, languages: Readonly<Record<string, T>>): T | undefined {
  const wanted = (accepted ?? '').split(',').map((range) => {
    const [tag = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase())
    const weight = parameters.find((one) => one.startsWith('q='))
    return { language: tag.split('-')[0] ?? '', weight: weight === undefined ? 1 : Number(weight.slice(2)) }
  })
  const best = wanted.filter(({ language, weight }) => weight > 0 && Object.hasOwn(languages, language)).sort((a, b) => b.weight - a.weight)[0]
  return best === undefined ? undefined : languages[best.language]
}

const Current = createContext<Texts>(en)
export const TextsProvider = Current.Provider
export const useTexts = (): Texts => useContext(Current)
