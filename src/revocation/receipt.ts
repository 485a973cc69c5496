import { setImmediate as otherWork } from 'node:timers/promises'
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
/**
 * The most receipts that are read at once. SQLite compares each with every lease that may run, and
 * holds the event loop meanwhile: 100 receipts beside 2,000 leases took 1.4 s of a busy machine.
 */
const AT_ONCE = 10

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

export interface Receipt {
  seq: number
  acknowledgedAtMs: number
  /** The longest lease of a participant. */
  leaseSeconds: number
  /** True: only what has no bound may still change. */
  final: boolean
  participants: Participant[]
}

type ReceiptDeps = Pick<Deps, 'store' | 'feed' | 'clock' | 'clockWatch' | 'clients'>
type Lease = ReceiptRows['leases'][number]
/** A registration. Without `ownSessions` and `tokenSeconds`, a broker of 1.0.0-rc.2 wrote it. */
type Term = ReceiptRows['terms'][number]

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
export const receiptOf = async (deps: ReceiptDeps, seq: number): Promise<Receipt | undefined> =>
  (await readReceipts(deps, [seq]))[0]

/** Returns the receipts of revocations, by `seq`. */
export async function receiptsOf(
  deps: ReceiptDeps,
  seqs: readonly number[],
): Promise<Map<number, Receipt>> {
  const receipts = new Map<number, Receipt>()
  for (let from = 0; from < seqs.length; from += AT_ONCE) {
    if (from > 0) await otherWork()
    for (const receipt of await readReceipts(deps, seqs.slice(from, from + AT_ONCE)))
      receipts.set(receipt.seq, receipt)
  }
  return receipts
}

/** Returns the receipts of a few revocations, with the statements of one. */
async function readReceipts(deps: ReceiptDeps, seqs: number[]): Promise<Receipt[]> {
  const { store, clients } = deps
  let found = await store.receiptRows(seqs)
  if (await acknowledge(deps, found)) found = await store.receiptRows(seqs)
  // Another broker may have widened a registration since, and its users were revoked.
  await clients.atLeast(await store.registryVersion())
  const now = found.map((rows) => {
    const basis = basisOf(deps, rows)
    return { basis, parts: partsOf(deps, basis) }
  })
  const news = now.flatMap(({ basis, parts }) => newsOf(deps, basis.rows, parts))
  const written = Map.groupBy(
    news.length === 0 ? [] : await store.keepEnforcements(news),
    (row) => row.seq,
  )
  return now.map(({ basis, parts }) =>
    receiptFrom(basis, parts, written.get(basis.rows.revocation.seq) ?? basis.rows.kept),
  )
}

/** Records that revocations are acknowledged, where that is not recorded. Returns if any was not. */
async function acknowledge(
  { store, feed, clock }: ReceiptDeps,
  found: readonly ReceiptRows[],
): Promise<boolean> {
  // They are committed, so any later time bounds the acknowledgment. A clock that is behind an entry
  // is wrong.
  const list = found.flatMap(({ revocation: { seq, at, acknowledgedAtMs } }) =>
    acknowledgedAtMs === undefined
      ? [{ seq, atMs: Math.max(feed.publishedAtMs(seq) ?? clock.nowMs(), at * 1000) }]
      : [],
  )
  if (list.length > 0) await store.acknowledge(list)
  return list.length > 0
}

function basisOf(deps: ReceiptDeps, rows: ReceiptRows): Basis {
  const { feed, clock, clockWatch } = deps
  const { seq, acknowledgedAtMs = clock.nowMs() } = rows.revocation
  return {
    rows,
    acknowledgedAtMs,
    tokensUntilMs: tokensUntil(deps, rows, acknowledgedAtMs),
    // By the steady clock since this process has known of the revocation, or long after by the
    // wall clock, once that was compared.
    isOver: (untilMs) =>
      feed.knownForMs(seq) >= untilMs - acknowledgedAtMs ||
      (clockWatch.isCompared && clock.nowMs() >= untilMs + CLOCKS_MS),
  }
}

const partsOf = (deps: ReceiptDeps, basis: Basis): Part[] =>
  participantIds(deps, basis.rows)
    .toSorted()
    .map((clientId) => participantOf(deps, basis, clientId))

function receiptFrom(
  { rows, acknowledgedAtMs }: Basis,
  parts: readonly Part[],
  enforced: Enforcement[],
): Receipt {
  const kept = byClient(enforced)
  const participants = parts.map((part) => withKept(part, kept.get(part.clientId)))
  return {
    seq: rows.revocation.seq,
    acknowledgedAtMs,
    participants,
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
    clientId,
    leaseSeconds,
    guards: { listening, confirmed: listening - silent },
    // The tokens of a client without a guard end by themselves.
    tokens: byGuards ?? bounded(basis, 'expiry', basis.tokensUntilMs),
    sessions: sessionsClaim(deps, basis, { clientId, lease, byGuards }),
  }
}

const CLAIMS = ['tokens', 'sessions'] as const
const byClient = (kept: Enforcement[]) => new Map(kept.map((row) => [row.clientId, row]))

/** Returns what is confirmed and not kept yet. */
function newsOf(
  { clock }: ReceiptDeps,
  { revocation: { seq }, kept }: ReceiptRows,
  parts: readonly Part[],
): Enforcement[] {
  const before = byClient(kept)
  return parts.flatMap(({ clientId, ...part }): Enforcement[] => {
    const found = CLAIMS.flatMap((what) => {
      // A time that nothing shows is now: the claim is true by now.
      const { state, by, noLaterThanMs = clock.nowMs() } = part[what]
      const isNew = state === 'confirmed' && before.get(clientId)?.[`${what}By`] === undefined
      return isNew ? [{ [`${what}By`]: by, [`${what}AtMs`]: noLaterThanMs }] : []
    })
    return found.length === 0 ? [] : [Object.assign({ seq, clientId }, ...found) as Enforcement]
  })
}

/** Returns a participant by what is kept of it, and by what is known now where nothing is. */
function withKept(part: Part, kept: Enforcement | undefined): Participant {
  const first = (now: Claim, by: Proof | undefined, atMs = Infinity): Claim =>
    // A bound of the claim was there from the beginning.
    by === undefined ? now : { state: 'confirmed', by, ...until(Math.min(atMs, end(now))) }
  const tokens = first(part.tokens, kept?.tokensBy, kept?.tokensAtMs)
  const sessions = first(part.sessions, kept?.sessionsBy, kept?.sessionsAtMs)
  // Both are true: the weaker state, and the later time.
  const { state } = isWeaker(tokens, sessions) ? tokens : sessions
  return { ...part, tokens, sessions, state, ...until(Math.max(end(tokens), end(sessions))) }
}

const STRENGTH = ['not_bounded', 'bounded', 'confirmed'] as const
const isWeaker = (a: Claim, b: Claim): boolean =>
  STRENGTH.indexOf(a.state) < STRENGTH.indexOf(b.state)

/** Returns the time from which on a claim is true; Infinity where there is no bound. */
const end = ({ noLaterThanMs = Infinity }: Claim): number => noLaterThanMs
const until = (ms: number): Pick<Claim, 'noLaterThanMs'> => ({
  noLaterThanMs: ms === Infinity ? undefined : ms,
})

/** Returns the claim that two proofs of one claim make: the stronger state, the earlier time. */
const either = (a: Claim, b: Claim): Claim => ({
  ...(end(a) <= end(b) ? a : b),
  state: isWeaker(a, b) ? b.state : a.state,
})

/** Returns a claim that is bounded until a time, and confirmed from then on. */
const bounded = ({ isOver }: Basis, by: Proof, untilMs: number): Claim => ({
  state: isOver(untilMs) ? 'confirmed' : 'bounded',
  by,
  noLaterThanMs: untilMs,
})

/** Returns what the guards of a client prove of everything that they judge. */
function guardsClaim(basis: Basis, lease: Lease, leaseMs: number): Claim {
  const untilMs = basis.acknowledgedAtMs + leaseMs
  return lease.leastReported >= basis.rows.revocation.seq
    ? { state: 'confirmed', by: 'report', noLaterThanMs: Math.min(lease.reportedAtMs, untilMs) }
    : bounded(basis, 'lease', untilMs)
}

/**
 * Returns when every access token that was issued before the acknowledgment is over, by the longest
 * life that any registration gives its tokens: which audience another client's tokens had is not
 * kept.
 */
function tokensUntil({ clients }: ReceiptDeps, { terms }: ReceiptRows, fromMs: number): number {
  const secondsOf = ({ clientId, isNow, tokenSeconds }: Term): number =>
    tokenSeconds ??
    (isNow === 1 ? clients.find(clientId)?.metadata.accessTokenSeconds : undefined) ??
    LONGEST_TOKEN_SECONDS
  const longest = terms.length === 0 ? LONGEST_TOKEN_SECONDS : Math.max(...terms.map(secondsOf))
  return Math.max(
    fromMs + (longest + TOLERANCE_SECONDS) * 1000,
    ...terms.map((term) => term.formerTokensUntilMs ?? 0),
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
  const client = clients.find(clientId)
  const asNow = client === undefined ? 'unknown' : sessionsEndedBy(client.metadata)
  const terms = rows.terms.filter((term) => term.clientId === clientId)
  const ways = terms.map((term) => term.ownSessions ?? (term.isNow === 1 ? asNow : 'unknown'))
  const are = (...wanted: SessionsEndedBy[]): boolean =>
    (ways.length === 0 ? [asNow] : ways).every((way) => wanted.includes(way))
  if (are('none')) return nothing
  const answered = tokensAnswered(rows, clientId) ?? { state: 'not_bounded' }
  return byGuards !== undefined && lease?.judged === 1 && are('guard', 'none')
    ? either(byGuards, answered)
    : answered
}

/**
 * Returns whether a revocation ends own sessions of a client: not those of the clients whose guards
 * only accept the same tokens.
 */
function endsSessionsOf(
  { revocation: { selector }, clientIds }: ReceiptRows,
  clientId: string,
): boolean {
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
function participantIds(
  { clients, clockWatch }: ReceiptDeps,
  { revocation, clientIds, leases, kept }: ReceiptRows,
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
