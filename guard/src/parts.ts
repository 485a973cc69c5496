import { BrokerClock, warnOfClock } from './broker-clock.ts'
import { Broker, type Report } from './broker.ts'
import { Checker } from './check.ts'
import type { AccessClaims } from './claims.ts'
import { completeClock, type Clock } from './clock.ts'
import { openCredentials } from './credentials.ts'
import { Enforcer, Ledger } from './ledger.ts'
import { Listeners } from './listeners.ts'
import { FeedReader } from './feed-reader.ts'
import { Follower } from './follower.ts'
import { Holds } from './holds.ts'
import { callHooks, type Hooks } from './hooks.ts'
import { KeySet, type KeySetOptions } from './keys.ts'
import { Lease } from './lease.ts'
import type { LogFollower } from './log-follower.ts'
import { readOptions, type GuardOptions, type Settings } from './options.ts'
import { Poller } from './poller.ts'
import { consoleProblems, describe, type Problem } from './problems.ts'
import { repeatMs, Reporter } from './reporter.ts'
import { SessionChecker } from './session-check.ts'
import { Sweeper } from './sweeper.ts'
import { TokenCache } from './token-cache.ts'
import { Validity } from './validity.ts'
import { VERSION } from './version.ts'

/** The parts of one guard, each made once and wired to the others. */
export interface Parts {
  settings: Settings
  clock: Clock
  hooks: Hooks
  lastProblem: () => Problem | undefined
  stop: AbortController
  /** Resolves when tokens can be accepted, or when the guard was stopped before. */
  live: Promise<void>
  becameLive: () => void
  ledger: Ledger
  lease: Lease
  cache: TokenCache
  brokerClock: BrokerClock
  keys: KeySet
  enforcer: Enforcer
  listeners: Listeners
  reporter: Reporter
  feed: FeedReader
  follower: LogFollower
  checker: Checker
  sessions: SessionChecker
  holds: Holds
  sweeper: Sweeper
}

/** Every key of the broker names its algorithm (docs/feed.md). */
const keysOfBroker = (options: KeySetOptions): KeySet => new KeySet({ ...options, needsAlg: true })

/**
 * Creates the parts of a guard.
 * @throws TypeError for invalid options
 */
export function openParts(options: GuardOptions): Parts {
  const settings = readOptions(options)
  const { clientId, fetch, issuer, random } = settings
  const clock = completeClock(settings.clock)
  const { hooks, lastProblem } = openHooks(settings, clock)
  const stop = new AbortController()
  const ledger = new Ledger(settings.maxEntries)
  const lease = new Lease(clock, hooks.problem)
  const cache = new TokenCache(settings.maxCachedTokens)
  const brokerClock = new BrokerClock(
    clock,
    warnOfClock(settings.clockToleranceSeconds, hooks.problem),
  )
  const credentials = openCredentials(settings)
  const broker = new Broker({ issuer, clientId, credentials, fetch, clock, brokerClock })
  const onGone = (kids: ReadonlySet<string>): void => {
    cache.dropKeys(kids)
    holds.recheck()
  }
  const keys = keysOfBroker({ uri: broker.jwksUri, fetch, clock, onGone, onProblem: hooks.problem })
  const listeners = new Listeners({
    clock,
    problem: hooks.problem,
    onSettled: () => reporter.resume(),
    stopping: stop.signal,
  })
  const enforcer = new Enforcer(ledger, hooks, listeners, (entry, collapsed) => {
    holds.revoked(entry)
    // The tenant of a session may be unknown.
    if (collapsed || entry.selector.kind === 'tenant') holds.recheck()
  })
  const about = (): Omit<Report, 'epoch' | 'seq'> => ({
    ...aboutGuard(settings, lease, brokerClock.offsetSeconds, log.feed.streams),
    ...(ledger.completeFrom === undefined ? {} : { sessions: true }),
  })
  const reporter = new Reporter({
    broker,
    clock,
    hooks,
    random,
    stopping: stop.signal,
    about,
    withheldFrom: () => listeners.unfinishedSeq,
    onConflict: (position) => log.follower.doubtLog(position),
  })
  const known = {
    settings,
    clock,
    hooks,
    stop,
    ledger,
    lease,
    cache,
    brokerClock,
    broker,
    keys,
    enforcer,
    listeners,
    reporter,
  }
  const { becameLive, live, ...log } = openLog(known, () => holds.recheck())
  const { catchUp, follower } = log
  const kids = new WeakMap<AccessClaims, string>()
  const validity = new Validity({ brokerClock, keys, ledger, settings })
  const holds: Holds = new Holds({ clock, lease, kids, validity, catchUp })
  const onIssued = (rev: number): void => follower.catchUpTo(rev)
  const stopping = stop.signal
  const checker = new Checker({ ...known, ...log, kids, validity, onIssued, stopping })
  const sessions = new SessionChecker({ ...known, ...log, onIssued, stopping })
  return { ...known, ...log, live, becameLive, lastProblem, holds, checker, sessions }
}

type Known = Pick<
  Parts,
  | 'settings'
  | 'clock'
  | 'hooks'
  | 'stop'
  | 'ledger'
  | 'lease'
  | 'cache'
  | 'brokerClock'
  | 'keys'
  | 'enforcer'
  | 'listeners'
  | 'reporter'
> & {
  broker: Broker
}
type Log = Pick<Parts, 'feed' | 'follower' | 'sweeper' | 'live' | 'becameLive'> & {
  catchUp: (() => Promise<void> | undefined) | undefined
}

/**
 * Creates the parts that follow the broker's log: the reader of its events, and the stream or the
 * polls that bring them.
 */
function openLog(known: Known, onLive: () => void): Log {
  const { broker, brokerClock, clock, enforcer, hooks, keys, lease, ledger, listeners, reporter } =
    known
  const { guardId, poll: polls = false, random } = known.settings
  const stopping = known.stop.signal
  let becameLive: () => void = () => {}
  const live = new Promise<void>((resolve) => (becameLive = resolve))
  const feed = new FeedReader({
    clock,
    // Each poll ends with `live`. The hook gets it only if something changed.
    hooks: polls ? { ...hooks, live: onChange(hooks.live) } : hooks,
    keys,
    lease,
    ledger,
    enforce: (entry, tell) => enforcer.enforce(entry, 'log', tell),
    onEnforced: (epoch, seq) =>
      polls ? reporter.enforcedAnew(epoch, seq) : reporter.enforced(epoch, seq),
    onLive,
    onReset: () => listeners.forget(),
    onGrant: () => reporter.repeat(repeatMs(lease.lengthMs)),
    onLease: () => becameLive(),
    onAnchorDue: () => void follower.takeAnchor(),
    now: () => brokerClock.now(),
  })
  const startOver = (): void => follower.startOver()
  const sweeper = new Sweeper({ ...known, startOver })
  const onPolled = (): void => sweeper.sweepIfDue()
  const poller = polls
    ? new Poller({ broker, clock, feed, guardId, hooks, lease, random, stopping, onPolled })
    : undefined
  const follower: LogFollower =
    poller ?? new Follower({ broker, clock, feed, guardId, hooks, lease, random, stopping })
  return { feed, follower, sweeper, live, becameLive, catchUp: poller && (() => poller.catchUp()) }
}

/**
 * Returns a function that calls `call` only when the epoch or the seq differs from the last call.
 */
function onChange(call: Hooks['live']): Hooks['live'] {
  let last = ''
  return ({ epoch, seq }) => {
    if (last === `${epoch}.${seq}`) return
    last = `${epoch}.${seq}`
    call({ epoch, seq })
  }
}

function openHooks(
  { hooks: given }: Settings,
  clock: Clock,
): { hooks: Hooks; lastProblem: () => Problem | undefined } {
  let last: Problem | undefined
  const hooks = callHooks(
    { ...given, problem: given?.problem ?? consoleProblems(clock) },
    (error) => {
      last = { message: describe(error), atMs: clock.nowMs() }
    },
  )
  return { hooks, lastProblem: () => last }
}

function aboutGuard(
  { guardId: guard, withoutLease }: Settings,
  { driftPpm, lengthMs, ranOut }: Lease,
  offsetSeconds: number | undefined,
  streams: string[],
): Omit<Report, 'epoch' | 'seq'> {
  return {
    guard,
    streams,
    version: VERSION,
    without_lease: withoutLease,
    lease_ran_out: { count: ranOut },
    every_seconds: Math.ceil(repeatMs(lengthMs) / 1000),
    ...(offsetSeconds === undefined ? {} : { clock_offset_seconds: offsetSeconds }),
    ...(driftPpm === undefined ? {} : { clock_drift_ppm: driftPpm }),
  }
}
