import { setImmediate as turn } from 'node:timers/promises'
import type { Housekeeping } from '../store.ts'
import type { Core } from './core.ts'
import { purging } from './purge.ts'
import type { FanOut } from './fan-out.ts'

/** Sessions counted at a time; between two pages the event loop has its turn. */
const COUNTED = 10_000

interface Place {
  deadlineAt: number
  row: number
}

/** How many sessions are live, and retention. */
export function housekeeping(core: Core, fanOut: FanOut): Pick<Housekeeping, 'liveSessionCount' | 'purge'> {
  const { db, read } = core
  // What a wide revocation covers is counted until its fan-out has reached it: moments.
  const openAfter = 'FROM sessions INDEXED BY sessions_open_by_deadline WHERE ended_seq IS NULL AND (deadline_at, rowid) > (@deadlineAt, @row)'
  const pageEnd = db.prepare<[Place], Place>(
    `SELECT deadline_at AS deadlineAt, rowid AS row ${openAfter} ORDER BY deadline_at, rowid LIMIT 1 OFFSET ${COUNTED - 1}`,
  )
  const rest = db.prepare<[Place], number>(`SELECT count(*) FROM (SELECT 1 ${openAfter} LIMIT ${COUNTED})`).pluck()

  const liveSessionCount = async (now: number): Promise<number> => {
    let count = 0
    for (let place: Place = { deadlineAt: now, row: Number.MAX_SAFE_INTEGER }; ;) {
      const end: Place | undefined = await read(() => pageEnd.get(place))
      if (end === undefined) return count + (await read(() => rest.get(place) ?? 0))
      count += COUNTED
      place = end
      await turn()
    }
  }

  return {
    liveSessionCount,
    purge: purging(core, fanOut),
  }
}
