import { sql, type SQL } from 'drizzle-orm'
import { type Act, type Engine, newId } from '../engine/act.ts'
import { forUpdate } from '../engine/dialect.ts'
import { isFree } from '../engine/lease.ts'
import {
  assign,
  columnsOf,
  command,
  insertInto,
  keysOf,
  pick,
  query,
  type RowOf,
  type Takes,
} from '../engine/statement.ts'
import { probeCursors, probePages } from '../schema.ts'
import type { ProbeDue, ProbeTaken } from '../types.ts'
import { dueProbes } from './probe.ts'

/**
 * The pages of sessions to probe. One cursor for each tenant goes round the places of its sessions,
 * moved by the broker that takes the next page. A page is leased to one broker, and taken again
 * where its lease expires before it is finished. No place is taken twice in one round.
 */

/**
 * Each session has a fixed place from 0 to 65,535. The cursor counts on from one round to the next.
 */
const PLACES = 65_536

/**
 * If no broker moved the cursor for longer than this before a broker began to probe, the sessions
 * that were missed are probed in the next round, not all at once.
 */
const MOST_BEHIND_MS = 60_000

type Cursor = {
  place: number
  /** The last session that was passed at this place. */
  sid: string
}

const cursorFields = columnsOf(probeCursors, 'place', 'sid', 'movedAtMs')
const cursorOf = (p: Takes<{ tid: string }>, f: SQL) =>
  sql`SELECT ${f} FROM ${probeCursors} WHERE ${probeCursors.tid} = ${p.tid}`
const cursorRow = query(cursorFields, (p: Takes<{ tid: string }>, f) => cursorOf(p, f))
const cursorLocked = query(
  cursorFields,
  (p: Takes<{ tid: string }>, f) => sql`${cursorOf(p, f)}${forUpdate(probeCursors)}`,
)
type Moved = Cursor & { tid: string; movedAtMs: number }
const addCursor = command(
  (p: Takes<Moved>) =>
    sql`${insertInto(probeCursors, pick(p, 'tid', 'place', 'sid', 'movedAtMs'))} ON CONFLICT DO NOTHING`,
)
const moveCursor = command(
  (p: Takes<Moved>) =>
    sql`UPDATE ${probeCursors} SET ${assign(probeCursors, pick(p, 'place', 'sid', 'movedAtMs'))} WHERE ${probeCursors.tid} = ${p.tid}`,
)

const pageFields = columnsOf(
  probePages,
  'id',
  'tid',
  'place',
  'sid',
  'toPlace',
  'toSid',
  'leasedUntilMs',
)
type PageRow = RowOf<typeof pageFields>
const leftBehind = query(
  pageFields,
  (p: Takes<{ tid: string; nowMs: number }>, f) =>
    sql`SELECT ${f} FROM ${probePages} WHERE ${probePages.tid} = ${p.tid} AND ${isFree(probePages.leasedUntilMs, p.nowMs, 'microsoft')}
      ORDER BY ${probePages.leasedUntilMs} LIMIT 1`,
)
const addPage = command((p: Takes<PageRow>) =>
  insertInto(probePages, pick(p, ...keysOf(pageFields))),
)
const removePage = command(
  (p: Takes<{ id: string }>) => sql`DELETE FROM ${probePages} WHERE ${probePages.id} = ${p.id}`,
)

type Take = {
  tid: string
  begun: { place: number; atMs: number }
  end: number
  limit: number
  now: number
  nowMs: number
  untilMs: number
}

/**
 * Returns the next sessions after `from`, at most `limit`, up to the place `end` (excluded), and
 * the place that was reached.
 */
function* walk(
  { tid, limit, now }: Take,
  from: Cursor,
  end: number,
): Act<{ due: ProbeDue[]; to: Cursor }> {
  let { place, sid } = from
  const due: ProbeDue[] = []
  while (place < end && due.length < limit) {
    const phase = place % PLACES
    const before = Math.min(phase + end - place, PLACES)
    const wanted = limit - due.length
    const found = yield* dueProbes({ tid, phase, sid, before, limit: wanted, now })
    due.push(...found)
    const last = found.at(-1)
    const all = found.length < wanted || last === undefined
    place += (all ? before : last.phase) - phase
    sid = all ? '' : last.sid
  }
  return { due, to: { place, sid } }
}

/** Returns where the cursor continues. */
function startOf(
  cursor: RowOf<typeof cursorFields> | undefined,
  { begun, end, nowMs }: Take,
): Cursor {
  // The cursor is not usable: no broker moved it in the minute before this one began, it is ahead
  // by more than a round because the interval was changed, or a clock moved it that was set back
  // since, and this broker began after that.
  if (
    cursor === undefined ||
    cursor.movedAtMs < begun.atMs - MOST_BEHIND_MS ||
    cursor.place - end > PLACES ||
    (cursor.movedAtMs > nowMs + MOST_BEHIND_MS && end - begun.place <= PLACES)
  )
    return { place: Math.max(begun.place, end - PLACES), sid: '' }
  return end - cursor.place > PLACES ? { place: end - PLACES, sid: '' } : cursor
}

function* isWaiting(input: Take): Act<boolean> {
  const { tid, nowMs, end } = input
  if ((yield* leftBehind.get({ tid, nowMs })) !== undefined) return true
  const { due } = yield* walk(
    { ...input, limit: 1 },
    startOf(yield* cursorRow.get({ tid }), input),
    end,
  )
  return due.length > 0
}

function* take(input: Take): Act<ProbeTaken | undefined> {
  const { tid, nowMs, end, begun } = input
  yield* addCursor.run({ tid, place: begun.place, sid: '', movedAtMs: begun.atMs })
  // The lock makes brokers take the pages of this tenant one after another.
  const cursor = yield* cursorLocked.get({ tid })
  for (
    let left = yield* leftBehind.get({ tid, nowMs });
    left !== undefined;
    left = yield* leftBehind.get({ tid, nowMs })
  ) {
    const taken = yield* takeAgain(input, left)
    if (taken !== undefined) return taken
  }
  const from = startOf(cursor, input)
  const { due, to } = yield* walk(input, from, end)
  if (due.length === 0) return undefined
  yield* moveCursor.run({ tid, ...to, movedAtMs: nowMs })
  return yield* leased(input, { from, to, due })
}

function* leased(
  { tid, untilMs }: Take,
  { from, to, due }: { from: Cursor; to: Cursor; due: ProbeDue[] },
): Act<ProbeTaken> {
  const id = yield* newId()
  yield* addPage.run({
    id,
    tid,
    place: from.place,
    sid: from.sid,
    toPlace: to.place,
    toSid: to.sid,
    leasedUntilMs: untilMs,
  })
  return { id, due }
}

/**
 * Takes a page again that its broker has not finished.
 * @returns undefined where nothing of it is due any more
 */
function* takeAgain(input: Take, page: PageRow): Act<ProbeTaken | undefined> {
  const { id, tid, toPlace, toSid } = page
  yield* removePage.run({ id })
  // The current round has already passed these places again.
  if (input.end - toPlace > PLACES) return undefined
  const { due, to } = yield* walk(input, page, toPlace + (toSid === '' ? 0 : 1))
  if (due.length === input.limit)
    yield* addPage.run({ id: yield* newId(), tid, ...to, toPlace, toSid, leasedUntilMs: 0 })
  const mine = due.filter(
    ({ phase, sid }) => toSid === '' || phase !== toPlace % PLACES || sid <= toSid,
  )
  return mine.length === 0 ? undefined : yield* leased(input, { from: page, to, due: mine })
}

/**
 * Takes the next live sessions of a tenant that are due for a probe, at most `limit`, for the
 * caller alone until `untilMs`. The tenant's cursor moves up to the place `end` (excluded); places
 * count on from round to round. It starts at `begun`, the caller's own start, if no broker had
 * moved it for a minute before. A page that its caller does not finish in time is taken again. Most
 * calls find nothing due and write nothing.
 * @returns undefined where nothing is due
 */
export async function takeProbes(
  { read, write }: Engine,
  input: Take,
): Promise<ProbeTaken | undefined> {
  return (await read(() => isWaiting(input))) ? write(() => take(input)) : undefined
}

export function* finishProbes(id: string): Act<void> {
  yield* removePage.run({ id })
}
