import { setImmediate as turn } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import type { Act, Ambient, Engine } from '../engine/act.ts'
import { columnsOf, command, insertInto, orAny, query } from '../engine/statement.ts'
import type { RowOf, Takes } from '../engine/statement.ts'
import { optional } from '../engine/values.ts'
import { link, lockChain } from '../revocation/chain.ts'
import { audit, auditOutcomes, auditSalts, operators, subjects } from '../schema.ts'
import type { AuditActs } from '../store.ts'
import type { AuditEntry, AuditOutcome, NewAuditEntry } from '../types.ts'

/** What operators did. It refuses to change what is written: there is no such act here, and SQLite's triggers refuse it in SQL. */

const written = columnsOf(audit, 'id', 'atMs', 'actorKind', 'actorId', 'via', 'act', 'target', 'caseReference', 'comment', 'details')
/** NULL where the act has not ended. */
const outcomeFields = {
  endedAtMs: sql<number | null>`${auditOutcomes.atMs}`,
  /** `refused` in rows written before `rejected` was the word: the log is append-only. */
  outcome: sql<AuditOutcome['outcome'] | 'refused' | null>`${auditOutcomes.outcome}`,
  result: sql<string | null>`${auditOutcomes.result}`,
}
export const joinOutcomes = sql`LEFT JOIN ${auditOutcomes} ON ${auditOutcomes.id} = ${audit.id}`

type Written = { [K in keyof RowOf<typeof written>]: RowOf<typeof written>[K] }
const insert = command((p: Takes<Written & { hash: string; personalHash: string }>) => {
  const { id, atMs, actorKind, actorId, via, act, target, caseReference, comment, details, hash, personalHash } = p
  return insertInto(audit, { id, atMs, actorKind, actorId, via, act, target, caseReference, comment, details, hash, personalHash })
})
const keepSalt = command((p: Takes<{ id: number; salt: string }>) => insertInto(auditSalts, { id: p.id, salt: p.salt }))
const insertOutcome = command(
  (p: Takes<{ id: number; atMs: number; outcome: string; result: string }>) =>
    sql`${insertInto(auditOutcomes, { id: p.id, atMs: p.atMs, outcome: p.outcome, result: p.result })} ON CONFLICT DO NOTHING`,
)

/** What the hash of an entry covers in clear, and what it covers salted. */
export const linkOfEntry = ({ id, atMs, actorKind, actorId, via, act, target, caseReference, comment, details }: Written) => ({
  fields: { id, at_ms: atMs, actor_kind: actorKind, via, act, case_reference: caseReference },
  personal: { actor_id: actorId, target, comment, details },
})

/** @returns its id: the number after the chain's head, so that ids are in the order of the commits and never reused */
export function* appendAudit(ambient: Ambient, entry: NewAuditEntry): Act<number> {
  const id = (yield* lockChain('audit')).number + 1
  const { actor, via, act, target = null, caseReference = null, comment = null, details = {} } = entry
  const asked = { via, act, target, caseReference, comment, details: JSON.stringify(details) }
  const row = { id, atMs: ambient.nowMs(), actorKind: actor.kind, actorId: actor.id, ...asked }
  const salt = ambient.newId()
  yield* keepSalt.run({ id, salt })
  yield* insert.run({ ...row, ...(yield* link('audit', { number: id, salt, ...linkOfEntry(row) })) })
  return id
}

export function* concludeAudit(ambient: Ambient, { id, outcome, result }: { id: number } & AuditOutcome): Act<void> {
  yield* insertOutcome.run({ id, atMs: ambient.nowMs(), outcome, result: JSON.stringify(result ?? {}) })
}

const parse = (value: string | null): Record<string, unknown> => JSON.parse(value ?? '{}') as Record<string, unknown>

export function endOf({ endedAtMs, outcome, result }: RowOf<typeof outcomeFields>, atMs: number): AuditEntry['ended'] {
  return outcome === null ? undefined : { outcome: outcome === 'refused' ? 'rejected' : outcome, atMs: endedAtMs ?? atMs, result: parse(result) }
}

/** Of `audit` with `joinOutcomes`. */
export const entryFields = { ...written, ...outcomeFields }
function entryOf(row: RowOf<typeof entryFields>): AuditEntry {
  const { id, atMs, via, act, target, caseReference, comment, details } = row
  const ended = endOf(row, atMs)
  const asked = { via, act, target: optional(target), caseReference: optional(caseReference), comment: optional(comment), details: parse(details) }
  return { id, atMs, actor: { kind: row.actorKind, id: row.actorId }, ...asked, ...(ended && { ended }) }
}

type Wanted = {
  actorId: string | null
  /** Of whose administrators. */
  tid: string | null
  act: string | null
  target: string | null
  caseReference: string | null
  sinceMs: number
  untilMs: number
  after: number
  before: number
  limit: number
}
/** Columns with an index that ends in the id, so that a page reads little more than its own length. */
const INDEXED = ['target', 'actorId', 'act'] as const
const list = (by: (typeof INDEXED)[number] | undefined, order: 'ASC' | 'DESC') =>
  query(
    entryFields,
    (p: Takes<Wanted>, f) => sql`SELECT ${f} FROM ${audit} ${joinOutcomes}
      WHERE ${audit.id} > ${p.after} AND ${audit.id} < ${p.before} ${by === undefined ? sql`` : sql`AND ${audit[by]} = ${p[by]}`}
        AND ${orAny(audit.actorId, p.actorId)} AND ${orAny(audit.act, p.act)} AND ${orAny(audit.target, p.target)}
        AND ${orAny(audit.caseReference, p.caseReference)} AND ${audit.atMs} >= ${p.sinceMs} AND ${audit.atMs} < ${p.untilMs}
      ORDER BY ${audit.id} ${sql.raw(order)} LIMIT ${p.limit}`,
  )
/** Of the administrators of a tenant, by the index of actors. */
const ofTenant = query(
  entryFields,
  (p: Takes<Wanted>, f) => sql`SELECT ${f} FROM ${audit} ${joinOutcomes}
    WHERE ${audit.id} > ${p.after} AND ${audit.id} < ${p.before} AND ${audit.actorKind} = 'operator'
      AND ${audit.actorId} IN (SELECT ${operators.sub} FROM ${operators} WHERE ${operators.may} = 'tenant'
        AND EXISTS (SELECT 1 FROM ${subjects} WHERE ${subjects.sub} = ${operators.sub} AND ${subjects.tid} = ${p.tid}))
      AND ${audit.atMs} >= ${p.sinceMs} AND ${audit.atMs} < ${p.untilMs}
    ORDER BY ${audit.id} DESC LIMIT ${p.limit}`,
)
const both = (by?: (typeof INDEXED)[number]) => ({ rising: list(by, 'ASC'), falling: list(by, 'DESC') })
const lists = { target: both('target'), actorId: both('actorId'), act: both('act'), none: both() }
const end = (order: 'ASC' | 'DESC') =>
  query(columnsOf(audit, 'id'), (_, f) => sql`SELECT ${f} FROM ${audit} ORDER BY ${audit.id} ${sql.raw(order)} LIMIT 1`)
const [oldest, newest] = [end('ASC'), end('DESC')]

function* ends(): Act<[first: number, last: number]> {
  return [(yield* oldest.get({}))?.id ?? 0, (yield* newest.get({}))?.id ?? 0]
}

/** Entries looked at in one turn. */
const WINDOW = 2_000

/** What few entries fit is found window by window of ids, with the event loop let in between. */
export async function listAudit({ read }: Engine, input: Parameters<AuditActs['listAudit']>[0]): Promise<AuditEntry[]> {
  const { before, after, limit, actorId = null, act = null, target = null, caseReference = null } = input
  const filters = {
    actorId,
    tid: input.tid ?? null,
    act,
    target,
    caseReference,
    sinceMs: input.sinceMs ?? 0,
    untilMs: input.untilMs ?? Number.MAX_SAFE_INTEGER,
  }
  const rising = after !== undefined
  const found: AuditEntry[] = []
  const statement = input.tid !== undefined ? ofTenant : lists[INDEXED.find((one) => filters[one] !== null) ?? 'none'][rising ? 'rising' : 'falling']
  const [first, last] = await read(ends)
  let at = rising ? Math.max(after, first - 1) : Math.min(before ?? Infinity, last + 1)
  while (found.length < limit && (rising ? at < last : at > first)) {
    const window = rising ? { after: at, before: at + WINDOW + 1 } : { after: at - WINDOW - 1, before: at }
    found.push(...(await read(() => statement.all({ ...filters, ...window, limit: limit - found.length }))).map(entryOf))
    at += rising ? WINDOW : -WINDOW
    if (found.length < limit) await turn()
  }
  return found
}
