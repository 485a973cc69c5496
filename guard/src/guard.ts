import { authorize, type Authorized, type HasHeaders, type Requirement } from './authorize.ts'
import type { AccessClaims, CheckResult, Why } from './claims.ts'
import type { RevocationListener } from './ledger.ts'
import type { HoldOptions } from './holds.ts'
import { createLogoutReceiver, type Logout, type LogoutCounters } from './logout-receiver.ts'
import type { GuardOptions } from './options.ts'
import { openParts, type Parts } from './parts.ts'
import type { Bearer } from './selector.ts'
import type { Problem } from './problems.ts'

export interface Guard {
  readonly id: string
  /**
   * Begins to follow the broker. Resolves when tokens can be accepted, or when stopped before; no
   * caller has to wait for it. What keeps it from that is said by the `problem` hook (not given:
   * `console.warn`) and in `status().lastProblem`.
   */
  start(): Promise<void>
  /** Lets go of the broker. A guard that was stopped accepts nothing and is not started again. */
  stop(): Promise<void>
  /** Whether an access token is honored now. Never throws for what an attacker sends. */
  check(token: string): Promise<CheckResult>
  /** The bearer token of a request; where it is not valid, the answer to give (RFC 6750 §3). */
  authorize(request: HasHeaders, requirement?: Requirement): Promise<Authorized>
  /**
   * For a connection that stays open (WebSocket, server-sent events): a signal that aborts as soon
   * as the token that opened it is revoked, has expired, or can no longer be judged. Its `reason`
   * is a `HoldEnded`, whose `why` is `revoked`, `expired`, `no_lease` or `stopped`.
   * @param claims as `check` gave them
   */
  hold(claims: AccessClaims, options?: HoldOptions): AbortSignal
  /**
   * Answers the broker's logout token: mount it as `POST` at the address that is registered as
   * `backchannel_logout_uris`.
   */
  receiveLogout(request: Request): Promise<Response>
  /**
   * Whether what an instance remembers of a session (its token's `sid`, `sub`, `client_id`, `tid`,
   * `rev`) is known to be revoked. Revocations are remembered only as long as a token that they
   * cover can live: a session is never good for longer than its last token, `check` decides.
   */
  isRevoked(bearer: Bearer): boolean
  /** @returns how to stop listening */
  onRevocation(listener: RevocationListener): () => void
  status(): GuardStatus
}

/**
 * What an instance runs to know, without asking for each, which tokens of the broker are valid.
 * @throws TypeError for options that cannot be
 */
export const createGuard = (options: GuardOptions): Guard => openGuard(options).guard

/** A check without a wait. Undefined: call `check`. */
export type Known = (token: string) => CheckResult | undefined

/**
 * The guard, and for `guard serve` the answer without a promise: making one for each request costs
 * as much as the check.
 */
export function openGuard(options: GuardOptions): { guard: Guard; known: Known } {
  const parts = openParts(options)
  const { checker, enforcer, feed, follower, holds, keys, ledger, live, settings, stop, sweeper } =
    parts
  const receiver = openReceiver(parts)
  let running: Promise<void> | undefined
  const check = (token: string): Promise<CheckResult> => checker.check(token)
  const guard: Guard = {
    id: settings.guardId,
    check,
    authorize: (request, requirement) => authorize(check, request, requirement),
    receiveLogout: (request) => receiver.receive(request),
    hold: (claims, options) => holds.hold(claims, options),
    isRevoked: (bearer) => ledger.covers(bearer) === 'revoked',
    onRevocation: (listener) => enforcer.listen(listener),
    start() {
      if (running === undefined && !stop.signal.aborted) {
        // What cannot be read now is read when a token asks for it.
        keys.refresh().catch(() => {})
        running = follower.run()
        sweeper.start()
      }
      return live
    },
    async stop() {
      stop.abort(new Error('stopped'))
      feed.ready = false
      sweeper.stop()
      holds.stop()
      parts.becameLive()
      await running
    },
    status: () => statusOf(parts, receiver.counters),
  }
  return { guard, known: (token) => checker.known(token) }
}

/**
 * How long a revocation is kept that came by a logout token: longer than any access token lives.
 */
const LOGOUT_SECONDS = 3660
const NO_SINK =
  'this guard has neither onLogout nor a listener of onRevocation, so that no session was ended: give createGuard an onLogout, one that does nothing where the instance has no sessions of its own'

function openReceiver(parts: Parts): ReturnType<typeof createLogoutReceiver> {
  const { brokerClock, hooks, keys } = parts
  const {
    issuer,
    clientId,
    clockToleranceSeconds: toleranceSeconds,
    idTokenSignedResponseAlg,
  } = parts.settings
  const sink = (logout: Logout): Promise<void> => logOut(parts, logout)
  const now = (): number => brokerClock.now()
  return createLogoutReceiver({
    issuer,
    clientId,
    keys,
    sink,
    now,
    toleranceSeconds,
    idTokenSignedResponseAlg,
    onProblem: hooks.problem,
  })
}

/** A logout token counts at once, also where the feed is down; then the instance's own sessions. */
async function logOut(
  { clock, enforcer, follower, settings: { onLogout } }: Parts,
  logout: Logout,
): Promise<void> {
  const { rev, sid, sub } = logout
  const exp = Math.floor(clock.nowMs() / 1000) + LOGOUT_SECONDS
  if (rev !== undefined && sid !== undefined)
    enforcer.enforce({ seq: rev, selector: { kind: 'session', sid }, exp }, true)
  else if (rev !== undefined && sub !== undefined)
    enforcer.enforce({ seq: rev, selector: { kind: 'subject', sub }, exp }, true)
  if (rev !== undefined) follower.catchUpTo(rev)
  if (onLogout === undefined && (!enforcer.hasListeners || rev === undefined))
    throw new Error(NO_SINK)
  await onLogout?.(logout)
}

export interface GuardStatus {
  /** The first snapshot is whole, and there has been no reset since. */
  ready: boolean
  connected: boolean
  /** For how long tokens may be accepted without asking the broker, in milliseconds; 0: not now. */
  leaseMs: number
  /**
   * The broker's clock less this machine's; 0 within what can be measured; undefined where that is
   * not known.
   */
  clockOffsetSeconds: number | undefined
  /** Where the two clocks part by more than 1,000 ppm, which leaves the guard without a lease. */
  clockDriftPpm: number | undefined
  lastProblem: Problem | undefined
  epoch: string | undefined
  enforcedSeq: number
  /** The newest that the broker has noted. */
  reportedSeq: number | undefined
  entries: number
  /**
   * What was authorized before it is rejected, because there were more revocations than
   * `maxEntries`.
   */
  cutoffSeq: number | undefined
  cachedTokens: number
  /** Connections that `hold` watches now. */
  holds: number
  keys: number
  counters: {
    checks: number
    cacheHits: number
    accepted: number
    introspections: number
    connects: number
    leasesRunOut: number
    events: number
    duplicates: number
    resets: number
    jwksFetches: number
    reports: number
    rejected: Partial<Record<Why, number>>
    logout: LogoutCounters
  }
}

function statusOf(
  {
    brokerClock,
    cache,
    checker,
    feed,
    follower,
    holds,
    keys,
    lastProblem,
    lease,
    ledger,
    reporter,
  }: Parts,
  logout: LogoutCounters,
): GuardStatus {
  return {
    ready: feed.ready,
    connected: follower.connected,
    leaseMs: feed.ready ? lease.leftMs : 0,
    clockOffsetSeconds: brokerClock.offsetSeconds,
    clockDriftPpm: lease.driftPpm,
    lastProblem: lastProblem(),
    epoch: feed.epoch,
    enforcedSeq: feed.enforcedSeq,
    reportedSeq: reporter.reportedSeq,
    entries: ledger.size,
    cutoffSeq: ledger.cutoffSeq,
    cachedTokens: cache.size,
    holds: holds.size,
    keys: keys.size,
    counters: {
      ...checker.counters,
      ...feed.counters,
      connects: follower.connects,
      leasesRunOut: lease.ranOut,
      jwksFetches: keys.fetches,
      reports: reporter.reports,
      rejected: { ...checker.rejected },
      logout: { ...logout },
    },
  }
}
