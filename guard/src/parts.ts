import { BrokerClock, warnOfClock } from './broker-clock.ts'
import { Broker, type Report } from './broker.ts'
import { Checker } from './check.ts'
import { completeClock, type Clock } from './clock.ts'
import { Enforcer } from './enforcer.ts'
import { FeedReader } from './feed-reader.ts'
import { Follower } from './follower.ts'
import { callHooks, type Hooks } from './hooks.ts'
import { KeySet } from './keys.ts'
import { Ledger } from './ledger.ts'
import { readOptions, type GuardOptions, type Settings } from './options.ts'
import { consoleProblems, describe, type Problem } from './problems.ts'
import { Reporter } from './reporter.ts'
import { TokenCache } from './token-cache.ts'
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
  cache: TokenCache
  brokerClock: BrokerClock
  keys: KeySet
  enforcer: Enforcer
  reporter: Reporter
  feed: FeedReader
  follower: Follower
  checker: Checker
}

/** @throws TypeError for options that cannot be */
export function openParts(options: GuardOptions): Parts {
  const settings = readOptions(options)
  const { clientId, clientSecret, fetch, guardId, issuer, random } = settings
  const clock = completeClock(settings.clock)
  const { hooks, lastProblem } = openHooks(settings, clock)
  const stop = new AbortController()
  const stopping = stop.signal
  const ledger = new Ledger(settings.maxEntries)
  const cache = new TokenCache(settings.maxCachedTokens)
  const brokerClock = new BrokerClock(clock, warnOfClock(settings.clockToleranceSeconds, hooks.problem))
  const broker = new Broker({ issuer, clientId, clientSecret, fetch, clock, brokerClock })
  const keys = new KeySet({ uri: broker.jwksUri, fetch, clock, onGone: (kids) => cache.dropKeys(kids), onProblem: hooks.problem })
  const enforcer = new Enforcer(ledger, hooks)
  const about = (): Omit<Report, 'epoch' | 'seq'> => aboutGuard(settings, brokerClock.offsetSeconds)
  const reporter = new Reporter({ broker, clock, hooks, random, stopping, about, onConflict: () => follower.doubtLog() })
  let becameLive: () => void = () => {}
  const live = new Promise<void>((resolve) => (becameLive = resolve))
  const feed = new FeedReader({
    clock,
    hooks,
    keys,
    ledger,
    enforce: (entry, tell) => enforcer.enforce(entry, tell),
    onEnforced: (epoch, seq) => reporter.enforced(epoch, seq),
    onLive: () => becameLive(),
    now: () => brokerClock.now(),
  })
  const follower: Follower = new Follower({ broker, clientId, clock, feed, guardId, hooks, random, stopping })
  const onIssued = (rev: number): void => follower.hurry(rev)
  const checker = new Checker({ broker, brokerClock, cache, clock, feed, hooks, keys, ledger, onIssued, settings, stopping })
  const states = { ledger, cache, brokerClock, keys, enforcer, reporter, feed, follower, checker }
  return { settings, clock, hooks, lastProblem, stop, live, becameLive, ...states }
}

function openHooks({ hooks: given }: Settings, clock: Clock): { hooks: Hooks; lastProblem: () => Problem | undefined } {
  let last: Problem | undefined
  const hooks = callHooks({ ...given, problem: given?.problem ?? consoleProblems(clock) }, (error) => {
    last = { message: describe(error), atMs: clock.nowMs() }
  })
  return { hooks, lastProblem: () => last }
}

function aboutGuard(
  { guardId: guard, staleness: { afterSeconds, policy } }: Settings,
  offsetSeconds: number | undefined,
): Omit<Report, 'epoch' | 'seq'> {
  const after_seconds = afterSeconds
  return {
    guard,
    version: VERSION,
    staleness: typeof policy === 'object' ? { after_seconds, policy: 'accept', accept_seconds: policy.acceptSeconds } : { after_seconds, policy },
    ...(offsetSeconds === undefined ? {} : { clock_offset_seconds: offsetSeconds }),
  }
}
