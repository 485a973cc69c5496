import type { Context } from 'hono'
import { getCookie, setCookie } from 'hono/cookie'
import { createContext, useContext } from 'hono/jsx'
import type { Config } from '../config/config.ts'
import { LANGUAGES, type Language } from '../protocol/languages.ts'
import { ar } from './texts/ar.tsx'
import { de } from './texts/de.tsx'
import { en, type Texts } from './texts/en.tsx'
import { es } from './texts/es.tsx'
import { fr } from './texts/fr.tsx'

/** The texts of users' pages in the reader's language: a page takes them by `textsOf`, a component by `useTexts`. Call them `t`: a test looks for texts that no page uses. */

export type { Texts } from './texts/en.tsx'

type Catalog = (product: string) => Texts

/** A language is one file in `texts/`, one line here and one in `protocol/languages.ts`. */
const CATALOGS: Readonly<Record<Language, Catalog>> = { en, de, fr, es, ar }

const isLanguage = (tag: string): tag is Language => Object.hasOwn(CATALOGS, tag)

const PRODUCT = 'Case Manager'
const made = new Map<string, Texts>()

/** Each catalog once for the name of the product, which no request can choose. */
export function textsIn(language: Language, product: string = PRODUCT): Texts {
  const key = `${language} ${product}`
  const known = made.get(key) ?? CATALOGS[language](product)
  made.set(key, known)
  return known
}

/** What an app gets about a user's sign-in is English, whatever the user reads. */
export const ENGLISH = textsIn('en')

/** What the user chose, or an app asked for, in this browser: no secret, and nothing is decided by it but words. */
const CHOSEN = '__Host-cmb_language'
const ASKED = '__Host-cmb_ui_locale'
const LIKE = { path: '/', secure: true, httpOnly: true, sameSite: 'Lax' } as const
const YEAR = 365 * 86_400

/** From now on, in this browser. */
export const chooseLanguage = (c: Context, language: Language): void => setCookie(c, CHOSEN, language, { ...LIKE, maxAge: YEAR })

/** A client's `ui_locales` (OpenID Connect Core §3.1.2.1): the first that there are texts for, on this page and those that follow in this window. */
export function useLocales(c: Context, locales: string | null): void {
  const language = locales
    ?.split(' ')
    .map((tag) => tag.toLowerCase().split('-')[0] ?? '')
    .find(isLanguage)
  if (language === undefined) return
  c.set('asked', language)
  setCookie(c, ASKED, language, LIKE)
}

/** For operators, administrators and developers: the page is English, without a choice of languages. */
export const speakEnglish = (c: Context): void => c.set('english', true)
export const speaksEnglish = (c: Context): boolean => c.get('english') === true

/** The same for each page of an endpoint. */
export const inEnglish = (c: Context, next: () => Promise<void>): Promise<void> => {
  speakEnglish(c)
  return next()
}

/** What the user chose, then what the app asked for, then what the browser accepts, then the setting. */
export function textsOf(c: Context, { look }: Pick<Config, 'look'>): Texts {
  if (speaksEnglish(c)) return textsIn('en', look.product)
  const asked = [getCookie(c, CHOSEN), c.get('asked') as string | undefined, getCookie(c, ASKED)].find((tag) => tag !== undefined && isLanguage(tag))
  if (asked !== undefined) return textsIn(asked, look.product)
  return textsIn(languageFor(c.req.header('Accept-Language'), LANGUAGES) ?? look.language, look.product)
}

/** The best of the languages that a browser accepts (RFC 9110 §12.5.4), by its primary tag. */
export function languageFor<T extends string>(accepted: string | undefined, languages: readonly T[]): T | undefined {
  const wanted = (accepted ?? '').split(',').map((range) => {
    const [tag = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase())
    const weight = parameters.find((one) => one.startsWith('q='))
    return { language: languages.find((one) => one === tag.split('-')[0]), weight: weight === undefined ? 1 : Number(weight.slice(2)) }
  })
  return wanted.filter(({ language, weight }) => language !== undefined && weight > 0).sort((a, b) => b.weight - a.weight)[0]?.language
}

const Current = createContext<Texts>(ENGLISH)
export const TextsProvider = Current.Provider
export const useTexts = (): Texts => useContext(Current)
