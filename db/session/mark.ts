import { sql } from 'drizzle-orm'
import type { Act } from '../engine/act.ts'
import { least } from '../engine/dialect.ts'
import { assign, command } from '../engine/statement.ts'
import type { Takes } from '../engine/statement.ts'
import { sessions } from '../schema.ts'
import type { RevocationActs } from '../store.ts'
import { isLive, lockSession, sessionBySid } from './row.ts'

/** A mark: Microsoft wants to see the user again. It refuses to lengthen what an earlier mark has left. */

const setMark = command(
  (p: Takes<{ sid: string; markAt: number; reason: string }>) =>
    sql`UPDATE ${sessions} SET ${assign(sessions, {
      ...{ markAt: p.markAt, markReason: p.reason },
      deadlineAt: least(sql`${sessions.deadlineAt}`, p.markAt),
    })} WHERE ${sessions.sid} = ${p.sid}`,
)

/** @returns false where the session is not live */
export function* mark({ sid, markAt, reason, now }: Parameters<RevocationActs['markSession']>[0]): Act<boolean> {
  yield* lockSession(sid)
  const row = yield* sessionBySid(sid)
  if (row === undefined || !isLive(row, now)) return false
  if (row.markAt === null || row.markAt > markAt) yield* setMark.run({ sid, markAt, reason })
  return true
}
