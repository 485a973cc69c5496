import { setImmediate as turn } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import type { Act, Engine } from '../engine/act.ts'
import { query, type Takes } from '../engine/statement.ts'
import { versionNow } from '../rows/registry-version.ts'
import { revocations } from '../schema.ts'
import type { FeedRow } from '../types.ts'
import { advanceFloor, stepEnd, type Floor } from './feed-retention.ts'
import { head } from './head.ts'
import { revocationFields, revocationOf } from './revocations.ts'

/**
 * The log as guards follow it: rising, without a gap, in bounded steps. It leaves out revocations
 * that are older than any token that could still be valid.
 */

const page = query(
  { ...revocationFields, registryVersion: versionNow },
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
  found: FeedRow[]
  floor: Floor
  /** Every row up to here was looked at. */
  to: number
  atEnd: boolean
}

function* step(floor: Floor | undefined, { after, since, limit }: Wanted): Act<Step> {
  // The head is read first, so that the statements that follow see every row up to it.
  const end = yield* head()
  const advanced = yield* advanceFloor(floor, { since, after, head: end })
  const from = since < advanced.since ? after : Math.max(after, advanced.seq)
  const to = yield* stepEnd(from, end)
  const found = (yield* page.all({ after: from, to, since, limit })).map((row) => ({
    ...revocationOf(row),
    registryVersion: row.registryVersion,
  }))
  return { found, floor: advanced, to, atEnd: to >= end }
}

/**
 * How long the steps of one turn of the event loop may take together. After a restart of their
 * broker many guards ask at the same moment.
 */
const TURN_MS = 4

/**
 * How long the steps of this turn have held the event loop. On Postgres a step holds it only
 * briefly.
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
 * Returns the log after `after`, rising, without revocations before `since`, which cover no token
 * that could still be valid. Each turn of the event loop looks at a bounded number of rows, even
 * where many of them are too old or many guards ask.
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
  }): Promise<FeedRow[]> => {
    const found: FeedRow[] = []
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
