import type { Context } from 'hono'
import { StoreUnavailable } from '../../db/types.ts'
import { remoteOf, senderIsGone } from '../runtime/remote-address.ts'
import type { Deps } from './deps.ts'
import type { Client } from '../protocol/client-metadata.ts'
import { OAuthError } from '../protocol/error.ts'
import { type Message, messagePage, newReference } from './message.tsx'
import { homeOf } from './places.ts'
import { speaksEnglish, textsOf, type Texts } from './texts.ts'

interface Unchanged {
  title: string
  what: string
}

interface Options {
  /**
   * Where an app sends users to the endpoint: the app of this request, or undefined where it is not
   * registered.
   */
  asker?: (c: Context) => Client | undefined
}

type Need = Pick<Deps, 'log' | 'random' | 'config' | 'rateLimits'>

/**
 * The `onError` of endpoints that users see: the same decisions as the app's, as pages. Nothing of
 * the error itself is shown but an `OAuthError`'s description, which was written to be read.
 * @param unchanged what it means, in the reader's words, that a form of this module could not be
 * saved
 */
export function pageErrors(
  deps: Need,
  unchanged: Unchanged | ((t: Texts) => Unchanged),
  { asker }: Options = {},
) {
  return (error: Error, c: Context): Response => {
    if (error instanceof OAuthError) return rejectedPage(deps, c, error, asker)
    if (senderIsGone(error, c)) return c.body(null, 400)
    const { config } = deps
    const t = textsOf(c, config)
    const reference = newReference(deps.random)
    const links = waysOn(c, t)
    if (error instanceof StoreUnavailable) {
      deps.log.error('store_unavailable', { path: c.req.path, reference, cause: error })
      c.header('Retry-After', '2')
      const form = typeof unchanged === 'function' ? unchanged(t) : unchanged
      const words =
        c.req.method === 'GET' ? { title: t.errors.notShownTitle, what: t.errors.notShown } : form
      return messagePage(c, {
        ...words,
        status: 503,
        next: t.errors.tryInAMoment,
        links,
        reference,
        config,
      })
    }
    deps.log.error('bug', { path: c.req.path, method: c.req.method, reference, cause: error })
    return messagePage(c, {
      title: t.errors.bugTitle,
      status: 500,
      what: t.errors.bug,
      next: t.errors.tryAgain,
      links,
      reference,
      config,
    })
  }
}

/**
 * The words of an `OAuthError` are for an app's developer: a user reads whose fault it is and what
 * to do.
 */
function rejectedPage(
  deps: Need,
  c: Context,
  error: OAuthError,
  asker: Options['asker'],
): Response {
  const { config } = deps
  for (const [name, value] of Object.entries(error.headers)) c.header(name, value)
  const t = textsOf(c, config)
  const status = error.status as Message['status']
  const about = { status, config, reference: referenceOf(deps, c, error) }
  if (status === 429)
    return messagePage(c, {
      ...about,
      title: t.errors.tooManyTitle,
      what: t.errors.tooMany,
      links: waysOn(c, t),
    })
  const title = t.shared.requestUnusable
  if (asker === undefined)
    return messagePage(c, { ...about, title, what: error.message, links: home(c, t) })
  const app = asker(c)?.metadata
  const back = app === undefined ? undefined : homeOf(app)
  return messagePage(c, {
    ...about,
    title,
    what: t.errors.appAsked,
    next: t.errors.appAskedNext,
    detail: error.message,
    links:
      back === undefined || app === undefined
        ? home(c, t)
        : [{ href: back, label: t.reply.back({ app: app.name }) }, ...home(c, t)],
  })
}

/** An operator's page has ways of its own. */
const home = (c: Context, t: Texts): NonNullable<Message['links']> =>
  speaksEnglish(c) ? [] : [{ href: '/', label: t.nothing.home }]

/** The same page again, where a browser can open it again. */
function waysOn(c: Context, t: Texts): NonNullable<Message['links']> {
  if (c.req.method !== 'GET') return home(c, t)
  const { pathname, search } = new URL(c.req.url)
  // Never `//host`, which a browser reads as another origin.
  return [
    { href: `/${pathname.replace(/^\/+/, '')}${search}`, label: t.offers.try_again },
    ...home(c, t),
  ]
}

/**
 * By which the operator finds the line in the log; undefined where there are too many lines about
 * this address already.
 */
function referenceOf(deps: Need, c: Context, error: OAuthError): string | undefined {
  if (error.logged !== undefined) return error.logged.reference
  const from = remoteOf(c, deps.config)
  if (!deps.rateLimits.mayLog({ address: from })) return undefined
  const reference = newReference(deps.random)
  deps.log.warn('page_rejected', {
    path: c.req.path,
    error: error.code,
    problem: error.message,
    reference,
    from,
  })
  return reference
}
