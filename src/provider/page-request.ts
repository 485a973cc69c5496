import type { Context } from 'hono'
import type { Child } from 'hono/jsx'
import { type Browser, forgetSession, readBrowser } from '../clients/session/browser.ts'
import { CSRF_FIELD, csrfHolds, csrfToken } from '../pages/csrf.ts'
import { page, type PageOptions } from '../pages/layout.tsx'
import { textsOf, type Texts, useLocales } from '../pages/texts.ts'
import { parseForm } from '../protocol/params.ts'
import type { Deps } from './deps.ts'

/**
 * A request for a page, read once by the endpoint, and the answer to it: no function below an
 * endpoint has the request itself.
 */

/** The part of it that a page shows. */
export interface PageView {
  t: Texts
  /** The value of the hidden field of a form that is made for `purpose`. */
  csrf(purpose: string): string
}

export interface PageRequest extends Browser, PageView {
  now: number
  /** The query of a GET, the form of a POST. */
  fields: URLSearchParams
  /** Whether the form came from our own page in this browser. */
  isOurs(purpose: string): boolean
}

/** A page, or the address to go on to. */
export type PageAnswer = {
  /** The user has signed out in this browser. */
  signedOut?: boolean
} & (
  | {
      to: string
      /** The address of this page holds a sealed text, which no other site sees. */
      hidesReferrer?: boolean
    }
  | { page: Omit<PageOptions, 'config'>; body: Child }
)

/** @param options.takesLocales the endpoint is one that a client sends its `ui_locales` to */
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
    isOurs: (purpose) => csrfHolds(deps, c, purpose, fields.get(CSRF_FIELD) ?? undefined),
  }
}

export const pageView = (deps: Deps, c: Context): PageView => ({
  t: textsOf(c, deps.config),
  csrf: (purpose) => csrfToken(deps, c, purpose),
})

/**
 * A registered address as a Location header has it: in ASCII (RFC 9110 §10.2.2, RFC 3986 §2). What
 * is encoded in it stays as it is; Hono would encode all of it again, `iss` and `state` included.
 */
const inLocation = (address: string): string =>
  address.toWellFormed().replace(/[^\x21-\x7e]+/g, encodeURIComponent)

export function send({ config }: Pick<Deps, 'config'>, c: Context, answer: PageAnswer) {
  if (answer.signedOut) forgetSession(c)
  if ('page' in answer) return page(c, { ...answer.page, config }, answer.body)
  if (answer.hidesReferrer) {
    c.header('Cache-Control', 'no-store')
    c.header('Referrer-Policy', 'no-referrer')
  }
  // 303 and never 307 (RFC 9700 §4.12): what the browser sent to us goes no further.
  return c.redirect(inLocation(answer.to), 303)
}
