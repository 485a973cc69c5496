import type { Context } from 'hono'
import { getCookie, setCookie } from 'hono/cookie'
import type { Child } from 'hono/jsx'
import { type Browser, forgetSession, readBrowser } from '../session/browser.ts'
import { CSRF_FIELD, csrfHolds, csrfToken } from '../pages/csrf.ts'
import { page, type PageOptions } from '../pages/layout.tsx'
import { textsOf, type Texts, useLocales } from '../pages/texts.ts'
import { parseForm } from '../protocol/params.ts'
import type { Deps } from './deps.ts'

/**
 * A request for a page, read once by the endpoint, and the answer. Functions below the endpoint do
 * not get the request itself.
 */

/** The cookie that keeps the state of a sign-out, also while the user is at Microsoft. */
const AFTER_COOKIE = '__Host-cmb_after_logout'
const ATTRIBUTES = { path: '/', secure: true, httpOnly: true, sameSite: 'Lax' } as const

/** The part of a request that rendering a page needs. */
export interface PageView {
  t: Texts
  /** Returns the value of the hidden CSRF field of a form with this purpose. */
  csrf(purpose: string): string
}

export interface PageRequest extends Browser, PageView {
  now: number
  /** The query of a GET or the form of a POST. */
  fields: URLSearchParams
  /** The sealed state of the latest sign-out in this browser. */
  after: string | undefined
  /** Returns whether the broker's own page in this browser made the form. */
  isOurs(purpose: string): boolean
}

/** A page, or an address to redirect to. */
export type PageAnswer = {
  /** The user has signed out in this browser: the session cookie is deleted. */
  signedOut?: boolean
  /** The sealed state of the sign-out, for a cookie; '' deletes it. */
  after?: string | undefined
} & (
  | {
      to: string
      /** The URL of this page holds a sealed value, so other sites must not get it as Referer. */
      hidesReferrer?: boolean
    }
  | { page: Omit<PageOptions, 'config'>; body: Child }
)

/**
 * Reads the request of a page. @param options.takesLocales true if clients send `ui_locales` here
 */
export async function readPageRequest(
  deps: Deps,
  c: Context,
  { takesLocales = false }: { takesLocales?: boolean } = {},
): Promise<PageRequest> {
  const fields =
    c.req.method === 'POST' ? parseForm(await c.req.text()) : new URL(c.req.url).searchParams
  const now = deps.clock.now()
  if (takesLocales) useLocales(c, deps.config, fields.get('ui_locales'))
  return {
    ...readBrowser(deps, c, now),
    ...pageView(deps, c),
    now,
    fields,
    after: getCookie(c, AFTER_COOKIE),
    isOurs: (purpose) => csrfHolds(deps, c, purpose, fields.get(CSRF_FIELD) ?? undefined),
  }
}

export const pageView = (deps: Deps, c: Context): PageView => ({
  t: textsOf(c, deps.config),
  csrf: (purpose) => csrfToken(deps, c, purpose),
})

/**
 * Encodes a registered address for a Location header in ASCII (RFC 9110 §10.2.2, RFC 3986 §2). It
 * keeps existing percent-encoding; Hono would encode it again.
 */
const inLocation = (address: string): string =>
  address.toWellFormed().replace(/[^\x21-\x7e]+/g, encodeURIComponent)

export function send({ config }: Pick<Deps, 'config'>, c: Context, answer: PageAnswer) {
  if (answer.signedOut) forgetSession(c)
  if (answer.after !== undefined)
    setCookie(c, AFTER_COOKIE, answer.after, {
      ...ATTRIBUTES,
      maxAge: answer.after === '' ? 0 : 1800,
    })
  if ('page' in answer) return page(c, { ...answer.page, config }, answer.body)
  if (answer.hidesReferrer) {
    c.header('Cache-Control', 'no-store')
    c.header('Referrer-Policy', 'no-referrer')
  }
  // 303 and never 307 (RFC 9700 §4.12): the browser must not repeat its POST at the target.
  return c.redirect(inLocation(answer.to), 303)
}
