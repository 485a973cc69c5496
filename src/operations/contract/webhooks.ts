import { z } from 'zod'
import type { WebhookEndpoint } from '../../../db/types.ts'
import { webAddress } from '../../clients/metadata-fields.ts'
import { Problem } from '../../audit/problem.ts'
import { newWebhookSecret, secretPlace } from '../../outbox/webhook-message.ts'
import { changes } from '../../protocol/changes.ts'
import { text } from '../../protocol/described.ts'
import { storedText } from '../../protocol/stored-text.ts'
import { WEBHOOK_SWITCHES, WEBHOOK_TYPES } from '../../protocol/webhook-types.ts'
import { newId } from '../../runtime/ids.ts'
import { existing, noSuch } from '../acts/no-such.ts'
import type { Deps } from '../deps.ts'
import { caseAndComment, named } from './fields.ts'
import { ok, route } from './route.ts'
import { webhook } from './shapes.ts'
import { type Row, toWire } from './wire.ts'

/**
 * Webhook endpoints: their address, events and content. A secret is only in the answer that created
 * it.
 */

const events = z.array(z.enum(WEBHOOK_TYPES)).min(1).max(WEBHOOK_TYPES.length)
const include = z.array(z.enum(WEBHOOK_SWITCHES)).max(WEBHOOK_SWITCHES.length)
const words = storedText().trim().min(1).max(200)
const { state } = webhook.shape
const withSecret = webhook.extend({ secret: text }).meta({ id: 'WebhookWithSecret' })
const settings = webhook.pick({
  url: true,
  description: true,
  events: true,
  include: true,
  state: true,
  cause: true,
})
const settingsShown = (row: Row<z.output<typeof settings>>) => toWire(settings, row)

const withoutSecrets = (endpoint: WebhookEndpoint) => ({
  ...endpoint,
  formerSecretUntil: endpoint.former?.until,
})

/** Returns an endpoint. @throws Problem 404 */
const known = async ({ store }: Deps, id: string): Promise<WebhookEndpoint> =>
  existing('webhook', await store.findWebhook(id))

/** Changes an endpoint. @throws Problem 404 */
const put = async (
  { store, clock }: Deps,
  id: string,
  change: Parameters<Deps['store']['changeWebhook']>[0]['change'],
): Promise<WebhookEndpoint> =>
  existing('webhook', await store.changeWebhook({ id, change, now: clock.now() }))

const EXAMPLE = 'https://siem.example/broker'
const url = webAddress(EXAMPLE, true)

/** Checks that the broker may call the address. @throws Problem 422 */
function mayCall({ config }: Pick<Deps, 'config'>, address: string | undefined): void {
  const { error } = webAddress(EXAMPLE, config.allowLoopbackTargets).optional().safeParse(address)
  const [issue] = error?.issues ?? []
  if (issue === undefined) return
  const problem = `url: ${issue.message}`
  throw new Problem(422, 'The request has a problem', problem, [problem])
}

const change = z.strictObject({
  url,
  description: words.nullable(),
  events,
  include,
  state,
  cause: words.nullable(),
})

export const webhookRoutes = [
  route(
    'GET /webhooks',
    {
      id: 'listWebhooks',
      answers: z.object({ webhooks: z.array(webhook) }),
    },
    async ({ deps }) => ({ webhooks: (await deps.store.listWebhooks()).map(withoutSecrets) }),
  ),
  route(
    'GET /webhooks/:id',
    {
      id: 'readWebhook',
      params: named,
      answers: webhook,
    },
    async ({ deps, params }) => withoutSecrets(await known(deps, params.id)),
  ),
  route(
    'POST /webhooks',
    {
      id: 'addWebhook',
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
    ({ deps, now, record, body }) => {
      const { caseReference: _, comment: __, ...wanted } = body
      mayCall(deps, wanted.url)
      const id = `wh_${newId(deps.random)}`
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
        return { ...withoutSecrets(endpoint), secret }
      })
    },
  ),
  route(
    'PATCH /webhooks/:id',
    {
      id: 'changeWebhook',
      audit: 'webhook.change',
      params: named,
      body: z
        .strictObject({ ...change.partial().shape, ...caseAndComment })
        .meta({ id: 'WebhookChange' }),
      type: 'application/merge-patch+json',
      answers: webhook,
      rejects: [422],
    },
    async ({ deps, record, params: { id }, body }) => {
      const { caseReference: _, comment: __, ...wanted } = body
      mayCall(deps, wanted.url)
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
        return withoutSecrets(endpoint)
      })
    },
  ),
  route(
    'DELETE /webhooks/:id',
    {
      id: 'removeWebhook',
      audit: 'webhook.remove',
      params: named,
      query: z.strictObject(caseAndComment),
      answers: z.object({ id: text, removed: z.literal(true) }),
    },
    async ({ deps, record, params: { id } }) =>
      record(`webhook ${id}`, settingsShown(await known(deps, id)), async () => {
        if (!(await deps.store.removeWebhook(id))) throw noSuch('webhook')
        await deps.store.closeDeliveries({
          targetId: id,
          reason: 'The webhook endpoint was removed.',
        })
        return { id }
      }),
  ),
  route(
    'POST /webhooks/:id/secrets',
    {
      id: 'rotateWebhookSecret',
      audit: 'webhook.rotate_secret',
      params: named,
      body: z.strictObject({
        overlap_seconds: z
          .int()
          .min(0)
          .max(30 * 86_400)
          .default(86_400),
        ...caseAndComment,
      }),
      answers: { 201: ok('The new secret.', withSecret) },
    },
    async ({ deps, now, record, params: { id }, body: { overlapSeconds } }) => {
      const { secretSealed: sealed } = await known(deps, id)
      return record(`webhook ${id}`, { overlap_seconds: overlapSeconds }, async () => {
        const secret = newWebhookSecret(deps.random)
        const endpoint = await put(deps, id, {
          secretSealed: deps.sealer.seal(secretPlace(id), secret),
          former: overlapSeconds === 0 ? undefined : { sealed, until: now + overlapSeconds },
        })
        return { ...withoutSecrets(endpoint), secret }
      })
    },
  ),
  route(
    'POST /webhooks/:id/test',
    {
      id: 'testWebhook',
      audit: 'webhook.test',
      params: named,
      answers: {
        202: ok('Its delivery, which shows how it went.', z.object({ delivery_id: text })),
      },
      rejects: [409],
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
