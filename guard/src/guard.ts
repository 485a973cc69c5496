import { authorize, type Authorized, type HasHeaders, type Requirement } from './authorize.ts'
import type { AccessClaims, CheckResult, Why } from './claims.ts'
import type { RevocationListener } from './listeners.ts'
import type { HoldOptions } from './holds.ts'
import { createLogoutReceiver, type Logout, type LogoutCounters } from './logout-receiver.ts'
import type { GuardOptions } from './options.ts'
import { openParts, type Parts } from './parts.ts'
import type { Presented } from './proofs.ts'
import type { Bearer, Selector } from './selector.ts'
import type { Problem } from './problems.ts'
import type { SessionState } from './session-check.ts'
import { type StepUp, stepUpFor, type Strength } from './strength.ts'

export interface Guard {
  readonly id: string
  /**
   * Begins to follow the broker. Resolves when tokens can be accepted, or when the guard was
   * stopped before. No caller has to wait for it. The `problem` hook (default: `console.warn`) and
   * `status().lastProblem` say what prevents it.
   */
  start(): Promise<void>
  /**
   * Closes the connection to the broker. A stopped guard accepts nothing and cannot start again.
   */
  stop(): Promise<void>
  /**
   * Decides whether an access token is valid now. Never throws for input of an attacker.
   * @param presented the proof of a request with the scheme `DPoP`. Without it a token that is bound
   * to a key is rejected, with it any other token
   */
  check(token: string, presented?: Presented): Promise<CheckResult>
  /**
   * Checks the access token of a request, and its proof where the token is bound to a key. If it is
   * not valid, returns the answer to send (RFC 6750 §3, RFC 9449 §7.1).
   */
  authorize(request: HasHeaders, requirement?: Requirement): Promise<Authorized>
  /**
   * Returns what the instance adds to its authorization request so that the user authenticates as
   * an act demands: `{ acr: 'phr', maxAgeSeconds: 300 }`. Undefined if the claims of an access
   * token, or of the ID token of a session, show it already.
   */
  stepUp(claims: object, demand: Strength): StepUp | undefined
  /**
   * Returns a signal for a connection that stays open (WebSocket, server-sent events). The signal
   * aborts as soon as the token that opened the connection is revoked, has expired, or can no
   * longer be checked. Its `reason` is a `HoldEnded`, whose `why` is `revoked`, `expired`,
   * `no_lease` or `stopped`.
   * @param claims the claims that `check` returned
   */
  hold(claims: AccessClaims, options?: HoldOptions): AbortSignal
  /**
   * Declares that this process judges the instance's own sessions, so that the broker sends what
   * `checkSession` needs, and its receipts count this guard for sessions. The middleware calls it.
   * Call it before `start`; later it reconnects.
   */
  judgeSessions(): void
  /**
   * Decides whether an instance's own session is live now, by the claims of the ID token that
   * opened it (`SessionClaims`). Answers from memory, except where the broker must be asked about
   * the session once. Never throws for input of an attacker.
   */
  checkSession(session: object): Promise<SessionState>
  /**
   * Returns the same signal as `hold`, for a connection that a session has opened which
   * `checkSession` has just called live.
   */
  holdSession(session: object, options?: HoldOptions): AbortSignal
  /**
   * Answers the broker's logout tokens. Mount it as `POST` at the address that is registered as
   * `backchannel_logout_uris`.
   */
  receiveLogout(request: Request): Promise<Response>
  /**
   * Returns whether a session of the instance is revoked, or may be (over `maxEntries`, or of a
   * tenant for which the client is not registered), by the `sid`, `sub`, `client_id`, `tid` and
   * `rev` of its token. The guard remembers a revocation only as long
   * as a token that it covers can live. A session is never valid for longer than its last token:
   * `check` decides.
   */
  isRevoked(bearer: Bearer): boolean
  /** Calls `listener` for each new revocation. Returns a function that removes the listener. */
  onRevocation(listener: RevocationListener): () => void
  status(): GuardStatus
}

/**
 * Creates the guard of an instance, which checks the broker's tokens without a request for each.
 * @throws TypeError for invalid options
 */
export const createGuard = (options: GuardOptions): Guard => openGuard(options).guard

/** Checks a bearer token without waiting. Returns undefined if `check` must be called. */
export type Known = (token: string) => CheckResult | undefined

/**
 * Creates a guard, and for `guard serve` a check without a promise: a promise for each request
 * costs as much as the check itself.
 */
export function openGuard(options: GuardOptions): { guard: Guard; known: Known } {
  const parts = openParts(options)
  const { brokerClock, checker, feed, follower, holds, keys, ledger, listeners, live, sessions } =
    parts
  const { settings, stop, sweeper } = parts
  const receiver = openReceiver(parts)
  let running: Promise<void> | undefined
  const guard: Guard = {
    id: settings.guardId,
    check: (token, presented) => checker.check(token, presented),
    authorize: (request, requirement) =>
      authorize(guard, settings.publicAddress, request, requirement),
    stepUp: (claims, demand) =>
      stepUpFor(claims, demand, () => brokerClock.now() - settings.clockToleranceSeconds),
    receiveLogout: (request) => receiver.receive(request),
    hold: (claims, options) => holds.hold(holds.token(claims), options),
    judgeSessions() {
      if (!feed.sessions) follower.judgeSessions()
    },
    checkSession: (session) => sessions.check(session),
    holdSession: (session, options) => holds.hold(sessions.holdable(session), options),
    isRevoked: (bearer) => ledger.covers(bearer) !== undefined,
    onRevocation: (listener) => listeners.add(listener),
    start() {
      if (running === undefined && !stop.signal.aborted) {
        // If the keys cannot be read now, the next token causes another attempt.
        keys.refresh().catch(() => {})
        running = follower.run()
        sweeper.start()
      }
      return live
    },
    async stop() {
      stop.abort(new Error('stopped'))
      feed.startOver()
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
 * The time for which a revocation from a logout token is kept: longer than any access token lives.
 */
const LOGOUT_SECONDS = 3660
/** The longest lifetime of a session that a broker can be set to. */
const LONGEST_SESSION_SECONDS = 90 * 86_400
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

/**
 * Enforces a logout token at once, also while the feed is down, and then ends the instance's own
 * sessions.
 */
async function logOut(
  { clock, enforcer, feed, follower, listeners, settings: { onLogout } }: Parts,
  logout: Logout,
): Promise<void> {
  const { reasonClass, rev, sid, sub } = logout
  const now = Math.floor(clock.nowMs() / 1000)
  const exp = now + LOGOUT_SECONDS
  const sessionExp = feed.sessions ? now + LONGEST_SESSION_SECONDS : undefined
  const end = (seq: number, selector: Selector): boolean =>
    enforcer.enforce({ seq, selector, exp, sessionExp, reasonClass }, 'logout_token', true)
  if (rev !== undefined && sid !== undefined) end(rev, { kind: 'session', sid })
  else if (rev !== undefined && sub !== undefined) end(rev, { kind: 'subject', sub })
  if (rev !== undefined) follower.catchUpTo(rev)
  if (onLogout !== undefined) return onLogout(logout)
  if (rev === undefined || (listeners.size === 0 && !feed.sessions)) throw new Error(NO_SINK)
  if (!feed.sessions && !(await listeners.haveFinished(rev)))
    throw new Error('a listener of onRevocation has not ended the session yet')
}

export interface GuardStatus {
  /** True once the first snapshot is complete, and no reset has happened since. */
  ready: boolean
  connected: boolean
  /** The milliseconds for which tokens may be accepted without asking the broker. 0: none now. */
  leaseMs: number
  /**
   * The broker's clock minus this machine's. 0 if the difference is too small to measure, undefined
   * if it is unknown.
   */
  clockOffsetSeconds: number | undefined
  /**
   * The difference in speed of the two clocks, if it is above 1,000 ppm. The guard then has no
   * lease.
   */
  clockDriftPpm: number | undefined
  lastProblem: Problem | undefined
  epoch: string | undefined
  enforcedSeq: number
  /** The newest `seq` of a report that the broker has accepted. */
  reportedSeq: number | undefined
  entries: number
  /**
   * Tokens authorized before this `seq` are rejected, because there were more revocations than
   * `maxEntries`.
   */
  cutoffSeq: number | undefined
  /**
   * Sessions opened from this `seq` on are judged without a request. Undefined: no session is
   * judged, or not yet.
   */
  sessionsFromSeq: number | undefined
  cachedTokens: number
  /** The number of connections that `hold` watches now. */
  holds: number
  keys: number
  counters: {
    checks: number
    sessionChecks: number
    /** The sessions that the broker was asked about. */
    sessionsAsked: number
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
    sessions,
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
    sessionsFromSeq:
      ledger.completeFrom === undefined
        ? undefined
        : Math.max(ledger.completeFrom, ledger.cutoffSeq ?? 0),
    cachedTokens: cache.size,
    holds: holds.size,
    keys: keys.size,
    counters: {
      ...checker.counters,
      ...sessions.counters,
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
