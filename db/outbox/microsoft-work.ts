import { sql } from 'drizzle-orm'
import type { Act, Engine } from '../engine/act.ts'
import { forUpdate, forUpdateSkipLocked, indexedBy } from '../engine/dialect.ts'
import { isFree } from '../engine/lease.ts'
import { pacing } from '../engine/pace.ts'
import {
  assign,
  columnsOf,
  command,
  excluded,
  insertInto,
  names,
  pick,
  query,
  type RowOf,
  type Takes,
} from '../engine/statement.ts'
import { optional } from '../engine/values.ts'
import { microsoftWork, sessions, subjects } from '../schema.ts'
import type { MicrosoftWork, QueuedMicrosoftWork } from '../types.ts'

/**
 * Requests to Microsoft Graph, as rows that stay until they are done. Work that was requested again
 * meanwhile does not count as done.
 */

const workFields = columnsOf(
  microsoftWork,
  'kind',
  'tid',
  'oid',
  'generation',
  'attempts',
  'askedAtMs',
  'nextAtMs',
  'leasedUntilMs',
  'lastError',
)

const workOf = ({ lastError, ...row }: RowOf<typeof workFields>): QueuedMicrosoftWork => ({
  ...row,
  lastError: optional(lastError),
})

const key = columnsOf(microsoftWork, 'kind', 'tid', 'oid')
const fullKey = sql`${key.kind}, ${key.tid}, ${key.oid}`
const keyNames = names(key.kind, key.tid, key.oid)
/**
 * A repeated request frees the work for any process, because the process that does it now may have
 * begun before the request.
 */
const anew = {
  generation: sql`${microsoftWork.generation} + 1`,
  attempts: 0,
  state: 'pending',
  leasedUntilMs: 0,
}
const again = sql`ON CONFLICT (${keyNames}) DO UPDATE
  SET ${assign(microsoftWork, { ...anew, askedAtMs: excluded(microsoftWork.askedAtMs), nextAtMs: excluded(microsoftWork.nextAtMs) })}`

type Key = { kind: string; tid: string; oid: string }
const hasKey = (p: Takes<Key>) =>
  sql`${key.kind} = ${p.kind} AND ${key.tid} = ${p.tid} AND ${key.oid} = ${p.oid}`
/**
 * Work as it was read. The time belongs to the key, because work that is done and then requested
 * again starts with generation 1 again.
 */
type ClaimedWork = Key & { generation: number; askedAtMs: number }
const isClaimed = (p: Takes<ClaimedWork>) =>
  sql`${hasKey(p)} AND ${microsoftWork.generation} = ${p.generation} AND ${microsoftWork.askedAtMs} = ${p.askedAtMs}`

const ask = command(
  (p: Takes<Key & { nowMs: number }>) =>
    sql`${insertInto(microsoftWork, {
      ...pick(p, 'kind', 'tid', 'oid'),
      generation: 1,
      attempts: 0,
      state: 'pending',
      askedAtMs: p.nowMs,
      nextAtMs: p.nowMs,
    })} ${again}`,
)
const hasPending = query(
  columnsOf(microsoftWork, 'generation'),
  (p: Takes<Key>, f) =>
    sql`SELECT ${f} FROM ${microsoftWork} WHERE ${hasKey(p)} AND ${microsoftWork.state} = 'pending'`,
)
const claim = query(
  workFields,
  (p: Takes<{ tid: string; nowMs: number; untilMs: number; limit: number }>, f) => {
    const isDue = sql`${microsoftWork.state} = 'pending' AND ${key.tid} = ${p.tid} AND ${microsoftWork.nextAtMs} <= ${p.nowMs}
    AND ${isFree(microsoftWork.leasedUntilMs, p.nowMs, 'microsoft')}`
    return sql`WITH page AS MATERIALIZED (SELECT ${fullKey} FROM ${microsoftWork}${indexedBy('microsoft_work_due')} WHERE ${isDue}
      ORDER BY ${microsoftWork.nextAtMs} LIMIT ${p.limit}${forUpdateSkipLocked(microsoftWork)})
    UPDATE ${microsoftWork} SET ${assign(microsoftWork, { leasedUntilMs: p.untilMs })}
    WHERE (${fullKey}) IN (SELECT ${keyNames} FROM page) RETURNING ${f}`
  },
)
const release = command(
  (p: Takes<ClaimedWork & { untilMs: number }>) =>
    sql`UPDATE ${microsoftWork} SET ${assign(microsoftWork, { leasedUntilMs: 0 })} WHERE ${isClaimed(p)} AND ${microsoftWork.leasedUntilMs} = ${p.untilMs}`,
)
const failed = query(
  workFields,
  (p: Takes<{ limit: number }>, f) =>
    sql`SELECT ${f} FROM ${microsoftWork} WHERE ${microsoftWork.state} = 'failed' ORDER BY ${microsoftWork.askedAtMs} DESC LIMIT ${p.limit}`,
)
/** The most rows that one transaction of a redrive reads. */
const REDRIVEN = 500

// A redrive goes in the order of the key, so that work that fails again meanwhile is not redriven a
// second time.
type Range = { afterKind: string; afterTid: string; afterOid: string }
const isAfter = (p: Takes<Range>) =>
  sql`(${fullKey}) > (${p.afterKind}, ${p.afterTid}, ${p.afterOid})`
const keysAfter = query(
  key,
  (p: Takes<Range & { limit: number }>, f) =>
    sql`SELECT ${f} FROM ${microsoftWork} WHERE ${isAfter(p)} ORDER BY ${fullKey} LIMIT ${p.limit}`,
)
const keysOfTenantAfter = query(
  key,
  (p: Takes<Range & { limit: number }>, f) => sql`SELECT ${f} FROM ${microsoftWork}
    WHERE ${key.kind} = ${p.afterKind} AND ${key.tid} = ${p.afterTid} AND ${key.oid} > ${p.afterOid} ORDER BY ${key.oid} LIMIT ${p.limit}`,
)
const redrivePage = command((p: Takes<Range & Key & { nowMs: number }>) => {
  const isOfPage = sql`${isAfter(p)} AND (${fullKey}) <= (${p.kind}, ${p.tid}, ${p.oid}) AND ${microsoftWork.state} = 'failed'`
  return sql`WITH page AS MATERIALIZED (SELECT ${fullKey} FROM ${microsoftWork} WHERE ${isOfPage} ORDER BY ${fullKey}${forUpdate(microsoftWork)})
    UPDATE ${microsoftWork} SET ${assign(microsoftWork, { ...anew, askedAtMs: p.nowMs, nextAtMs: p.nowMs })}
    WHERE (${fullKey}) IN (SELECT ${keyNames} FROM page)`
})
const settle = command(
  (p: Takes<ClaimedWork>) => sql`DELETE FROM ${microsoftWork} WHERE ${isClaimed(p)}`,
)
const postpone = command(
  (p: Takes<ClaimedWork & { state: string; nextAtMs: number; error: string }>) =>
    sql`UPDATE ${microsoftWork} SET ${assign(microsoftWork, {
      attempts: sql`${microsoftWork.attempts} + 1`,
      state: p.state,
      nextAtMs: p.nextAtMs,
      leasedUntilMs: 0,
      lastError: p.error,
    })} WHERE ${isClaimed(p)}`,
)

/** The most users whose check one transaction requests. */
const USERS = 200

type Page = { tid: string; after: string; rows: number }
const usersAfter = (p: Takes<Pick<Page, 'tid' | 'after'>>) =>
  sql`FROM ${subjects} WHERE ${subjects.tid} = ${p.tid} AND ${subjects.oid} > ${p.after} ORDER BY ${subjects.oid}`
const lastOfPage = query(
  columnsOf(subjects, 'oid'),
  (p: Takes<Page>, f) => sql`SELECT ${f} ${usersAfter(p)} LIMIT 1 OFFSET ${p.rows} - 1`,
)
const askUsers = command((p: Takes<Page & { now: number; nowMs: number }>) => {
  const { kind, tid, oid, generation, attempts, state, askedAtMs, nextAtMs } = microsoftWork
  const isSignedIn = sql`EXISTS (SELECT 1 FROM ${sessions}${indexedBy('sessions_open_by_sub')}
    WHERE ${sessions.sub} = ${subjects.sub} AND ${sessions.endedSeq} IS NULL AND ${sessions.deadlineAt} > ${p.now})`
  const page = sql`(SELECT ${subjects.sub}, ${subjects.tid}, ${subjects.oid} ${usersAfter(p)} LIMIT ${p.rows}) AS ${subjects}`
  const time = sql`CAST(${p.nowMs} AS bigint)`
  return sql`INSERT INTO ${microsoftWork} (${names(kind, tid, oid, generation, attempts, state, askedAtMs, nextAtMs)})
    SELECT 'check_user', ${subjects.tid}, ${subjects.oid}, 1, 0, 'pending', ${time}, ${time} FROM ${page} WHERE ${isSignedIn} ${again}`
})

const ofTenant = command((p: Takes<{ tid: string; limit: number }>) => {
  // All kinds are listed, so that the primary key finds the work of one tenant.
  const isOfTenant = sql`${key.kind} IN ('check_user', 'revoke_sessions', 'revoke_reported', 'tend_subscription') AND ${key.tid} = ${p.tid}`
  // Waits for work that a worker has just locked: fewer than `limit` deleted rows must mean that
  // none is left.
  return sql`WITH page AS MATERIALIZED (SELECT ${fullKey} FROM ${microsoftWork} WHERE ${isOfTenant} ORDER BY ${fullKey} LIMIT ${p.limit}${forUpdate(microsoftWork)})
    DELETE FROM ${microsoftWork} WHERE (${fullKey}) IN (SELECT ${keyNames} FROM page)`
})
/**
 * Deletes up to `limit` pieces of Microsoft work of a tenant that is removed.
 * @returns how many rows were deleted
 */
export const dropWorkOfTenant = (tid: string, limit: number): Act<number> =>
  ofTenant.run({ tid, limit })

/** Sorts work by its key, so that two acts that request the same work cannot deadlock. */
const inOrder = <T extends MicrosoftWork>(work: readonly T[]): T[] =>
  work.toSorted((a, b) =>
    [a.kind, a.tid, a.oid].join(' ') < [b.kind, b.tid, b.oid].join(' ') ? -1 : 1,
  )

/** Persists work. Existing work is requested again, and due now. */
export function* askMicrosoft(work: readonly MicrosoftWork[], nowMs: number): Act<void> {
  for (const job of inOrder(work)) yield* ask.run({ ...job, nowMs })
}

export function* hasPendingMicrosoftWork(work: MicrosoftWork): Act<boolean> {
  return (yield* hasPending.get({ ...work })) !== undefined
}

type Everybody = { tid: string; now: number; nowMs: number }

function* askPage(
  { tid, now, nowMs }: Everybody,
  after: string,
  rows: number,
): Act<{ asked: number; next: string | undefined }> {
  const asked = yield* askUsers.run({ tid, now, nowMs, after, rows })
  // Read after the insert: a user who is added between the two is checked twice rather than missed.
  return { asked, next: (yield* lastOfPage.get({ tid, after, rows }))?.oid }
}

/**
 * Writes `check_user` for every user of a tenant who has a live session, page by page, because a
 * tenant may have a hundred thousand users. If it is run again after a fault, each user is checked
 * again.
 * @returns how many
 */
export async function askAboutEverybody({ writePage }: Engine, input: Everybody): Promise<number> {
  let sum = 0
  const pace = pacing({ most: USERS })
  for (let after: string | undefined = ''; after !== undefined; await pace.rest()) {
    const from: string = after
    const { rows } = pace
    const { asked, next } = await writePage(() => askPage(input, from, rows))
    sum += asked
    after = next
  }
  return sum
}

/**
 * Makes the failed work of one page pending.
 * @returns how many rows of the page had failed, and its last row where more may follow
 */
function* redriveNext(
  keys: typeof keysAfter,
  after: Key,
  { nowMs, limit }: { nowMs: number; limit: number },
): Act<{ redriven: number; next: Key | undefined }> {
  const range = { afterKind: after.kind, afterTid: after.tid, afterOid: after.oid }
  const page = yield* keys.all({ ...range, limit })
  const last = page.at(-1)
  if (last === undefined) return { redriven: 0, next: undefined }
  return {
    redriven: yield* redrivePage.run({ ...range, ...last, nowMs }),
    next: page.length < limit ? undefined : last,
  }
}

/**
 * Makes failed work (of one tenant, or all) pending again and due now, as if it were requested now.
 * An outage of Microsoft may have failed the work of every user, so it goes page by page.
 * @returns how many
 */
export async function redriveMicrosoftWork(
  { writePage }: Engine,
  { tid, nowMs }: { tid?: string | undefined; nowMs: number },
): Promise<number> {
  const [keys, begins] =
    tid === undefined
      ? [keysAfter, [{ kind: '', tid: '', oid: '' }]]
      : [keysOfTenantAfter, microsoftWork.kind.enumValues.map((kind) => ({ kind, tid, oid: '' }))]
  let sum = 0
  const pace = pacing({ most: REDRIVEN })
  for (const begin of begins)
    for (let after: Key | undefined = begin; after !== undefined; await pace.rest()) {
      const from: Key = after
      const limit = pace.rows
      const { redriven, next } = await writePage(() => redriveNext(keys, from, { nowMs, limit }))
      sum += redriven
      after = next
    }
  return sum
}

/**
 * Takes due work, the earliest first, for the caller alone until `untilMs`. Two concurrent callers
 * get different work.
 */
export function* claimMicrosoftWork(input: {
  tid: string
  nowMs: number
  untilMs: number
  limit: number
}): Act<QueuedMicrosoftWork[]> {
  return (yield* claim.all({ ...input })).map(workOf).toSorted((a, b) => a.nextAtMs - b.nextAtMs)
}

/**
 * Releases work that was claimed and not begun, so that any broker may take it. Work that others
 * have claimed since is left alone.
 */
export function* releaseMicrosoftWork(work: readonly QueuedMicrosoftWork[]): Act<void> {
  for (const job of inOrder(work)) yield* release.run({ ...job, untilMs: job.leasedUntilMs })
}

/** Deletes work that is done, unless it was requested again since. */
export function* settleMicrosoftWork(work: QueuedMicrosoftWork): Act<void> {
  yield* settle.run(work)
}

type Postponed = { nextAtMs: number | undefined; error: string }

/**
 * Postpones work that was not done: it is due again at `nextAtMs`, or has failed where `nextAtMs`
 * is undefined. Nothing changes where it was requested again since.
 */
export function* postponeMicrosoftWork(
  work: QueuedMicrosoftWork,
  { nextAtMs, error }: Postponed,
): Act<void> {
  const state = nextAtMs === undefined ? 'failed' : 'pending'
  yield* postpone.run({ ...work, state, nextAtMs: nextAtMs ?? work.nextAtMs, error })
}

/** Returns work that has no attempts left. */
export function* failedMicrosoftWork(limit: number): Act<QueuedMicrosoftWork[]> {
  return (yield* failed.all({ limit })).map(workOf)
}
