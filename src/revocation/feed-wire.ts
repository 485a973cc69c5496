import type { Revocation } from '../../db/types.ts'
import type { Client } from '../protocol/client-metadata.ts'
import { encodeSelector, type WireSelector } from '../protocol/selector.ts'
import type { FeedPosition } from './interface.ts'
import type { Deps } from './deps.ts'

/**
 * The feed as it is on the wire (docs/feed.md): entries without their reason, and frames of
 * server-sent events.
 */

/**
 * The longest an access token can live, and the difference of clocks that is allowed for: past it
 * an entry covers nothing that could be used.
 */
export const ENTRY_SECONDS = 3600 + 60
/** Entries in one answer or `snapshot`. */
export const PAGE = 1_000

/** The name of a listener that gives none. */
export const ANY_GUARD = 'default'

interface FeedEntry {
  seq: number
  selector: WireSelector
  exp: number
}

export const entryOf = (revocation: Revocation): FeedEntry => ({
  seq: revocation.seq,
  selector: encodeSelector(revocation.selector),
  exp: revocation.at + ENTRY_SECONDS,
})

/**
 * Whose revocations a client sees: of the tenants it is registered for, and of former ones while
 * their users' tokens may live. Undefined: all.
 */
export function tenantsHeard(
  { metadata: { tenants }, formerTenants }: Client,
  now: number,
): readonly string[] | undefined {
  if (tenants === undefined || formerTenants.length === 0) return tenants
  const heard = [...tenants]
  for (const { tid, removedAt } of formerTenants) {
    if (now - removedAt > ENTRY_SECONDS) continue
    if (tid === undefined) return undefined
    heard.push(tid)
  }
  return heard
}

/** A client of certain tenants gets their revocations, and those that concern no single tenant. */
export const visibleTo = (
  tenants: readonly string[] | undefined,
  revocation: Revocation,
): boolean =>
  tenants === undefined || revocation.tid === undefined || tenants.includes(revocation.tid)

const encoder = new TextEncoder()

export const frame = (event: string, data: unknown, id?: string): Uint8Array =>
  encoder.encode(
    `event: ${event}\n${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`,
  )

const OPENING = encoder.encode('retry: 1000\n\n')
/** The first bytes of a stream: by `atMs`, which is after its request arrived, the guard counts. */
export const opening = (clock: string, atMs: number): Uint8Array =>
  Buffer.concat([OPENING, frame('anchor', { clock, at_ms: atMs })])
/** For a stream that is not live yet, which grants nothing. */
export const WAITING = encoder.encode(': waiting\n\n')

export const eventId = ({ epoch, seq }: FeedPosition): string => `${epoch}.${seq}`

/** Undefined where it is none of ours: the listener then starts again. */
export function readEventId(id: string | undefined): FeedPosition | undefined {
  const read = /^([\w-]{1,100})\.(\d{1,15})$/.exec(id ?? '')
  return read === null ? undefined : { epoch: read[1]!, seq: Number(read[2]) }
}

/**
 * Whether a guard names a number of this log that the database does not have: after its head, or
 * only of a Postgres server that failed.
 */
export const isLost = (
  store: Pick<Deps['store'], 'wasLost'>,
  head: FeedPosition,
  { epoch, seq }: FeedPosition,
): boolean => epoch === head.epoch && (seq > head.seq || store.wasLost(seq))

/**
 * Evidence that revocations were lost: the database is older than what guards have seen. A guard
 * beyond the head gets `reset`; an operator must look.
 */
export function noteLost(
  deps: Pick<Deps, 'log' | 'metrics' | 'rateLimits'>,
  {
    clientId,
    guardId,
    seq,
    head,
  }: { clientId: string; guardId: string; seq: number; head: number },
): void {
  deps.metrics.guardsAhead.inc({ client: clientId })
  // A guard that is wrong, or taken over, reports as often as it wants.
  if (!deps.rateLimits.mayLog({ clientId })) return
  deps.log.error('guard_ahead_of_log', {
    client_id: clientId,
    guard: guardId,
    seq,
    head,
    next: 'Revocations that this guard enforces were lost: the database was restored to an earlier state. See docs/alerts.md, BrokerLogLost.',
  })
}
