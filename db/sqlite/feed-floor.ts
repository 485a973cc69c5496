import type { Core } from './core.ts'
import type { RevocationLog } from './log.ts'

/**
 * Where the log begins for guards: every revocation up to the floor is older than any token that could still live. `at` may fall where the
 * clock is set back, so that the floor is a `seq`, and it moves forward past rows that it has looked at.
 */

/** Rows of the log that one step looks at: about 1 ms. */
export const LOOKED_AT = 5_000

export interface FeedFloor {
  /** The floor for `since`, after one bounded step forward. */
  advanced(since: number, after: number): number
}

export function feedFloor({ db }: Pick<Core, 'db'>, log: Pick<RevocationLog, 'head'>): FeedFloor {
  // `+seq`: by `min(seq)` SQLite would walk the table from its oldest row.
  const byIndex = db.prepare<[number], number | null>('SELECT min(+seq) FROM revocations INDEXED BY revocations_by_at WHERE at >= ?').pluck()
  const young = db
    .prepare<[number, number, number], number>('SELECT seq FROM revocations WHERE seq > ? AND seq <= ? AND at >= ? ORDER BY seq LIMIT 1')
    .pluck()
  let floor: { seq: number; since: number } | undefined

  const step = (since: number, from: number): number => {
    const to = Math.min(from + LOOKED_AT, log.head())
    const first = young.get(from, to, since)
    return first === undefined ? Math.max(from, to) : first - 1
  }

  return {
    advanced(since, after) {
      // Once in a process, and where the clock was set back: the index holds what is younger than `since`, which is an hour's revocations.
      if (floor === undefined || (since < floor.since && after < floor.seq)) floor = { since, seq: (byIndex.get(since) ?? log.head() + 1) - 1 }
      if (since < floor.since) return 0
      floor = { since, seq: step(since, floor.seq) }
      return floor.seq
    },
  }
}
