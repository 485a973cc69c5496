import { STREAM_EVENT } from '../../src/protocol/stream-event.ts'
import type { Act, Ambient } from '../engine/act.ts'
import { parseList } from '../engine/values.ts'
import { moved } from '../outbox/counts.ts'
import type { Move } from '../outbox/counts.ts'
import { emitEvents } from './emit.ts'

/** Events of a live session whose claims change (CAEP 1.0 §3.2). */

interface Before {
  sub: string
  sid: string
  tid: string
  roles: string | null
}

/** @param session as it was before. @param roles that it has now; undefined: the same */
export function* tellClaims(ambient: Ambient, session: Before, roles: readonly string[] | undefined, now: number): Act<void> {
  if (roles === undefined) return
  const before = parseList(session.roles) ?? []
  if (before.length === roles.length && roles.every((role) => before.includes(role))) return
  const { sub, sid, tid } = session
  const event = { event_timestamp: now, initiating_entity: 'policy', claims: { roles: [...roles] } }
  const moves: Move[] = []
  yield* emitEvents(ambient, { events: [{ type: STREAM_EVENT.tokenClaimsChange, about: { sub, sid, tid }, event }] }, moves)
  yield* moved(moves)
}
