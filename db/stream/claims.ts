import { sql } from 'drizzle-orm'
import { STREAM_EVENT } from '../../src/protocol/stream-event.ts'
import type { Act, Ambient } from '../engine/act.ts'
import { columnsOf, query } from '../engine/statement.ts'
import type { Takes } from '../engine/statement.ts'
import { parseList } from '../engine/values.ts'
import { moved } from '../outbox/counts.ts'
import type { Move } from '../outbox/counts.ts'
import { sessions } from '../schema.ts'
import { emitEvents } from './emit.ts'

/** A live session whose tokens will say something else from now on (CAEP 1.0 §3.2). */

const find = query(
  columnsOf(sessions, 'sub', 'tid', 'roles'),
  (p: Takes<{ sid: string }>, f) => sql`SELECT ${f} FROM ${sessions} WHERE ${sessions.sid} = ${p.sid}`,
)

/** Called before the session is written. @param roles that it will have; undefined: as before */
export function* tellClaims(ambient: Ambient, { sid, roles, now }: { sid: string; roles: readonly string[] | undefined; now: number }): Act<void> {
  const session = roles && (yield* find.get({ sid }))
  if (roles === undefined || session === undefined) return
  const before = parseList(session.roles) ?? []
  if (before.length === roles.length && roles.every((role) => before.includes(role))) return
  const { sub, tid } = session
  const event = { event_timestamp: now, initiating_entity: 'policy', claims: { roles: [...roles] } }
  const moves: Move[] = []
  yield* emitEvents(ambient, { events: [{ type: STREAM_EVENT.tokenClaimsChange, about: { sub, sid, tid }, event }] }, moves)
  yield* moved(moves)
}
