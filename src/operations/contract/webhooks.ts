import { z } from 'zod'
import type { WebhookEndpoint } from '../../../db/types.ts'
import { by, type Caller } from '../../clients/caller.ts'
import { webAddress } from '../../clients/metadata-fields.ts'
import { Problem } from '../../clients/problem.ts'
import { newWebhookSecret, secretPlace } from '../../outbox/webhook-message.ts'
import { changes } from '../../protocol/changes.ts'
import { text } from '../../protocol/described.ts'
import { storedText } from '../../protocol/stored-text.ts'
import { WEBHOOK_SWITCHES, WEBHOOK_TYPES } from '../../protocol/webhook-types.ts'
import { newId } from '../../runtime/ids.ts'
import type { Deps } from '../deps.ts'
import { caseAndComment, named } from './fields.ts'
import { ok, route } from './route.ts'
import { webhook } from './shapes.ts'
import { type Row, shown } from './wire.ts'

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
const settings = webhook.pick({
  url: true,
  description: true,
  events: true,
  include: true,
  state: true,
  cause: true,
})
const settingsShown = (one: Row<z.output<typeof settings>>) => shown(settings, one)

const withoutSecrets = (one: WebhookEndpoint) => ({
  ...one,
  formerSecretUntil: one.former?.until,
})

const noSuchWebhook = (): Problem =>
  new Problem(
    404,
    'No such webhook',
    'There is no webhook endpoint of that id; GET /admin/v1/webhooks (cmb webhooks list) lists them.',
  )

/** Returns an endpoint. @throws Problem 404 */
async function known({ store }: Deps, id: string): Promise<WebhookEndpoint> {
  const endpoint = await store.findWebhook(id)
  if (endpoint === undefined) throw noSuchWebhook()
  return endpoint
}

/** Changes an endpoint. @throws Problem 404 */
async function put(
  deps: Deps,
  id: string,
  change: Parameters<Deps['store']['changeWebhook']>[0]['change'],
): Promise<WebhookEndpoint> {
  const endpoint = await deps.store.changeWebhook({ id, change, now: deps.clock.now() })
  if (endpoint === undefined) throw noSuchWebhook()
  return endpoint
}

const changed = ({ log }: Deps, caller: Caller, id: string, how: string): void =>
  log.info('webhook_changed', { webhook: id, how, ...by(caller) })

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
      audit: 'webhook.add',
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
    ({ deps, caller, now, record, body }) => {
      const id = `wh_${newId(deps.random)}`
      const { url: to, description, events: types, include: fields, state: at } = body
      const wanted = { url: to, description, events: types, include: fields, state: at }
      return record(`webhook ${id}`, settingsShown(wanted), async () => {
        const secret = newWebhookSecret(deps.random)
        const secretSealed = deps.sealer.seal(secretPlace(id), secret)
        const times = { createdAt: now, updatedAt: now }
        const endpoint = { ...wanted, id, secretSealed, position: 0, ...times }
        if (!(await deps.store.addWebhook(endpoint)))
          throw new Problem(
            409,
            'Too many webhooks',
            'There are 20 webhook endpoints, which is the most. Remove one first.',
          )
        changed(deps, caller, id, 'added')
        return { ...withoutSecrets(endpoint), secret }
      })
    },
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
      audit: 'webhook.change',
      params: named,
      body: z
        .strictObject({ ...z.strictObject(change).partial().shape, ...caseAndComment })
        .meta({ id: 'WebhookChange' }),
      type: 'application/merge-patch+json',
      answers: { 200: ok('As it is now.', webhook) },
      rejects: [404, 422],
    },
    async ({ deps, caller, record, params: { id }, body }) => {
      const { caseReference: _, comment: __, ...wanted } = body
      const given = Object.entries(wanted).map(([name, value]) => [name, value ?? undefined])
      const before = await known(deps, id)
      const after = { ...before, ...(Object.fromEntries(given) as Partial<WebhookEndpoint>) }
      const details = { changed: changes(settingsShown(before), settingsShown(after)) }
      return record(`webhook ${id}`, details, async () => {
        const endpoint = await put(deps, id, Object.fromEntries(given))
        if (endpoint.state === 'disabled')
          await deps.store.closeDeliveries({
            targetId: id,
            reason: 'The webhook endpoint was disabled.',
          })
        changed(deps, caller, id, 'changed')
        return withoutSecrets(endpoint)
      })
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
    async ({ deps }) => ({ webhooks: (await deps.store.listWebhooks()).map(withoutSecrets) }),
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
    async ({ deps, params }) => withoutSecrets(await known(deps, params.id)),
  ),
  route(
    'DELETE /webhooks/:id',
    {
      id: 'removeWebhook',
      summary: 'Removes a webhook endpoint and closes its pending deliveries',
      audit: 'webhook.remove',
      params: named,
      query: z.strictObject(caseAndComment),
      answers: { 200: ok('Removed.', z.object({ id: text, removed: z.literal(true) })) },
      rejects: [404],
    },
    async ({ deps, caller, record, params: { id } }) =>
      record(`webhook ${id}`, settingsShown(await known(deps, id)), async () => {
        if (!(await deps.store.removeWebhook(id))) throw noSuchWebhook()
        await deps.store.closeDeliveries({
          targetId: id,
          reason: 'The webhook endpoint was removed.',
        })
        changed(deps, caller, id, 'removed')
        return { id }
      }),
  ),
  route(
    'POST /webhooks/:id/secrets',
    {
      id: 'rotateWebhookSecret',
      summary:
        'Adds a secret, which is in this answer only; both secrets sign until the overlap ends',
      audit: 'webhook.rotate_secret',
      params: named,
      body: z.strictObject({
        overlap_seconds: z
          .int()
          .min(0)
          .max(30 * 86_400)
          .default(86_400)
          .meta({ description: 'how long the secret before signs too' }),
        ...caseAndComment,
      }),
      answers: { 201: ok('The new secret.', withSecret) },
      rejects: [404],
    },
    async ({ deps, caller, now, record, params: { id }, body: { overlapSeconds } }) => {
      const { secretSealed: sealed } = await known(deps, id)
      return record(`webhook ${id}`, { overlap_seconds: overlapSeconds }, async () => {
        const secret = newWebhookSecret(deps.random)
        const endpoint = await put(deps, id, {
          secretSealed: deps.sealer.seal(secretPlace(id), secret),
          former: overlapSeconds === 0 ? undefined : { sealed, until: now + overlapSeconds },
        })
        changed(deps, caller, id, 'secret_rotated')
        return { ...withoutSecrets(endpoint), secret }
      })
    },
  ),
  route(
    'POST /webhooks/:id/test',
    {
      id: 'testWebhook',
      summary: 'Sends a test event to a webhook endpoint',
      audit: 'webhook.test',
      params: named,
      answers: {
        202: ok('Its delivery, which shows how it went.', z.object({ delivery_id: text })),
      },
      rejects: [404, 409],
    },
    async ({ deps, record, params: { id } }) => {
      await known(deps, id)
      return record(`webhook ${id}`, undefined, async () => {
        const ref = await deps.store.testWebhook(id)
        if (ref === undefined)
          throw new Problem(
            409,
            'The webhook is disabled',
            `${id} is disabled. Enable it first: cmb webhooks change ${id} --enable`,
          )
        deps.queue.send([ref])
        return { deliveryId: ref.id }
      })
    },
  ),
]
