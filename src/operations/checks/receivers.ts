import { secretPlace } from '../../outbox/webhook-message.ts'
import type { Check, CheckContext } from './check.ts'
import { failed, type Found, ok } from './finding.ts'
import { REMEDY } from './texts/fixes.ts'
import { FOUND } from './texts/found.ts'

/** Checks of webhooks and streams of security events: deliveries that fail, and why. */
export const receiverChecks: readonly Check[] = [
  {
    id: 'webhooks',
    cost: { everySeconds: 30 },
    severity: 'ticket',
    look: webhooks,
  },
  {
    id: 'streams',
    cost: { everySeconds: 30 },
    severity: 'ticket',
    look: streams,
  },
]

/**
 * Returns the number of failed and rejected deliveries by client id. The delivery alerts use the
 * same counts.
 */
async function lost({ deps }: CheckContext): Promise<Map<string, number>> {
  const counts = await deps.store.deliveryCounts()
  const undelivered = new Map<string, number>()
  for (const { clientId, state, count } of counts)
    if (state === 'failed' || state === 'rejected')
      undelivered.set(clientId, (undelivered.get(clientId) ?? 0) + count)
  return undelivered
}

async function webhooks(context: CheckContext): Promise<Found[]> {
  const { deps } = context
  const [endpoints, undelivered] = await Promise.all([deps.store.listWebhooks(), lost(context)])
  return endpoints.map(({ id, state, cause, secretSealed }): Found => {
    const about = `webhook ${id}`
    const count = undelivered.get(id) ?? 0
    if (deps.sealer.open(secretPlace(id), secretSealed) === undefined)
      return failed(FOUND.secret_not_opened, REMEDY.secret_not_opened(id), { about })
    if (count > 0)
      return failed(`${count} messages are failed or rejected.`, REMEDY.lost(id), {
        about,
        redrive: `target_id ${id}`,
      })
    return ok(
      state === 'enabled'
        ? 'Every message is delivered or pending.'
        : `It is disabled: ${cause ?? 'no cause was given'}.`,
      { about },
    )
  })
}

async function streams(context: CheckContext): Promise<Found[]> {
  const [known, undelivered] = await Promise.all([context.deps.store.listStreams(), lost(context)])
  return known.map(({ id, clientId, status, statusBy, statusReason }): Found => {
    const about = `stream ${id} of ${clientId}`
    const count = undelivered.get(id) ?? 0
    if (status === 'disabled' && statusBy === 'broker')
      return failed(
        `The broker disabled it: ${statusReason ?? 'no reason'}`,
        REMEDY.stream_disabled,
        { about },
      )
    if (count > 0)
      return failed(`${count} events are failed or rejected.`, REMEDY.lost(id), {
        about,
        redrive: `target_id ${id}`,
      })
    return ok(
      status === 'enabled'
        ? 'Every event is delivered or pending.'
        : statusBy === 'operator'
          ? `An administrator disabled it: ${statusReason ?? 'no reason'}`
          : `The receiver set its stream to ${status}.`,
      { about },
    )
  })
}
