import type { Context } from 'hono'
import { Problem } from '../acts/problem.ts'
import type { Caller } from '../acts/caller.ts'
import { doneOnce } from '../acts/once.ts'
import type { Deps } from '../deps.ts'

/** `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07): a request that is sent again is not done again, and gets the first answer. */

/** @param answer does what is asked */
export type Repeatable = (caller: Caller, body: unknown, c: Context, answer: () => Promise<Response> | Response) => Promise<Response>

export const repeatable =
  (deps: Pick<Deps, 'store' | 'clock'>): Repeatable =>
  async ({ actor }, body, c, answer) => {
    const key = keyOf(c.req.header('idempotency-key'))
    if (key === undefined) return answer()
    const request = JSON.stringify([c.req.method, c.req.path, body])
    const once = await doneOnce(deps, { actor, key, request }, answer, async (done) => ({ status: done.status, body: await done.clone().text() }))
    if (once.outcome === 'done') return once.answer
    if (once.outcome !== 'repeated') throw REJECTED[once.outcome]()
    return new Response(once.body, { status: once.status, headers: { 'Content-Type': 'application/json', 'Idempotent-Replayed': 'true' } })
  }

/** §2.1: a string of RFC 9651, as most clients do also without its quotes. */
export const IDEMPOTENCY_KEY = /^"[\x21\x23-\x5b\x5d-\x7e]{1,255}"$|^[\x21\x23-\x5b\x5d-\x7e]{1,255}$/

/** @throws Problem 400 */
function keyOf(header: string | undefined): string | undefined {
  if (header === undefined) return undefined
  if (IDEMPOTENCY_KEY.test(header)) return header.startsWith('"') ? header.slice(1, -1) : header
  throw new Problem(400, 'The key is not usable', 'Idempotency-Key: send 1 to 255 visible ASCII characters, such as a UUID, in double quotes.')
}

const REJECTED = {
  running: () => new Problem(409, 'The first request runs', 'A request with this Idempotency-Key is being done. Send it again in a moment.'),
  other: () =>
    new Problem(
      422,
      'The key was used',
      'This Idempotency-Key was sent with another request in the last 24 hours. Send each request with a key of its own.',
    ),
}
