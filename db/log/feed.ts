import { setImmediate as turn } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import type { Act, Engine } from '../engine/act.ts'
import { query, type Param, type RowOf, type Takes } from '../engine/statement.ts'
import { versionNow } from '../rows/registry-version.ts'
import { revocations, sessionEntries } from '../schema.ts'
import type { FeedRow } from '../types.ts'
import { advanceFloor, stepEnd, type Floor } from './feed-retention.ts'
import { head } from './head.ts'
import { revocationFields, revocationOf } from './revocations.ts'

/**
 * The log as guards follow it: rising, without a gap, in bounded steps. It leaves out revocations
 * that are older than any token that could still be valid, unless they can end an instance's own
 * session.
 */

const rowFields = { ...revocationFields, registryVersion: versionNow }
const rowOf = (row: RowOf<typeof rowFields>): FeedRow => ({
  ...revocationOf(row),
  registryVersion: row.registryVersion,
})
const page = query(
  rowFields,
  (p: Takes<{ after: number; to: number; since: number; limit: number }>, f) =>
    sql`SELECT ${f} FROM ${revocations} WHERE ${revocations.seq} > ${p.after} AND ${revocations.seq} <= ${p.to} AND ${revocations.at} >= ${p.since}
      ORDER BY ${revocations.seq} LIMIT ${p.limit}`,
)

/** The entries of a client, or of all clients, that can end an instance's own session. */
const entriesOf = (clientId: Param<string>, p: Takes<Kept>) =>
  sql`SELECT * FROM (SELECT ${sessionEntries.seq} FROM ${sessionEntries} WHERE ${sessionEntries.clientId} = ${clientId}
    AND ${sessionEntries.seq} > ${p.after} AND ${sessionEntries.seq} <= ${p.to} ORDER BY ${sessionEntries.seq} LIMIT ${p.limit}) AS entries`
type Kept = { clientId: string; after: number; to: number; limit: number }
// The entries of rows that retention has not deleted yet may be gone: a row without its entry counts
// for the length of the page.
const keptForSessions = query(
  { ...rowFields, keptSeq: sql<number>`kept.seq` },
  (p: Takes<Kept>, f) =>
    sql`SELECT ${f} FROM (${entriesOf(p.clientId, p)} UNION ALL ${entriesOf(sql`''`, p)} ORDER BY seq LIMIT ${p.limit}) AS kept
      LEFT JOIN ${revocations} ON ${revocations.seq} = kept.seq ORDER BY kept.seq`,
)

interface Wanted {
  after: number
  since: number
  limit: number
  /** A client whose guard judges the instance's own sessions. */
  sessionsOf?: { clientId: string; now: number } | undefined
}
interface Step {
  found: FeedRow[]
  floor: Floor
  /** Every row up to here was looked at. */
  to: number
  atEnd: boolean
}

function* step(floor: Floor | undefined, wanted: Wanted): Act<Step> {
  const { after, since, limit, sessionsOf } = wanted
  // The head is read first, so that the statements that follow see every row up to it.
  const end = yield* head()
  const kept = sessionsOf && (yield* keptEntries(sessionsOf, { after, to: end, limit }))
  const advanced = yield* advanceFloor(floor, { since, after, head: end })
  const from = since < advanced.since ? after : Math.max(after, advanced.seq)
  // The page of older entries ends before the floor.
  if (kept !== undefined && kept.to < from)
    return { found: kept.found, floor: advanced, to: kept.to, atEnd: false }
  const to = Math.min(yield* stepEnd(from, end), kept?.to ?? end)
  const young = (yield* page.all({ after: from, to, since, limit })).map(rowOf)
  const found = kept === undefined ? young : merge(young, kept.found, { to, limit })
  const upTo = found.length >= limit ? (found.at(-1)?.seq ?? to) : to
  return { found, floor: advanced, to: upTo, atEnd: upTo >= end }
}

/**
 * Returns one page of the entries that can end an instance's own session.
 * @returns `to`: every such entry up to here was looked at
 */
function* keptEntries(
  { clientId, now }: { clientId: string; now: number },
  { after, to, limit }: { after: number; to: number; limit: number },
): Act<{ found: FeedRow[]; to: number }> {
  const rows = yield* keptForSessions.all({ clientId, after, to, limit })
  const last = rows.at(-1)
  const found = rows.filter((row) => row.seq !== null && (row.sessionsUntil ?? 0) > now).map(rowOf)
  return { found, to: last !== undefined && rows.length >= limit ? last.keptSeq : to }
}

/** Merges two rising lists, each entry once, up to `to` and at most `limit`. */
function merge(
  young: readonly FeedRow[],
  kept: readonly FeedRow[],
  { to, limit }: { to: number; limit: number },
): FeedRow[] {
  const bySeq = new Map([...kept, ...young].map((entry) => [entry.seq, entry]))
  return [...bySeq.values()]
    .filter(({ seq }) => seq <= to)
    .toSorted((a, b) => a.seq - b.seq)
    .slice(0, limit)
}

/**
 * How long the steps of one turn of the event loop may take together. After a restart of their
 * broker many guards ask at the same moment.
 */
const TURN_MS = 4

/**
 * How long the steps of this turn have held the event loop. On Postgres a step holds it only
 * briefly.
 */
class Turn {
  #heldMs = 0
  #next: Promise<void> | undefined

  get isOver(): boolean {
    return this.#heldMs >= TURN_MS
  }

  hold<T>(act: () => T): T {
    const begunMs = performance.now()
    const value = act()
    this.#heldMs += performance.now() - begunMs
    return value
  }

  next(): Promise<void> {
    return (this.#next ??= turn().then(() => {
      this.#next = undefined
      this.#heldMs = 0
    }))
  }
}

/**
 * Returns the log after `after`, rising, without revocations before `since`, which cover no token
 * that could still be valid. With `sessionsOf` it has older ones too that can end an own session of
 * that client. Each turn of the event loop looks at a bounded number of rows, even
 * where many of them are too old or many guards ask.
 */
export function revocationsAfter({ read }: Engine) {
  let floor: Floor | undefined
  const thisTurn = new Turn()
  return async ({ after, limit, ...wanted }: Wanted): Promise<FeedRow[]> => {
    const found: FeedRow[] = []
    for (let from = after; ;) {
      while (thisTurn.isOver) await thisTurn.next()
      const done = await thisTurn.hold(() =>
        read(() => step(floor, { ...wanted, after: from, limit: limit - found.length })),
      )
      floor = done.floor
      found.push(...done.found)
      if (done.atEnd || found.length >= limit) return found
      from = done.to
      await thisTurn.next()
    }
  }
}
