import { sql } from 'drizzle-orm'
import { STREAM_UPDATED, VERIFICATION } from '../../src/protocol/stream-event.ts'
import type { Act } from '../engine/act.ts'
import {
  assign,
  command,
  insertInto,
  keysOf,
  pick,
  query,
  type Takes,
} from '../engine/statement.ts'
import { head } from '../log/head.ts'
import { releaseDelivery } from '../outbox/attempts.ts'
import { applyCountChanges, type Move } from '../outbox/counts.ts'
import { HELD } from '../outbox/row.ts'
import { addTarget, moveTarget, removeTarget } from '../outbox/targets.ts'
import { streams } from '../schema.ts'
import type { DeliveryRef, SignalStream } from '../types.ts'
import { emit } from '../webhook/emit.ts'
import { emitSet } from './emit.ts'
import { closeAll } from './held.ts'
import { lockedStream, rowOf, streamFields, streamOf, uriOf, type StreamRow } from './row.ts'

/**
 * Streams, as their receivers manage them. Each is a target of the outbox too, under its own id, so
 * that its lane, lists and proof find its address.
 */

/** The limit is low because each event reads all streams. */
const MOST = 100

type One = Takes<{ streamId: string }>
const insert = command(
  (p: Takes<StreamRow>) =>
    sql`${insertInto(streams, pick(p, ...keysOf(streamFields)))} ON CONFLICT DO NOTHING`,
)
const update = command(
  (p: Takes<StreamRow>) =>
    sql`UPDATE ${streams} SET ${assign(streams, {
      ...pick(p, 'method', 'endpointUrl', 'authorizationSealed', 'eventsRequested'),
      ...pick(p, 'description', 'status', 'statusReason', 'statusBy'),
      ...pick(p, 'verifiedAt', 'askedAt', 'updatedAt'),
    })} WHERE ${streams.streamId} = ${p.streamId}`,
)
const remove = command(
  (p: One) => sql`DELETE FROM ${streams} WHERE ${streams.streamId} = ${p.streamId}`,
)
const number = query({ count: sql<number>`count(*)` }, (_, f) => sql`SELECT ${f} FROM ${streams}`)

/** Sends an event about the stream itself. A push is due whatever the status of the stream. */
function* emitToReceiver(
  row: StreamRow,
  type: string,
  event: Record<string, unknown>,
): Act<DeliveryRef[]> {
  const moves: Move[] = []
  const refs = yield* emitSet(row, { type, event }, { moves, held: row.method === 'poll' })
  yield* applyCountChanges(moves)
  return refs
}

/** Writes a webhook event for the changed stream. */
const announce = ({ clientId }: { clientId: string }, value: string): Act<unknown> =>
  emit({ type: 'setting.changed', data: { setting: 'ssf.stream', value: `${clientId} ${value}` } })

/**
 * Adds a stream; a push stream also gets its first verification event. `added` is false where its
 * client already has one, or the limit of streams is reached.
 */
export function* addStream(stream: SignalStream): Act<{ added: boolean; refs: DeliveryRef[] }> {
  const row = rowOf(stream)
  if (((yield* number.get({}))?.count ?? 0) >= MOST || (yield* insert.run(row)) === 0)
    return { added: false, refs: [] }
  yield* addTarget.run({
    targetId: stream.id,
    clientId: stream.id,
    uri: uriOf(row),
    addedSeq: 0,
  })
  yield* announce(stream, 'created')
  return {
    added: true,
    refs: stream.method === 'push' ? yield* emitToReceiver(row, VERIFICATION, {}) : [],
  }
}

const isElsewhere = (a: StreamRow, b: StreamRow): boolean =>
  a.method !== b.method ||
  a.endpointUrl !== b.endpointUrl ||
  a.authorizationSealed !== b.authorizationSealed

/**
 * Changes a stream. With another endpoint or Authorization header, a push stream has to be verified
 * again. `tell`: the broker itself decided the change, so the receiver gets `stream-updated`.
 * Returns undefined where the stream is unknown.
 */
export function* changeStream({
  id,
  change,
  tell = false,
  now,
}: {
  id: string
  change: Partial<
    Omit<SignalStream, 'id' | 'clientId' | 'verifiedAt' | 'askedAt' | 'createdAt' | 'updatedAt'>
  >
  tell?: boolean
  now: number
}) {
  const before = yield* lockedStream(id)
  if (before === undefined) return undefined
  const changed = rowOf({ ...streamOf(before), ...change, updatedAt: now })
  const anew = isElsewhere(before, changed)
  const after = { ...changed, verifiedAt: anew ? null : changed.verifiedAt }
  yield* update.run(after)
  if (anew) yield* moveTarget.run({ targetId: id, uri: uriOf(after) })
  if (after.status === 'disabled') yield* closeAll(id)
  yield* announce(before, change.status ?? 'changed')
  const refs =
    anew && after.method === 'push' && after.status !== 'disabled'
      ? yield* emitToReceiver(after, VERIFICATION, {})
      : []
  if (tell) {
    const reason = after.statusReason === null ? {} : { reason: after.statusReason }
    refs.push(
      ...(yield* emitToReceiver(after, STREAM_UPDATED, { status: after.status, ...reason })),
    )
  }
  return { stream: streamOf(after), refs }
}

export function* removeStream(id: string): Act<boolean> {
  const row = yield* lockedStream(id)
  if (row === undefined) return false
  yield* remove.run({ streamId: id })
  yield* removeTarget.run({ targetId: id, seq: yield* head() })
  yield* closeAll(id)
  yield* announce(row, 'removed')
  return true
}

type VerificationAsked =
  | { outcome: 'asked'; refs: DeliveryRef[] }
  | { outcome: 'unknown' }
  | { outcome: 'disabled' }
  | { outcome: 'too_soon'; askedAt: number }

/** Writes a verification event, unless one was requested at or after `notBefore`. */
export function* verifyStream({
  id,
  state,
  notBefore,
  now,
}: {
  id: string
  state?: string | undefined
  notBefore: number
  now: number
}): Act<VerificationAsked> {
  const row = yield* lockedStream(id)
  if (row === undefined) return { outcome: 'unknown' }
  if (row.status === 'disabled') return { outcome: 'disabled' }
  if (row.askedAt !== null && row.askedAt >= notBefore)
    return { outcome: 'too_soon', askedAt: row.askedAt }
  yield* update.run({ ...row, askedAt: now })
  return {
    outcome: 'asked',
    refs: yield* emitToReceiver(row, VERIFICATION, state === undefined ? {} : { state }),
  }
}

/**
 * Marks a stream as verified after its endpoint accepted a verification event. Nothing changes
 * where the stream has another endpoint by now.
 */
export function* streamVerified({
  id,
  endpointUrl,
  now,
}: {
  id: string
  endpointUrl: string
  now: number
}): Act<void> {
  const row = yield* lockedStream(id)
  if (row?.endpointUrl === endpointUrl && row.verifiedAt === null)
    yield* update.run({ ...row, verifiedAt: now })
}

/** Ends a lease without an attempt: the delivery is held until its stream pushes. */
export function* holdDelivery({ id, attempt }: { id: string; attempt: number }): Act<void> {
  yield* releaseDelivery({ id, attempt, nextAttemptAtMs: HELD })
}
