import { authorize, type Authorized, type Requirement } from './authorize.ts'
import { BrokerClock } from './broker-clock.ts'
import { Broker, type Report } from './broker.ts'
import { Checker } from './check.ts'
import type { AccessClaims, CheckResult, Why } from './claims.ts'
import { completeClock } from './clock.ts'
import { FeedReader } from './feed-reader.ts'
import { Follower } from './follower.ts'
import { callHooks, safely } from './hooks.ts'
import { KeySet } from './keys.ts'
import { Ledger } from './ledger.ts'
import { createLogoutReceiver, type Logout } from './logout-receiver.ts'
import { readOptions, type GuardOptions, type Settings } from './options.ts'
import { consoleProblems, describe, type Problem } from './problems.ts'
import { Reporter } from './reporter.ts'
import type { Bearer, Entry } from './selector.ts'
import { TokenCache } from './token-cache.ts'
import { VERSION } from './version.ts'

/**
 * Called once for each revocation that says something new, as soon as it is enforced. `covers` tells which sessions it ends. Not called for what
 * the first snapshot of this process holds: ask `isRevoked` about each session that outlived a restart, once `start()` has resolved.
 */
export type RevocationListener = (revocation: Entry) => void

export interface Guard {
  readonly id: string
  /**
   * Begins to follow the broker. Resolves when tokens can be accepted, or when stopped before; no caller has to wait for it. What keeps it from
   * that is said by the `problem` hook (not given: `console.warn`) and in `status().lastProblem`.
   */
  start(): Promise<void>
  /** Lets go of the broker. A guard that was stopped accepts nothing and is not started again. */
  stop(): Promise<void>
  /** Whether an access token is honoured now. Never throws for what a stranger sends. */
  check(token: string): Promise<CheckResult>
  /** The bearer token of a request; where it is not good, the answer to give (RFC 6750 §3). */
  authorize(request: Request, requirement?: Requirement): Promise<Authorized>
  /** Answers the broker's logout token: mount it as `POST` at the address that is registered as `backchannel_logout_uris`. */
  receiveLogout(request: Request): Promise<Response>
  /**
   * Whether what an instance remembers of a session (its token's `sid`, `sub`, `client_id`, `tid`, `rev`) is known to be revoked. Revocations
   * are remembered only as long as a token that they cover can live: a session is never good for longer than its last token, `check` decides.
   */
  isRevoked(bearer: Bearer): boolean
  /** @returns how to stop listening */
  onRevocation(listener: RevocationListener): () => void
  status(): GuardStatus
}

export interface GuardStatus {
  /** The first snapshot is whole, and there has been no reset since. */
  ready: boolean
  connected: boolean
  /** By the staleness policy's `afterSeconds`. */
  stale: boolean
  /** Milliseconds since the broker was last heard; Infinity before it ever was. */
  silentForMs: number
  /** The broker's clock less this machine's; 0 within what can be measured; undefined where that is not known. */
  clockOffsetSeconds: number | undefined
  lastProblem: Problem | undefined
  epoch: string | undefined
  enforcedSeq: number
  /** The newest that the broker has noted. */
  reportedSeq: number | undefined
  entries: number
  /** What was authorised before it is refused, because there were more revocations than `maxEntries`. */
  cutoffSeq: number | undefined
  cachedTokens: number
  keys: number
  counters: {
    checks: number
    cacheHits: number
    accepted: number
    acceptedStale: number
    introspections: number
    connects: number
    events: number
    duplicates: number
    resets: number
    jwksFetches: number
    reports: number
    rejected: Partial<Record<Why, number>>
    logout: { received: number; ended: number; rejected: number; replayed: number; failed: number }
  }
}

const SWEEP_MS = 30_000
/** How long a revocation is kept that came by a logout token: longer than any access token lives. */
const LOGOUT_SECONDS = 3660
const NO_SINK =
  'this guard has neither onLogout nor a listener of onRevocation, so that no session was ended: give createGuard an onLogout, one that does nothing where the instance has no sessions of its own'

/** What an instance runs to know, without asking for each, which tokens of the broker are good. @throws TypeError for options that cannot be */
export function createGuard(options: GuardOptions): Guard {
  const settings = readOptions(options)
  const { audience: _, clientId, clientSecret, clockToleranceSeconds: toleranceSeconds, fetch, guardId, issuer, random } = settings
  const clock = completeClock(settings.clock)
  let lastProblem: Problem | undefined
  const hooks = callHooks({ ...settings.hooks, problem: settings.hooks?.problem ?? consoleProblems(clock) }, (error) => {
    lastProblem = { message: describe(error), atMs: clock.nowMs() }
  })
  const stop = new AbortController()
  const stopping = stop.signal
  const now = (): number => Math.floor(clock.nowMs() / 1000)

  const listeners = new Set<RevocationListener>()
  const ledger = new Ledger(settings.maxEntries)
  const cache = new TokenCache(settings.maxCachedTokens)
  const brokerClock = new BrokerClock(clock, warnOfClock(toleranceSeconds, hooks.problem))
  const broker = new Broker({ issuer, clientId, clientSecret, fetch, clock, brokerClock })
  const keys = new KeySet({ uri: broker.jwksUri, fetch, clock, onGone: (kids) => cache.dropKeys(kids), onProblem: hooks.problem })

  function enforce(entry: Entry, tell: boolean): boolean {
    const cutoffBefore = ledger.cutoffSeq
    if (!ledger.add(entry)) return false
    if (ledger.cutoffSeq !== undefined && ledger.cutoffSeq !== cutoffBefore) hooks.collapsed({ seq: ledger.cutoffSeq })
    hooks.enforced(entry)
    if (tell) for (const listener of listeners) safely(() => listener(entry))
    return true
  }

  const about = (): Omit<Report, 'epoch' | 'seq'> => aboutGuard(settings, brokerClock.offsetSeconds)
  const reporter = new Reporter({ broker, clock, hooks, random, stopping, about, onConflict: () => follower.doubtLog() })
  let becameLive: () => void = () => {}
  const live = new Promise<void>((resolve) => (becameLive = resolve))
  const onEnforced = (epoch: string, seq: number): void => reporter.enforced(epoch, seq)
  const feed = new FeedReader({ clock, hooks, keys, ledger, enforce, onEnforced, onLive: () => becameLive(), now: () => brokerClock.now() })
  const follower: Follower = new Follower({ broker, clientId, clock, feed, guardId, hooks, random, stopping })
  const onIssued = (rev: number): void => follower.hurry(rev)
  const checker = new Checker({ broker, brokerClock, cache, clock, feed, hooks, keys, ledger, onIssued, settings, stopping })

  /** A logout token counts at once, also where the feed is down; then the instance's own sessions. */
  async function logOut(logout: Logout): Promise<void> {
    const { rev, sid, sub } = logout
    const exp = now() + LOGOUT_SECONDS
    if (rev !== undefined && sid !== undefined) enforce({ seq: rev, selector: { kind: 'session', sid }, exp }, true)
    else if (rev !== undefined && sub !== undefined) enforce({ seq: rev, selector: { kind: 'subject', sub }, exp }, true)
    if (rev !== undefined) follower.hurry(rev)
    if (settings.onLogout === undefined && (listeners.size === 0 || rev === undefined)) throw new Error(NO_SINK)
    await settings.onLogout?.(logout)
  }
  const receiver = createLogoutReceiver({
    issuer,
    clientId,
    keys,
    sink: logOut,
    now: () => brokerClock.now(),
    toleranceSeconds,
    idTokenSignedResponseAlg: settings.idTokenSignedResponseAlg,
    onProblem: hooks.problem,
  })

  function sweep(): void {
    const before = now() - toleranceSeconds
    // The clock was set back: what has been forgotten since must be told again.
    if (before < ledger.sweptAt - toleranceSeconds) follower.startOver()
    ledger.sweep(before)
    cache.sweep((claims: AccessClaims) => claims.exp < before)
    reporter.repeat()
    if (!stopping.aborted) cancelSweep = clock.after(SWEEP_MS, sweep)
  }
  let cancelSweep: () => void = () => {}
  let running: Promise<void> | undefined
  const check = (token: string): Promise<CheckResult> => checker.check(token)

  return {
    id: guardId,
    check,
    authorize: (request, requirement) => authorize(check, request, requirement),
    receiveLogout: (request) => receiver.receive(request),
    isRevoked: (bearer) => ledger.covers(bearer) === 'revoked',
    onRevocation(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    start() {
      if (running === undefined && !stopping.aborted) {
        // What cannot be read now is read when a token asks for it.
        keys.refresh().catch(() => {})
        running = follower.run()
        cancelSweep = clock.after(SWEEP_MS, sweep)
      }
      return live
    },
    async stop() {
      stop.abort(new Error('stopped'))
      feed.ready = false
      cancelSweep()
      becameLive()
      await running
    },
    status: () => ({
      ready: feed.ready,
      connected: follower.connected,
      stale: feed.freshness.silentForMs() > settings.staleness.afterSeconds * 1000,
      silentForMs: feed.freshness.silentForMs(),
      clockOffsetSeconds: brokerClock.offsetSeconds,
      lastProblem,
      epoch: feed.epoch,
      enforcedSeq: feed.enforcedSeq,
      reportedSeq: reporter.reportedSeq,
      entries: ledger.size,
      cutoffSeq: ledger.cutoffSeq,
      cachedTokens: cache.size,
      keys: keys.size,
      counters: {
        ...checker.counters,
        ...feed.counters,
        connects: follower.connects,
        jwksFetches: keys.fetches,
        reports: reporter.reports,
        rejected: { ...checker.rejected },
        logout: { ...receiver.counters },
      },
    }),
  }
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

/** Once when the clocks part by more than what is tolerated, and again only when they have parted further or come together meanwhile. */
function warnOfClock(toleranceSeconds: number, problem: (error: Error) => void): (offsetSeconds: number) => void {
  let warned: number | undefined
  return (offset) => {
    if (Math.abs(offset) <= toleranceSeconds) warned = undefined
    else if (warned === undefined || Math.abs(offset - warned) > toleranceSeconds) {
      warned = offset
      const which = offset > 0 ? 'behind' : 'ahead of'
      problem(new Error(`This machine's clock is ${Math.abs(offset)} s ${which} the broker's. Set it: tokens are refused where the clocks disagree.`))
    }
  }
}
