import { Hono } from 'hono'
import { z } from 'zod'
import {
  addWebhook,
  changeWebhook,
  knownWebhook,
  OVERLAP_SECONDS,
  removeWebhook,
  rotateWebhookSecret,
  testWebhook,
  webhookShown,
} from '../acts/webhooks.ts'
import { webAddress } from '../../clients/metadata-fields.ts'
import type { Deps } from '../deps.ts'
import { seconds } from '../../protocol/described.ts'
import { WEBHOOK_SWITCHES, WEBHOOK_TYPES } from '../../protocol/webhook-types.ts'
import type { AdminEnv } from './caller.ts'
import { named, ok, route, said, shape } from './route.ts'
import { storedText } from '../../protocol/stored-text.ts'

/** Webhook endpoints: where the broker sends events, which, and with what in them. A secret is in exactly one answer, the one that made it. */

const events = z.array(z.enum(WEBHOOK_TYPES)).min(1).max(WEBHOOK_TYPES.length)
const include = z.array(z.enum(WEBHOOK_SWITCHES)).max(WEBHOOK_SWITCHES.length)
const words = storedText().trim().min(1).max(200)
const state = z.enum(['enabled', 'disabled'])
const webhook = shape('Webhook', {
  id: z.string(),
  url: z.string(),
  description: z.string().nullable(),
  events: z.array(z.string()),
  include: z.array(z.string()).meta({ description: 'personal data that its events hold' }),
  state,
  cause: z.string().nullable().meta({ description: 'why it is disabled' }),
  position: z.int().meta({ description: 'of the latest message' }),
  former_secret_until: seconds.nullable().meta({ description: 'until then the secret before signs too' }),
  created_at: seconds,
  updated_at: seconds,
})
const withSecret = webhook.extend({ secret: z.string().meta({ description: 'in this answer only' }) }).meta({ id: 'WebhookWithSecret' })
const reading = { may: 'operate' } as const
const changing = { may: 'administer', params: named, rejects: [404, 409] } as const

/** What the audit log gets of a body. */
const saidOf = ({ case_reference: caseReference, comment }: { case_reference?: string | undefined; comment?: string | undefined }) => ({
  caseReference,
  comment,
})

export function webhookRoutes(deps: Deps): Hono<AdminEnv> {
  const routes = new Hono<AdminEnv>()
  readRoutes(deps, routes)
  changeRoutes(deps, routes)
  secretRoutes(deps, routes)
  return routes
}

function readRoutes(deps: Deps, routes: Hono<AdminEnv>): void {
  const list = {
    id: 'listWebhooks',
    summary: 'Lists webhook endpoints',
    ...reading,
    answers: { 200: ok('All of them.', z.object({ webhooks: z.array(webhook) })) },
  }
  route(routes, 'get', '/webhooks', list, async (_, c) => c.json({ webhooks: (await deps.store.listWebhooks()).map(webhookShown) }))
  const read = {
    id: 'readWebhook',
    summary: 'Shows one webhook endpoint',
    ...reading,
    params: named,
    answers: { 200: ok('The endpoint.', webhook) },
    rejects: [404] as const,
  }
  route(routes, 'get', '/webhooks/:id', read, async ({ params }, c) => c.json(webhookShown(await knownWebhook(deps, params.id))))
}

function changeRoutes(deps: Deps, routes: Hono<AdminEnv>): void {
  const url = webAddress('https://siem.example/broker', deps.config.allowLoopbackTargets)
  const settings = { url, description: words.optional(), events, include: include.default([]), state: state.default('enabled') }
  const adding = {
    id: 'addWebhook',
    summary: 'Adds a webhook endpoint; its secret is in this answer only',
    may: 'administer' as const,
    body: z.strictObject({ ...settings, ...said }).meta({ id: 'NewWebhook' }),
    answers: { 201: ok('Added.', withSecret) },
    rejects: [409, 422] as const,
  }
  route(routes, 'post', '/webhooks', adding, async ({ caller, body: { case_reference, comment, ...wanted } }, c) =>
    c.json(await addWebhook(deps, caller, wanted, saidOf({ case_reference, comment })), 201),
  )
  const change = { url, description: words.nullable(), events, include, state, cause: words.nullable() }
  const patching = {
    id: 'changeWebhook',
    summary: 'Changes the given fields; disabling closes pending deliveries',
    ...changing,
    body: z.strictObject({ ...z.strictObject(change).partial().shape, ...said }).meta({ id: 'WebhookChange' }),
    type: 'application/merge-patch+json' as const,
    answers: { 200: ok('As it is now.', webhook) },
    rejects: [404, 422] as const,
  }
  route(routes, 'patch', '/webhooks/:id', patching, async ({ caller, params, body: { case_reference, comment, ...wanted } }, c) => {
    const changed = Object.fromEntries(Object.entries(wanted).map(([name, value]) => [name, value ?? undefined]))
    return c.json(await changeWebhook(deps, caller, params.id, { change: changed, ...saidOf({ case_reference, comment }) }))
  })
  const removing = {
    id: 'removeWebhook',
    summary: 'Removes a webhook endpoint and closes its pending deliveries',
    ...changing,
    query: z.strictObject(said),
    answers: { 200: ok('Removed.', z.object({ id: z.string(), removed: z.literal(true) })) },
    rejects: [404] as const,
  }
  route(routes, 'delete', '/webhooks/:id', removing, async ({ caller, params, query }, c) =>
    c.json(await removeWebhook(deps, caller, params.id, saidOf(query))),
  )
}

function secretRoutes(deps: Deps, routes: Hono<AdminEnv>): void {
  const overlap = z
    .int()
    .min(0)
    .max(30 * 86_400)
    .default(OVERLAP_SECONDS)
    .meta({ description: 'how long the secret before signs too' })
  const rotating = {
    id: 'rotateWebhookSecret',
    summary: 'Adds a secret, which is in this answer only; both secrets sign until the overlap ends',
    ...changing,
    body: z.strictObject({ overlap_seconds: overlap, ...said }),
    answers: { 201: ok('The new secret.', withSecret) },
    rejects: [404] as const,
  }
  route(routes, 'post', '/webhooks/:id/secrets', rotating, async ({ caller, params, body: { overlap_seconds: overlapSeconds, ...rest } }, c) =>
    c.json(await rotateWebhookSecret(deps, caller, params.id, { overlapSeconds, ...saidOf(rest) }), 201),
  )
  const testing = {
    id: 'testWebhook',
    summary: 'Sends a test event to a webhook endpoint',
    ...changing,
    answers: { 202: ok('Its delivery, which shows how it went.', z.object({ delivery_id: z.string() })) },
  }
  route(routes, 'post', '/webhooks/:id/test', testing, async ({ caller, params }, c) => c.json(await testWebhook(deps, caller, params.id), 202))
}
