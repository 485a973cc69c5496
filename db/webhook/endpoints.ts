import { sql } from 'drizzle-orm'
import {
  WEBHOOK_TYPES,
  type WebhookSwitch,
  type WebhookType,
} from '../../src/protocol/webhook-types.ts'
import type { Act } from '../engine/act.ts'
import { forUpdate } from '../engine/dialect.ts'
import {
  assign,
  columnsOf,
  command,
  insertInto,
  keysOf,
  pick,
  query,
  type RowOf,
  type Takes,
} from '../engine/statement.ts'
import { optionals, parseList } from '../engine/values.ts'
import { head } from '../log/head.ts'
import { applyCountChanges, type Move } from '../outbox/counts.ts'
import { addTarget, moveTarget, removeTarget } from '../outbox/targets.ts'
import { webhookEndpoints } from '../schema.ts'
import type { DeliveryRef, WebhookEndpoint } from '../types.ts'
import { write as writeTo } from './emit.ts'

/**
 * The endpoints of webhooks. Each is a target of the outbox too, under its own id, so that its
 * lane, lists and proof find its address.
 */

/** The limit is low because each event reads all endpoints. */
const MOST = 20

const fields = {
  ...columnsOf(
    webhookEndpoints,
    'endpointId',
    'url',
    'description',
    'events',
    'include',
    'secretSealed',
    'formerSealed',
    'formerUntil',
  ),
  ...columnsOf(webhookEndpoints, 'state', 'cause', 'position', 'createdAt', 'updatedAt'),
}
type Row = RowOf<typeof fields>
type One = Takes<{ endpointId: string }>
const all = query(
  fields,
  (_, f) =>
    sql`SELECT ${f} FROM ${webhookEndpoints} ORDER BY ${webhookEndpoints.createdAt}, ${webhookEndpoints.endpointId}`,
)
const find = query(
  fields,
  (p: One, f) =>
    sql`SELECT ${f} FROM ${webhookEndpoints} WHERE ${webhookEndpoints.endpointId} = ${p.endpointId}`,
)
const findLocked = query(
  fields,
  (p: One, f) =>
    sql`SELECT ${f} FROM ${webhookEndpoints} WHERE ${webhookEndpoints.endpointId} = ${p.endpointId}${forUpdate(webhookEndpoints)}`,
)
const insert = command((p: Takes<Written>) =>
  insertInto(webhookEndpoints, pick(p, ...keysOf(fields))),
)
// Leaves out the position, which events that are written meanwhile raise.
const update = command(
  (p: Takes<Written>) =>
    sql`UPDATE ${webhookEndpoints} SET ${assign(webhookEndpoints, {
      ...pick(p, 'url', 'description', 'events', 'include', 'secretSealed'),
      ...pick(p, 'formerSealed', 'formerUntil', 'state', 'cause', 'updatedAt'),
    })} WHERE ${webhookEndpoints.endpointId} = ${p.endpointId}`,
)
const remove = command(
  (p: One) =>
    sql`DELETE FROM ${webhookEndpoints} WHERE ${webhookEndpoints.endpointId} = ${p.endpointId}`,
)
const endpointOf = ({
  endpointId,
  events,
  include,
  formerSealed,
  formerUntil,
  ...row
}: Row): WebhookEndpoint => ({
  ...optionals(row),
  id: endpointId,
  // Drops types that a later version wrote: this version cannot send them.
  events: (parseList(events) as WebhookType[]).filter((candidate) =>
    WEBHOOK_TYPES.includes(candidate),
  ),
  include: parseList(include) as WebhookSwitch[],
  former:
    formerSealed === null || formerUntil === null
      ? undefined
      : { sealed: formerSealed, until: formerUntil },
})
const rowOf = ({ id, events, include, former, ...rest }: WebhookEndpoint) => ({
  ...rest,
  endpointId: id,
  events: JSON.stringify(events),
  include: JSON.stringify(include),
  formerSealed: former?.sealed,
  formerUntil: former?.until,
})
type Written = ReturnType<typeof rowOf>

export function* listWebhooks(): Act<WebhookEndpoint[]> {
  return (yield* all.all({})).map(endpointOf)
}

export function* findWebhook(endpointId: string): Act<WebhookEndpoint | undefined> {
  const row = yield* find.get({ endpointId })
  return row && endpointOf(row)
}

/** Returns false where the limit of endpoints is reached. */
export function* addWebhook(endpoint: WebhookEndpoint): Act<boolean> {
  if ((yield* all.all({})).length >= MOST) return false
  yield* insert.run(rowOf(endpoint))
  yield* addTarget.run({
    targetId: endpoint.id,
    clientId: endpoint.id,
    uri: endpoint.url,
    addedSeq: 0,
  })
  return true
}

export function* changeWebhook({
  id,
  change,
  now,
}: {
  id: string
  change: Partial<Omit<WebhookEndpoint, 'id' | 'position' | 'createdAt' | 'updatedAt'>>
  now: number
}): Act<WebhookEndpoint | undefined> {
  const row = yield* findLocked.get({ endpointId: id })
  if (row === undefined) return undefined
  const changed = { ...endpointOf(row), ...change, updatedAt: now }
  yield* update.run(rowOf(changed))
  if (changed.url !== row.url) yield* moveTarget.run({ targetId: id, uri: changed.url })
  return changed
}

export function* removeWebhook(endpointId: string): Act<boolean> {
  if ((yield* remove.run({ endpointId })) === 0) return false
  yield* removeTarget.run({ targetId: endpointId, seq: yield* head() })
  return true
}

/** Writes a test event for one endpoint. Returns undefined where it is missing or disabled. */
export function* testWebhook(endpointId: string): Act<DeliveryRef | undefined> {
  const row = yield* find.get({ endpointId })
  if (row === undefined) return undefined
  const moves: Move[] = []
  const ref = yield* writeTo(row, { type: 'webhook.test', data: {} }, moves)
  yield* applyCountChanges(moves)
  return ref
}
