import type { Context } from 'hono'
import { getCookie, setCookie } from 'hono/cookie'
import { createContext, useContext } from 'hono/jsx'
import type { Config } from '../config/config.ts'
import { BUILT_IN, type Language } from '../config/languages/language.ts'
import { type Texts, textsIn } from '../config/languages/texts.ts'

/**
 * Selects the texts of users' pages in the reader's language: pages use `textsOf`, components
 * `useTexts`. Name the result `t`, because a test finds unused texts by that name.
 */

export type { Texts } from '../config/languages/texts.ts'

type Need = Pick<Config, 'look'>

/** English texts, for what an app receives about a sign-in whatever the user's language. */
export const ENGLISH = textsIn(BUILT_IN, 'Case Manager')

/**
 * Cookies with the language that the user chose, and with the one that an app requested. They are
 * not secret and affect only the language.
 */
const CHOSEN = '__Host-cmb_language'
const ASKED = '__Host-cmb_ui_locale'
const LIKE = { path: '/', secure: true, httpOnly: true, sameSite: 'Lax' } as const
const YEAR = 365 * 86_400

/** Returns the language with this name, if the broker has it. */
const languageOf = ({ look }: Need, name: string | undefined): Language | undefined =>
  look.languages.find(({ language }) => language === name)

/** Saves the user's choice in this browser. An unknown language changes nothing. */
export function chooseLanguage(c: Context, config: Need, name: string | null): void {
  const chosen = languageOf(config, name ?? undefined)
  if (chosen !== undefined) setCookie(c, CHOSEN, chosen.language, { ...LIKE, maxAge: YEAR })
}

/**
 * Applies a client's `ui_locales` (OpenID Connect Core §3.1.2.1): the first language that the
 * broker has, for this page and the following ones until the browser closes.
 */
export function useLocales(c: Context, config: Need, locales: string | null): void {
  const language = locales
    ?.split(' ')
    .map((tag) => languageOf(config, tag.toLowerCase().split('-')[0])?.language)
    .find((candidate) => candidate !== undefined)
  if (language === undefined) return
  c.set('asked', language)
  setCookie(c, ASKED, language, LIKE)
}

/**
 * Makes the page English without a choice of languages, for operators, administrators and
 * developers.
 */
export const speakEnglish = (c: Context): void => c.set('english', true)
export const speaksEnglish = (c: Context): boolean => c.get('english') === true

/** A middleware that applies `speakEnglish` to every page. */
export const inEnglish = (c: Context, next: () => Promise<void>): Promise<void> => {
  speakEnglish(c)
  return next()
}

/**
 * Returns the texts in the first available language of: the user's choice, the app's request, the
 * browser's preference, the setting.
 */
export function textsOf(c: Context, config: Need): Texts {
  const { languages, language, product } = config.look
  if (speaksEnglish(c)) return textsIn(BUILT_IN, product)
  const accepted = languageFor(
    c.req.header('Accept-Language'),
    languages.map((known) => known.language),
  )
  const wanted = [
    getCookie(c, CHOSEN),
    c.get('asked') as string | undefined,
    getCookie(c, ASKED),
    accepted,
    language,
  ]
  return textsIn(
    wanted.map((name) => languageOf(config, name)).find((candidate) => candidate !== undefined) ??
      BUILT_IN,
    product,
  )
}

/**
 * Returns the language that the browser prefers most (RFC 9110 §12.5.4), compared by primary tag.
 */
export function languageFor<T extends string>(
  accepted: string | undefined,
  languages: readonly T[],
): T | undefined {
  const wanted = (accepted ?? '').split(',').map((range) => {
    const [tag = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase())
    const weight = parameters.find((parameter) => parameter.startsWith('q='))
    return {
      language: languages.find((language) => language === tag.split('-')[0]),
      weight: weight === undefined ? 1 : Number(weight.slice(2)),
    }
  })
  return wanted
    .filter(({ language, weight }) => language !== undefined && weight > 0)
    .sort((a, b) => b.weight - a.weight)[0]?.language
}

const Current = createContext<Texts>(ENGLISH)
export const TextsProvider = Current.Provider
export const useTexts = (): Texts => useContext(Current)
