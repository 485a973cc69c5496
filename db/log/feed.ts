import { setImmediate as turn } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import type { Act, Engine } from '../engine/act.ts'
import { query } from '../engine/statement.ts'
import type { Takes } from '../engine/statement.ts'
import { revocations } from '../schema.ts'
import type { Revocation } from '../types.ts'
import { advanceFloor, stepEnd } from './feed-retention.ts'
import type { Floor } from './feed-retention.ts'
import { head } from './head.ts'
import { revocationFields, revocationOf } from './revocations.ts'

/**
 * The log as guards follow it: rising, without a gap, in bounded steps. It leaves out what is older
 * than any token that could still live.
 */

const page = query(
  revocationFields,
  (p: Takes<{ after: number; to: number; since: number; limit: number }>, f) =>
    sql`SELECT ${f} FROM ${revocations} WHERE ${revocations.seq} > ${p.after} AND ${revocations.seq} <= ${p.to} AND ${revocations.at} >= ${p.since}
      ORDER BY ${revocations.seq} LIMIT ${p.limit}`,
)

interface Wanted {
  after: number
  since: number
  limit: number
}
interface Step {
  found: Revocation[]
  floor: Floor
  /** Everything up to here was looked at. */
  to: number
  atEnd: boolean
}

function* step(floor: Floor | undefined, { after, since, limit }: Wanted): Act<Step> {
  // First of all: whatever is committed up to the head is seen by the statements that follow.
  const end = yield* head()
  const advanced = yield* advanceFloor(floor, { since, after, head: end })
  const from = since < advanced.since ? after : Math.max(after, advanced.seq)
  const to = yield* stepEnd(from, end)
  const found = (yield* page.all({ after: from, to, since, limit })).map(revocationOf)
  return { found, floor: advanced, to, atEnd: to >= end }
}

/**
 * A turn of the event loop begins no step after so long: many guards ask at the same moment, after
 * a restart of their broker.
 */
const TURN_MS = 4

/**
 * How long the steps of this turn of the event loop have held it. On Postgres a step holds it for a
 * moment only.
 */
class Turn {
  #heldMs = 0
  #next: Promise<void> | undefined

  get isOver(): boolean {
    return this.#heldMs >= TURN_MS
  }

  hold<T>(act: () => T): T {
    const begunMs = performance.now()
    const value = act()
    this.#heldMs += performance.now() - begunMs
    return value
  }

  next(): Promise<void> {
    return (this.#next ??= turn().then(() => {
      this.#next = undefined
      this.#heldMs = 0
    }))
  }
}

/**
 * The log after `after`, rising. Revocations before `since` are left out: they cover no token that
 * could still live. Each turn of the event loop looks at a bounded number of rows, also where many
 * of them are too old, and where many guards ask.
 */
export function revocationsAfter({ read }: Engine) {
  let floor: Floor | undefined
  const thisTurn = new Turn()
  return async ({
    after,
    since,
    limit,
  }: {
    after: number
    since: number
    limit: number
  }): Promise<Revocation[]> => {
    const found: Revocation[] = []
    for (let from = after; ;) {
      while (thisTurn.isOver) await thisTurn.next()
      const done = await thisTurn.hold(() =>
        read(() => step(floor, { after: from, since, limit: limit - found.length })),
      )
      floor = done.floor
      found.push(...done.found)
      if (done.atEnd || found.length >= limit) return found
      from = done.to
      await thisTurn.next()
    }
  }
}
