import type { Deps } from './deps.ts'
import { LONGEST_LEASE_SECONDS } from '../../db/log/guard-leases.ts'
import { visibleTenants, visibleTo } from './feed-wire.ts'

/**
 * The receipt of a revocation: of each client that took part, since when it accepts nothing that
 * the revocation covers, by when it must stop, or that there is no bound. No claim is ever false
 * (docs/evidence.md).
 */

/** By how much the clocks of two brokers may differ, and one may have been set unnoticed. */
const CLOCKS_MS = 90_000

export interface Participant {
  clientId: string
  state: 'confirmed' | 'bounded' | 'not_bounded'
  /** The proof: the reports of its guards, its logout tokens, or the end of its leases. */
  by?: 'report' | 'logout_token' | 'lease' | undefined
  /** It accepts nothing later than this; undefined where there is no bound. */
  noLaterThanMs?: number | undefined
  leaseSeconds: number
  /** The guards that had a lease at the acknowledgment, by name, and those that have reported. */
  guards: { listening: number; confirmed: number }
}

export interface Receipt {
  seq: number
  acknowledgedAtMs: number
  /** The longest lease of a participant. */
  leaseSeconds: number
  /** True: only a participant without a bound may still change. */
  final: boolean
  participants: Participant[]
}

type ReceiptDeps = Pick<Deps, 'store' | 'feed' | 'clock' | 'clients'>
type Found = Exclude<Awaited<ReturnType<Deps['store']['receiptRows']>>, 'gone' | undefined>

/**
 * Returns the receipt of a revocation as it is now. `gone`: what it is computed from is no longer
 * kept. Undefined: there is no such revocation.
 */
export async function receiptOf(
  deps: ReceiptDeps,
  seq: number,
): Promise<Receipt | 'gone' | undefined> {
  const { store, feed, clock } = deps
  let found = await store.receiptRows(seq)
  if (typeof found === 'object' && found.acknowledgedAtMs === undefined) {
    // It is committed, so any later time bounds the acknowledgment.
    await store.acknowledge([{ seq, atMs: feed.publishedAtMs(seq) ?? clock.nowMs() }])
    found = await store.receiptRows(seq)
  }
  return typeof found === 'object' ? receiptFrom(deps, found) : found
}

function receiptFrom(deps: ReceiptDeps, found: Found): Receipt {
  const { revocation, leases } = found
  const acknowledgedAtMs = found.acknowledgedAtMs ?? deps.clock.nowMs()
  const leaseOf = new Map(leases.map((row) => [row.clientId, row]))
  const participants = participantIds(deps, found)
    .toSorted()
    .map((clientId): Participant => {
      const row = leaseOf.get(clientId)
      const leaseSeconds = row?.seconds || LONGEST_LEASE_SECONDS
      const untilMs = acknowledgedAtMs + leaseSeconds * 1000
      const { guards: listening = 0, silent = 0, leastReported = revocation.seq } = row ?? {}
      const claim = { clientId, leaseSeconds, guards: { listening, confirmed: listening - silent } }
      const allReported = leastReported >= revocation.seq
      if (listening > 0 && allReported)
        return {
          ...claim,
          ...{ state: 'confirmed', by: 'report' },
          noLaterThanMs: Math.min(row?.reportedAtMs ?? untilMs, untilMs),
        }
      if (listening > 0)
        return isOver(deps, revocation.seq, untilMs, leaseSeconds)
          ? { ...claim, state: 'confirmed', by: 'lease', noLaterThanMs: untilMs }
          : { ...claim, state: 'bounded', noLaterThanMs: untilMs }
      const delivered = deliveredAt(deps, found, clientId)
      return allReported && delivered !== undefined
        ? {
            ...claim,
            ...{ state: 'confirmed', by: 'logout_token' },
            noLaterThanMs: delivered.atMs,
          }
        : { ...claim, state: 'not_bounded' }
    })
  const leaseSeconds = Math.max(0, ...participants.map((one) => one.leaseSeconds))
  const untilMs = acknowledgedAtMs + leaseSeconds * 1000
  return {
    ...{ seq: revocation.seq, acknowledgedAtMs, leaseSeconds, participants },
    final:
      participants.every(({ state }) => state === 'confirmed') ||
      isOver(deps, revocation.seq, untilMs, leaseSeconds),
  }
}

/**
 * Returns the clients that took part, and those whose guards accept tokens for the same audiences.
 * A client that was removed takes part until its longest lease is over.
 */
function participantIds(
  { clients, clock }: ReceiptDeps,
  { revocation, clientIds, leases }: Found,
): string[] {
  const ids = new Set(clientIds ?? leases.map((row) => row.clientId))
  const isConcerned = (clientId: string): boolean => {
    const client = clients.find(clientId)
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

/**
 * Returns whether every lease of this length is over that ran at the acknowledgment: by the steady
 * clock since this process has known of the revocation, or long after by the wall clock.
 */
const isOver = ({ feed, clock }: ReceiptDeps, seq: number, untilMs: number, seconds: number) =>
  feed.knownForMs(seq) >= seconds * 1000 || clock.nowMs() >= untilMs + CLOCKS_MS

/**
 * Returns when the last of a client's logout tokens was delivered, if all were. Of a revocation of
 * more than one user only the totals are known.
 */
function deliveredAt(
  { clients }: ReceiptDeps,
  { revocation: { fanOut, totals }, clientIds, tokens }: Found,
  clientId: string,
): { atMs: number | undefined } | undefined {
  const own = tokens.find((row) => row.clientId === clientId)
  if (fanOut === 'pending') return undefined
  if (own !== undefined) return own.undelivered === 0 ? { atMs: own.deliveredAtMs } : undefined
  const { delivered, ...others } = totals
  const hasTokens =
    clientIds === undefined
      ? (clients.find(clientId)?.metadata.logoutUris.length ?? 0) > 0
      : tokens.length === 0
  return hasTokens && delivered > 0 && Object.values(others).every((count) => count === 0)
    ? { atMs: undefined }
    : undefined
}
