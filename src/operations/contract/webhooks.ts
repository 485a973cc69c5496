import { z } from 'zod'
import { webAddress } from '../../clients/metadata-fields.ts'
import { text } from '../../protocol/described.ts'
import { storedText } from '../../protocol/stored-text.ts'
import { WEBHOOK_SWITCHES, WEBHOOK_TYPES } from '../../protocol/webhook-types.ts'
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
import { caseAndComment, named } from './fields.ts'
import { webhook } from './shapes.ts'
import type { Deps } from '../deps.ts'
import { ok, route } from './route.ts'

/**
 * Webhook endpoints: their address, events and content. A secret is only in the answer that created
 * it.
 */

const events = z.array(z.enum(WEBHOOK_TYPES)).min(1).max(WEBHOOK_TYPES.length)
const include = z.array(z.enum(WEBHOOK_SWITCHES)).max(WEBHOOK_SWITCHES.length)
const words = storedText().trim().min(1).max(200)
const { state } = webhook.shape
const withSecret = webhook
  .extend({ secret: text.meta({ description: 'in this answer only' }) })
  .meta({ id: 'WebhookWithSecret' })

export const webhookRoutes = ({ config }: Pick<Deps, 'config'>) => {
  const url = webAddress('https://siem.example/broker', config.allowLoopbackTargets)
  return [...STATIC, adding(url), changing(url)]
}

const adding = (url: ReturnType<typeof webAddress>) =>
  route(
    'POST /webhooks',
    {
      id: 'addWebhook',
      summary: 'Adds a webhook endpoint; its secret is in this answer only',
      body: z
        .strictObject({
          url,
          description: words.optional(),
          events,
          include: include.default([]),
          state: state.default('enabled'),
          ...caseAndComment,
        })
        .meta({ id: 'NewWebhook' }),
      answers: { 201: ok('Added.', withSecret) },
      rejects: [409, 422],
    },
    ({ deps, caller, body: { caseReference, comment, ...wanted } }) =>
      addWebhook(deps, caller, wanted, { caseReference, comment }),
  )

const changing = (url: ReturnType<typeof webAddress>) => {
  const change = {
    url,
    description: words.nullable(),
    events,
    include,
    state,
    cause: words.nullable(),
  }
  return route(
    'PATCH /webhooks/:id',
    {
      id: 'changeWebhook',
      summary: 'Changes the given fields; disabling closes pending deliveries',
      params: named,
      body: z
        .strictObject({ ...z.strictObject(change).partial().shape, ...caseAndComment })
        .meta({ id: 'WebhookChange' }),
      type: 'application/merge-patch+json',
      answers: { 200: ok('As it is now.', webhook) },
      rejects: [404, 422],
    },
    ({ deps, caller, params, body: { caseReference, comment, ...wanted } }) => {
      const changed = Object.fromEntries(
        Object.entries(wanted).map(([name, value]) => [name, value ?? undefined]),
      )
      return changeWebhook(deps, caller, params.id, { change: changed, caseReference, comment })
    },
  )
}

const STATIC = [
  route(
    'GET /webhooks',
    {
      id: 'listWebhooks',
      summary: 'Lists webhook endpoints',
      answers: { 200: ok('All of them.', z.object({ webhooks: z.array(webhook) })) },
    },
    async ({ deps }) => ({ webhooks: (await deps.store.listWebhooks()).map(webhookShown) }),
  ),
  route(
    'GET /webhooks/:id',
    {
      id: 'readWebhook',
      summary: 'Shows one webhook endpoint',
      params: named,
      answers: { 200: ok('The endpoint.', webhook) },
      rejects: [404],
    },
    async ({ deps, params }) => webhookShown(await knownWebhook(deps, params.id)),
  ),
  route(
    'DELETE /webhooks/:id',
    {
      id: 'removeWebhook',
      summary: 'Removes a webhook endpoint and closes its pending deliveries',
      params: named,
      query: z.strictObject(caseAndComment),
      answers: { 200: ok('Removed.', z.object({ id: text, removed: z.literal(true) })) },
      rejects: [404],
    },
    ({ deps, caller, params, query }) => removeWebhook(deps, caller, params.id, query),
  ),
  route(
    'POST /webhooks/:id/secrets',
    {
      id: 'rotateWebhookSecret',
      summary:
        'Adds a secret, which is in this answer only; both secrets sign until the overlap ends',
      params: named,
      body: z.strictObject({
        overlap_seconds: z
          .int()
          .min(0)
          .max(30 * 86_400)
          .default(OVERLAP_SECONDS)
          .meta({ description: 'how long the secret before signs too' }),
        ...caseAndComment,
      }),
      answers: { 201: ok('The new secret.', withSecret) },
      rejects: [404],
    },
    ({ deps, caller, params, body }) => rotateWebhookSecret(deps, caller, params.id, body),
  ),
  route(
    'POST /webhooks/:id/test',
    {
      id: 'testWebhook',
      summary: 'Sends a test event to a webhook endpoint',
      params: named,
      answers: {
        202: ok('Its delivery, which shows how it went.', z.object({ delivery_id: text })),
      },
      rejects: [404, 409],
    },
    ({ deps, caller, params }) => testWebhook(deps, caller, params.id),
  ),
]
