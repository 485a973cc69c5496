import { sql } from 'drizzle-orm'
import { DELIVERY, STREAM_EVENTS } from '../../src/protocol/stream-event.ts'
import type { Act } from '../engine/act.ts'
import { forUpdate } from '../engine/dialect.ts'
import { columnsOf, query, type RowOf, type Takes } from '../engine/statement.ts'
import { optionals, parseList } from '../engine/values.ts'
import { streams } from '../schema.ts'
import type { SignalStream } from '../types.ts'

/** A stream as a row of its table. */

export const streamFields = {
  ...columnsOf(
    streams,
    'streamId',
    'clientId',
    'method',
    'endpointUrl',
    'authorizationSealed',
    'eventsRequested',
    'description',
  ),
  ...columnsOf(
    streams,
    'status',
    'statusReason',
    'statusBy',
    'verifiedAt',
    'askedAt',
    'createdAt',
    'updatedAt',
  ),
}
export type StreamRow = RowOf<typeof streamFields>
type One = Takes<{ streamId: string }>

const all = query(
  streamFields,
  (_, f) => sql`SELECT ${f} FROM ${streams} ORDER BY ${streams.streamId}`,
)
const find = query(
  streamFields,
  (p: One, f) => sql`SELECT ${f} FROM ${streams} WHERE ${streams.streamId} = ${p.streamId}`,
)
const findLocked = query(
  streamFields,
  (p: One, f) =>
    sql`SELECT ${f} FROM ${streams} WHERE ${streams.streamId} = ${p.streamId}${forUpdate(streams)}`,
)
const ofClient = query(
  streamFields,
  (p: Takes<{ clientId: string }>, f) =>
    sql`SELECT ${f} FROM ${streams} WHERE ${streams.clientId} = ${p.clientId}`,
)

export const streamOf = ({ streamId, eventsRequested, ...row }: StreamRow): SignalStream => ({
  ...optionals(row),
  id: streamId,
  eventsRequested: parseList(eventsRequested) ?? [],
})

export const rowOf = (stream: SignalStream): StreamRow => ({
  streamId: stream.id,
  clientId: stream.clientId,
  method: stream.method,
  endpointUrl: stream.endpointUrl ?? null,
  authorizationSealed: stream.authorizationSealed ?? null,
  eventsRequested: JSON.stringify(stream.eventsRequested),
  description: stream.description ?? null,
  status: stream.status,
  statusReason: stream.statusReason ?? null,
  statusBy: stream.statusBy,
  verifiedAt: stream.verifiedAt ?? null,
  askedAt: stream.askedAt ?? null,
  createdAt: stream.createdAt,
  updatedAt: stream.updatedAt,
})

/** Returns the address that the outbox has for a stream. */
export const uriOf = ({ endpointUrl }: Pick<StreamRow, 'endpointUrl'>): string =>
  endpointUrl ?? DELIVERY.poll

export const delivers = (
  { eventsRequested }: Pick<StreamRow, 'eventsRequested'>,
  type: string,
): boolean => STREAM_EVENTS.includes(type) && parseList(eventsRequested)?.includes(type) === true

export const lockedStream = (streamId: string): Act<StreamRow | undefined> =>
  findLocked.get({ streamId })

export function* listStreams(): Act<SignalStream[]> {
  return (yield* all.all({})).map(streamOf)
}

export function* findStream(streamId: string): Act<SignalStream | undefined> {
  const row = yield* find.get({ streamId })
  return row && streamOf(row)
}

export function* streamOfClient(clientId: string): Act<SignalStream | undefined> {
  const row = yield* ofClient.get({ clientId })
  return row && streamOf(row)
}
