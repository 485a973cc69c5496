import { sql, type SQL } from 'drizzle-orm'
import { type Act, currentMs, type Engine, newId } from '../engine/act.ts'
import { CLOCK_BACK_SECONDS, searchBack, WINDOW, type Window } from '../engine/search-back.ts'
import {
  columnsOf,
  command,
  insertInto,
  keysOf,
  orAny,
  pick,
  query,
  type Param,
  type RowOf,
  type Takes,
} from '../engine/statement.ts'
import { optional } from '../engine/values.ts'
import { audit, auditOutcomes, auditSalts, operators, subjects } from '../schema.ts'
import type { AuditEntry, AuditOutcome, NewAuditEntry, Searched } from '../types.ts'
import { link, lockChain } from './chain.ts'

/**
 * The audit log. It has no act that changes what is written, and SQLite's triggers reject it in
 * SQL.
 */

const written = columnsOf(
  audit,
  'id',
  'atMs',
  'actorKind',
  'actorId',
  'via',
  'act',
  'target',
  'caseReference',
  'comment',
  'details',
)
/** NULL where the act has not ended. */
const outcomeFields = {
  endedAtMs: sql<number | null>`${auditOutcomes.atMs}`,
  outcome: sql<AuditOutcome['outcome'] | null>`${auditOutcomes.outcome}`,
  result: sql<string | null>`${auditOutcomes.result}`,
}
export const joinOutcomes = sql`LEFT JOIN ${auditOutcomes} ON ${auditOutcomes.id} = ${audit.id}`

type Written = RowOf<typeof written>
const insert = command((p: Takes<Written & { hash: string; personalHash: string }>) =>
  insertInto(audit, pick(p, ...keysOf(written), 'hash', 'personalHash')),
)
const keepSalt = command((p: Takes<{ id: number; salt: string }>) =>
  insertInto(auditSalts, { id: p.id, salt: p.salt }),
)
const insertOutcome = command(
  (p: Takes<{ id: number; atMs: number; outcome: string; result: string }>) =>
    sql`${insertInto(auditOutcomes, pick(p, 'id', 'atMs', 'outcome', 'result'))} ON CONFLICT DO NOTHING`,
)

/**
 * Returns the fields that the hash of an entry covers in clear, and those that it covers salted.
 */
export const linkOfEntry = ({
  id,
  atMs,
  actorKind,
  actorId,
  via,
  act,
  target,
  caseReference,
  comment,
  details,
}: Written) => ({
  fields: { id, at_ms: atMs, actor_kind: actorKind, via, act, case_reference: caseReference },
  personal: { actor_id: actorId, target, comment, details },
})

/**
 * Records an act before it is done, so that no act is done without a record.
 * @returns its id: the number after the chain's head, so that ids are in the order of the commits
 * and never reused
 */
export function* appendAudit(entry: NewAuditEntry): Act<number> {
  const id = (yield* lockChain('audit')).number + 1
  const {
    actor,
    via,
    act,
    target = null,
    caseReference = null,
    comment = null,
    details = {},
  } = entry
  const asked = { via, act, target, caseReference, comment, details: JSON.stringify(details) }
  const row = { id, atMs: yield* currentMs(), actorKind: actor.kind, actorId: actor.id, ...asked }
  const salt = yield* newId()
  yield* keepSalt.run({ id, salt })
  yield* insert.run({
    ...row,
    ...(yield* link('audit', { number: id, salt, ...linkOfEntry(row) })),
  })
  return id
}

/** Records how an act ended. A second outcome of the same act changes nothing. */
export function* concludeAudit({ id, outcome, result }: { id: number } & AuditOutcome): Act<void> {
  yield* insertOutcome.run({
    id,
    atMs: yield* currentMs(),
    outcome,
    result: JSON.stringify(result ?? {}),
  })
}

const parse = (value: string | null): Record<string, unknown> =>
  JSON.parse(value ?? '{}') as Record<string, unknown>

export function endOf(
  { endedAtMs, outcome, result }: RowOf<typeof outcomeFields>,
  atMs: number,
): AuditEntry['ended'] {
  return outcome === null ? undefined : { outcome, atMs: endedAtMs ?? atMs, result: parse(result) }
}

/** The fields of an entry with its outcome, for `audit` with `joinOutcomes`. */
export const entryFields = { ...written, ...outcomeFields }
function entryOf(row: RowOf<typeof entryFields>): AuditEntry {
  const { id, atMs, via, act, target, caseReference, comment, details } = row
  const ended = endOf(row, atMs)
  const asked = {
    via,
    act,
    target: optional(target),
    caseReference: optional(caseReference),
    comment: optional(comment),
    details: parse(details),
  }
  return {
    id,
    atMs,
    actor: { kind: row.actorKind, id: row.actorId },
    ...asked,
    ...(ended && { ended }),
  }
}

type Wanted = {
  actorId: string | null
  act: string | null
  target: string | null
  caseReference: string | null
  sinceMs: number
  untilMs: number
  after: number
  before: number
  limit: number
}
/**
 * Columns with an index that ends in the id. With it a page reads little more than its own length.
 */
const INDEXED = ['target', 'caseReference', 'actorId', 'act'] as const
type By = (typeof INDEXED)[number] | 'none'
const of = (by: By, p: Takes<Wanted>): SQL =>
  by === 'none' ? sql`true` : sql`${audit[by]} = ${p[by]} AND ${audit[by]} IS NOT NULL`
const list = (by: By, order: 'ASC' | 'DESC') =>
  query(
    entryFields,
    (p: Takes<Wanted>, f) => sql`SELECT ${f} FROM ${audit} ${joinOutcomes}
      WHERE ${audit.id} > ${p.after} AND ${audit.id} < ${p.before} AND ${of(by, p)} AND ${orAny(audit.actorId, p.actorId)} AND ${orAny(audit.act, p.act)}
        AND ${orAny(audit.caseReference, p.caseReference)} AND ${audit.atMs} >= ${p.sinceMs} AND ${audit.atMs} < ${p.untilMs}
      ORDER BY ${audit.id} ${sql.raw(order)} LIMIT ${p.limit}`,
  )
/** The users who acted as administrators of a tenant. */
const administratorsOf = query(
  columnsOf(operators, 'sub'),
  (
    p: Takes<{ tid: string }>,
    f,
  ) => sql`SELECT ${f} FROM ${operators} WHERE ${operators.may} = 'tenant'
    AND EXISTS (SELECT 1 FROM ${subjects} WHERE ${subjects.sub} = ${operators.sub} AND ${subjects.tid} = ${p.tid})`,
)
/** The entries of one administrator, by the index of actors. */
const ofAdministrator = query(
  entryFields,
  (p: Takes<Wanted>, f) => sql`SELECT ${f} FROM ${audit} ${joinOutcomes}
    WHERE ${audit.actorId} = ${p.actorId} AND ${audit.actorKind} = 'operator' AND ${audit.id} > ${p.after} AND ${audit.id} < ${p.before}
      AND ${audit.atMs} >= ${p.sinceMs} AND ${audit.atMs} < ${p.untilMs}
    ORDER BY ${audit.id} DESC LIMIT ${p.limit}`,
)
/** The last entry of a window: the one `skip` entries of the index after, or before, a place. */
const ending = (by: By, order: 'ASC' | 'DESC') =>
  query(
    columnsOf(audit, 'id', 'atMs'),
    (
      p: Takes<Wanted & { skip: number }>,
      f,
    ) => sql`SELECT ${f} FROM ${audit} WHERE ${audit.id} > ${p.after} AND ${audit.id} < ${p.before} AND ${of(by, p)}
      ORDER BY ${audit.id} ${sql.raw(order)} LIMIT 1 OFFSET ${p.skip}`,
  )
const both = (by: By) => ({
  rising: { list: list(by, 'ASC'), end: ending(by, 'ASC') },
  falling: { list: list(by, 'DESC'), end: ending(by, 'DESC') },
})
const windows = {
  target: both('target'),
  caseReference: both('caseReference'),
  actorId: both('actorId'),
  act: both('act'),
  none: both('none'),
}
const at = (condition: (wanted: Param<number>) => SQL, order: 'ASC' | 'DESC') =>
  query(
    columnsOf(audit, 'id'),
    (p: Takes<{ atMs: number }>, f) =>
      sql`SELECT ${f} FROM ${audit} WHERE ${condition(p.atMs)} ORDER BY ${audit.atMs} ${sql.raw(order)} LIMIT 1`,
  )
const firstAt = at((wanted) => sql`${audit.atMs} >= ${wanted}`, 'ASC')
const lastBefore = at((wanted) => sql`${audit.atMs} < ${wanted}`, 'DESC')

const CLOCK_BACK_MS = CLOCK_BACK_SECONDS * 1000

interface Search {
  before?: number | undefined
  after?: number | undefined
  actorId?: string | undefined
  /**
   * Only acts of this tenant's administrators, newest first. Of the other filters only the times
   * apply then.
   */
  tid?: string | undefined
  act?: string | undefined
  target?: string | undefined
  /** Another name of the same target, where `target` is not its only one. */
  orTarget?: string | undefined
  caseReference?: string | undefined
  sinceMs?: number | undefined
  untilMs?: number | undefined
  limit: number
}
type Input = Search & { most: number }
type Place = { id: number; atMs: number }
type Range = Pick<Wanted, 'after' | 'before'>

/**
 * Narrows the ids to the wanted times: entries outside the range are too late or too early, even
 * where a clock was set back.
 */
function* rangeOf({
  after = 0,
  before = Number.MAX_SAFE_INTEGER,
  sinceMs,
  untilMs,
}: Input): Act<Range> {
  const later =
    untilMs === undefined ? undefined : yield* firstAt.get({ atMs: untilMs + CLOCK_BACK_MS })
  const earlier =
    sinceMs === undefined ? undefined : yield* lastBefore.get({ atMs: sinceMs - CLOCK_BACK_MS })
  return { after: Math.max(after, earlier?.id ?? 0), before: Math.min(before, later?.id ?? before) }
}

const filtersOf = ({ actorId, act, target, caseReference, sinceMs, untilMs }: Input) => ({
  actorId: actorId ?? null,
  act: act ?? null,
  target: target ?? null,
  caseReference: caseReference ?? null,
  sinceMs: sinceMs ?? 0,
  untilMs: untilMs ?? Number.MAX_SAFE_INTEGER,
})

/**
 * Returns the newest entries of a tenant's administrators. It never reads entries of others, so
 * that the time that it takes does not show how many there are.
 */
async function newestOfTenant(
  { read }: Pick<Engine, 'read'>,
  input: Input & { tid: string },
): Promise<AuditEntry[]> {
  const { tid, limit } = input
  const wanted = { ...filtersOf(input), ...(await read(() => rangeOf(input))), limit }
  let newest: AuditEntry[] = []
  for (const { sub } of await read(() => administratorsOf.all({ tid }))) {
    const after = newest.length < limit ? wanted.after : (newest.at(-1)?.id ?? wanted.after)
    const own = await read(() => ofAdministrator.all({ ...wanted, actorId: sub, after }))
    newest = [...newest, ...own.map(entryOf)].toSorted((a, b) => b.id - a.id).slice(0, limit)
  }
  return newest
}

/**
 * Returns one page of `listAudit`. It looks at about `most` entries, and returns how far it came
 * where that was not enough.
 */
export async function pageOfAudit(
  engine: Pick<Engine, 'read'>,
  input: Input,
): Promise<Searched<AuditEntry, { id: number; atMs: number }>> {
  const { tid, limit, most } = input
  if (tid !== undefined)
    return { found: await newestOfTenant(engine, { ...input, tid }), searchedTo: undefined }
  const { read } = engine
  const filters = filtersOf(input)
  const rising = input.after !== undefined
  const { list, end } =
    windows[INDEXED.find((candidate) => filters[candidate] !== null) ?? 'none'][
      rising ? 'rising' : 'falling'
    ]
  // Each name is read by itself: the index has the entries of one name in the order of their ids.
  const targets = input.orTarget === undefined ? [filters.target] : [filters.target, input.orTarget]
  const inOrder = (a: { id: number }, b: { id: number }): number =>
    rising ? a.id - b.id : b.id - a.id
  const skip = Math.min(WINDOW, most) - 1
  const range = await read(() => rangeOf(input))
  function* windowOf({ id }: Place, room: number): Act<Window<AuditEntry, Place>> {
    const from = rising ? { ...range, after: id } : { ...range, before: id }
    const wanted = { ...filters, ...from, limit: room }
    const ends: Place[] = []
    for (const target of targets) {
      const row = yield* end.get({ ...wanted, target, skip })
      if (row !== undefined) ends.push(row)
    }
    const reached = ends.toSorted(inOrder)[0]
    const window =
      reached === undefined ? from : rising ? { before: reached.id + 1 } : { after: reached.id - 1 }
    const found: AuditEntry[] = []
    for (const target of targets)
      found.push(...(yield* list.all({ ...wanted, ...window, target })).map(entryOf))
    return {
      found: found.toSorted(inOrder).slice(0, room),
      reached,
      entries: targets.length * (skip + 1),
    }
  }
  const from = { id: rising ? range.after : range.before, atMs: 0 }
  return searchBack<AuditEntry, Place>(from, { limit, most }, (place, room) =>
    read(() => windowOf(place, room)),
  )
}

/**
 * Lists entries, newest first from before `before`, or rising from after `after`. Times are epoch
 * milliseconds; `untilMs` is excluded.
 */
export const listAudit = async (
  engine: Engine,
  input: Omit<Input, 'most'>,
): Promise<AuditEntry[]> => (await pageOfAudit(engine, { ...input, most: Infinity })).found
