import { LEASE_MS } from '../db/engine/lease.ts'
import type { QueuedMicrosoftWork } from '../db/types.ts'
import type { Deps } from './deps.ts'
import { GraphProblem } from '../src/microsoft/interface.ts'
import { doMicrosoftWork } from '../src/signals/received/microsoft-work.ts'
import { graphTenants } from '../src/signals/received/subscription.ts'

/**
 * Sends the pending requests to Microsoft Graph, which are rows in the store: after a notification,
 * after a gap, and if signing out everywhere includes Microsoft. A row is deleted when its request
 * is done. A request that fails is retried for a day, more slowly while Graph has problems.
 */

const BATCH = 40
const CONCURRENCY = 8
const MOST_DELAY_MS = 10 * 60_000
/** The delay after a missing permission or credential, which an operator has to add. */
const SET_UP_DELAY_MS = 5 * 60_000
/** The age at which a request fails for good. Operators see it as failed. */
const GIVE_UP_MS = 24 * 3600_000

/**
 * Sends the requests of all tenants.
 * @returns the number of attempts
 */
export async function askMicrosoft(deps: Deps, going: () => boolean = () => true): Promise<number> {
  const { tenants } = deps.connection.current()
  const tried = await Promise.all(tenants.map((tid) => askOf(deps, tid, going)))
  return tried.reduce((sum, count) => sum + count, 0)
}

async function askOf(deps: Deps, tid: string, going: () => boolean): Promise<number> {
  let tried = 0
  for (;;) {
    const nowMs = deps.clock.nowMs()
    const claimed = await deps.store.claimMicrosoftWork({
      tid,
      nowMs,
      untilMs: nowMs + LEASE_MS.microsoft,
      limit: BATCH,
    })
    const { begun, well } = await askBatch(deps, claimed, going)
    tried += begun
    if (begun < claimed.length) await deps.store.releaseMicrosoftWork(claimed.slice(begun))
    if (!well || !going() || claimed.length < BATCH) return tried
  }
}

/**
 * Sends a batch of requests, and stops at the first problem.
 * @returns the number of attempted requests, counted from the first, and whether all succeeded
 */
async function askBatch(
  deps: Deps,
  claimed: readonly QueuedMicrosoftWork[],
  going: () => boolean,
): Promise<{ begun: number; well: boolean }> {
  let [begun, well] = [0, true]
  const worker = async (): Promise<void> => {
    for (
      let work = claimed[begun];
      work !== undefined && well && going() && isHeld(deps, work);
      work = claimed[begun]
    ) {
      begun++
      well = (await attempt(deps, work)) && well
    }
  }
  await Promise.all(Array.from({ length: Math.min(CONCURRENCY, claimed.length) }, worker))
  return { begun, well }
}

const isHeld = ({ clock }: Deps, { leasedUntilMs }: QueuedMicrosoftWork): boolean =>
  clock.nowMs() < leasedUntilMs

/**
 * Sends one request, and deletes or postpones its row.
 * @returns false if Graph or the broker's credential has a problem
 */
async function attempt(deps: Deps, work: QueuedMicrosoftWork): Promise<boolean> {
  try {
    await doMicrosoftWork(deps, work)
    await deps.store.settleMicrosoftWork(work)
    return true
  } catch (error) {
    await postpone(deps, work, error)
    return error instanceof GraphProblem && error.kind === 'rejected'
  }
}

async function postpone(deps: Deps, work: QueuedMicrosoftWork, error: unknown): Promise<void> {
  const nowMs = deps.clock.nowMs()
  const problem = error instanceof GraphProblem ? error : undefined
  const failed = nowMs - work.askedAtMs >= GIVE_UP_MS
  const words =
    problem === undefined ? 'It failed here: see the log.' : problem.message.slice(0, 300)
  await deps.store.postponeMicrosoftWork(work, {
    nextAtMs: failed ? undefined : nowMs + delayMs(work, problem),
    error: words,
  })
  deps.metrics.signals.inc({
    kind: work.kind,
    outcome: failed ? 'failed' : (problem?.kind ?? 'error'),
  })
  const about = { kind: work.kind, tid: work.tid, attempts: work.attempts + 1, problem: words }
  if (failed)
    deps.log.error('microsoft_work_failed', {
      ...about,
      next: 'See docs/microsoft.md, then run cmb tenants redrive. Meanwhile the probe finds what this request would have found.',
    })
  else if (problem === undefined)
    deps.log.error('microsoft_work_attempt_failed', { ...about, cause: error })
  else if (work.attempts === 0 || problem.kind === 'forbidden' || problem.kind === 'credential')
    deps.log.warn('microsoft_work_postponed', about)
}

function delayMs({ attempts }: QueuedMicrosoftWork, problem: GraphProblem | undefined): number {
  if (problem?.retryAfterSeconds !== undefined) return problem.retryAfterSeconds * 1000
  if (problem?.kind === 'forbidden' || problem?.kind === 'credential') return SET_UP_DELAY_MS
  return Math.min(1000 * 2 ** Math.min(attempts, 12), MOST_DELAY_MS)
}

/**
 * Returns a function that requests the renewal of each tenant's subscription, with `start` at the
 * start of this process, when changes may have been missed, and with `timer` later. The renewal is
 * a row like any other work, so that it is retried.
 */
export function subscriptionCare(
  deps: Pick<Deps, 'config' | 'connection' | 'store' | 'clock'>,
): () => Promise<void> {
  const begun = new Set<string>()
  return async () => {
    for (const tid of graphTenants(deps)) {
      const why = begun.has(tid) ? 'timer' : 'start'
      // Not requested again while it is pending, because that would reset its backoff.
      const pending = await deps.store.hasPendingMicrosoftWork({
        kind: 'tend_subscription',
        tid,
        oid: why,
      })
      if (!pending)
        await deps.store.askMicrosoft(
          [{ kind: 'tend_subscription', tid, oid: why }],
          deps.clock.nowMs(),
        )
      begun.add(tid)
    }
  }
}
