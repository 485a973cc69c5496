import type { Context } from 'hono'
import { Problem } from '../../audit/problem.ts'
import type { Caller } from '../../audit/caller.ts'
import { IDEMPOTENCY_KEY } from '../contract/route.ts'
import type { Deps } from '../deps.ts'
import { sha256 } from '../../runtime/compare.ts'
import { REJECTED } from '../acts/texts/rejected.ts'

/**
 * `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07): a repeated request gets the
 * first answer and has no further effect.
 */

/**
 * Upper bound of one caller's keys within 24 hours. Further requests run without a stored answer,
 * because no revocation may be rejected.
 */
const MOST_KEYS = 10_000

/**
 * Returns the stored answer of the same key, or answers and stores it. A failed or running request
 * stores nothing, so a repeat runs.
 * @param answer runs the act
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
  // The same key with another request is rejected.
  const requestHash = sha256(JSON.stringify([c.req.method, c.req.path, body]))
  const asked = {
    caller: `${actor.kind} ${actor.id}`,
    keyHash: sha256(key),
    requestHash,
    now: clock.now(),
  }
  const found = await store.findRepeatable(asked)
  if (found.outcome === 'other') throw new Problem(422, 'The key was used', REJECTED.key_used)
  if (found.outcome === 'done')
    return new Response(found.answer, {
      status: found.status,
      headers: { 'Content-Type': 'application/json', 'Idempotent-Replayed': 'true' },
    })
  const done = await answer()
  // If the store cannot keep the answer, the act is done all the same.
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

/** Returns the key of the header. @throws Problem 400 */
function keyOf(header: string | undefined): string | undefined {
  if (header === undefined) return undefined
  if (IDEMPOTENCY_KEY.test(header)) return header.startsWith('"') ? header.slice(1, -1) : header
  throw new Problem(400, 'The key is not usable', REJECTED.key_unusable)
}
