import type { Context } from 'hono'
import { StoreUnavailable } from '../../db/store.ts'
import { senderIsGone } from '../client/sender-gone.ts'
import type { Deps } from '../deps.ts'
import { OAuthError } from '../protocol/error.ts'
import { messagePage, newReference } from './message.tsx'
import { textsOf, type Texts } from './texts.ts'

interface Unchanged {
  title: string
  what: string
}

/**
 * The `onError` of rooms that talk to users: the same decisions as the app's, as pages. Nothing of the error itself is shown but an
 * `OAuthError`'s description, which was written to be read.
 * @param unchanged what it means, in the reader's words, that a form of this module could not be written down
 */
export function pageErrors(deps: Pick<Deps, 'log' | 'random' | 'config'>, unchanged: Unchanged | ((t: Texts) => Unchanged)) {
  return (error: Error, c: Context): Response => {
    const t = textsOf(c, deps.config)
    const { config } = deps
    if (error instanceof OAuthError) {
      for (const [name, value] of Object.entries(error.headers)) c.header(name, value)
      return messagePage(c, { title: t.shared.requestUnusable, status: error.status as 400, what: error.message, config })
    }
    if (senderIsGone(error, c)) return c.body(null, 400)
    const reference = newReference(deps.random)
    if (error instanceof StoreUnavailable) {
      deps.log.error('store_unavailable', { path: c.req.path, reference, cause: error })
      c.header('Retry-After', '2')
      const words =
        c.req.method === 'GET'
          ? { title: t.errors.notShownTitle, what: t.errors.notShown }
          : typeof unchanged === 'function'
            ? unchanged(t)
            : unchanged
      return messagePage(c, {
        ...words,
        status: 503,
        next: t.errors.tryInAMoment,
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
      reference,
      config,
    })
  }
}
