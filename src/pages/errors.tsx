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
   * Returns the app that sent the user here, or undefined if it is not registered. Only endpoints
   * to which apps send users have this option.
   */
  asker?: (c: Context) => Client | undefined
}

type Need = Pick<Deps, 'log' | 'random' | 'config' | 'rateLimits'>

/**
 * Returns the `onError` of endpoints that users see: it makes the same decisions as the app's, but
 * shows pages. Of an error, only an `OAuthError`'s description is shown.
 * @param unchanged title and text of the page that says that a form of this module could not be
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
 * Shows an `OAuthError`. Its description is for an app's developer, so the user reads whose fault
 * it is and what to do.
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
    detail: (
      <span lang="en" dir="ltr">
        {error.message}
      </span>
    ),
    links:
      back === undefined || app === undefined
        ? home(c, t)
        : [{ href: back, label: t.reply.back({ app: app.name }) }, ...home(c, t)],
  })
}

/** Returns a link to the users' home page, except on operators' pages. */
const home = (c: Context, t: Texts): NonNullable<Message['links']> =>
  speaksEnglish(c) ? [] : [{ href: '/', label: t.nothing.home }]

/**
 * Returns links for going on: the same page again if it can be loaded with GET, and the home page.
 */
function waysOn(c: Context, t: Texts): NonNullable<Message['links']> {
  if (c.req.method !== 'GET') return home(c, t)
  const { pathname, search } = new URL(c.req.url)
  // A path that begins with `//` is not kept, because a browser reads it as another origin.
  return [
    { href: `/${pathname.replace(/^\/+/, '')}${search}`, label: t.offers.try_again },
    ...home(c, t),
  ]
}

/**
 * Returns the reference by which the operator finds the log line, and logs the error if the
 * endpoint has not. Undefined if too many lines about this address were logged already.
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
