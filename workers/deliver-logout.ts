import type { Delivery, DeliveryAttempt, DeliveryRef } from '../db/types.ts'
import type { Deps } from '../src/deps.ts'
import { newId } from '../src/protocol/ids.ts'
import type { SigningAlg } from '../src/protocol/names.ts'
import type { How, Taken } from '../src/revocation/lanes.ts'
import { mintLogoutToken } from '../src/revocation/logout-token.ts'
import { judgeAnswer, retryDelayMs, uniform, type Verdict } from '../src/revocation/retry.ts'

/**
 * One attempt at one delivery: the row is leased, the token minted and posted, the outcome recorded. Run twice it does nothing the second
 * time; killed between the POST and the record it is done again, and the receiver gets a token with a `jti` it has not seen.
 */

export type DeliverDeps = Pick<
  Deps,
  'config' | 'clock' | 'random' | 'log' | 'metrics' | 'store' | 'keys' | 'clients' | 'queue' | 'feed' | 'outbound'
> & {
  /** Aborted when the process ends: the attempt under way is given back. */
  ending?: AbortSignal | undefined
}

/** How long a receiver has to answer. A probe of a target that was down is shorter, so that the next one is not late. */
const TIMEOUT_MS = 5_000
const PROBE_TIMEOUT_MS = 2_000
/** Longer than any attempt: a lease that runs out belonged to a process that was killed. */
const LEASE_MS = 15_000
const MAX_ANSWER_BYTES = 4_096

type Posted = { verdict: Verdict; status: number | undefined; latencyMs: number }

/** @param how unless `due`, the delivery need not be due, and a failure is not counted as an attempt */
export async function deliverLogout(deps: DeliverDeps, ref: DeliveryRef, how: How = 'due'): Promise<Taken> {
  const nowMs = deps.clock.nowMs()
  const steadyMs = deps.clock.steadyMs()
  const early = how !== 'due'
  const lease = await deps.store.leaseDelivery({ id: ref.id, attempt: ref.attempt, nowMs: steadyMs, untilMs: steadyMs + LEASE_MS, early })
  if (lease.outcome !== 'leased') return { outcome: 'passed' }
  const { delivery } = lease
  if (lease.superseded) {
    await deps.store.recordDelivery({
      id: ref.id,
      result: { outcome: 'superseded', attempt: { attempt: ref.attempt, atMs: nowMs, outcome: 'superseded', latencyMs: 0 } },
    })
    deps.metrics.deliveries.inc({ client: delivery.clientId, outcome: 'superseded' })
    return { outcome: 'passed' }
  }
  const jti = newId(deps.random)
  const posted = await post(deps, delivery, jti, how)
  deps.metrics.deliverySeconds.observe({ client: delivery.clientId }, posted.latencyMs / 1000)
  const attempt: DeliveryAttempt = {
    attempt: ref.attempt,
    atMs: nowMs,
    outcome: posted.verdict.outcome,
    status: posted.status,
    latencyMs: posted.latencyMs,
    jti,
    ...('error' in posted.verdict ? { error: posted.verdict.error } : {}),
  }
  const { verdict } = posted
  if (verdict.outcome === 'retry')
    return early || deps.ending?.aborted === true ? giveBack(deps, delivery, ref, verdict) : tryAgain(deps, delivery, ref, attempt, verdict)
  await settle(deps, delivery, verdict.outcome, attempt)
  return { outcome: verdict.outcome }
}

async function post(deps: DeliverDeps, delivery: Delivery, jti: string, how: How): Promise<Posted> {
  const token = mintLogoutToken(deps.keys, {
    issuer: deps.config.issuer,
    alg: await algOf(deps, delivery.clientId),
    delivery,
    jti,
    now: deps.clock.now(),
  })
  const startedMs = performance.now()
  const tookMs = (): number => Math.round(performance.now() - startedMs)
  try {
    const answer = await deps.outbound.request(delivery.uri, {
      method: 'POST',
      // Back-Channel Logout 1.0 §2.5: this parameter and no other.
      headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
      body: `logout_token=${token}`,
      timeoutMs: how === 'probe' ? PROBE_TIMEOUT_MS : TIMEOUT_MS,
      maxBytes: MAX_ANSWER_BYTES,
      signal: deps.ending,
    })
    return { verdict: judgeAnswer(answer, deps.clock.now()), status: answer.status, latencyMs: tookMs() }
  } catch (error) {
    return { verdict: { outcome: 'retry', error: wordsFor(error), retryAfterSeconds: undefined }, status: undefined, latencyMs: tookMs() }
  }
}

/** A client that has been removed is still told of what that ended, as it was registered. */
async function algOf(deps: DeliverDeps, clientId: string): Promise<SigningAlg> {
  const client = deps.clients.find(clientId) ?? (await deps.store.findClient(clientId))
  return client?.metadata.idTokenAlg ?? 'RS256'
}

async function settle(deps: DeliverDeps, delivery: Delivery, outcome: 'delivered' | 'rejected', attempt: DeliveryAttempt): Promise<void> {
  if (!(await deps.store.recordDelivery({ id: delivery.id, result: { outcome, attempt } }))) return
  deps.metrics.deliveries.inc({ client: delivery.clientId, outcome })
  if (outcome === 'delivered') {
    const sinceMs = deps.feed.publishedAtMs(delivery.seq) ?? delivery.createdAtMs
    deps.metrics.revokedToDelivered.observe({ client: delivery.clientId }, Math.max(0, deps.clock.nowMs() - sinceMs) / 1000)
  } else deps.log.warn('logout_rejected', { delivery: delivery.id, client: delivery.clientId, seq: delivery.seq })
}

async function tryAgain(
  deps: DeliverDeps,
  delivery: Delivery,
  ref: DeliveryRef,
  attempt: DeliveryAttempt,
  verdict: Verdict & { outcome: 'retry' },
): Promise<Taken> {
  const failed: Taken = { outcome: 'failed', retryAfterSeconds: verdict.retryAfterSeconds }
  const delayMs = retryDelayMs(ref.attempt, verdict.retryAfterSeconds, uniform(deps.random))
  if (delayMs === undefined) {
    if (!(await deps.store.recordDelivery({ id: delivery.id, result: { outcome: 'failed', attempt: { ...attempt, outcome: 'failed' } } })))
      return failed
    deps.metrics.deliveries.inc({ client: delivery.clientId, outcome: 'failed' })
    deps.log.error('logout_failed', {
      delivery: delivery.id,
      client: delivery.clientId,
      seq: delivery.seq,
      attempts: ref.attempt,
      last: verdict.error,
      next: 'mend the instance, then redrive the delivery',
    })
    return failed
  }
  const recorded = await deps.store.recordDelivery({
    id: delivery.id,
    result: { outcome: 'retry', attempt, nextAttemptAtMs: deps.clock.steadyMs() + delayMs },
  })
  if (!recorded) return failed
  deps.metrics.deliveries.inc({ client: delivery.clientId, outcome: 'retry' })
  deps.queue.add([{ ...ref, attempt: ref.attempt + 1 }], delayMs)
  return failed
}

/** An early attempt that failed, or one that was cut off, is not counted, and leaves the schedule as it was. */
async function giveBack(deps: DeliverDeps, delivery: Delivery, ref: DeliveryRef, verdict: Verdict & { outcome: 'retry' }): Promise<Taken> {
  await deps.store.releaseDelivery({ id: ref.id, attempt: ref.attempt, nextAttemptAtMs: delivery.nextAttemptAtMs ?? deps.clock.steadyMs() })
  deps.metrics.deliveries.inc({ client: delivery.clientId, outcome: 'probe_failed' })
  return { outcome: 'failed', retryAfterSeconds: verdict.retryAfterSeconds }
}

/** Codes and our own words; never what a receiver wrote. */
function wordsFor(error: unknown): string {
  const code = (error as { code?: unknown }).code ?? (error as { cause?: { code?: unknown } }).cause?.code
  if (typeof code === 'string') return code
  return error instanceof Error ? `${error.name}: ${error.message}`.slice(0, 200) : 'unknown'
}
