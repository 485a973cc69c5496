import type { WebhookEndpoint } from '../../../db/types.ts'
import { webhook } from '../contract/shapes.ts'
import { shown } from '../contract/wire.ts'
import type { Deps } from '../deps.ts'
import { changes } from '../../protocol/changes.ts'
import { newId } from '../../runtime/ids.ts'
import type { WebhookSwitch, WebhookType } from '../../protocol/webhook-types.ts'
import { newWebhookSecret, secretPlace } from '../../outbox/webhook-message.ts'
import type { Caller } from '../../clients/caller.ts'
import { Problem } from '../../clients/problem.ts'
import { withAudit } from '../../clients/with-audit.ts'

/**
 * An administrator's acts on webhook endpoints, each recorded in the audit log. A secret is only in
 * the answer of the act that created it.
 */

/** Default seconds for which a replaced secret still signs beside the new one. */
export const OVERLAP_SECONDS = 86_400

interface WebhookSettings {
  url: string
  description?: string | undefined
  events: WebhookType[]
  include: WebhookSwitch[]
  state: 'enabled' | 'disabled'
  /** The reason for which the endpoint is disabled. */
  cause?: string | undefined
}

/** Case reference and comment of an act, for the audit log. */
export interface CaseAndComment {
  caseReference?: string | undefined
  comment?: string | undefined
}

/** Returns an endpoint for administrators, without its secrets. */
export const webhookShown = (one: WebhookEndpoint) =>
  shown(webhook, { ...one, formerSecretUntil: one.former?.until })

const settings = webhook.pick({
  url: true,
  description: true,
  events: true,
  include: true,
  state: true,
  cause: true,
})
const settingsShown = (one: WebhookSettings) => shown(settings, one)

const noSuchWebhook = (): Problem =>
  new Problem(
    404,
    'No such webhook',
    'There is no webhook endpoint of that id; GET /admin/v1/webhooks (cmb webhooks list) lists them.',
  )

/** Returns an endpoint. @throws Problem 404 */
export async function knownWebhook(
  { store }: Pick<Deps, 'store'>,
  id: string,
): Promise<WebhookEndpoint> {
  const endpoint = await store.findWebhook(id)
  if (endpoint === undefined) throw noSuchWebhook()
  return endpoint
}

/** Registers an endpoint. The answer shows its new secret, once. */
export async function addWebhook(
  deps: Deps,
  caller: Caller,
  wanted: WebhookSettings,
  caseAndComment: CaseAndComment,
) {
  const now = deps.clock.now()
  const id = `wh_${newId(deps.random)}`
  const secret = newWebhookSecret(deps.random)
  const endpoint: WebhookEndpoint = {
    ...wanted,
    id,
    secretSealed: deps.sealer.seal(secretPlace(id), secret),
    position: 0,
    createdAt: now,
    updatedAt: now,
  }
  const about = {
    act: 'webhook.add',
    target: `webhook ${id}`,
    details: settingsShown(wanted),
    ...caseAndComment,
  }
  return withAudit(deps, caller, about, async () => {
    if (!(await deps.store.addWebhook(endpoint)))
      throw new Problem(
        409,
        'Too many webhooks',
        'There are 20 webhook endpoints, which is the most. Remove one first.',
      )
    changed(deps, caller, id, 'added')
    return { ...webhookShown(endpoint), secret }
  })
}

/** Changes an endpoint. Disabling it closes its pending deliveries. */
export async function changeWebhook(
  deps: Deps,
  caller: Caller,
  id: string,
  { change, ...caseAndComment }: CaseAndComment & { change: Partial<WebhookSettings> },
) {
  const before = await knownWebhook(deps, id)
  const after = { ...before, ...change }
  const details = { changed: changes(settingsShown(before), settingsShown(after)) }
  return withAudit(
    deps,
    caller,
    { act: 'webhook.change', target: `webhook ${id}`, details, ...caseAndComment },
    async () => {
      const endpoint = await deps.store.changeWebhook({ id, change, now: deps.clock.now() })
      if (endpoint === undefined) throw noSuchWebhook()
      if (endpoint.state === 'disabled')
        await deps.store.closeDeliveries({
          targetId: id,
          reason: 'The webhook endpoint was disabled.',
        })
      changed(deps, caller, id, 'changed')
      return webhookShown(endpoint)
    },
  )
}

export async function rotateWebhookSecret(
  deps: Deps,
  caller: Caller,
  id: string,
  { overlapSeconds, ...caseAndComment }: CaseAndComment & { overlapSeconds: number },
) {
  const { secretSealed } = await knownWebhook(deps, id)
  const details = { overlap_seconds: overlapSeconds }
  return withAudit(
    deps,
    caller,
    { act: 'webhook.rotate_secret', target: `webhook ${id}`, details, ...caseAndComment },
    async () => {
      const now = deps.clock.now()
      const secret = newWebhookSecret(deps.random)
      const former =
        overlapSeconds === 0 ? undefined : { sealed: secretSealed, until: now + overlapSeconds }
      const change = { secretSealed: deps.sealer.seal(secretPlace(id), secret), former }
      const endpoint = await deps.store.changeWebhook({ id, change, now })
      if (endpoint === undefined) throw noSuchWebhook()
      changed(deps, caller, id, 'secret_rotated')
      return { ...webhookShown(endpoint), secret }
    },
  )
}

/** Removes an endpoint and closes its pending deliveries. */
export async function removeWebhook(
  deps: Deps,
  caller: Caller,
  id: string,
  caseAndComment: CaseAndComment,
) {
  const details = settingsShown(await knownWebhook(deps, id))
  return withAudit(
    deps,
    caller,
    { act: 'webhook.remove', target: `webhook ${id}`, details, ...caseAndComment },
    async () => {
      if (!(await deps.store.removeWebhook(id))) throw noSuchWebhook()
      await deps.store.closeDeliveries({
        targetId: id,
        reason: 'The webhook endpoint was removed.',
      })
      changed(deps, caller, id, 'removed')
      return { id }
    },
  )
}

/**
 * Sends a test event to one endpoint, whatever its events are.
 * @returns the delivery, which shows the outcome
 */
export async function testWebhook(deps: Deps, caller: Caller, id: string) {
  const { state } = await knownWebhook(deps, id)
  return withAudit(deps, caller, { act: 'webhook.test', target: `webhook ${id}` }, async () => {
    const ref = await deps.store.testWebhook(id)
    if (ref === undefined)
      throw new Problem(
        409,
        'The webhook is disabled',
        `${id} is ${state}. Enable it first: cmb webhooks change ${id} --enable`,
      )
    deps.queue.send([ref])
    return { delivery_id: ref.id }
  })
}

function changed({ log }: Pick<Deps, 'log'>, { actor }: Caller, id: string, how: string): void {
  log.info('webhook_changed', { webhook: id, how, actorKind: actor.kind, actor: actor.id })
}
