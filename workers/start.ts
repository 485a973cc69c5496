import type { Deps } from './deps.ts'
import { type Checks, createChecks } from '../src/operations/checks/checks.ts'
import { Lanes } from '../src/outbox/lanes.ts'
import type { Work } from '../src/protocol/work.ts'
import { messageKinds } from '../src/outbox/message-kinds.ts'
import { applyLimits, liftLocks, sweepingExpired } from './expiry.ts'
import { askMicrosoft, subscriptionCare } from './ask-microsoft.ts'
import { deliver } from './deliver.ts'
import { addingJobs, driveRevocation } from './drive-revocation.ts'
import { fanOutDeliveries } from './fan-out-deliveries.ts'
import { forgetErased, purgeOld, purgeOneTime } from './housekeeping.ts'
import { Probing } from './probe-microsoft.ts'
import { repeat, type Repeating, watchChecks } from './repeat.ts'
import { rotateKeys, signHeads } from './keys.ts'
import { tendSignalStreams } from './tend-signal-streams.ts'
import { tendStreams } from './tend-streams.ts'

/**
 * Starts the background work of a process. All of it resumes from the store's rows, so the process
 * may end at any point. No work keeps state that exists only in this process.
 */

const RELAY_MS = 5_000
const FAN_OUT_MS = 5_000
const SWEEP_MS = 500
const PROBE_MS = 1_000
const ASK_MICROSOFT_MS = 500
const SUBSCRIPTIONS_MS = 60_000
const STREAMS_MS = 5_000
const GUARD_LEASES_MS = 15_000
const LIMITS_MS = 10_000
const SECRET_USES_MS = 5 * 60_000
const LIFT_LOCKS_MS = 1_000
const FORGET_MS = 5_000
const PURGE_MS = 10 * 60_000
const CHECKS_MS = 20_000
const PURGE_ONE_TIME_MS = 60_000
const HEADS_MS = 60_000
const KEYS_MS = 60 * 60_000
/**
 * The time in which running attempts may finish when the process ends. Then they are aborted and
 * not counted.
 */
const DRAIN_MS = 1_000
const CUT_OFF_MS = 1_000

interface Running {
  stop(): Promise<void>
}
interface Start {
  deps: Deps
  checks: Checks | undefined
  stillGoing: () => boolean
}

const STARTED_BY: Record<Work, (start: Start) => Running[]> = {
  deliveries: startDeliveries,
  probe: startProbe,
  microsoft: ({ deps, stillGoing }) => [
    runNow(
      repeat(
        deps.log,
        'ask-microsoft',
        ASK_MICROSOFT_MS,
        async () => void (await askMicrosoft(deps, stillGoing)),
      ),
    ),
    runNow(repeat(deps.log, 'renew-graph-subscription', SUBSCRIPTIONS_MS, subscriptionCare(deps))),
    ...tendSignalStreams(deps).map(runNow),
  ],
  expiry: ({ deps, checks = createChecks(deps), stillGoing }) => [
    runNow(repeat(deps.log, 'sweep-expired', SWEEP_MS, sweepingExpired(deps, checks, stillGoing))),
    runNow(repeat(deps.log, 'apply-limits', LIMITS_MS, () => applyLimits(deps, stillGoing))),
    runNow(repeat(deps.log, 'lift-locks', LIFT_LOCKS_MS, () => liftLocks(deps, stillGoing))),
  ],
  housekeeping: startHousekeeping,
  keys: ({ deps }) => {
    const rotating = unlessClockSkewed(deps, () => rotateKeys(deps))
    return [
      runNow(repeat(deps.log, 'rotate-keys', KEYS_MS, rotating)),
      repeat(deps.log, 'sign-heads', HEADS_MS, () => signHeads(deps)),
    ]
  },
}

/**
 * Starts the kinds of work in BROKER_WORK.
 * @param checks if given, every process runs them regularly, whatever its work
 */
export async function startWorkers(
  deps: Deps,
  checks?: Checks,
): Promise<{ drain(): Promise<void> }> {
  let going = true
  const start: Start = { deps, checks, stillGoing: () => going }
  const running = deps.config.work.flatMap((work) => STARTED_BY[work](start))
  // In every process: only it knows which of its streams have ended, and which secrets it saw.
  running.push(
    runNow(repeat(deps.log, 'tend-guard-leases', GUARD_LEASES_MS, () => deps.feed.leases.tend())),
  )
  const { secretUses } = deps.clients
  running.push(
    repeat(deps.log, 'write-secret-uses', SECRET_USES_MS, () =>
      secretUses.write(deps.store, deps.clock.now()),
    ),
  )
  if (checks !== undefined)
    running.push(runNow(repeat(deps.log, 'watch-checks', CHECKS_MS, watchChecks(deps, checks))))
  return {
    async drain() {
      going = false
      await Promise.all(running.map((work) => work.stop()))
    },
  }
}

/**
 * Runs the work at once. Work that is not passed here first runs after its interval, to relieve the
 * start.
 */
function runNow(work: Repeating): Repeating {
  work.wake()
  return work
}

function startDeliveries({ deps, stillGoing }: Start): Running[] {
  const ending = new AbortController()
  const kinds = messageKinds(deps)
  const lanes = new Lanes(deps, (ref, how) =>
    deliver({ ...deps, ending: ending.signal }, kinds, ref, how),
  )
  const jobs = deps.queue.work(lanes, (seq) => driveRevocation(deps, lanes, seq))
  const fanOut = runNow(
    repeat(deps.log, 'fan-out-deliveries', FAN_OUT_MS, () => fanOutDeliveries(deps, stillGoing)),
  )
  // Finds due deliveries that no process has: no revocation caused them, the queue was down, its
  // data was lost, or a process was killed. They go directly to the lanes of this process.
  const addJobs = addingJobs(deps)
  const relay = runNow(
    repeat(deps.log, 'relay-deliveries', RELAY_MS, async () => {
      await lanes.look()
      await addJobs()
    }),
  )
  const streams = repeat(deps.log, 'tend-streams', STREAMS_MS, () => tendStreams(deps, stillGoing))
  const unsubscribe = deps.feed.subscribe((revocation) => {
    if (revocation.fanOut === 'pending') fanOut.wake()
  })
  // Called for wide revocations by processes that do not write their deliveries.
  deps.store.onElsewhere((what) => {
    if (what === 'wide') fanOut.wake()
  })
  return [
    {
      async stop() {
        unsubscribe()
        await Promise.all([
          jobs.stop(),
          drainLanes(deps, lanes, ending),
          fanOut.stop(),
          relay.stop(),
          streams.stop(),
        ])
      },
    },
  ]
}

function startProbe({ deps, stillGoing }: Start): Running[] {
  if (deps.config.signals.probeEverySeconds === 0) return []
  const probing = new Probing(deps, stillGoing)
  const unsubscribe = deps.refreshes.subscribe((session) => probing.refreshed(session))
  const turns = runNow(repeat(deps.log, 'probe-microsoft', PROBE_MS, () => probing.turn()))
  return [
    {
      async stop() {
        unsubscribe()
        await turns.stop()
      },
    },
  ]
}

function startHousekeeping({ deps, stillGoing }: Start): Running[] {
  // It does not wait for the comparison of the clock, because these tables would grow without bound.
  const oneTime = async () =>
    deps.clockWatch.disagrees() ? undefined : purgeOneTime(deps, stillGoing)
  const old = unlessClockSkewed(deps, () => purgeOld(deps, stillGoing))
  return [
    runNow(repeat(deps.log, 'forget-erased', FORGET_MS, () => forgetErased(deps, stillGoing))),
    repeat(deps.log, 'purge-one-time', PURGE_ONE_TIME_MS, oneTime),
    repeat(deps.log, 'purge', PURGE_MS, old),
  ]
}

/** Wraps work that deletes or replaces by time, so that it waits until the clock is right. */
const unlessClockSkewed = (deps: Deps, work: () => Promise<void>) => async () =>
  deps.clockWatch.isCertain() ? work() : undefined

/**
 * Ends the lanes. Waiting deliveries stay due in the store. Running attempts may finish; an attempt
 * at a target that hangs is aborted and stays due.
 */
async function drainLanes(deps: Deps, lanes: Lanes, ending: AbortController): Promise<void> {
  if (await lanes.drain(DRAIN_MS)) return
  ending.abort()
  const all = await lanes.drain(CUT_OFF_MS)
  deps.log.warn('deliveries_cut_off', { all, next: 'The next process attempts them again.' })
}
