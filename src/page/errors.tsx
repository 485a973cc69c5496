import type { Context } from 'hono'
import { StoreUnavailable } from '../../db/store.ts'
import type { Deps } from '../deps.ts'
import { OAuthError } from '../protocol/error.ts'
import { messagePage, newReference } from './message.tsx'

/**
 * The `onError` of rooms that talk to people: the same decisions as the app's, as pages. Nothing of the error itself is shown but an
 * `OAuthError`'s description, which was written to be read.
 * @param unchanged what it means, in the reader's words, that a form of this room could not be written down
 */
export function pageErrors(deps: Pick<Deps, 'log' | 'random' | 'config'>, unchanged: { title: string; what: string }) {
  return (error: Error, c: Context): Response => {
    const simulated = deps.config.entra.simulated
    if (error instanceof OAuthError) {
      return messagePage(c, { title: 'That request cannot be used', status: error.status as 400, what: error.message, simulated })
    }
    const reference = newReference(deps.random)
    if (error instanceof StoreUnavailable) {
      deps.log.error('store_unavailable', { path: c.req.path, reference, cause: error })
      c.header('Retry-After', '2')
      const words =
        c.req.method === 'GET'
          ? { title: 'This page cannot be shown right now', what: 'What it shows could not be read. Nothing was changed.' }
          : unchanged
      return messagePage(c, {
        ...words,
        status: 503,
        next: 'Try again in a moment. If it stays like this, tell your administrator.',
        reference,
        simulated,
      })
    }
    deps.log.error('bug', { path: c.req.path, method: c.req.method, reference, cause: error })
    const what = 'This page could not be shown. The fault is ours, and it has been written down.'
    return messagePage(c, {
      title: 'Something went wrong here',
      status: 500,
      what,
      next: 'Try again. If it happens again, tell your administrator.',
      reference,
      simulated,
    })
  }
}
