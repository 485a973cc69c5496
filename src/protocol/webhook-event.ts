import { explained } from './explained.ts'
import { z } from 'zod'
import { selectorSchema } from './selector.ts'
import {
  SWITCHES,
  WEBHOOK_SWITCHES,
  WEBHOOK_TYPES,
  type WebhookSwitch,
  type WebhookType,
} from './webhook-types.ts'

/** The webhook events and their data. docs/webhooks.md is generated from this table. */

const text = (description: string) => z.string().meta({ description })
const int = (description: string) => z.int().meta({ description })

const sub = text('the user, by the id that the broker gave them')
const tid = text('the Microsoft tenant')
const sid = text('the session')
const seq = int('the revocation, by its number in the log')
const until = int('epoch seconds')

/** Members that an endpoint receives only if the named switch is on. */
const personal = {
  name: text('the user’s name; switch `names`').optional(),
  username: text('the user’s name at Microsoft; switch `names`').optional(),
  ip_address: text('where the request came from; switch `ip_addresses`').optional(),
}
const words = {
  case_reference: text('switch `case_references`').optional(),
  comment: text('switch `comments`').optional(),
}
const actor = {
  actor_kind: z
    .enum(['user', 'client', 'operator', 'microsoft', 'broker'])
    .meta({ description: 'who caused it' }),
  actor: text('their id; switch `names`').optional(),
}
const revocation = {
  seq,
  selector: selectorSchema,
  tid: tid.optional(),
  sub: sub.optional(),
  reason: text('why; the admin API names every reason'),
  ...actor,
  ...words,
}

/** Each event type with the time at which it is sent, and its `data`. */
export const WEBHOOK_EVENTS = {
  'session.new_device': {
    when: 'A user opened a session with a browser that they had not used before, or not for 90 days. Their first sign-in is no such event.',
    data: z.object({
      sub,
      tid,
      sid,
      device: text('e.g. Firefox on Windows'),
      ...personal,
      email: text(
        'the user’s email address, as it was before this sign-in; switch `names`',
      ).optional(),
    }),
  },
  'user.signed_out_everywhere': {
    when: 'A user signed out on every device.',
    data: z.object({ ...revocation, sub }),
  },
  'user.reported_sign_in': {
    when: 'A user reported a device (“Lost, stolen or not me”) or a sign-in (“This wasn’t me”).',
    data: z.object({ sub, tid, sid: sid.optional(), seq: seq.optional(), ...personal }),
  },
  'revocation.by_operator': {
    when: 'An operator, an administrator or a client of the admin API revoked something.',
    data: z.object(revocation),
  },
  'revocation.theft': {
    when: 'A refresh token or an authorization code was used a second time, as a thief would. The session or the grant was revoked.',
    data: z.object(revocation),
  },
  'revocation.wide': {
    when: 'All sessions of a client, of a tenant, or of every user were revoked.',
    data: z.object(revocation),
  },
  'lock.placed': {
    when: 'A user, tenant or client was locked.',
    data: z.object({ selector: selectorSchema, until: until.optional(), ...actor, ...words }),
  },
  'lock.lifted': {
    when: 'A lock was lifted.',
    data: z.object({ selector: selectorSchema, ...actor, ...words }),
  },
  'key.rotated': {
    when: 'A signing key began to sign, or is no longer published.',
    data: z.object({
      kid: z.string(),
      alg: z.enum(['ES256', 'RS256']),
      state: z.enum(['active', 'retired']).meta({ description: 'of the key from now on' }),
    }),
  },
  'setting.changed': {
    when: 'A setting that the broker keeps in its database was changed.',
    data: z.object({
      setting: text('e.g. tenant.mfa_proof'),
      tid: tid.optional(),
      value: text('never a secret; switch `setting_values`').optional(),
    }),
  },
  'webhook.test': { when: 'An administrator asked for a test event.', data: z.object({}) },
} as const satisfies Record<WebhookType, { when: string; data: z.ZodObject }>

export type WebhookEvent = {
  [K in WebhookType]: { type: K; data: z.input<(typeof WEBHOOK_EVENTS)[K]['data']> }
}[WebhookType]

const body = (type: WebhookType, { when, data }: { when: string; data: z.ZodObject }) =>
  z
    .object({
      type: z.literal(type),
      timestamp: z.iso.datetime().meta({ description: 'when it happened' }),
      endpoint_id: text('the endpoint that this message is for'),
      position: z
        .int()
        .min(1)
        .meta({ description: 'counts the messages of this endpoint, without a gap' }),
      data,
    })
    .meta({ title: type, description: when })

/** Returns the JSON Schema of the signed body: docs/webhooks.schema.json. */
export const webhookJsonSchema = (): object =>
  explained(
    z.toJSONSchema(
      z.discriminatedUnion(
        'type',
        WEBHOOK_TYPES.map((type) => body(type, WEBHOOK_EVENTS[type])) as [ReturnType<typeof body>],
      ),
      {
        target: 'draft-2020-12',
        io: 'input',
      },
    ),
  )

/** Returns the part of an event's data that one endpoint may read. */
export function dataFor(
  { data }: WebhookEvent,
  include: readonly WebhookSwitch[],
): Record<string, unknown> {
  const hidden = new Set<string>(
    WEBHOOK_SWITCHES.filter((webhookSwitch) => !include.includes(webhookSwitch)).flatMap(
      (webhookSwitch) => SWITCHES[webhookSwitch],
    ),
  )
  return Object.fromEntries(
    Object.entries(data).filter(([name, value]) => !hidden.has(name) && value !== undefined),
  )
}
