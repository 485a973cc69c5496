import { z } from 'zod'
import {
  asClient,
  asClientAlsoInBody,
  clientInForm,
  type Description,
  form,
  formRejections,
  json,
  limited,
  rejected,
  text,
} from '../protocol/described.ts'
import { REASON_CLASSES } from '../protocol/revocation.ts'
import { selectorSchema } from '../protocol/selector.ts'
import { GUARD_ID, NONCE, STREAM_NAME } from './feed-wire.ts'

/** The feed as /openapi.json describes it; docs/feed.md has the protocol. */

const guard = text.regex(GUARD_ID)
const entry = z
  .object({
    seq: z.int(),
    selector: selectorSchema,
    exp: z.int().meta({ description: 'epoch seconds; after it the entry covers no valid token' }),
    reason_class: z
      .enum(REASON_CLASSES)
      .meta({ description: 'why, for the user to read; no decision goes by it' }),
    session_exp: z
      .int()
      .meta({
        description:
          'epoch seconds; until then it can end an own session of the instance (only with sessions)',
      })
      .optional(),
  })
  .meta({ id: 'FeedEntry' })
const clock = text.meta({ description: 'the name of the clock of the process that answers' })
const ms = z.number().meta({ description: 'milliseconds by that clock' })
const stream = text
  .regex(STREAM_NAME)
  .meta({ description: 'the name of the stream or poller, from the broker' })
const leaseSeconds = z.int().min(1).max(60).meta({ description: 'guard_lease_seconds' })
const nonce = text
  .regex(NONCE)
  .meta({ description: 'random, new with each request; the answer repeats it' })
const snapshot = z
  .object({
    epoch: text,
    seq: z.int(),
    entries: z.array(entry),
    tenants: z
      .array(text)
      .meta({ description: 'whose revocations are sent; all, where it is not there' })
      .optional(),
    retired_kids: z.array(text).meta({ description: 'keys to drop at once' }),
    reset: z
      .boolean()
      .meta({ description: 'the position is not one of this log: drop what you have' }),
    more: z.boolean().meta({ description: 'ask again with after' }),
    stream,
    nonce: nonce.optional(),
    complete_from: z
      .int()
      .meta({
        description:
          'the entries decide about an own session with this rev or a higher one (only with sessions)',
      })
      .optional(),
    lease: z
      .object({ clock, at_ms: ms, known_ms: ms, seconds: leaseSeconds })
      .meta({ description: 'not there where more is true' })
      .optional(),
  })
  .meta({ id: 'Snapshot' })
const unauthenticated = rejected('The client is not authenticated.')

/** An empty parameter counts as left out (RFC 6749 §3.1). */
const position = {
  after: text
    .regex(/^\d{0,15}$/)
    .meta({ description: 'a snapshot of what came after this seq; with epoch' })
    .optional(),
  epoch: text.optional(),
  guard: text
    .regex(/^[A-Za-z0-9._-]{0,64}$/)
    .meta({ description: 'which of the client’s guards listens' })
    .default('default'),
  stream: text
    .meta({ description: 'of a poller: the name in its last answer; another one gets a new name' })
    .optional(),
  nonce: text
    .regex(/^(?:[\w-]{16,64})?$/)
    .meta({ description: 'random, new with each request; the first answer or event repeats it' })
    .optional(),
  sessions: text
    .regex(/^1?$/)
    .meta({ description: '1: the guard judges the instance’s own sessions too' })
    .optional(),
  last_event_id: text.meta({ description: 'where the header cannot be sent' }).optional(),
}
const resuming = z.object({ 'Last-Event-ID': text.meta({ description: 'epoch.seq' }).optional() })
const followed = { ...json(snapshot), 'text/event-stream': text }

export const FOLLOW: Description = {
  id: 'followRevocations',
  summary:
    'The revocation feed: a snapshot, or with Accept: text/event-stream the events as they happen',
  description:
    'Events: anchor, reset, snapshot, revocation, head, keys, live, lease, end. docs/feed.md has the protocol.',
  tag: 'feed',
  security: asClient,
  query: z.object(position),
  headers: resuming,
  answers: {
    200: ['The snapshot, or the stream.', followed],
    400: rejected('A parameter is wrong.'),
    401: unauthenticated,
    ...limited,
    503: rejected('The store cannot be read, or the broker is being stopped.'),
  },
}

/** The same request by POST: a client assertion does not belong in a URL. */
export const FOLLOW_BY_FORM: Description = {
  id: 'followRevocationsByForm',
  summary: 'The revocation feed, with its parameters in a form',
  tag: 'feed',
  security: asClientAlsoInBody,
  body: form(z.object({ ...position, ...clientInForm })),
  headers: resuming,
  answers: {
    200: ['The snapshot, or the stream.', followed],
    ...formRejections,
    ...limited,
    503: rejected('The store cannot be read, or the broker is being stopped.'),
  },
}

const anchored = {
  tag: 'feed',
  answers: {
    200: ['The time.', json(z.object({ clock, at_ms: ms, nonce }).meta({ id: 'Anchor' }))],
    ...formRejections,
  },
} as const

export const ANCHOR: Description = {
  ...anchored,
  id: 'readClock',
  summary: 'The broker’s time, by the clock that leases go by',
  security: asClient,
  query: z.object({ nonce }),
}

export const ANCHOR_BY_FORM: Description = {
  ...anchored,
  id: 'readClockByForm',
  summary: 'The same, with its parameters in a form',
  security: asClientAlsoInBody,
  body: form(z.object({ nonce, ...clientInForm })),
}

/** Names of sessions and users, as ID tokens have them. */
const name = text.min(1)
export const OWN_SESSION: Description = {
  id: 'judgeSession',
  summary: 'Whether an instance’s own session is still valid',
  description:
    'For a guard that does not know it by the entries of the feed. It counts as no activity.',
  tag: 'feed',
  security: asClientAlsoInBody,
  body: form(
    z.object({
      sid: name,
      sub: name,
      rev: text
        .regex(/^\d{0,15}$/)
        .meta({ description: 'of the ID token' })
        .optional(),
      ...clientInForm,
    }),
  ),
  answers: {
    200: [
      'Whether it is valid at this moment.',
      json(
        z
          .union([
            z.object({
              active: z.literal(true),
              rev: z.int().meta({ description: 'up to this seq nothing covers the session' }),
              session_expiry: z.int().meta({ description: 'epoch seconds: its end at the latest' }),
            }),
            z.object({ active: z.literal(false) }),
          ])
          .meta({ id: 'OwnSession' }),
      ),
    ],
    ...formRejections,
    ...limited,
    503: rejected('The store cannot be read.'),
  },
}

/**
 * A guard's report of what it enforces. Unknown members are ignored, so newer guards can add some.
 */
export const reportSchema = z.object({
  epoch: text,
  seq: z.int().min(0),
  guard,
  streams: z
    .array(stream)
    .max(20)
    .meta({ description: 'the streams and pollers whose leases it had in the last two minutes' })
    .optional(),
  version: text
    .regex(/^[A-Za-z0-9._/+-]{1,64}$/)
    .meta({ description: 'of the guard' })
    .optional(),
  without_lease: z
    .enum(['reject', 'introspect'])
    .meta({ description: 'what it does with valid tokens while it holds no lease' })
    .optional(),
  lease_ran_out: z
    .object({ count: z.int().min(0).max(1_000_000_000) })
    .meta({ description: 'how often its lease ran out since it was started' })
    .optional(),
  every_seconds: z
    .int()
    .min(1)
    .max(300)
    .meta({ description: 'how soon its next report follows at the latest; 300 where absent' })
    .optional(),
  clock_drift_ppm: z
    .int()
    .meta({
      description: 'by how much the clocks differ in speed, where it is more than 1,000 ppm',
    })
    .optional(),
  clock_offset_seconds: z
    .int()
    .meta({ description: 'the broker’s clock less the guard’s' })
    .optional(),
  sessions: z
    .boolean()
    .meta({ description: 'whether it judges the instance’s own sessions too' })
    .optional(),
  client_assertion_type: text.optional(),
  client_assertion: text
    .meta({ description: 'of a client that is registered with private_key_jwt or workload_jwt' })
    .optional(),
})

export const REPORT: Description = {
  id: 'reportEnforced',
  summary: 'A guard reports up to which seq it enforces the log',
  tag: 'feed',
  security: asClientAlsoInBody,
  body: json(reportSchema),
  answers: {
    204: ['Recorded.'],
    400: rejected('A member is wrong.'),
    401: unauthenticated,
    409: rejected('The position is not one of this log. Connect to the feed again.'),
    413: rejected('The body is too large.'),
    415: rejected('The body is not application/json.'),
    503: rejected('The store cannot commit. Nothing was changed.'),
  },
}
