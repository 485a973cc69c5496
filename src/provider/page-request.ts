import type { Context } from 'hono'
import type { Child } from 'hono/jsx'
import { type Browser, forgetSession, readBrowser } from '../clients/session/browser.ts'
import { CSRF_FIELD, csrfHolds, csrfToken } from '../pages/csrf.ts'
import { page, type PageOptions } from '../pages/layout.tsx'
import { textsOf, type Texts, useLocales } from '../pages/texts.ts'
import { parseForm } from '../protocol/params.ts'
import type { Deps } from './deps.ts'
import { inLocation } from './location.ts'

/**
 * What a page needs of the request that it answers, read once by the endpoint, and its answer: no
 * function below an endpoint has the request itself.
 */
export interface PageRequest extends Browser {
  now: number
  t: Texts
  /** The query of a GET, the form of a POST. */
  fields: URLSearchParams
  /** The value of the hidden field of a form that is made for `purpose`. */
  csrf(purpose: string): string
  /** Whether the form came from our own page in this browser. */
  isOurs(purpose: string): boolean
}

/** A page, or the address to go on to. */
export type PageAnswer = { signedOut?: boolean } & (
  | { to: string }
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
    now,
    t: textsOf(c, deps.config),
    fields,
    csrf: (purpose) => csrfToken(deps, c, purpose),
    isOurs: (purpose) => csrfHolds(deps, c, purpose, fields.get(CSRF_FIELD) ?? undefined),
  }
}

export function respond({ config }: Pick<Deps, 'config'>, c: Context, answer: PageAnswer) {
  if (answer.signedOut) forgetSession(c)
  return 'to' in answer
    ? c.redirect(inLocation(answer.to), 303)
    : page(c, { ...answer.page, config }, answer.body)
}
