import type { Context } from 'hono'
import { getCookie, setCookie } from 'hono/cookie'
import { createContext, useContext } from 'hono/jsx'
import type { Config } from '../config/config.ts'
import { BUILT_IN, type Language } from '../config/languages/language.ts'
import { type Texts, textsIn } from '../config/languages/texts.ts'

/**
 * The texts of users' pages in the reader's language: a page takes them by `textsOf`, a component
 * by `useTexts`. Call them `t`: a test looks for texts that no page uses.
 */

export type { Texts } from '../config/languages/texts.ts'

type Need = Pick<Config, 'look'>

/** What an app gets about a user's sign-in is English, whatever the user reads. */
export const ENGLISH = textsIn(BUILT_IN, 'Case Manager')

/**
 * What the user chose, or an app asked for, in this browser: no secret, and nothing is decided by
 * it but words.
 */
const CHOSEN = '__Host-cmb_language'
const ASKED = '__Host-cmb_ui_locale'
const LIKE = { path: '/', secure: true, httpOnly: true, sameSite: 'Lax' } as const
const YEAR = 365 * 86_400

/** The language of this name, if the broker has it. */
const languageOf = ({ look }: Need, name: string | undefined): Language | undefined =>
  look.languages.find(({ language }) => language === name)

/** From now on, in this browser. A language that the broker does not have changes nothing. */
export function chooseLanguage(c: Context, config: Need, name: string | null): void {
  const chosen = languageOf(config, name ?? undefined)
  if (chosen !== undefined) setCookie(c, CHOSEN, chosen.language, { ...LIKE, maxAge: YEAR })
}

/**
 * A client's `ui_locales` (OpenID Connect Core §3.1.2.1): the first that there are texts for, on
 * this page and those that follow in this window.
 */
export function useLocales(c: Context, config: Need, locales: string | null): void {
  const language = locales
    ?.split(' ')
    .map((tag) => languageOf(config, tag.toLowerCase().split('-')[0])?.language)
    .find((one) => one !== undefined)
  if (language === undefined) return
  c.set('asked', language)
  setCookie(c, ASKED, language, LIKE)
}

/**
 * For operators, administrators and developers: the page is English, without a choice of languages.
 */
export const speakEnglish = (c: Context): void => c.set('english', true)
export const speaksEnglish = (c: Context): boolean => c.get('english') === true

/** The same for each page of an endpoint. */
export const inEnglish = (c: Context, next: () => Promise<void>): Promise<void> => {
  speakEnglish(c)
  return next()
}

/**
 * What the user chose, then what the app asked for, then what the browser accepts, then the
 * setting.
 */
export function textsOf(c: Context, config: Need): Texts {
  const { languages, language, product } = config.look
  if (speaksEnglish(c)) return textsIn(BUILT_IN, product)
  const accepted = languageFor(
    c.req.header('Accept-Language'),
    languages.map((one) => one.language),
  )
  const wanted = [
    getCookie(c, CHOSEN),
    c.get('asked') as string | undefined,
    getCookie(c, ASKED),
    accepted,
    language,
  ]
  return textsIn(
    wanted.map((name) => languageOf(config, name)).find((one) => one !== undefined) ?? BUILT_IN,
    product,
  )
}

/** The best of the languages that a browser accepts (RFC 9110 §12.5.4), by its primary tag. */
export function languageFor<T extends string>(
  accepted: string | undefined,
  languages: readonly T[],
): T | undefined {
  const wanted = (accepted ?? '').split(',').map((range) => {
    const [tag = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase())
    const weight = parameters.find((one) => one.startsWith('q='))
    return {
      language: languages.find((one) => one === tag.split('-')[0]),
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
