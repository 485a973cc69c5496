import { z } from 'zod'
import { DELIVERY_STATES } from '../../../db/types.ts'
import { milliseconds, seconds, text } from '../../protocol/described.ts'
import { selectorSchema } from '../../protocol/selector.ts'
import { deliveryCursor, guid, idText, nullable, shape } from './fields.ts'

/** Answers of the admin API that more than one interface uses. */

const count = z.int()
const values = z.record(text, z.unknown())

const actor = shape('Actor', { kind: text, id: text })
const names = {
  actor_name: text.optional(),
  target_name: text.optional(),
}
export const auditEntry = shape('AuditEntry', {
  id: count,
  at_ms: milliseconds,
  actor,
  via: z.enum(['console', 'api', 'command', 'setup', 'file', 'account', 'broker']),
  act: text,
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
  epoch: text,
  seq: count,
})

const attempt = shape('Attempt', {
  attempt: count,
  at_ms: milliseconds,
  outcome: z.enum(['delivered', 'retry', 'rejected', 'failed', 'superseded', 'closed']),
  status: count.optional(),
  latency_ms: count,
  jti: text.optional(),
  error: text.optional(),
})
export const delivery = shape('Delivery', {
  id: text,
  kind: z.enum(['logout_token', 'webhook', 'set']),
  seq: count.nullable(),
  client_id: text,
  target_id: text,
  uri: text,
  sid: text.optional(),
  sub: text.optional(),
  state: z.enum(DELIVERY_STATES),
  attempts_made: count,
  created_at_ms: milliseconds,
  next_attempt_at_ms: milliseconds.nullable(),
  settled_at_ms: milliseconds.nullable(),
  superseded_by: nullable,
  last_status: count.nullable(),
  last_error: nullable,
  attempts: z.array(attempt).optional(),
})

/** The counts of a dry run. */
export const preview = shape('Preview', {
  sessions: count,
  subjects: count,
  clients: count,
  deliveries: count,
  without_fresh_sign_in: count,
  first_users: z.array(z.object({ sub: text, name: nullable, username: nullable })),
  other_subjects: z.array(text),
})
/** The dry run of a change that may lower `max_authentication_age`. */
export const dryRunOfChange = z.object({
  dry_run: z.literal(true),
  would_end: preview,
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
  sessions: count.nullable(),
  fan_out: z.enum(['complete', 'pending']),
})
const totals = shape('DeliveryTotals', {
  total: count,
  pending: count,
  delivered: count,
  rejected: count,
  failed: count,
  superseded: count,
  closed: count,
})
const logged = revoked.extend({ totals })
export const revocation = logged.meta({ id: 'Revocation' })

const claimed = {
  state: z.enum(['confirmed', 'bounded', 'not_bounded']),
  no_later_than_ms: milliseconds.nullable(),
}
const claim = z.object({
  ...claimed,
  by: z.enum(['report', 'lease', 'logout_token', 'expiry', 'none']).nullable(),
})
/** A client's part in a receipt. */
const receiptOfClient = z.object({
  client_id: text,
  ...claimed,
  tokens: claim,
  sessions: claim,
  lease_seconds: count,
  guards: z.object({
    listening: count,
    confirmed: count,
  }),
})
/** Since when a revocation is effective everywhere: its receipt in short. */
export const effective = shape('Effective', {
  ...claimed,
  after_ms: count.nullable(),
  at_most: z.boolean(),
  participants: count,
  open_participants: count,
  open: z.array(
    receiptOfClient.pick({
      client_id: true,
      state: true,
      no_later_than_ms: true,
      tokens: true,
      sessions: true,
    }),
  ),
})
/** An entry of the list of revocations. */
export const listedRevocation = logged
  .extend({ effective: effective.nullable() })
  .meta({ id: 'ListedRevocation' })
export const receipt = shape('Receipt', {
  seq: count,
  acknowledged_at_ms: milliseconds,
  lease_seconds: count,
  final: z.boolean(),
  participants: z.array(receiptOfClient),
})
export const signedReceipt = shape('SignedReceipt', {
  ...receipt.shape,
  jws: text,
})

export const proof = logged.extend({
  receipt: signedReceipt.nullable(),
  deliveries: z.array(delivery),
  next: deliveryCursor.nullable(),
})

const TENANT = 'a tenant id'
// A kind with a name of its own is a type of its own in a generated client.
const wholeUser = z
  .strictObject({ kind: z.literal('user'), tid: guid(TENANT), oid: guid('an object id') })
  .meta({ id: 'LockedUser' })
const userBySub = z
  .strictObject({ kind: z.literal('user'), sub: idText })
  .meta({ id: 'LockedUserBySub' })
const others = [
  z.strictObject({ kind: z.literal('tenant'), tid: guid(TENANT) }).meta({ id: 'LockedTenant' }),
  z.strictObject({ kind: z.literal('client'), client_id: idText }).meta({ id: 'LockedClient' }),
] as const
/** A lock's target in a request. A user may be named by `sub`. */
export const namedTarget = z
  .union(
    [wholeUser, userBySub, ...others],
    'target: name a user (kind user, with tid and oid, or sub), a tenant (kind tenant, with tid) or a client (kind client, with client_id)',
  )
  .meta({ id: 'NamedLockTarget' })
export const lockTarget = z.union([wholeUser, ...others]).meta({ id: 'LockTarget' })
export const lock = shape('Lock', {
  id: text,
  target: lockTarget,
  actor,
  at: seconds,
  ends_at: seconds.nullable(),
  case_reference: nullable,
  comment: nullable,
  seq: count.nullable(),
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
  needs_microsoft: nullable,
  clients: z.array(z.object({ client_id: text, first_at: seconds, last_at: seconds })),
})

export const guard = shape('Guard', {
  client_id: text,
  guard_id: text,
  connected: z.boolean(),
  silent: z.boolean(),
  enforced_seq: count.nullable(),
  behind: count.nullable(),
  reported_at_ms: milliseconds.nullable(),
  version: nullable,
  outdated: z.boolean(),
  without_lease: z.enum(['reject', 'introspect']).nullable(),
  lease_ran_out_at_ms: milliseconds.nullable(),
  clock_offset_seconds: count.nullable(),
  clock_drift_ppm: count.nullable(),
})

const part = z.object({
  state: z.enum(['up', 'down', 'not_connected']),
  problem: text.optional(),
  engine: text.optional(),
})
const since_ms = milliseconds.optional()
const runbook = text.optional()
const urgency = z.enum(['now', 'today', 'note'])
/** The deliveries that can be redriven, as the audit log names them: `client_id sydney`. */
const redrive = text.optional()
export const finding = shape('Finding', {
  check: text,
  about: text.optional(),
  state: z.enum(['ok', 'unknown', 'warning', 'failed']),
  urgency: urgency.optional(),
  found: text,
  fix: text.optional(),
  tid: text.optional(),
  sub: text.optional(),
  report: text.optional(),
  redrive,
  engine: text.optional(),
  since_ms,
  runbook,
})
export const problem = shape('OperatorProblem', {
  id: text,
  check: text,
  urgency,
  found: text,
  fix: text.optional(),
  about: z.array(text),
  tids: z.array(text),
  user: z.object({ sub: text, name: text }).optional(),
  report: text.optional(),
  redrive,
  hideable: z.boolean(),
  hidden_by: text.optional(),
  hidden_until: seconds.optional(),
  since_ms,
  runbook,
})
export const readiness = shape('Readiness', {
  status: z.enum(['ready', 'degraded', 'unavailable', 'ending']),
  parts: z.object({ store: part, queue: part, microsoft: part }),
  verdict: text,
  checks: z.array(finding),
})
const broker = z.object({
  id: text,
  kind: z.enum(['broker', 'worker']),
  work: text,
  host: text,
  version: text,
  started_at_ms: milliseconds,
  seen_at_ms: milliseconds,
  heartbeat_age_ms: count,
  missing: z.boolean(),
})
export const status = readiness
  .extend({
    problems: z.array(problem),
    issuer: text,
    log: position,
    live_sessions: count,
    brokers: z.array(broker),
    locks: z.array(lock),
    pending: z.array(
      z.object({
        target_id: text,
        client_id: text,
        uri: text,
        pending: count,
        oldest_at_ms: milliseconds,
      }),
    ),
    jobs: z
      .object({
        waiting: count,
        active: count,
        delayed: count,
        failed: count,
        oldest_at_ms: milliseconds.nullable(),
      })
      .nullable(),
    undelivered: z.array(
      z.object({ client_id: text, state: z.enum(['rejected', 'failed']), count }),
    ),
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

export const report = shape('Report', {
  id: text,
  at: seconds,
  sub: text,
  user: z.object({ tid: text, oid: text, name: nullable, username: nullable }).nullable(),
  device: nullable,
  done: z.object({ at: seconds, actor }).nullable(),
})

export const rejectedSignIn = shape('RejectedSignIn', {
  reference: text,
  at: seconds,
  user: z
    .object({ tid: text, oid: text, sub: nullable, name: nullable, username: nullable })
    .nullable(),
  client_id: nullable,
  reason: text,
  microsoft_code: count.nullable(),
  user_read: text,
  fix: text,
})

export const hits = z.object({
  users: z.array(
    shape('FoundUser', { sub: text, tid: text, oid: text, name: nullable, username: nullable }),
  ),
  more_users: z.boolean(),
  clients: z.array(z.object({ client_id: text, client_name: text })),
  sessions: z.array(
    shape('FoundSession', {
      sid: text,
      sub: text,
      state: z.enum(['live', 'marked', 'ended']),
      device: text,
      opened_at: seconds,
      ended_seq: count.nullable(),
    }),
  ),
  revocations: z.array(revocation),
  sign_ins: z.array(rejectedSignIn),
  cases: z.array(z.object({ case_reference: text, revocations: count, locks: count })),
})

export const stream = shape('ReceiverStream', {
  id: text,
  client_id: text,
  method: text,
  endpoint_url: nullable,
  events_requested: z.array(text),
  description: nullable,
  status: z.enum(['enabled', 'paused', 'disabled']),
  status_by: z.enum(['receiver', 'broker', 'operator']),
  status_reason: nullable,
  verified_at: seconds.nullable(),
  created_at: seconds,
  updated_at: seconds,
})

export const webhook = shape('Webhook', {
  id: text,
  url: text,
  description: nullable,
  events: z.array(text),
  include: z.array(text),
  state: z.enum(['enabled', 'disabled']),
  cause: nullable,
  position: count,
  former_secret_until: seconds.nullable(),
  created_at: seconds,
  updated_at: seconds,
})

const helpContact = shape('HelpContact', {
  name: nullable,
  email: nullable,
  telephone: nullable,
  link: nullable,
})
export const tenant = shape('Tenant', {
  tid: text,
  name: nullable,
  mfa_proof: text,
  allowed: z.boolean(),
  max_authentication_age: count.nullable(),
  administrators: nullable,
  help_contact: helpContact.nullable(),
  operators: z.boolean(),
  proof_asserted_by: nullable,
  proof_asserted_at: seconds.nullable(),
  consent_confirmed_by: nullable,
  consent_confirmed_at: seconds.nullable(),
  connected_at: seconds,
  removed_at: seconds.nullable(),
})
