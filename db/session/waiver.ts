import { sql } from 'drizzle-orm'
import type { Act } from '../engine/act.ts'
import { assign, columnsOf, command, excluded, insertInto, names, query } from '../engine/statement.ts'
import type { Takes } from '../engine/statement.ts'
import { head } from '../revocation/log.ts'
import { authTimes, floors } from '../schema.ts'
import type { FloorActs } from '../store.ts'
import { findSubject } from './user.ts'

/** Waivers of floors, for users who cannot prove a fresh sign-in, and which tenants can. A waiver ends by itself, and covers no later revocation. */

const put = command(
  (p: Takes<{ kind: string; key: string; seq: number; untilAt: number }>) =>
    sql`${insertInto(floors, { kind: p.kind, key: p.key, seq: 0, securitySeq: 0, waivedSeq: p.seq, waivedUntil: p.untilAt })}
      ON CONFLICT (${names(floors.kind, floors.key)})
      DO UPDATE SET ${assign(floors, { waivedSeq: excluded(floors.waivedSeq), waivedUntil: excluded(floors.waivedUntil) })}`,
)
const withAuthTime = query(columnsOf(authTimes, 'tid'), (_, f) => sql`SELECT ${f} FROM ${authTimes} ORDER BY ${authTimes.tid}`)

type Waived = Awaited<ReturnType<FloorActs['waiveFreshSignIn']>>

export function* waive({ selector, untilAt }: Parameters<FloorActs['waiveFreshSignIn']>[0]): Act<Waived> {
  if (selector.kind === 'subject' && (yield* findSubject(selector.sub)) === undefined) return { outcome: 'unknown' }
  const seq = yield* head()
  yield* put.run({ kind: selector.kind, key: selector.kind === 'subject' ? selector.sub : selector.tid, seq, untilAt })
  return { outcome: 'waived', seq }
}

/** As many as tenants. */
export function* tenantsWithAuthTime(): Act<string[]> {
  return (yield* withAuthTime.all({})).map(({ tid }) => tid)
}
