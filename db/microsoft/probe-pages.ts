import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import { type Act, type Engine, newId } from '../engine/act.ts'
import { forUpdate } from '../engine/dialect.ts'
import { isFree } from '../engine/lease.ts'
import { assign, columnsOf, command, insertInto, query } from '../engine/statement.ts'
import type { RowOf, Takes } from '../engine/statement.ts'
import { probeHands, probePages } from '../schema.ts'
import type { ProbeDue, ProbeTaken } from '../types.ts'
import { dueProbes } from './probe.ts'

/**
 * One hand for each tenant goes round the places of its sessions, whichever broker moves it: each
 * page of sessions is taken by one broker, under a lease. A page that was not finished before its
 * lease ran out is taken again. It refuses to go over a place twice in one round.
 */

/** A session's place is one of them, for life; the hand counts on from round to round. */
const PLACES = 65_536

/**
 * Longer ago than this before a broker began to probe, no broker moved the hand: what was missed is
 * asked in the next round, not all at once.
 */
const MOST_BEHIND_MS = 60_000

type Hand = {
  place: number
  /** The last session that was passed at this place. */
  sid: string
}

const handFields = columnsOf(probeHands, 'place', 'sid', 'movedAtMs')
const handOf = (p: Takes<{ tid: string }>, f: SQL) =>
  sql`SELECT ${f} FROM ${probeHands} WHERE ${probeHands.tid} = ${p.tid}`
const handRow = query(handFields, (p: Takes<{ tid: string }>, f) => handOf(p, f))
const handLocked = query(
  handFields,
  (p: Takes<{ tid: string }>, f) => sql`${handOf(p, f)}${forUpdate(probeHands)}`,
)
type Moved = Hand & { tid: string; movedAtMs: number }
const addHand = command(
  (p: Takes<Moved>) =>
    sql`${insertInto(probeHands, { tid: p.tid, place: p.place, sid: p.sid, movedAtMs: p.movedAtMs })} ON CONFLICT DO NOTHING`,
)
const moveHand = command(
  (p: Takes<Moved>) =>
    sql`UPDATE ${probeHands} SET ${assign(probeHands, { place: p.place, sid: p.sid, movedAtMs: p.movedAtMs })} WHERE ${probeHands.tid} = ${p.tid}`,
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
const addPage = command((p: Takes<{ [K in keyof PageRow]: PageRow[K] }>) => {
  const { id, tid, place, sid, toPlace, toSid, leasedUntilMs } = p
  return insertInto(probePages, { id, tid, place, sid, toPlace, toSid, leasedUntilMs })
})
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
 * The next sessions after `from`, at most `limit`, up to the place `end` (not included); and how
 * far that is.
 */
function* walk(
  { tid, limit, now }: Take,
  from: Hand,
  end: number,
): Act<{ due: ProbeDue[]; to: Hand }> {
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

/** Where the hand goes on. */
function startOf(hand: RowOf<typeof handFields> | undefined, { begun, end }: Take): Hand {
  // No broker moved it when this broker began, or it is ahead by the length of another round (the
  // interval was changed).
  if (
    hand === undefined ||
    hand.movedAtMs < begun.atMs - MOST_BEHIND_MS ||
    hand.place - end > PLACES
  )
    return { place: begun.place, sid: '' }
  return end - hand.place > PLACES ? { place: end - PLACES, sid: '' } : hand
}

function* isWaiting(input: Take): Act<boolean> {
  const { tid, nowMs, end } = input
  if ((yield* leftBehind.get({ tid, nowMs })) !== undefined) return true
  const { due } = yield* walk(
    { ...input, limit: 1 },
    startOf(yield* handRow.get({ tid }), input),
    end,
  )
  return due.length > 0
}

function* take(input: Take): Act<ProbeTaken | undefined> {
  const { tid, nowMs, end, begun } = input
  yield* addHand.run({ tid, place: begun.place, sid: '', movedAtMs: begun.atMs })
  // Locked: who takes a page of this tenant waits for the one before.
  const hand = yield* handLocked.get({ tid })
  for (
    let left = yield* leftBehind.get({ tid, nowMs });
    left !== undefined;
    left = yield* leftBehind.get({ tid, nowMs })
  ) {
    const taken = yield* takeAgain(input, left)
    if (taken !== undefined) return taken
  }
  const from = startOf(hand, input)
  const { due, to } = yield* walk(input, from, end)
  if (due.length === 0) return undefined
  yield* moveHand.run({ tid, ...to, movedAtMs: nowMs })
  return yield* leased(input, { from, to, due })
}

function* leased(
  { tid, untilMs }: Take,
  { from, to, due }: { from: Hand; to: Hand; due: ProbeDue[] },
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
 * A page that its broker has not finished.
 * @returns undefined where nothing of it is to be asked any more
 */
function* takeAgain(input: Take, page: PageRow): Act<ProbeTaken | undefined> {
  const { id, tid, toPlace, toSid } = page
  yield* removePage.run({ id })
  // The round that goes on now has come by again.
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
 * Takes the next live sessions of a tenant that are to be probed, at most `limit`: until `untilMs`
 * they are the caller's. The cursor of the tenant goes on to the place `end` (not included);
 * places count on from round to round. It begins at `begun`, where this caller began, if no broker
 * has moved it for a minute before. What a caller has not finished in time is taken again. Most
 * turns find nothing: they write nothing.
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
