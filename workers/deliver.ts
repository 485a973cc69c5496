import { LEASE_MS } from '../db/engine/lease.ts'
import type { Delivery, DeliveryAttempt, DeliveryRef } from '../db/types.ts'
import type { Deps } from './deps.ts'
import {
  failureOf,
  type MessageKind,
  type Minted,
  retryDelayMs,
  uniform,
  type Verdict,
} from '../src/outbox/attempt.ts'
import type { AttemptKind } from '../src/outbox/lane.ts'
import type { AttemptResult } from '../src/outbox/lanes.ts'
import type { MessageKinds } from '../src/outbox/message-kinds.ts'
import { parseTraceparent } from '../src/runtime/request-context.ts'
import { tracedAttempt } from '../src/runtime/telemetry.ts'

/**
 * Makes one attempt at one delivery: leases the row, mints and posts the message, and records the
 * outcome. Run twice, it does nothing the second time. If the process is killed between the POST
 * and the record, the attempt is repeated, and the receiver gets a logout token with a new id.
 */

type DeliverDeps = Pick<
  Deps,
  'clock' | 'random' | 'log' | 'metrics' | 'store' | 'queue' | 'feed' | 'outbound'
> & {
  /** Aborted when the process ends. The running attempt is then returned to the store. */
  ending?: AbortSignal | undefined
}

/**
 * The time for a receiver's answer. It is shorter for a probe of a target that was down, so that
 * the next probe is not late.
 */
const TIMEOUT_MS = 5_000
const PROBE_TIMEOUT_MS = 2_000
const MAX_ANSWER_BYTES = 4_096

interface Sending {
  kind: MessageKind
  attempt: number
  delivery: Delivery
  minted: Minted
  how: AttemptKind
}

interface Attempted {
  delivery: Delivery
  attempt: DeliveryAttempt
  verdict: Verdict
}

/**
 * Attempts a delivery and records the outcome.
 * @param how unless it is `due`, the delivery need not be due, and a failure is not counted as an
 * attempt
 */
export async function deliver(
  deps: DeliverDeps,
  kinds: MessageKinds,
  ref: DeliveryRef,
  how: AttemptKind = 'due',
): Promise<AttemptResult> {
  const steadyMs = deps.clock.steadyMs()
  const lease = await deps.store.leaseDelivery({
    id: ref.id,
    attempt: ref.attempt,
    nowMs: steadyMs,
    untilMs: steadyMs + LEASE_MS.delivery,
    early: how !== 'due',
  })
  if (lease.outcome !== 'leased') return { outcome: 'passed' }
  const { delivery } = lease
  if (lease.endsNewer) return split(deps, delivery, ref)
  const kind = kinds[delivery.kind]
  const attempted = await attempt(deps, kind, delivery, ref, how)
  if (attempted === 'held') {
    await deps.store.holdDelivery({ id: ref.id, attempt: ref.attempt })
    return { outcome: 'passed' }
  }
  const { verdict } = attempted
  if (verdict.outcome !== 'retry') {
    await settle(deps, kind, attempted, verdict)
    tellJob(deps, attempted)
    return verdict.outcome === 'rejected'
      ? { outcome: 'rejected', failure: failing(delivery, verdict.code) }
      : { outcome: 'delivered' }
  }
  if (how === 'due' && deps.ending?.aborted !== true) await countFailure(deps, attempted, verdict)
  else await giveBack(deps, attempted, verdict)
  tellJob(deps, attempted)
  // A target that answers is not down, even if it rejects this message.
  if (verdict.answered === true) return { outcome: 'passed' }
  return {
    outcome: 'failed',
    retryAfterSeconds: verdict.retryAfterSeconds,
    failure: failing(delivery, verdict.error),
  }
}

/** Tells the job of the revocation, if one caused the delivery, about an attempt. */
function tellJob({ queue }: DeliverDeps, { delivery, attempt, verdict }: Attempted): void {
  if (delivery.seq === undefined) return
  const failure = 'error' in verdict ? verdict.error : undefined
  queue.changed(
    delivery.seq,
    failure && `${delivery.clientId}: attempt ${attempt.attempt}: ${failure}`,
  )
}

const failing = (delivery: Delivery, cause: string): AttemptResult['failure'] => ({
  client_id: delivery.clientId,
  address: addressOf(delivery),
  cause,
})

/**
 * Replaces a delivery by `sub`, which would end a session opened since, by one delivery for each
 * session to end.
 */
async function split(
  deps: DeliverDeps,
  delivery: Delivery,
  ref: DeliveryRef,
): Promise<AttemptResult> {
  const attempt: DeliveryAttempt = {
    attempt: ref.attempt,
    atMs: deps.clock.nowMs(),
    outcome: 'superseded',
    latencyMs: 0,
  }
  const refs = await deps.store.splitDelivery({ id: ref.id, attempt })
  deps.metrics.deliveries.inc({ client: delivery.clientId, outcome: 'superseded' })
  deps.queue.send(refs)
  return { outcome: 'passed' }
}

async function attempt(
  deps: DeliverDeps,
  kind: MessageKind,
  delivery: Delivery,
  ref: DeliveryRef,
  how: AttemptKind,
): Promise<Attempted | 'held'> {
  const atMs = deps.clock.nowMs()
  const minted = await kind.mint(delivery, deps.clock.now())
  if ('held' in minted) return 'held'
  const startedMs = deps.clock.steadyMs()
  const { status, verdict } =
    'rejected' in minted
      ? notSent(minted.rejected)
      : await send(deps, { kind, delivery, minted, how, attempt: ref.attempt })
  const latencyMs = deps.clock.steadyMs() - startedMs
  deps.metrics.deliverySeconds.observe({ client: delivery.clientId }, latencyMs / 1000)
  return {
    delivery,
    verdict,
    attempt: {
      attempt: ref.attempt,
      atMs,
      outcome: verdict.outcome,
      status,
      latencyMs,
      jti: 'rejected' in minted ? undefined : minted.jti,
      ...('error' in verdict ? { error: verdict.error } : {}),
    },
  }
}

interface Sent {
  status: number | undefined
  verdict: Verdict
}

const notSent = (error: string): Sent => ({
  status: undefined,
  verdict: { outcome: 'rejected', code: error, error },
})

const send = (deps: DeliverDeps, sending: Sending): Promise<Sent> => {
  const { delivery, attempt } = sending
  const attributes = {
    'broker.delivery': delivery.id,
    'broker.client_id': delivery.clientId,
    'broker.attempt': attempt,
  }
  return tracedAttempt(
    deps.random,
    { name: `deliver ${delivery.kind}`, traceparent: delivery.traceparent, attributes },
    (traceparent) => exchange(deps, sending, traceparent),
    ({ verdict }) => ('error' in verdict ? verdict.error : undefined),
  )
}

async function exchange(
  { clock, ending, outbound: toClients }: DeliverDeps,
  { kind, attempt, delivery, minted: { headers, body }, how }: Sending,
  traceparent: string,
): Promise<Sent> {
  const { outbound = toClients, maxBytes = MAX_ANSWER_BYTES } = kind
  // A receiver may log the last two headers, by which an operator finds the delivery.
  const correlation = { traceparent, 'x-request-id': `${delivery.id}.${attempt}` }
  try {
    const answer = await outbound.request(delivery.uri, {
      method: 'POST',
      headers: { ...headers, ...correlation },
      body,
      maxBytes,
      timeoutMs: how === 'probe' ? PROBE_TIMEOUT_MS : TIMEOUT_MS,
      signal: ending,
    })
    return { status: answer.status, verdict: kind.classify(answer, clock.now()) }
  } catch (error) {
    return {
      status: undefined,
      verdict: { outcome: 'retry', error: failureOf(error).text, retryAfterSeconds: undefined },
    }
  }
}

/**
 * Returns the target's address for logs. For a webhook or stream it is only the origin, because the
 * path may be a secret of the receiver.
 */
const addressOf = ({ kind, uri }: Delivery): string =>
  kind === 'webhook' || kind === 'set' ? new URL(uri).origin : uri

/** Returns the fields of log lines about a delivery. */
const fieldsOf = (delivery: Delivery) => ({
  delivery: delivery.id,
  client_id: delivery.clientId,
  address: addressOf(delivery),
  seq: delivery.seq,
  trace_id: parseTraceparent(delivery.traceparent)?.traceId,
})

/** The operator's next step, by kind of message and outcome. */
const NEXT: Record<Delivery['kind'], { rejected: string; failed: string }> = {
  set: {
    rejected:
      'Compare issuer, audience and keys of the receiver with the broker, then redrive the delivery.',
    failed: 'Fix the endpoint of the stream, then redrive the delivery; or close it with a reason.',
  },
  logout_token: {
    rejected:
      'Compare issuer, client id and clock of the instance with the broker, then redrive the delivery.',
    failed: 'Fix the instance, then redrive the delivery; or close it with a reason.',
  },
  webhook: {
    rejected: 'Fix what the cause says, then redrive the delivery; or close it with a reason.',
    failed:
      'Fix the receiver of the webhook, then redrive the delivery; or close it with a reason.',
  },
}

async function settle(
  deps: DeliverDeps,
  kind: MessageKind,
  { delivery, attempt }: Attempted,
  verdict: Verdict & { outcome: 'delivered' | 'rejected' },
): Promise<void> {
  const { outcome } = verdict
  if (!(await deps.store.recordDelivery({ id: delivery.id, result: { outcome, attempt } }))) return
  deps.metrics.deliveries.inc({ client: delivery.clientId, outcome })
  if (outcome === 'delivered') await kind.delivered?.(delivery)
  if (outcome === 'rejected')
    return deps.log.warn('delivery_rejected', {
      ...fieldsOf(delivery),
      cause: verdict.code,
      next: NEXT[delivery.kind].rejected,
    })
  if (delivery.kind !== 'logout_token') return
  const sinceMs =
    (delivery.seq === undefined ? undefined : deps.feed.publishedAtMs(delivery.seq)) ??
    delivery.createdAtMs
  deps.metrics.revokedToDelivered.observe(
    { client: delivery.clientId },
    Math.max(0, deps.clock.nowMs() - sinceMs) / 1000,
  )
}

async function countFailure(
  deps: DeliverDeps,
  { delivery, attempt }: Attempted,
  verdict: Verdict & { outcome: 'retry' },
): Promise<void> {
  const delayMs = retryDelayMs(attempt.attempt, verdict.retryAfterSeconds, uniform(deps.random))
  const recorded = await deps.store.recordDelivery({
    id: delivery.id,
    result:
      delayMs === undefined
        ? { outcome: 'failed', attempt: { ...attempt, outcome: 'failed' } }
        : { outcome: 'retry', attempt, nextAttemptAtMs: deps.clock.steadyMs() + delayMs },
  })
  if (!recorded) return
  deps.metrics.deliveries.inc({
    client: delivery.clientId,
    outcome: delayMs === undefined ? 'failed' : 'retry',
  })
  if (delayMs !== undefined) return
  deps.log.error('delivery_failed', {
    ...fieldsOf(delivery),
    attempts: attempt.attempt,
    cause: verdict.error,
    next: NEXT[delivery.kind].failed,
  })
}

/**
 * Returns an early attempt that failed to the store. It is not counted, and the delivery is not due
 * later than after a counted one: a clock that was wrong by a day may have written its time.
 */
async function giveBack(
  deps: DeliverDeps,
  { delivery, attempt }: Attempted,
  { retryAfterSeconds }: Verdict & { outcome: 'retry' },
): Promise<void> {
  const nowMs = deps.clock.steadyMs()
  const { nextAttemptAtMs: atMs = nowMs } = delivery
  const delayMs = retryDelayMs(attempt.attempt, retryAfterSeconds, uniform(deps.random))
  await deps.store.releaseDelivery({
    id: delivery.id,
    attempt: attempt.attempt,
    nextAttemptAtMs: delayMs === undefined ? atMs : Math.min(atMs, nowMs + delayMs),
  })
  deps.metrics.deliveries.inc({ client: delivery.clientId, outcome: 'probe_failed' })
}
