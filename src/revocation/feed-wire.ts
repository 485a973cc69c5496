import type { Store } from '../../db/store.ts'
import type { FeedRow, Revocation } from '../../db/types.ts'
import type { Client } from '../protocol/client-metadata.ts'
import { LONGEST_SESSION_SECONDS, reasonClass, type ReasonClass } from '../protocol/revocation.ts'
import { encodeSelector, type WireSelector } from '../protocol/selector.ts'
import type { FeedPosition } from './interface.ts'
import type { Deps } from './deps.ts'

/**
 * The wire format of the feed (docs/feed.md): entries with the class of their reason, as
 * server-sent events.
 */

/**
 * Seconds for which an entry is sent: the longest lifetime of an access token plus the allowed
 * clock difference. After that no covered token is valid.
 */
export const ENTRY_SECONDS = 3600 + 60
/** Entries in one answer or one `snapshot` event. */
export const PAGE = 1_000

/** The names that a guard may have. */
export const GUARD_ID = /^[A-Za-z0-9._-]{1,64}$/
/** The random value of a request, which the answer repeats. */
export const NONCE = /^[\w-]{16,64}$/
/** The names of streams and pollers. */
export const STREAM_NAME = /^[\w-]{1,64}$/
/** The guard id of a listener that sends none. */
export const ANY_GUARD = 'default'

interface FeedEntry {
  seq: number
  selector: WireSelector
  exp: number
  reason_class: ReasonClass
  session_exp?: number
}

/** The ways in which a revocation is sent to a guard. */
export type Form = 'ends' | 'seen' | 'passed'

/**
 * Returns an entry. One that `ends` sessions says until when; an entry of 1.0.0-rc.2 does not have
 * that time, so the longest session that there may be counts.
 */
export const entryOf = (revocation: Revocation, form: Exclude<Form, 'passed'>): FeedEntry => ({
  seq: revocation.seq,
  selector: encodeSelector(revocation.selector),
  exp: revocation.at + ENTRY_SECONDS,
  reason_class: reasonClass(revocation.reason),
  ...(form === 'ends' && {
    session_exp: revocation.sessionsUntil ?? revocation.at + LONGEST_SESSION_SECONDS + 60,
  }),
})

/**
 * Returns the tenants whose revocations a client sees, or undefined for all. Former tenants count
 * while their users' tokens may be valid, and for a guard that judges sessions, while their
 * sessions may be.
 */
export function visibleTenants(
  { metadata: { tenants }, formerTenants }: Client,
  now: number,
  sessions = false,
): readonly string[] | undefined {
  const seconds = ENTRY_SECONDS + (sessions ? LONGEST_SESSION_SECONDS : 0)
  if (tenants === undefined || formerTenants.length === 0) return tenants
  const visible = [...tenants]
  for (const { tid, removedAt } of formerTenants) {
    if (now - removedAt > seconds) continue
    if (tid === undefined) return undefined
    visible.push(tid)
  }
  return visible
}

/**
 * Returns the tenants whose revocations a client sees, or undefined for all. A client that is no
 * longer registered sees only revocations of all tenants.
 */
export function tenantsOf(
  { clients, clockWatch }: Pick<Deps, 'clients' | 'clockWatch'>,
  clientId: string,
  sessions: boolean,
): readonly string[] | undefined {
  const client = clients.find(clientId)
  return client === undefined ? [] : visibleTenants(client, clockWatch.certainNow(), sessions)
}

/**
 * Reads the log after a position, and registrations that are as new as what it finds, because they
 * decide which client sees an entry.
 * @throws StoreUnavailable
 */
export async function entriesAfter(
  { store, clients }: { store: Pick<Deps['store'], 'revocationsAfter'> } & Pick<Deps, 'clients'>,
  wanted: Parameters<Deps['store']['revocationsAfter']>[0],
): Promise<FeedRow[]> {
  const rows = await store.revocationsAfter(wanted)
  await clients.atLeast(rows.at(-1)?.registryVersion ?? 0)
  return rows
}

/**
 * Returns whether a revocation is of one of these tenants or of no single tenant. Without
 * `tenants`, every revocation is visible.
 */
export const visibleTo = (
  tenants: readonly string[] | undefined,
  revocation: Revocation,
): boolean =>
  tenants === undefined || revocation.tid === undefined || tenants.includes(revocation.tid)

/** A guard to which entries are sent. */
export interface Reader {
  clientId: string
  tenants: readonly string[] | undefined
  /** True if it judges the instance's own sessions too. */
  sessions: boolean
}

/**
 * Returns `ends` for a revocation that can end an own session of the client, which its guard judges,
 * `seen` for another one that the client may see, and `passed` for one that it may not.
 */
export function formFor({ clientId, tenants, sessions }: Reader, revocation: Revocation): Form {
  const isSeen = visibleTo(tenants, revocation)
  if (sessions && (revocation.sessionClients?.includes(clientId) ?? isSeen)) return 'ends'
  return isSeen ? 'seen' : 'passed'
}

export const entriesFor = (reader: Reader, revocations: readonly Revocation[]): FeedEntry[] =>
  revocations.flatMap((revocation) => {
    const form = formFor(reader, revocation)
    return form === 'passed' ? [] : entryOf(revocation, form)
  })

const encoder = new TextEncoder()

export const frame = (event: string, data: unknown, id?: string): Uint8Array =>
  encoder.encode(
    `event: ${event}\n${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`,
  )

const OPENING = encoder.encode('retry: 1000\n\n')
/**
 * The first bytes of a stream. The guard counts its lease from `atMs`, which is after its request
 * arrived. `stream` is the stream's name, which its reports repeat, and `nonce` the random value of
 * its request.
 */
export const opening = (anchor: {
  clock: string
  at_ms: number
  stream: string
  nonce: string | undefined
}): Uint8Array => Buffer.concat([OPENING, frame('anchor', anchor)])
/** The beat of a stream that is not live yet: a comment, which grants no lease. */
export const WAITING = encoder.encode(': waiting\n\n')

export const eventId = ({ epoch, seq }: FeedPosition): string => `${epoch}.${seq}`

/**
 * Returns the position that an event id names, or undefined for another format: the listener then
 * starts over.
 */
export function readEventId(id: string | undefined): FeedPosition | undefined {
  const read = /^([\w-]{1,100})\.(\d{1,15})$/.exec(id ?? '')
  return read === null ? undefined : { epoch: read[1]!, seq: Number(read[2]) }
}

/**
 * Returns whether a guard names a `seq` of this log that the database does not have: one after the
 * head, or one that only a failed Postgres server had.
 */
export const isLost = (
  store: Pick<Deps['store'], 'wasLost'>,
  head: FeedPosition,
  { epoch, seq }: FeedPosition,
): boolean => epoch === head.epoch && (seq > head.seq || store.wasLost(seq))

/**
 * How far a lost part of a log can reach beyond what is left: a thousand servers that replaced each
 * other, each with the numbers that it skipped (`continueLog`). A `seq` beyond that was never
 * issued.
 */
const FARTHEST = 1_000 * 2 ** 32

/** A guard that had seen more of the log than there is. `at` is epoch seconds. */
interface Loss {
  clientId: string
  guardId: string
  seq: number
  head: number
  at: number
}
const LOSS = 'guard_ahead_of_log'

/** Returns the last guard that was ahead of the log, for the checks. */
export async function lastLoss({ setting }: Pick<Store, 'setting'>): Promise<Loss | undefined> {
  const kept = await setting(LOSS)
  return kept === undefined ? undefined : (JSON.parse(kept) as Loss)
}

/**
 * Counts, logs and keeps that revocations were lost: a guard has seen a `seq` that the database
 * does not have. An operator must check; the guard itself gets `reset`. A `seq` that no log can have
 * issued proves nothing but that the guard is wrong, and raises no alert.
 */
export function noteLost(
  deps: Pick<Deps, 'clock' | 'log' | 'metrics' | 'rateLimits' | 'store'>,
  {
    clientId,
    guardId,
    seq,
    head,
  }: { clientId: string; guardId: string; seq: number; head: number },
): void {
  const wasNeverIssued = seq > head + FARTHEST
  if (!wasNeverIssued) deps.metrics.guardsAhead.inc({ client: clientId })
  // A faulty or compromised guard may report at any rate.
  if (!deps.rateLimits.mayLog({ clientId })) return
  const position = { client_id: clientId, guard: guardId, seq, head }
  if (wasNeverIssued)
    return deps.log.warn('guard_seq_never_issued', {
      ...position,
      next: 'No log of this broker can have issued this number. The guard is faulty, or its credential is in the wrong hands.',
    })
  const loss: Loss = { clientId, guardId, seq, head, at: deps.clock.now() }
  deps.store
    .setSetting(LOSS, JSON.stringify(loss))
    .catch((error: unknown) => deps.log.error('loss_not_kept', { ...position, cause: error }))
  deps.log.error('guard_ahead_of_log', {
    ...position,
    next: 'Revocations that this guard enforces were lost: the database was restored to an earlier state. See docs/alerts.md, BrokerLogLost.',
  })
}
