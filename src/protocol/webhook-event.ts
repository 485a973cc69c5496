import { z } from 'zod'
import { selectorSchema } from './selector.ts'
import { SWITCHES, WEBHOOK_SWITCHES, WEBHOOK_TYPES, type WebhookSwitch, type WebhookType } from './webhook-types.ts'

/** Webhook events: what each of them says. docs/webhooks.md is made from this table. */

const sub = z.string().meta({ description: 'the user, by the id that the broker gave them' })
const tid = z.string().meta({ description: 'the Microsoft tenant' })
const sid = z.string().meta({ description: 'the session' })
const seq = z.int().meta({ description: 'the revocation, by its number in the log' })
const until = z.int().meta({ description: 'epoch seconds' })

/** Members that an endpoint receives only where its switch is on. */
const personal = {
  name: z.string().optional().meta({ description: 'the user’s name; switch `names`' }),
  username: z.string().optional().meta({ description: 'the user’s name at Microsoft; switch `names`' }),
  ip_address: z.string().optional().meta({ description: 'where the request came from; switch `ip_addresses`' }),
}
const words = {
  case_reference: z.string().optional().meta({ description: 'switch `case_references`' }),
  comment: z.string().optional().meta({ description: 'switch `comments`' }),
}
const actor = {
  actor_kind: z.enum(['user', 'client', 'operator', 'microsoft', 'broker']).meta({ description: 'who caused it' }),
  actor: z.string().optional().meta({ description: 'their id; switch `names`' }),
}
const revocation = {
  seq,
  selector: selectorSchema,
  tid: tid.optional(),
  sub: sub.optional(),
  reason: z.string().meta({ description: 'why; the admin API names every reason' }),
  ...actor,
  ...words,
}

/** By type: when it is sent, and its `data`. */
export const WEBHOOK_EVENTS = {
  'session.new_device': {
    when: 'A user opened a session with a browser that they had not used before, or not for 90 days. Their first sign-in is no such event.',
    data: z.object({
      sub,
      tid,
      sid,
      device: z.string().meta({ description: 'e.g. Firefox on Windows' }),
      ...personal,
      email: z.string().optional().meta({ description: 'the user’s email address, as it was before this sign-in; switch `names`' }),
    }),
  },
  'user.signed_out_everywhere': { when: 'A user signed out on every device.', data: z.object({ ...revocation, sub }) },
  'user.reported_sign_in': {
    when: 'A user reported a session or a sign-in that was not theirs (“This wasn’t me”).',
    data: z.object({ sub, tid, sid: sid.optional(), seq: seq.optional(), ...personal }),
  },
  'revocation.by_operator': { when: 'An operator, an administrator or a client of the admin API revoked something.', data: z.object(revocation) },
  'revocation.theft': {
    when: 'A refresh token or an authorization code was used a second time, as a thief would. The session or the grant was revoked.',
    data: z.object(revocation),
  },
  'revocation.wide': { when: 'All sessions of a client, of a tenant, or of every user were revoked.', data: z.object(revocation) },
  'lock.placed': {
    when: 'A user, tenant or client was locked.',
    data: z.object({ selector: selectorSchema, until: until.optional(), ...actor, ...words }),
  },
  'lock.lifted': { when: 'A lock was lifted.', data: z.object({ selector: selectorSchema, ...actor, ...words }) },
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
      setting: z.string().meta({ description: 'e.g. tenant.mfa_proof' }),
      tid: tid.optional(),
      value: z.string().optional().meta({ description: 'never a secret; switch `setting_values`' }),
    }),
  },
  'webhook.test': { when: 'An administrator asked for a test event.', data: z.object({}) },
} as const satisfies Record<WebhookType, { when: string; data: z.ZodObject }>

export type WebhookEvent = { [K in WebhookType]: { type: K; data: z.input<(typeof WEBHOOK_EVENTS)[K]['data']> } }[WebhookType]

const body = (type: WebhookType, { when, data }: { when: string; data: z.ZodObject }) =>
  z
    .object({
      type: z.literal(type),
      timestamp: z.iso.datetime().meta({ description: 'when it happened' }),
      endpoint_id: z.string().meta({ description: 'the endpoint that this message is for' }),
      position: z.int().min(1).meta({ description: 'counts the messages of this endpoint, without a gap' }),
      data,
    })
    .meta({ title: type, description: when })

/** The JSON Schema of the signed body: docs/webhooks.schema.json. */
export const webhookJsonSchema = (): object =>
  z.toJSONSchema(z.discriminatedUnion('type', WEBHOOK_TYPES.map((type) => body(type, WEBHOOK_EVENTS[type])) as [ReturnType<typeof body>]), {
    target: 'draft-2020-12',
    io: 'input',
  })

/** What one endpoint may read of an event. */
export function dataFor({ data }: WebhookEvent, include: readonly WebhookSwitch[]): Record<string, unknown> {
  const hidden = new Set<string>(WEBHOOK_SWITCHES.filter((one) => !include.includes(one)).flatMap((one) => SWITCHES[one]))
  return Object.fromEntries(Object.entries(data).filter(([name, value]) => !hidden.has(name) && value !== undefined))
}
