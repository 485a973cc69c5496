import { z } from 'zod'
import { milliseconds, seconds, text } from '../../protocol/described.ts'
import { selectorSchema } from '../../protocol/selector.ts'
import { deliveryCursor, guid, idText, nullable, shape } from './fields.ts'

/** Answers of the admin API that more than one interface uses. */

const count = z.int()
const values = z.record(text, z.unknown())

const actor = shape('Actor', { kind: text, id: text })
const names = {
  actor_name: text.optional().describe('of who acted, where the broker knows it'),
  target_name: text.optional().describe('of the target, where the broker knows it'),
}
export const auditEntry = shape('AuditEntry', {
  id: count,
  at_ms: milliseconds,
  actor,
  via: z.enum(['console', 'api', 'command', 'setup', 'file', 'account', 'broker']),
  act: text.describe('revoke, redrive, client.add, key.rotate …'),
  target: text.optional(),
  case_reference: nullable,
  comment: text.optional(),
  ...names,
  details: values,
  ended: z
    .object({
      outcome: z.enum(['done', 'rejected', 'failed']),
      at_ms: milliseconds,
      result: values,
    })
    .nullable(),
})

export const position = shape('Position', {
  epoch: text.describe('new after a restore'),
  seq: count.describe('the head of the log'),
})

export const DELIVERY_STATES = [
  'pending',
  'delivered',
  'rejected',
  'failed',
  'superseded',
  'closed',
] as const
const attempt = shape('Attempt', {
  attempt: count,
  at_ms: milliseconds,
  outcome: z.enum(['delivered', 'retry', 'rejected', 'failed', 'superseded', 'closed']),
  status: count.optional().describe('HTTP status'),
  latency_ms: count,
  jti: text.optional().describe('of the logout token; of a webhook, its webhook-id'),
  error: text.optional().describe('what went wrong; of closed, the reason that was given'),
})
export const delivery = shape('Delivery', {
  id: text,
  kind: z.enum(['logout_token', 'webhook', 'set']),
  seq: count.nullable().describe('of the revocation that caused it'),
  client_id: text.describe('of a webhook, its endpoint’s id; of a security event, its stream’s id'),
  target_id: text,
  uri: text,
  sid: text.optional().describe('the session that the logout token names; else sub'),
  sub: text.optional(),
  state: z.enum(DELIVERY_STATES),
  attempts_made: count,
  created_at_ms: milliseconds,
  next_attempt_at_ms: milliseconds.nullable(),
  settled_at_ms: milliseconds.nullable(),
  superseded_by: nullable,
  last_status: count.nullable().describe('HTTP status'),
  last_error: nullable,
  attempts: z.array(attempt).optional(),
})

/** The counts of a dry run. */
export const preview = shape('Preview', {
  sessions: count,
  subjects: count,
  clients: count,
  deliveries: count,
  without_fresh_sign_in: count.describe(
    'users of tenants that have never sent auth_time: they come back without entering their password',
  ),
  first_users: z
    .array(z.object({ sub: text, name: nullable, username: nullable }))
    .describe('the first of the users, ten at most'),
  other_subjects: z
    .array(text)
    .describe(
      'of one user: the same human in other tenants. A lock covers them; after a revocation they too have to sign in afresh',
    ),
})
/** The dry run of a change that may lower `max_authentication_age`. */
export const dryRunOfChange = z.object({
  dry_run: z.literal(true),
  would_end: preview.describe('what a lower max_authentication_age ends at once'),
})

export const revoked = z.object({
  seq: count,
  selector: selectorSchema,
  reason: text,
  actor,
  at: seconds,
  case_reference: nullable,
  comment: nullable,
  ...names,
  sessions: count
    .nullable()
    .describe(
      'how many it ended; of a client or a grant, how many it took part in; null until they are counted',
    ),
  fan_out: z.enum(['complete', 'pending']),
})
const totals = shape('DeliveryTotals', {
  total: count,
  pending: count,
  delivered: count,
  rejected: count,
  failed: count,
  superseded: count.describe('other deliveries replace them'),
  closed: count,
}).describe('of those written: while fan_out is pending, more may come')
const logged = revoked.extend({ totals })
export const revocation = logged.meta({ id: 'Revocation' })

/** A client's part in a receipt. */
const receiptOfClient = z.object({
  client_id: text,
  state: z.enum(['confirmed', 'bounded', 'not_bounded']),
  by: z
    .enum(['report', 'logout_token', 'lease'])
    .nullable()
    .describe('what confirms it; lease: its last lease is over'),
  no_later_than_ms: milliseconds
    .nullable()
    .describe('it accepts nothing that the revocation covers after then'),
  lease_seconds: count.describe('the longest lease that it may have had'),
  guards: z.object({
    listening: count.describe('had a lease at the acknowledgment, or may have had'),
    confirmed: count,
  }),
})
export const receipt = shape('Receipt', {
  seq: count,
  acknowledged_at_ms: milliseconds,
  lease_seconds: count.describe('the longest of all participants'),
  final: z.boolean().describe('only what is not_bounded may still change'),
  participants: z.array(receiptOfClient),
})
export const signedReceipt = shape('SignedReceipt', {
  ...receipt.shape,
  jws: text.describe('the same, signed by the broker (typ revocation-receipt+jwt)'),
})

export const proof = logged.extend({
  receipt: signedReceipt.nullable().describe('null where it is no longer kept'),
  deliveries: z.array(delivery),
  next: deliveryCursor.nullable(),
})

const TENANT = 'a tenant id'
const wholeUser = z.strictObject({
  kind: z.literal('user'),
  tid: guid(TENANT),
  oid: guid('an object id'),
})
const others = [
  z.strictObject({ kind: z.literal('tenant'), tid: guid(TENANT) }),
  z.strictObject({ kind: z.literal('client'), client_id: idText }),
] as const
/** A lock's target in a request. A user may be named by `sub`. */
export const namedTarget = z
  .union(
    [wholeUser, z.strictObject({ kind: z.literal('user'), sub: idText }), ...others],
    'target: name a user (kind user, with tid and oid, or sub), a tenant (kind tenant, with tid) or a client (kind client, with client_id)',
  )
  .meta({ id: 'NamedLockTarget' })
export const lockTarget = z.union([wholeUser, ...others]).meta({ id: 'LockTarget' })
export const lock = shape('Lock', {
  id: text,
  target: lockTarget,
  actor,
  at: seconds,
  ends_at: seconds.nullable().describe('the broker lifts it then'),
  case_reference: nullable,
  comment: nullable,
  seq: count.nullable().describe('of its revocation; null where the user had not signed in yet'),
  ...names,
  lifted: z.object({ at: seconds, actor, case_reference: nullable, comment: nullable }).nullable(),
})

export const session = shape('Session', {
  sid: text,
  sub: text,
  user: z.object({ tid: text, oid: text, name: nullable, username: nullable }),
  device: text,
  opened_at: seconds,
  auth_time: seconds,
  last_active_at: seconds,
  absolute_at: seconds,
  stay_signed_in: z.boolean(),
  needs_microsoft: nullable.describe('why Microsoft is asked again at the next visit'),
  clients: z.array(z.object({ client_id: text, first_at: seconds, last_at: seconds })),
})

export const guard = shape('Guard', {
  client_id: text,
  guard_id: text,
  connected: z.boolean(),
  enforced_seq: count.nullable().describe('the seq it enforces'),
  behind: count.nullable(),
  reported_at_ms: milliseconds.nullable(),
  version: nullable,
  outdated: z.boolean().describe('it says no version, or one older than the guard of this broker'),
  without_lease: z.enum(['reject', 'introspect']).nullable(),
  lease_ran_out_at_ms: milliseconds.nullable(),
  clock_offset_seconds: count.nullable().describe('the broker’s clock less the guard’s'),
  clock_drift_ppm: count
    .nullable()
    .describe('by how much the clocks differ in speed, where that leaves it without a lease'),
})

const part = z.object({
  state: z.enum(['up', 'down', 'not_connected']),
  problem: text.optional().describe('what is wrong and what follows'),
  engine: text.optional(),
})
const since_ms = milliseconds.optional().describe('since when')
const runbook = text
  .optional()
  .describe('the section of docs/runbook.md, where that of the check does not help')
export const finding = shape('Finding', {
  check: text.describe('the id of the check: docs/checks.md'),
  about: text.optional().describe('the thing, where a check looks at several'),
  state: z.enum(['ok', 'unknown', 'warning', 'failed']),
  found: text,
  fix: text.optional().describe('what to do'),
  tid: text.optional().describe('the tenant it is about'),
  engine: text.optional().describe('the kind of queue server'),
  since_ms,
  runbook,
})
export const problem = shape('OperatorProblem', {
  id: text.describe('it changes with the words of the problem'),
  check: text,
  urgency: z
    .enum(['now', 'today', 'note'])
    .describe('now: an alert pages. today: it files a ticket'),
  found: text.describe('what is wrong and what follows'),
  fix: text.optional().describe('what to do'),
  about: z.array(text).describe('the things that it concerns'),
  acknowledgeable: z.boolean().describe('false: it needs you now, or a part is down by it'),
  acknowledged_by: text
    .optional()
    .describe('who acknowledged it: it counts no more until its words change'),
  since_ms,
  runbook,
})
export const readiness = shape('Readiness', {
  status: z
    .enum(['ready', 'degraded', 'unavailable', 'ending'])
    .describe('ending: it was asked to end, and serves for BROKER_DRAIN_SECONDS more'),
  parts: z.object({ store: part, queue: part, microsoft: part }),
  verdict: text.describe('All good, or how many things need an operator now or today'),
  checks: z.array(finding).describe('every warning and failure that is not acknowledged'),
})
const broker = z.object({
  id: text,
  kind: z.enum(['broker', 'worker']),
  work: text.describe('its background work: all, none, or names by comma'),
  host: text.describe('with the port of a broker'),
  version: text,
  started_at_ms: milliseconds,
  seen_at_ms: milliseconds,
  heartbeat_age_ms: count.describe(
    'since its latest heartbeat, by the clock of the broker that answers',
  ),
  missing: z.boolean().describe('it has not said goodbye, and sends no heartbeat'),
})
export const status = readiness
  .extend({
    problems: z.array(problem).describe('the findings by check, the worst first'),
    issuer: text,
    log: position,
    live_sessions: count,
    brokers: z
      .array(broker)
      .describe(
        'the brokers and workers that share the store, and those that are missing; empty on SQLite',
      ),
    locks: z.array(lock).describe('the newest open ones, 20 at most'),
    pending: z.array(
      z.object({
        target_id: text,
        client_id: text,
        uri: text,
        pending: count,
        oldest_at_ms: milliseconds,
      }),
    ),
    undelivered: z
      .array(z.object({ client_id: text, state: z.enum(['rejected', 'failed']), count }))
      .describe('deliveries that the broker does not retry'),
    failed_microsoft_work: z.array(
      z.object({
        kind: text,
        tid: text,
        oid: text,
        attempts_made: count,
        asked_at_ms: milliseconds,
        last_error: nullable,
      }),
    ),
  })
  .meta({ id: 'Status' })

export const hits = z.object({
  users: z.array(
    shape('FoundUser', { sub: text, tid: text, oid: text, name: nullable, username: nullable }),
  ),
  more_users: z.boolean().describe('more users may match: add a word'),
  clients: z.array(z.object({ client_id: text, client_name: text })),
  sessions: z.array(
    shape('FoundSession', {
      sid: text,
      sub: text,
      state: z
        .enum(['live', 'marked', 'ended'])
        .describe('marked: it is live, and Microsoft is asked again at the next visit'),
      device: text,
      opened_at: seconds,
      ended_seq: count.nullable().describe('the revocation that ended it'),
    }),
  ),
  revocations: z.array(revocation),
  cases: z
    .array(z.object({ case_reference: text, revocations: count, locks: count }))
    .describe('at most 20 of each are counted'),
})

export const stream = shape('ReceiverStream', {
  id: text,
  client_id: text,
  method: text.describe('urn:ietf:rfc:8935 (push) or urn:ietf:rfc:8936 (poll)'),
  endpoint_url: nullable.describe('of push'),
  events_requested: z.array(text),
  description: nullable,
  status: z.enum(['enabled', 'paused', 'disabled']),
  status_by: z.enum(['receiver', 'broker', 'operator']).describe('who set the status'),
  status_reason: nullable,
  verified_at: seconds
    .nullable()
    .describe(
      'when the endpoint of push accepted a verification event; nothing else is pushed before',
    ),
  created_at: seconds,
  updated_at: seconds,
})

export const webhook = shape('Webhook', {
  id: text,
  url: text,
  description: nullable,
  events: z.array(text),
  include: z.array(text).describe('personal data that its events hold'),
  state: z.enum(['enabled', 'disabled']),
  cause: nullable.describe('why it is disabled'),
  position: count.describe('of the latest message'),
  former_secret_until: seconds.nullable().describe('until then the secret before signs too'),
  created_at: seconds,
  updated_at: seconds,
})

export const tenant = shape('Tenant', {
  tid: text,
  name: nullable,
  mfa_proof: text.describe(
    'auth_context:c1 (to c25), amr, conditional_access; or undecided: then no user of it can sign in',
  ),
  allowed: z.boolean(),
  max_authentication_age: count
    .nullable()
    .describe('in seconds; the broker’s own limit counts beside it'),
  administrators: nullable.describe(
    'app_role, or directory_role: with its template id; null: no user of it administers it',
  ),
  operators: z.boolean().describe('the tenant whose app roles make operators'),
  proof_asserted_by: nullable,
  proof_asserted_at: seconds.nullable(),
  consent_confirmed_by: nullable,
  consent_confirmed_at: seconds.nullable(),
  connected_at: seconds,
  removed_at: seconds.nullable(),
})
