import type { Context } from 'hono'
import { Problem } from '../../clients/problem.ts'
import type { Caller } from '../../clients/caller.ts'
import type { Deps } from '../deps.ts'
import { sha256 } from '../../runtime/compare.ts'

/**
 * `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07): a request that is sent again is
 * not done again, and gets the first answer.
 */

/**
 * Bounds the keys that are stored of one caller within 24 hours. A request beyond them is done and
 * not remembered, because no revocation may be rejected.
 */
const MOST_KEYS = 10_000

/**
 * The key is taken by an answer alone: a request that failed or that still runs keeps no repeated
 * one from being done. Every act that takes a key may be done twice, and finds what is there
 * already.
 * @param answer does what is asked
 */
export async function answeredOnce(
  { store, clock }: Pick<Deps, 'store' | 'clock'>,
  { actor }: Caller,
  body: unknown,
  c: Context,
  answer: () => Promise<Response>,
): Promise<Response> {
  const key = keyOf(c.req.header('idempotency-key'))
  if (key === undefined) return answer()
  // The same key with another request is not answered.
  const requestHash = sha256(JSON.stringify([c.req.method, c.req.path, body]))
  const asked = {
    caller: `${actor.kind} ${actor.id}`,
    keyHash: sha256(key),
    requestHash,
    now: clock.now(),
  }
  const found = await store.findRepeatable(asked)
  if (found.outcome === 'other')
    throw new Problem(
      422,
      'The key was used',
      'This Idempotency-Key was sent with another request in the last 24 hours. Send each request with a key of its own.',
    )
  if (found.outcome === 'done')
    return new Response(found.answer, {
      status: found.status,
      headers: { 'Content-Type': 'application/json', 'Idempotent-Replayed': 'true' },
    })
  const done = await answer()
  // Where the store does not keep the answer, it is true all the same.
  await store
    .keepRepeatable({
      ...asked,
      most: MOST_KEYS,
      status: done.status,
      answer: await done.clone().text(),
    })
    .catch(() => undefined)
  return done
}

/** §2.1: a string of RFC 9651, as most clients do also without its quotes. */
export const IDEMPOTENCY_KEY =
  /^"[\x21\x23-\x5b\x5d-\x7e]{1,255}"$|^[\x21\x23-\x5b\x5d-\x7e]{1,255}$/

/** @throws Problem 400 */
function keyOf(header: string | undefined): string | undefined {
  if (header === undefined) return undefined
  if (IDEMPOTENCY_KEY.test(header)) return header.startsWith('"') ? header.slice(1, -1) : header
  throw new Problem(
    400,
    'The key is not usable',
    'Idempotency-Key: send 1 to 255 visible ASCII characters, such as a UUID, in double quotes.',
  )
}
