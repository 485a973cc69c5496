import type { Deps } from './deps.ts'
import {
  LONGEST_LEASE_SECONDS,
  LONGEST_TOKEN_SECONDS,
  TOLERANCE_SECONDS,
} from '../../db/log/guard-leases.ts'
import type { ReceiptRows } from '../../db/log/receipt.ts'
import type { Enforcement, Proof } from '../../db/types.ts'
import { type SessionsEndedBy, sessionsEndedBy } from '../protocol/client-metadata.ts'
import { visibleTenants, visibleTo } from './feed-wire.ts'

/**
 * The receipt of a revocation: of each client that took part, since when it accepts no token that
 * the revocation covers, and since when its own sessions have ended; or by when; or that there is
 * no bound. No claim is ever false, and none gets worse: what was once known stays
 * (docs/evidence.md).
 */

/** By how much the clocks of two brokers may differ, and one may have been set unnoticed. */
const CLOCKS_MS = 90_000

export interface Claim {
  state: 'confirmed' | 'bounded' | 'not_bounded'
  /** The proof of it, or of its bound. */
  by?: Proof | undefined
  /** The claim is true from then on at the latest; undefined where there is no bound. */
  noLaterThanMs?: number | undefined
}

export interface Participant extends Omit<Claim, 'by'> {
  clientId: string
  /** Its access tokens. With `sessions` it makes up the whole, which is the weaker of both. */
  tokens: Claim
  /** The sessions that the instance keeps itself. */
  sessions: Claim
  leaseSeconds: number
  /** The guards that had a lease at the acknowledgment, by name, and those that have reported. */
  guards: { listening: number; confirmed: number }
}

interface Receipt {
  seq: number
  acknowledgedAtMs: number
  /** The longest lease of a participant. */
  leaseSeconds: number
  /** True: only what has no bound may still change. */
  final: boolean
  participants: Participant[]
}

type ReceiptDeps = Pick<Deps, 'store' | 'feed' | 'clock' | 'clockWatch' | 'clients'>
type Parts = Pick<ReceiptRows, 'revocation' | 'clientIds'>
type Lease = ReceiptRows['leases'][number]

/** The basis of all claims of one receipt. */
interface Basis {
  rows: ReceiptRows
  acknowledgedAtMs: number
  /** Every access token of before the revocation is over by then. */
  tokensUntilMs: number
  /** Returns whether a time after the acknowledgment has passed. */
  isOver(untilMs: number): boolean
}

/**
 * Returns the receipt of a revocation as it is now, and keeps what it confirms. Undefined: there is
 * no such revocation, or what the receipt is computed from is no longer kept.
 */
export async function receiptOf(deps: ReceiptDeps, seq: number): Promise<Receipt | undefined> {
  const { store, feed, clock, clockWatch, clients } = deps
  let found = await store.receiptRows(seq)
  if (found !== undefined && found.revocation.acknowledgedAtMs === undefined) {
    // It is committed, so any later time bounds the acknowledgment. A clock that is behind its entry
    // is wrong.
    const atMs = Math.max(feed.publishedAtMs(seq) ?? clock.nowMs(), found.revocation.at * 1000)
    await store.acknowledge([{ seq, atMs }])
    found = await store.receiptRows(seq)
  }
  if (found === undefined) return undefined
  const rows = found
  // Another broker may have widened a registration since, and its users were revoked.
  await clients.atLeast(await store.registryVersion())
  const { acknowledgedAtMs = clock.nowMs() } = rows.revocation
  const basis: Basis = {
    ...{ rows, acknowledgedAtMs, tokensUntilMs: tokensUntil(deps, rows, acknowledgedAtMs) },
    // By the steady clock since this process has known of the revocation, or long after by the
    // wall clock, once that was compared.
    isOver: (untilMs) =>
      feed.knownForMs(seq) >= untilMs - acknowledgedAtMs ||
      (clockWatch.isCompared && clock.nowMs() >= untilMs + CLOCKS_MS),
  }
  const now = participantIds(deps, rows)
    .toSorted()
    .map((clientId) => participantOf(deps, basis, clientId))
  const kept = await keep(deps, rows, now)
  const participants = now.map((part) =>
    withKept(
      part,
      kept.find(({ clientId }) => clientId === part.clientId),
    ),
  )
  return {
    ...{ seq, acknowledgedAtMs, participants },
    leaseSeconds: Math.max(0, ...participants.map((part) => part.leaseSeconds)),
    final: participants.every(({ tokens, sessions }) =>
      [tokens, sessions].every(({ state }) => state !== 'bounded'),
    ),
  }
}

type Part = Omit<Participant, keyof Claim>

/** Returns what is known of a participant now, whatever was known before. */
function participantOf(deps: ReceiptDeps, basis: Basis, clientId: string): Part {
  const { rows } = basis
  const lease = rows.leases.find((row) => row.clientId === clientId)
  const leaseSeconds = lease?.seconds || LONGEST_LEASE_SECONDS
  const { guards: listening = 0, silent = 0 } = lease ?? {}
  const byGuards =
    lease !== undefined && listening > 0
      ? guardsClaim(basis, lease, leaseSeconds * 1000)
      : undefined
  return {
    ...{ clientId, leaseSeconds, guards: { listening, confirmed: listening - silent } },
    tokens: byGuards ?? expiryClaim(basis),
    sessions: sessionsClaim(deps, basis, { clientId, lease, byGuards }),
  }
}

/** Writes what is confirmed and not kept yet, and returns all that is kept. */
async function keep(
  { store, clock }: ReceiptDeps,
  { revocation: { seq }, kept }: ReceiptRows,
  parts: readonly Part[],
): Promise<Enforcement[]> {
  const before = new Map(kept.map((row) => [row.clientId, row]))
  // A time that nothing shows is now: the claim is true by now.
  const proofOf = ({ state, by, noLaterThanMs = clock.nowMs() }: Claim, known: unknown) =>
    state === 'confirmed' && known === undefined ? { by, atMs: noLaterThanMs } : undefined
  const news = parts.flatMap(({ clientId, tokens, sessions }): Enforcement[] => {
    const known = before.get(clientId)
    const { by: tokensBy, atMs: tokensAtMs } = proofOf(tokens, known?.tokensBy) ?? {}
    const { by: sessionsBy, atMs: sessionsAtMs } = proofOf(sessions, known?.sessionsBy) ?? {}
    return tokensBy === undefined && sessionsBy === undefined
      ? []
      : [{ seq, clientId, tokensBy, tokensAtMs, sessionsBy, sessionsAtMs }]
  })
  return news.length === 0 ? kept : store.keepEnforcements(seq, news)
}

/** Returns a participant by what is kept of it, and by what is known now where nothing is. */
function withKept(part: Part, kept: Enforcement | undefined): Participant {
  const first = (now: Claim, by: Proof | undefined, atMs: number | undefined): Claim =>
    by === undefined || atMs === undefined
      ? now
      : // A bound of the claim was there from the beginning.
        { state: 'confirmed', by, noLaterThanMs: Math.min(atMs, now.noLaterThanMs ?? atMs) }
  const tokens = first(part.tokens, kept?.tokensBy, kept?.tokensAtMs)
  const sessions = first(part.sessions, kept?.sessionsBy, kept?.sessionsAtMs)
  return { ...part, tokens, sessions, ...weaker(tokens, sessions) }
}

const STRENGTH = ['not_bounded', 'bounded', 'confirmed'] as const

const strength = ({ state }: Claim): number => STRENGTH.indexOf(state)
const stronger = (one: Claim, other: Claim): Claim =>
  strength(one) >= strength(other) ? one : other

/** Returns what is true by either of two: the stronger state, and the earlier time. */
function either(one: Claim, other: Claim): Claim {
  const isEarlier = (one.noLaterThanMs ?? Infinity) <= (other.noLaterThanMs ?? Infinity)
  return { ...(isEarlier ? one : other), state: stronger(one, other).state }
}

/** Returns what is true of both: the weaker state, and the later time. */
function weaker(one: Claim, other: Claim): Omit<Claim, 'by'> {
  const times = [one.noLaterThanMs, other.noLaterThanMs]
  const known = times.filter((ms) => ms !== undefined)
  return {
    state: stronger(one, other) === one ? other.state : one.state,
    noLaterThanMs: known.length < times.length ? undefined : Math.max(...known),
  }
}

/** Returns a claim that is bounded until a time, and confirmed from then on. */
const until = ({ isOver }: Basis, by: Proof, untilMs: number): Claim => ({
  state: isOver(untilMs) ? 'confirmed' : 'bounded',
  ...{ by, noLaterThanMs: untilMs },
})

/** Returns what the guards of a client prove of everything that they judge. */
function guardsClaim(basis: Basis, lease: Lease, leaseMs: number): Claim {
  const untilMs = basis.acknowledgedAtMs + leaseMs
  return lease.leastReported >= basis.rows.revocation.seq
    ? { state: 'confirmed', by: 'report', noLaterThanMs: Math.min(lease.reportedAtMs, untilMs) }
    : until(basis, 'lease', untilMs)
}

/** Returns the claim for the tokens of a client without a guard: they end by themselves. */
const expiryClaim = (basis: Basis): Claim => until(basis, 'expiry', basis.tokensUntilMs)

/**
 * Returns when every access token that was issued before the acknowledgment is over, by the longest
 * life that any registration gives its tokens: which audience another client's tokens had is not
 * kept.
 */
function tokensUntil({ clients }: ReceiptDeps, { leases }: ReceiptRows, fromMs: number): number {
  const seconds = leases.map(({ clientId, asNow, byUnknown, tokenSeconds }) =>
    asNow === 1
      ? (clients.find(clientId)?.metadata.accessTokenSeconds ?? LONGEST_TOKEN_SECONDS)
      : byUnknown === 1 && tokenSeconds === 0
        ? LONGEST_TOKEN_SECONDS
        : tokenSeconds,
  )
  const longest = leases.length === 0 ? LONGEST_TOKEN_SECONDS : Math.max(...seconds)
  return Math.max(
    fromMs + (longest + TOLERANCE_SECONDS) * 1000,
    ...leases.map((row) => row.formerTokensUntilMs),
  )
}

/**
 * Returns what is known of an instance's own sessions. Where its registration changed while leases
 * of the former one ran, it is what is true by both.
 */
function sessionsClaim(
  { clients }: ReceiptDeps,
  { rows, acknowledgedAtMs }: Basis,
  of: { clientId: string; lease: Lease | undefined; byGuards: Claim | undefined },
): Claim {
  const { clientId, lease, byGuards } = of
  const nothing: Claim = { state: 'confirmed', by: 'none', noLaterThanMs: acknowledgedAtMs }
  if (!endsSessionsOf(rows, clientId)) return nothing
  const answered = tokensAnswered(rows, clientId)
  const open: Claim = answered ?? { state: 'not_bounded' }
  const claims: Record<SessionsEndedBy, Claim> = {
    none: nothing,
    guard: lease?.judged === 1 && byGuards !== undefined ? either(byGuards, open) : open,
    logout_token: open,
    unknown: open,
  }
  const client = clients.find(clientId)
  const asNow = client === undefined ? 'unknown' : sessionsEndedBy(client.metadata)
  const ways = new Set<SessionsEndedBy>()
  if (lease?.byNone === 1) ways.add('none')
  if (lease?.byGuard === 1) ways.add('guard')
  if (lease?.byLogoutToken === 1) ways.add('logout_token')
  if (lease?.byUnknown === 1) ways.add('unknown')
  if (lease?.asNow === 1 || ways.size === 0) ways.add(asNow)
  return [...ways].map((way) => claims[way]).reduce((a, b) => (stronger(a, b) === a ? b : a))
}

/**
 * Returns whether a revocation ends own sessions of a client: not those of the clients whose guards
 * only accept the same tokens.
 */
function endsSessionsOf({ revocation: { selector }, clientIds }: Parts, clientId: string): boolean {
  return 'clientId' in selector
    ? selector.clientId === clientId
    : (clientIds?.includes(clientId) ?? true)
}

/**
 * Returns what the logout tokens of a client prove once it has answered each of them with 2xx: its
 * own sessions have ended. Of a revocation of more than one user only the totals are known.
 */
function tokensAnswered(
  { revocation: { fanOut, totals }, clientIds, tokens, addressed }: ReceiptRows,
  clientId: string,
): Claim | undefined {
  const own = tokens.find((row) => row.clientId === clientId)
  const { delivered, ...others } = totals
  const areDelivered =
    own === undefined
      ? clientIds === undefined &&
        addressed.includes(clientId) &&
        delivered > 0 &&
        Object.values(others).every((count) => count === 0)
      : own.undelivered === 0
  return areDelivered && fanOut === 'complete'
    ? { state: 'confirmed', by: 'logout_token', noLaterThanMs: own?.deliveredAtMs }
    : undefined
}

/**
 * Returns the clients that took part, and those whose guards accept tokens for the same audiences.
 * Of a revoked client or grant, the clients for which that client exchanges its tokens took part
 * too. A client that was removed takes part until its longest lease is over.
 */
export function participantIds(
  { clients, clockWatch }: Pick<ReceiptDeps, 'clients' | 'clockWatch'>,
  {
    revocation,
    clientIds,
    leases,
    kept,
  }: Parts & Pick<ReceiptRows, 'kept'> & { leases: Pick<Lease, 'clientId' | 'guards'>[] },
): string[] {
  const { selector } = revocation
  const everyone = clientIds ?? leases.map((row) => row.clientId)
  const isTarget = (id: string): boolean =>
    'clientId' in selector &&
    (clients.find(id)?.metadata.exchangeFrom.includes(selector.clientId) ?? false)
  const ids = new Set(
    'clientId' in selector ? [selector.clientId, ...everyone.filter(isTarget)] : everyone,
  )
  const isConcerned = (clientId: string): boolean => {
    const client = clients.find(clientId)
    // The console of this broker: it asks the store about each request.
    if (client?.source === 'broker') return false
    return client === undefined
      ? leases.some((row) => row.clientId === clientId)
      : visibleTo(visibleTenants(client, clockWatch.certainNow()), revocation)
  }
  const audiences = new Set(
    [...ids].flatMap((id) => {
      const { audience = '', resources = [] } = clients.find(id)?.metadata ?? {}
      return [audience, ...resources]
    }),
  )
  for (const { clientId, guards } of leases)
    if (guards > 0 && audiences.has(clients.find(clientId)?.metadata.audience ?? ' '))
      ids.add(clientId)
  const known = kept.map(({ clientId }) => clientId)
  return [...new Set([...[...ids].filter(isConcerned), ...known])]
}
