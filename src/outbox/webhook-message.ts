import { createHmac } from 'node:crypto'
import type { WebhookEndpoint } from '../../db/types.ts'
import type { Deps } from './deps.ts'
import { type MessageKind, classifyResponse, type Verdict } from './attempt.ts'

/**
 * Webhooks as a kind of message, signed by Standard Webhooks 1.0. The body is stored when it is
 * committed, so every attempt sends the same bytes with the same id.
 */

const PREFIX = 'whsec_'

/** Returns the place for which an endpoint's secret is sealed. */
export const secretPlace = (endpointId: string): string =>
  `webhook_endpoints/${endpointId}/secret_sealed`

type Needs = Pick<Deps, 'store' | 'sealer' | 'webhookOutbound'>

export const webhooks = (deps: Needs): MessageKind => ({
  async mint({ id, targetId, payload: body }, now) {
    const endpoint = await deps.store.findWebhook(targetId)
    if (endpoint?.state !== 'enabled') return { rejected: 'the endpoint is disabled or removed' }
    if (body === undefined) return { rejected: 'its content was erased' }
    const secrets = secretsOf(deps, endpoint, now)
    if (secrets.length === 0)
      return {
        rejected:
          'its secret is sealed under a BROKER_SECRET that is not set; rotate the secret of the endpoint',
      }
    const signatures = secrets.map((secret) => `v1,${signature(secret, `${id}.${now}.${body}`)}`)
    return {
      headers: {
        'content-type': 'application/json',
        'user-agent': 'case-manager-broker',
        'webhook-id': id,
        'webhook-timestamp': String(now),
        'webhook-signature': signatures.join(' '),
      },
      body,
      jti: id,
    }
  },
  outbound: deps.webhookOutbound,
  // Only the status of the answer is read.
  maxBytes: 0,
  classify: (answer, now): Verdict =>
    answer.status === 410
      ? {
          outcome: 'rejected',
          code: 'HTTP 410',
          error: 'HTTP 410: the receiver wants no more messages',
        }
      : classifyResponse({ ...answer, body: '' }, now),
})

/**
 * Returns the current secret, and the former one during its grace period, while receivers may still
 * know only that.
 */
function secretsOf(
  { sealer }: Needs,
  { id, secretSealed, former }: WebhookEndpoint,
  now: number,
): Buffer[] {
  const sealed =
    former !== undefined && former.until > now ? [secretSealed, former.sealed] : [secretSealed]
  return sealed.flatMap((text) => sealer.open(secretPlace(id), text) ?? [])
}

const signature = (secret: Buffer, signed: string): string =>
  createHmac('sha256', Buffer.from(secret.toString('utf8').slice(PREFIX.length), 'base64'))
    .update(signed)
    .digest('base64')

/** Generates a secret of 32 random bytes, in the form in which the receiver configures it. */
export const newWebhookSecret = (random: Deps['random']): string =>
  `${PREFIX}${random(32).toString('base64')}`
