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
import type { How, Taken } from '../src/outbox/lanes.ts'
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
  how: How
}

interface Attempted {
  delivery: Delivery
  ref: DeliveryRef
  attempt: DeliveryAttempt
  verdict: Verdict
  /** The fields of log lines: the target's address and the delivery. */
  where: {
    delivery: string
    client_id: string
    address: string
    seq: number | undefined
    trace_id: string | undefined
  }
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
  how: How = 'due',
): Promise<Taken> {
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
  else await giveBack(deps, attempted)
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

const failing = (delivery: Delivery, cause: string): Taken['failure'] => ({
  client_id: delivery.clientId,
  address: addressOf(delivery),
  cause,
})

/**
 * Replaces a delivery by `sub`, which would end a session opened since, by one delivery for each
 * session to end.
 */
async function split(deps: DeliverDeps, delivery: Delivery, ref: DeliveryRef): Promise<Taken> {
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
  how: How,
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
    ref,
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
    where: {
      delivery: delivery.id,
      client_id: delivery.clientId,
      address: addressOf(delivery),
      seq: delivery.seq,
      trace_id: parseTraceparent(delivery.traceparent)?.traceId,
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

/** Headers that a receiver may log, by which an operator finds the delivery. */
const correlation = (
  { delivery, attempt }: Sending,
  traceparent: string,
): Record<string, string> => ({
  traceparent,
  'x-request-id': `${delivery.id}.${attempt}`,
})

async function exchange(deps: DeliverDeps, sending: Sending, traceparent: string): Promise<Sent> {
  const { kind, delivery, how } = sending
  const minted = {
    ...sending.minted,
    headers: { ...sending.minted.headers, ...correlation(sending, traceparent) },
  }
  const { headers, body } = minted
  const limits = { timeoutMs: how === 'probe' ? PROBE_TIMEOUT_MS : TIMEOUT_MS, signal: deps.ending }
  const post = () =>
    deps.outbound.request(delivery.uri, {
      method: 'POST',
      headers,
      body,
      maxBytes: MAX_ANSWER_BYTES,
      ...limits,
    })
  try {
    const answer = await (kind.send === undefined ? post() : kind.send(delivery, minted, limits))
    return { status: answer.status, verdict: kind.judge(answer, deps.clock.now()) }
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
  { delivery, attempt, where }: Attempted,
  verdict: Verdict & { outcome: 'delivered' | 'rejected' },
): Promise<void> {
  const { outcome } = verdict
  if (!(await deps.store.recordDelivery({ id: delivery.id, result: { outcome, attempt } }))) return
  deps.metrics.deliveries.inc({ client: delivery.clientId, outcome })
  if (outcome === 'delivered') await kind.delivered?.(delivery)
  if (outcome === 'rejected')
    return deps.log.warn('delivery_rejected', {
      ...where,
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
  { delivery, ref, attempt, where }: Attempted,
  verdict: Verdict & { outcome: 'retry' },
): Promise<void> {
  const delayMs = retryDelayMs(ref.attempt, verdict.retryAfterSeconds, uniform(deps.random))
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
    ...where,
    attempts: ref.attempt,
    cause: verdict.error,
    next: NEXT[delivery.kind].failed,
  })
}

/**
 * Returns an early attempt that failed to the store. It is not counted, and the schedule does not
 * change.
 */
async function giveBack(deps: DeliverDeps, { delivery, ref }: Attempted): Promise<void> {
  await deps.store.releaseDelivery({
    id: ref.id,
    attempt: ref.attempt,
    nextAttemptAtMs: delivery.nextAttemptAtMs ?? deps.clock.steadyMs(),
  })
  deps.metrics.deliveries.inc({ client: delivery.clientId, outcome: 'probe_failed' })
}
