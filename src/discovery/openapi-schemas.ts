import { clientMetadataJsonSchema } from '../client/metadata.ts'
import { anyObject, integer, type Json, list, milliseconds, object, oneOf, orNull, ref, seconds, text, yesNo } from './openapi-parts.ts'

/** The shapes that the admin API and the feed have in common. */

const selector = (kind: string, ...names: string[]): Json =>
  object({ kind: { const: kind }, ...Object.fromEntries(names.map((name) => [name, text(undefined, { maxLength: 200 })])) })

const { $schema: _schema, ...registration } = clientMetadataJsonSchema()

const part = object(
  { state: oneOf('up', 'down', 'not_connected'), problem: text('what is wrong and what follows'), engine: text(), differences: list(text()) },
  ['problem', 'engine', 'differences'],
)

export const schemas: Record<string, Json> = {
  Problem: object({ type: text(), title: text(), status: integer(), detail: text('what to do next'), problems: list(text()) }, ['problems']),
  OAuthError: object({ error: text(), error_description: text('what to do next') }),
  Actor: object({ kind: text(), id: text() }),
  Selector: {
    description: 'What a revocation covers.',
    oneOf: [
      selector('session', 'sid'),
      selector('grant', 'sid', 'client_id'),
      selector('subject', 'sub'),
      selector('client', 'client_id'),
      selector('tenant', 'tid'),
      selector('everything'),
    ],
  },
  Position: object({ epoch: text('new after a restore'), seq: integer('the head of the log') }),
  Registration: { ...registration, description: 'A client’s registration (RFC 7591 §2 where it has a name for it).' },
  Client: {
    type: 'object',
    description: 'The registration, every field of it, and what stands beside it. Sent back to PUT, what is no metadata is passed over.',
    properties: {
      ...(registration.properties as Json),
      source: text('who owns the registration: file, command, api, demo or broker'),
      secrets: list(object({ id: text(), created_at: seconds, expires_at: seconds }, ['expires_at'])),
      created_at: seconds,
      updated_at: seconds,
    },
    required: ['client_id', 'client_name', 'source', 'secrets', 'created_at', 'updated_at'],
  },
  Session: object({
    sid: text(),
    sub: text(),
    person: object({ tid: text(), oid: text(), name: orNull(text()), username: orNull(text()) }),
    device: text(),
    opened_at: seconds,
    auth_time: seconds,
    last_active_at: seconds,
    absolute_at: seconds,
    stay_signed_in: yesNo,
    needs_microsoft: orNull(text('why Microsoft is asked again at the next visit')),
    clients: list(object({ client_id: text(), first_at: seconds, last_at: seconds })),
  }),
  Preview: object({ sessions: integer(), subjects: integer(), clients: integer(), deliveries: integer() }),
  Revocation: object({
    seq: integer(),
    selector: ref('Selector'),
    reason: text(),
    actor: ref('Actor'),
    at: seconds,
    case_reference: orNull(text()),
    comment: orNull(text()),
    sessions: integer('how many it ended'),
    owing: oneOf('complete', 'pending'),
  }),
  Delivery: object(
    {
      id: text(),
      seq: integer(),
      client_id: text(),
      target_id: text(),
      uri: text(),
      sid: text('which session the logout token names; or else sub'),
      sub: text(),
      state: oneOf('owed', 'delivered', 'refused', 'dead', 'superseded'),
      attempts_made: integer(),
      created_at_ms: milliseconds,
      next_attempt_at_ms: orNull(milliseconds),
      settled_at_ms: orNull(milliseconds),
      superseded_by: orNull(text()),
      last_status: orNull(integer('HTTP status')),
      last_error: orNull(text()),
      attempts: list(ref('Attempt')),
    },
    ['sid', 'sub', 'attempts'],
  ),
  Attempt: object(
    {
      attempt: integer(),
      at_ms: milliseconds,
      outcome: oneOf('delivered', 'retry', 'refused', 'dead', 'spared'),
      status: integer('HTTP status'),
      latency_ms: integer(),
      jti: text('of the logout token'),
      error: text(),
    },
    ['status', 'jti', 'error'],
  ),
  Key: object({
    kid: text(),
    alg: oneOf('ES256', 'RS256'),
    state: oneOf('next', 'active', 'retiring', 'retired'),
    created_at: seconds,
    activated_at: orNull(seconds),
    retire_at: orNull(seconds),
    kept_in: oneOf('store', 'file'),
  }),
  Tenant: object({
    tid: text(),
    name: orNull(text()),
    mfa_proof: text('auth_context:c1 (to c25), amr, conditional_access; or undecided: then nobody of it is let in'),
    allowed: yesNo,
    operators: { ...yesNo, description: 'the tenant whose app roles make operators' },
    proof_asserted_by: orNull(text()),
    proof_asserted_at: orNull(seconds),
    consent_confirmed_by: orNull(text()),
    consent_confirmed_at: orNull(seconds),
    connected_at: seconds,
    removed_at: orNull(seconds),
  }),
  AuditEntry: object(
    {
      id: integer(),
      at_ms: milliseconds,
      actor: ref('Actor'),
      via: oneOf('console', 'api', 'command', 'setup', 'file'),
      act: text('revoke, redrive, client.add, key.rotate …'),
      target: text(),
      case_reference: orNull(text()),
      comment: text(),
      details: anyObject,
      ended: orNull(object({ outcome: oneOf('done', 'refused', 'failed'), at_ms: milliseconds, result: anyObject })),
    },
    ['target', 'comment'],
  ),
  Readiness: object({ status: oneOf('ready', 'degraded', 'unavailable'), parts: object({ store: part, queue: part, microsoft: part }) }),
  Finding: object({ name: text(), state: oneOf('good', 'warning', 'bad'), found: text(), mend: text('what to do about it') }, ['mend']),
  Guard: object({
    client_id: text(),
    guard_id: text(),
    connected: yesNo,
    applied_seq: orNull(integer('the seq it enforces')),
    behind: orNull(integer()),
    reported_at_ms: orNull(milliseconds),
  }),
  FeedEntry: object({
    seq: integer(),
    selector: ref('Selector'),
    exp: integer('epoch seconds; past it the entry covers nothing that could be used'),
  }),
  Snapshot: object({
    epoch: text(),
    seq: integer(),
    entries: list(ref('FeedEntry')),
    retired_kids: list(text('keys to be dropped at once')),
    reset: { ...yesNo, description: 'the position was none of this log: drop what you have' },
    more: { ...yesNo, description: 'ask again with after' },
  }),
}
