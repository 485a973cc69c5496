import { sql } from 'drizzle-orm'
import type { ClientMetadata } from '../../src/protocol/client-metadata.ts'
import type { Selector } from '../../src/protocol/revocation.ts'
import {
  type About,
  eventsOfRevocation,
  isPushing,
  mayHaveEvent,
  type SetPayload,
  STREAM_EVENT,
  type StreamEvent,
} from '../../src/protocol/stream-event.ts'
import { type Act, currentMs } from '../engine/act.ts'
import { withoutReprepare } from '../engine/dialect.ts'
import { columnsOf, query, type RowOf, type Takes } from '../engine/statement.ts'
import { parseList } from '../engine/values.ts'
import { applyCountChanges, type Move } from '../outbox/counts.ts'
import { addMessage } from '../outbox/message.ts'
import { clients, participants, sessions, streams, tenants } from '../schema.ts'
import type { DeliveryRef, Revocation } from '../types.ts'
import { delivers } from './row.ts'

/**
 * Writes security events to the outbox, once for each stream that may have them, in the transaction
 * of the act that causes them. A receiver gets only events of its own tenants and of sessions that
 * its client took part in.
 */

const receiverFields = {
  ...columnsOf(
    streams,
    'streamId',
    'clientId',
    'method',
    'status',
    'verifiedAt',
    'eventsRequested',
  ),
  metadata: clients.metadata,
}
type Receiver = RowOf<typeof receiverFields>
// A fixed order, so that two acts cannot deadlock on each other's rows.
const receivers = query(
  receiverFields,
  (
    _,
    f,
  ) => sql`SELECT ${f} FROM ${streams} JOIN ${clients} ON ${clients.clientId} = ${streams.clientId}
    WHERE ${streams.status} <> 'disabled' AND ${clients.removedAt} IS NULL ORDER BY ${streams.streamId}`,
)
const inSession = query(
  columnsOf(participants, 'sid'),
  (p: Takes<{ sid: string; clientId: string }>, f) =>
    sql`SELECT ${f} FROM ${participants} WHERE ${participants.sid} = ${withoutReprepare(p.sid)} AND ${participants.clientId} = ${withoutReprepare(p.clientId)}`,
)
// A session of the user in which the client took part. Sessions that a wide revocation covers are
// still open here, because its fan-out ends them later.
const inAnySession = query(
  columnsOf(participants, 'sid'),
  (p: Takes<{ sub: string; clientId: string }>, f) =>
    sql`SELECT ${f} FROM ${sessions} JOIN ${participants} ON ${participants.sid} = ${sessions.sid} AND ${participants.clientId} = ${withoutReprepare(p.clientId)}
      WHERE ${sessions.sub} = ${withoutReprepare(p.sub)} AND ${sessions.endedSeq} IS NULL LIMIT 1`,
)
const connected = query(
  columnsOf(tenants, 'tid'),
  (_, f) =>
    sql`SELECT ${f} FROM ${tenants} WHERE ${tenants.removedAt} IS NULL ORDER BY ${tenants.tid}`,
)

/**
 * Returns whether the client took part in the session of an event, or in any session of its user.
 * An event about a tenant goes to every client that admits the tenant.
 */
function* tookPart(clientId: string, { sid, sub }: About): Act<boolean> {
  if (sid !== undefined) return (yield* inSession.get({ sid, clientId })) !== undefined
  return sub === undefined || (yield* inAnySession.get({ sub, clientId })) !== undefined
}

/**
 * Writes one security event for a stream, held where the stream does not push now.
 * @param moves takes the changes of state: the caller has to run `applyCountChanges` with them
 */
export function* emitSet(
  stream: Pick<Receiver, 'streamId' | 'method' | 'status' | 'verifiedAt'>,
  { type, about, event }: SetPayload,
  { moves, held = !isPushing(stream) }: { moves: Move[]; held?: boolean },
): Act<DeliveryRef[]> {
  const payload = JSON.stringify({ type, about, event } satisfies SetPayload)
  const sub = about?.sub ?? null
  const ref = yield* addMessage(
    { kind: 'set', targetId: stream.streamId, sub, payload, atMs: yield* currentMs(), held },
    moves,
  )
  return held ? [] : [ref]
}

interface Emitted {
  events: readonly StreamEvent[]
  /** The session that caused the events, where they name only its user. */
  sid?: string | undefined
  /** Restricts the events to this client's stream. */
  clientId?: string | undefined
}

function* emitEvents({ events, sid, clientId }: Emitted, moves: Move[]): Act<DeliveryRef[]> {
  const refs: DeliveryRef[] = []
  if (events.length === 0) return refs
  for (const receiver of yield* receivers.all({})) {
    if (clientId !== undefined && receiver.clientId !== clientId) continue
    const metadata = JSON.parse(receiver.metadata) as ClientMetadata
    for (const event of events) {
      const { tid } = event.about
      if (
        !delivers(receiver, event.type) ||
        tid === undefined ||
        !mayHaveEvent(metadata, event.type, tid)
      )
        continue
      if (yield* tookPart(receiver.clientId, { ...event.about, sid: event.about.sid ?? sid }))
        refs.push(...(yield* emitSet(receiver, event, { moves })))
    }
  }
  return refs
}

/**
 * Returns the subjects of a revocation's events. A revocation that covers more than a user has one
 * for each tenant.
 */
function* aboutOf(selector: Selector, { tid }: Revocation, sub: string | undefined): Act<About[]> {
  if (selector.kind === 'session' || selector.kind === 'grant')
    return sub === undefined || tid === undefined ? [] : [{ sub, sid: selector.sid, tid }]
  if (selector.kind === 'subject') return [{ sub: selector.sub, tid }]
  if (selector.kind === 'tenant') return [{ tid: selector.tid }]
  return (yield* connected.all({})).map((tenant) => ({ tid: tenant.tid }))
}

export function* emitRevocation(
  revocation: Revocation,
  sub: string | undefined,
  moves: Move[],
): Act<DeliveryRef[]> {
  const { selector } = revocation
  const events = (yield* aboutOf(selector, revocation, sub)).flatMap((about) =>
    eventsOfRevocation(revocation, about),
  )
  const sid = selector.kind === 'session' ? selector.sid : undefined
  return yield* emitEvents(
    { events, sid, clientId: 'clientId' in selector ? selector.clientId : undefined },
    moves,
  )
}

interface Before {
  sub: string
  sid: string
  tid: string
  roles: string | null
}

/**
 * Emits a change of the claims of a live session (CAEP 1.0 §3.2).
 * @param session as it was before
 * @param roles its roles now; undefined: unchanged
 */
export function* emitClaimsChange(
  session: Before,
  roles: readonly string[] | undefined,
  now: number,
): Act<void> {
  if (roles === undefined) return
  const before = parseList(session.roles) ?? []
  if (before.length === roles.length && roles.every((role) => before.includes(role))) return
  const { sub, sid, tid } = session
  const event = { event_timestamp: now, initiating_entity: 'policy', claims: { roles: [...roles] } }
  const moves: Move[] = []
  yield* emitEvents(
    { events: [{ type: STREAM_EVENT.tokenClaimsChange, about: { sub, sid, tid }, event }] },
    moves,
  )
  yield* applyCountChanges(moves)
}
