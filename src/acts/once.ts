import type { Deps } from '../deps.ts'
import { sha256 } from '../protocol/compare.ts'
import type { Actor } from '../protocol/revocation.ts'
import { Problem } from './problem.ts'

/** What is asked for twice with one key is done once: the second time gets the first answer. */

/** Of one caller, within 24 hours: what is stored here. A request beyond them is done and not remembered, because no revocation may be refused. */
const MOST_KEYS = 10_000

export interface Repeated {
  actor: Actor
  /** Of this caller's own choice, or of the page that the form was on. */
  key: string
  /** What is asked for: the same key with anything else is not answered. */
  request: string
}

interface Kept {
  status: number
  body: string
}
export type Once<T> = { outcome: 'done'; answer: T } | ({ outcome: 'repeated' } & Kept) | { outcome: 'running' | 'other' }

/** @param keep what of the answer is repeated; undefined where nothing was done, so that the same request may be sent again */
export async function doneOnce<T>(
  { store, clock }: Pick<Deps, 'store' | 'clock'>,
  { actor, key, request }: Repeated,
  act: () => Promise<T> | T,
  keep: (answer: T) => Promise<Kept | undefined> | Kept | undefined,
): Promise<Once<T>> {
  const asked = { caller: `${actor.kind} ${actor.id}`, keyHash: sha256(key), requestHash: sha256(request) }
  const begun = await store.beginRepeatable({ ...asked, now: clock.now(), most: MOST_KEYS })
  if (begun.outcome === 'done') return { outcome: 'repeated', status: begun.status, body: begun.answer }
  if (begun.outcome === 'full') return { outcome: 'done', answer: await act() }
  if (begun.outcome !== 'begun') return { outcome: begun.outcome }
  // Where the store does not take the answer, it is true all the same: a repeated request finds that it runs, and later does it again.
  const conclude = (kept?: Kept) => store.concludeRepeatable({ ...asked, answer: kept }).catch(() => undefined)
  try {
    const answer = await act()
    await conclude(await keep(answer))
    return { outcome: 'done', answer }
  } catch (error) {
    // Nothing was done, so the same request may be sent again.
    if (error instanceof Problem) await conclude()
    throw error
  }
}
