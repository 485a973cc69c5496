import type { Deps } from './deps.ts'
import { LONGEST_LEASE_SECONDS } from '../../db/log/guard-leases.ts'
import type { ReceiptRows } from '../../db/log/receipt.ts'
import { visibleTenants, visibleTo } from './feed-wire.ts'

/**
 * The receipt of a revocation: of each client that took part, since when it accepts no token that
 * the revocation covers, by when it must stop, or that there is no bound; and whether it has
 * confirmed the end of its own sessions. No claim is ever false (docs/evidence.md).
 */

/** By how much the clocks of two brokers may differ, and one may have been set unnoticed. */
const CLOCKS_MS = 90_000

interface Claim {
  state: 'confirmed' | 'bounded' | 'not_bounded'
  /** The proof: the reports of its guards, its logout tokens, or the end of its leases. */
  by?: 'report' | 'logout_token' | 'lease'
  /** The claim is true from then on at the latest; undefined where there is no bound. */
  noLaterThanMs?: number | undefined
}

export interface Participant extends Claim {
  clientId: string
  /** True: it answered each of its logout tokens with 2xx, so its own sessions have ended. */
  sessionsConfirmed: boolean
  leaseSeconds: number
  /** The guards that had a lease at the acknowledgment, by name, and those that have reported. */
  guards: { listening: number; confirmed: number }
}

interface Receipt {
  seq: number
  acknowledgedAtMs: number
  /** The longest lease of a participant. */
  leaseSeconds: number
  /** True: only a participant without a bound may still change. */
  final: boolean
  participants: Participant[]
}

type ReceiptDeps = Pick<Deps, 'store' | 'feed' | 'clock' | 'clockWatch' | 'clients'>

/**
 * Returns the receipt of a revocation as it is now. Undefined: there is no such revocation, or what
 * the receipt is computed from is no longer kept.
 */
export async function receiptOf(deps: ReceiptDeps, seq: number): Promise<Receipt | undefined> {
  const { store, feed, clock, clients } = deps
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
  const participants = participantIds(deps, rows)
    .toSorted()
    .map((clientId): Participant => {
      const lease = rows.leases.find((row) => row.clientId === clientId)
      const leaseSeconds = lease?.seconds || LONGEST_LEASE_SECONDS
      const { guards: listening = 0, silent = 0 } = lease ?? {}
      const answered = tokensAnswered(rows, clientId)
      const { leastReported = seq } = lease ?? {}
      const claim =
        lease !== undefined && listening > 0
          ? guardsClaim(deps, { ...lease, seq }, leaseSeconds * 1000, acknowledgedAtMs)
          : ((leastReported >= seq ? answered : undefined) ?? { state: 'not_bounded' })
      return {
        clientId,
        sessionsConfirmed: answered !== undefined,
        leaseSeconds,
        guards: { listening, confirmed: listening - silent },
        ...claim,
      }
    })
  return {
    ...{ seq, acknowledgedAtMs, participants },
    leaseSeconds: Math.max(0, ...participants.map((one) => one.leaseSeconds)),
    final: participants.every(({ state }) => state !== 'bounded'),
  }
}

type Lease = ReceiptRows['leases'][number]

/** Returns what the guards of a client prove. */
function guardsClaim(
  { feed, clock, clockWatch }: ReceiptDeps,
  { seq, leastReported, reportedAtMs }: Lease & { seq: number },
  leaseMs: number,
  acknowledgedAtMs: number,
): Claim {
  const untilMs = acknowledgedAtMs + leaseMs
  if (leastReported >= seq)
    return { state: 'confirmed', by: 'report', noLaterThanMs: Math.min(reportedAtMs, untilMs) }
  // By the steady clock since this process has known of the revocation, or long after by the wall
  // clock, once that was compared.
  const isOver =
    feed.knownForMs(seq) >= leaseMs ||
    (clockWatch.isCompared && clock.nowMs() >= untilMs + CLOCKS_MS)
  return isOver
    ? { state: 'confirmed', by: 'lease', noLaterThanMs: untilMs }
    : { state: 'bounded', noLaterThanMs: untilMs }
}

/**
 * Returns what the logout tokens of a client prove once it has answered each of them with 2xx: its
 * own sessions have ended. Of a revocation of more than one user only the totals are known. Of one
 * client or grant, that client alone gets logout tokens.
 */
function tokensAnswered(
  { revocation: { fanOut, selector, totals }, clientIds, tokens, addressed }: ReceiptRows,
  clientId: string,
): Claim | undefined {
  if ('clientId' in selector && selector.clientId !== clientId) return undefined
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
  { clients, clock }: ReceiptDeps,
  { revocation, clientIds, leases }: ReceiptRows,
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
      : visibleTo(visibleTenants(client, clock.now()), revocation)
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
  return [...ids].filter(isConcerned)
}
