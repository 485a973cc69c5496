import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import { type LockTarget, lockTargetName } from '../../src/protocol/lock-target.ts'
import type { Selector } from '../../src/protocol/revocation.ts'
import type { Act } from '../engine/act.ts'
import { forUpdate } from '../engine/dialect.ts'
import { columnsOf, orAny, placeholders, query } from '../engine/statement.ts'
import type { RowOf, Takes } from '../engine/statement.ts'
import { AFTER_EVERY_ID, optional } from '../engine/values.ts'
import { isToLift } from '../locks/row.ts'
import { locks, scheduledActs } from '../schema.ts'
import type { ScheduledActs } from '../store.ts'
import type { ScheduledAct, ScheduledState, ScheduledWhat } from '../types.ts'

/** Scheduled acts as rows: what waits, and its outcome. */

export const scheduledFields = {
  ...columnsOf(scheduledActs, 'id', 'act', 'target', 'wide', 'caseReference', 'comment', 'endsAt', 'dueAt', 'state', 'actorKind', 'actorId', 'via'),
  ...columnsOf(scheduledActs, 'may', 'createdAt', 'confirmUntil', 'confirmedByKind', 'confirmedById', 'confirmedVia', 'confirmedAt', 'announcedAt'),
  ...columnsOf(scheduledActs, 'settledAt', 'settledByKind', 'settledById', 'result'),
}
export type ScheduledRow = RowOf<typeof scheduledFields>

export const whatOf = ({ act, target, endsAt }: Pick<ScheduledRow, 'act' | 'target' | 'endsAt'>): ScheduledWhat =>
  act === 'revoke' ? { act, selector: JSON.parse(target) as Selector } : { act, target: JSON.parse(target) as LockTarget, endsAt: optional(endsAt) }

/** The target of its audit entries. */
export const targetOfWhat = (what: ScheduledWhat): string =>
  what.act === 'revoke' ? Object.values(what.selector).join(' ') : lockTargetName(what.target)

const by = <T extends object>(kind: ScheduledRow['confirmedByKind'], id: string | null, at: number | null, more: T) =>
  kind === null || id === null || at === null ? undefined : { actor: { kind, id }, at, ...more }

export const scheduledFrom = (row: ScheduledRow): ScheduledAct => ({
  id: row.id,
  what: whatOf(row),
  wide: row.wide === 1,
  caseReference: optional(row.caseReference),
  comment: optional(row.comment),
  dueAt: optional(row.dueAt),
  state: row.state,
  actor: { kind: row.actorKind, id: row.actorId },
  createdAt: row.createdAt,
  confirmUntil: optional(row.confirmUntil),
  confirmed: by(row.confirmedByKind, row.confirmedById, row.confirmedAt, {}),
  announcedAt: optional(row.announcedAt),
  settled: by(row.settledByKind, row.settledById, row.settledAt, { result: JSON.parse(row.result ?? '{}') as Record<string, unknown> }),
})

const one = (lock: SQL) =>
  query(scheduledFields, (p: Takes<{ id: string }>, f) => sql`SELECT ${f} FROM ${scheduledActs} WHERE ${scheduledActs.id} = ${p.id}${lock}`)
const [byId, byIdLocked] = [one(sql``), one(forUpdate(scheduledActs))]

export function* findScheduledAct(id: string): Act<ScheduledAct | undefined> {
  const row = yield* byId.get({ id })
  return row && scheduledFrom(row)
}
/** The row, which no other act changes until this one ends. */
export const lockScheduled = (id: string): Act<ScheduledRow | undefined> => byIdLocked.get({ id })

const isDue = (now: SQL) => sql`${scheduledActs.state} = 'scheduled' AND ${scheduledActs.dueAt} <= ${now}`
/** Wide, and not announced yet. */
export const isToAnnounce = (until: SQL): SQL => sql`${isDue(until)} AND ${scheduledActs.wide} = 1 AND ${scheduledActs.announcedAt} IS NULL`
export const isToExpire = (now: SQL): SQL => sql`${scheduledActs.state} = 'proposed' AND ${scheduledActs.confirmUntil} <= ${now}`
const given: Takes<{ now: number; announceUntil: number }> = placeholders
const due = query(
  {
    lifts: sql<number>`CASE WHEN EXISTS (SELECT 1 FROM ${locks} WHERE ${isToLift(given.now)}) THEN 1 ELSE 0 END`,
    announcements: sql<number>`CASE WHEN EXISTS (SELECT 1 FROM ${scheduledActs} WHERE ${isToAnnounce(given.announceUntil)}) THEN 1 ELSE 0 END`,
    expiries: sql<number>`CASE WHEN EXISTS (SELECT 1 FROM ${scheduledActs} WHERE ${isToExpire(given.now)}) THEN 1 ELSE 0 END`,
    act: sql<string | null>`(SELECT ${scheduledActs.id} FROM ${scheduledActs} WHERE ${isDue(given.now)} ORDER BY ${scheduledActs.dueAt} LIMIT 1)`,
  },
  (_: Takes<{ now: number; announceUntil: number }>, f) => sql`SELECT ${f}`,
)
export function* dueNow(input: { now: number; announceUntil: number }): Act<Awaited<ReturnType<ScheduledActs['dueNow']>>> {
  const row = yield* due.get(input)
  return { lifts: row?.lifts === 1, announcements: row?.announcements === 1, expiries: row?.expiries === 1, act: optional(row?.act ?? null) }
}

const list = query(
  scheduledFields,
  (p: Takes<{ state: ScheduledState | null; before: string; limit: number }>, f) => sql`SELECT ${f} FROM ${scheduledActs}
    WHERE ${scheduledActs.id} < ${p.before} AND ${orAny(scheduledActs.state, p.state)}
    ORDER BY ${scheduledActs.id} DESC LIMIT ${p.limit}`,
)

/** Newest first: an id begins with its time. */
export function* listScheduledActs(input: Parameters<ScheduledActs['listScheduledActs']>[0]): Act<ScheduledAct[]> {
  const { state = null, before = AFTER_EVERY_ID, limit } = input
  return (yield* list.all({ state, before, limit })).map(scheduledFrom)
}

const counts = query(
  { state: scheduledActs.state, count: sql<number>`count(*)`, firstDueAt: sql<number | null>`min(${scheduledActs.dueAt})` },
  (_, f) => sql`SELECT ${f} FROM ${scheduledActs} WHERE ${scheduledActs.settledAt} IS NULL
    GROUP BY ${scheduledActs.state} ORDER BY ${scheduledActs.state}`,
)
export function* scheduledCounts(): Act<Awaited<ReturnType<ScheduledActs['scheduledCounts']>>> {
  return (yield* counts.all({})).map((row) => ({ ...row, firstDueAt: optional(row.firstDueAt) }))
}
