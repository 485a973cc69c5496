import { authorize, type Authorized, type Requirement } from './authorize.ts'
import { Broker } from './broker.ts'
import { Checker } from './check.ts'
import type { AccessClaims, CheckResult, Why } from './claims.ts'
import { completeClock } from './clock.ts'
import { FeedReader } from './feed-reader.ts'
import { Follower } from './follower.ts'
import { callHooks, safely } from './hooks.ts'
import { KeySet } from './keys.ts'
import { Ledger } from './ledger.ts'
import { createLogoutReceiver, type Logout } from './logout-receiver.ts'
import { readOptions, type GuardOptions } from './options.ts'
import { Reporter } from './reporter.ts'
import type { Bearer, Entry } from './selector.ts'
import { TokenCache } from './token-cache.ts'

/** Called once for each revocation that says something new, as soon as it is enforced. `covers` tells which sessions it ends. */
export type RevocationListener = (revocation: Entry) => void

export interface Guard {
  readonly id: string
  /** Begins to follow the broker. Resolves when tokens can be accepted, or when stopped before; nobody needs to wait for it. */
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
  epoch: string | undefined
  appliedSeq: number
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
    refused: Partial<Record<Why, number>>
    logout: { received: number; ended: number; refused: number; replayed: number; failed: number }
  }
}

const SWEEP_MS = 30_000
/** How long a revocation is kept that came by a logout token: longer than any access token lives. */
const LOGOUT_SECONDS = 3660

/** What an instance runs to know, without asking for each, which tokens of the broker are good. @throws TypeError for options that cannot be */
export function createGuard(options: GuardOptions): Guard {
  const settings = readOptions(options)
  const { audience: _, clientId, clientSecret, clockToleranceSeconds: toleranceSeconds, fetch, guardId, issuer, random } = settings
  const clock = completeClock(settings.clock)
  const hooks = callHooks(settings.hooks ?? {})
  const stop = new AbortController()
  const stopping = stop.signal
  const now = (): number => Math.floor(clock.nowMs() / 1000)

  const listeners = new Set<RevocationListener>()
  const ledger = new Ledger(settings.maxEntries)
  const cache = new TokenCache(settings.maxCachedTokens)
  const broker = new Broker({ issuer, clientId, clientSecret, fetch, clock })
  const keys = new KeySet({ uri: broker.jwksUri, fetch, clock, onGone: (kids) => cache.dropKeys(kids), onProblem: hooks.problem })

  function enforce(entry: Entry): boolean {
    const cutoffBefore = ledger.cutoffSeq
    if (!ledger.add(entry)) return false
    if (ledger.cutoffSeq !== undefined && ledger.cutoffSeq !== cutoffBefore) hooks.collapsed({ seq: ledger.cutoffSeq })
    hooks.applied(entry)
    for (const listener of listeners) safely(() => listener(entry))
    return true
  }

  const reporter = new Reporter({ broker, guardId, clock, hooks, stopping, onForeignEpoch: () => follower.startOver() })
  let becameLive: () => void = () => {}
  const live = new Promise<void>((resolve) => (becameLive = resolve))
  const onApplied = (epoch: string, seq: number): void => reporter.applied(epoch, seq)
  const feed = new FeedReader({ clock, hooks, keys, ledger, enforce, onApplied, onLive: () => becameLive() })
  const follower: Follower = new Follower({ broker, clock, feed, guardId, hooks, random, stopping })
  const checker = new Checker({ broker, cache, clock, feed, hooks, keys, ledger, settings, stopping })

  /** A logout token counts at once, also where the feed is down; then the instance's own sessions. */
  async function logOut(logout: Logout): Promise<void> {
    const { rev, sid, sub } = logout
    const exp = now() + LOGOUT_SECONDS
    if (rev !== undefined && sid !== undefined) enforce({ seq: rev, selector: { kind: 'session', sid }, exp })
    else if (rev !== undefined && sub !== undefined) enforce({ seq: rev, selector: { kind: 'subject', sub }, exp })
    await settings.onLogout?.(logout)
  }
  const receiver = createLogoutReceiver({ issuer, clientId, keys, sink: logOut, now, toleranceSeconds, onProblem: hooks.problem })

  function sweep(): void {
    const before = now() - toleranceSeconds
    // The clock was set back: what has been forgotten since must be told again.
    if (before < ledger.sweptAt - toleranceSeconds) follower.startOver()
    ledger.sweep(before)
    cache.sweep((claims: AccessClaims) => claims.exp < before)
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
      epoch: feed.epoch,
      appliedSeq: feed.appliedSeq,
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
        refused: { ...checker.refused },
        logout: { ...receiver.counters },
      },
    }),
  }
}
