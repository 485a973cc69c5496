import { sql, type SQL } from 'drizzle-orm'
import { setImmediate as turn } from 'node:timers/promises'
import { raisesFloor, type Selector } from '../../src/protocol/revocation.ts'
import type { Act, Engine } from '../engine/act.ts'
import { withoutReprepare } from '../engine/dialect.ts'
import { columnsOf, query, type RowOf, type Takes } from '../engine/statement.ts'
import { covers, rowGrantCutoff, sessionCutoff } from '../rows/covers.ts'
import { tenantsWithAuthTime } from '../rows/required-freshness.ts'
import { authenticatedAt, isLive } from '../rows/session.ts'
import { otherUsersOf } from '../rows/user.ts'
import { clients, participants, sessions, targets } from '../schema.ts'
import type { RevocationPreview } from '../types.ts'

/**
 * Counts what a revocation would end, page by page. The event loop runs between pages, so that a
 * preview of everything does not block the broker.
 */

const PAGE = 100
/**
 * The number of covered users that are listed, so that an operator sees whether they are the
 * intended ones.
 */
const FIRST = 10

const rowFields = {
  ...columnsOf(sessions, 'sid', 'sub', 'tid', 'openedSeq', 'deadlineAt', 'endedSeq'),
  authenticatedAt,
  cutoff: sessionCutoff,
}
type Row = RowOf<typeof rowFields>
const reachedFields = {
  ...columnsOf(participants, 'sid', 'clientId', 'joinedSeq'),
  cutoff: rowGrantCutoff,
  logoutBy: clients.logoutBy,
  source: clients.source,
  targets: sql<number>`(SELECT count(*) FROM ${targets} WHERE ${targets.clientId} = ${participants.clientId} AND ${targets.removedSeq} IS NULL)`,
}
type Reached = RowOf<typeof reachedFields>

type Of = Takes<{ sid: string; sub: string }>
type From = Takes<{ afterSub: string; afterSid: string; sid: string; sub: string }>
type To = Takes<{ lastSub: string; lastSid: string }>

/**
 * The order of users, in which a user's sessions are adjacent and the user is counted once without
 * a list of all users.
 */
const place = sql`(${sessions.sub}, ${sessions.sid})`
function pages(which: (p: Of) => SQL) {
  const after = (p: From) =>
    sql`${sessions.endedSeq} IS NULL AND ${place} > (${p.afterSub}, ${p.afterSid}) AND ${which(p)}`
  return {
    rows: query(
      rowFields,
      (p: From, f) =>
        sql`SELECT ${f} FROM ${sessions} WHERE ${after(p)} ORDER BY ${sessions.sub}, ${sessions.sid} LIMIT ${sql.raw(String(PAGE))}`,
    ),
    reached: query(
      reachedFields,
      (
        p: From & To,
        f,
      ) => sql`SELECT ${f} FROM ${sessions} JOIN ${participants} ON ${participants.sid} = ${sessions.sid}
        JOIN ${clients} ON ${clients.clientId} = ${participants.clientId} WHERE ${after(p)} AND ${place} <= (${p.lastSub}, ${p.lastSid})`,
    ),
  }
}
/**
 * Conditions that an index bounds. All others are checked row by row, so that no page reads more
 * than its own length.
 */
const PAGES = {
  session: pages((p) => sql`${sessions.sid} = ${withoutReprepare(p.sid)}`),
  subject: pages((p) => sql`${sessions.sub} = ${withoutReprepare(p.sub)}`),
  all: pages(() => sql`TRUE`),
}
const pagesOf = ({ kind }: Selector): (typeof PAGES)['all'] => {
  if (kind === 'session' || kind === 'grant') return PAGES.session
  return kind === 'subject' ? PAGES.subject : PAGES.all
}

type Preview = RevocationPreview

class Count {
  readonly #selector: Selector
  readonly #only: string | undefined
  /** Set where each session or grant ends by itself, by its age. */
  readonly #until: number | undefined
  readonly #clients = new Set<string>()
  #sentBySub = new Set<string>()
  #lastSub: string | undefined
  #sessions = 0
  #subjects = 0
  #deliveries = 0
  #withoutFreshSignIn = 0
  readonly #first: string[] = []
  readonly #raises: boolean

  constructor(selector: Selector, until: number | undefined) {
    this.#selector = selector
    this.#until = until
    this.#raises = until === undefined && raisesFloor('administrator', selector) !== false
    this.#only = 'clientId' in selector ? selector.clientId : undefined
  }

  /**
   * Counts a session.
   * @param provable the tenants in which a fresh sign-in can be proved
   */
  add(row: Row, tookPart: Reached[], provable: readonly string[]): void {
    if (this.#selector.kind === 'tenant' && row.tid !== this.#selector.tid) return
    if (this.#until !== undefined && row.authenticatedAt > this.#until) return
    const delivered = tookPart.filter(
      (target) =>
        this.#only === undefined || (target.clientId === this.#only && !this.#hasEnded(target)),
    )
    if (this.#only !== undefined && delivered.length === 0) return
    this.#sessions += 1
    if (row.sub !== this.#lastSub) {
      this.#lastSub = row.sub
      this.#subjects += 1
      if (this.#first.length < FIRST) this.#first.push(row.sub)
      if (this.#raises && !provable.includes(row.tid)) this.#withoutFreshSignIn += 1
      this.#sentBySub = new Set()
    }
    for (const target of delivered) this.#deliver(target)
  }

  /**
   * Returns whether the grant was revoked before, so that the limit on its age has no effect on it.
   */
  #hasEnded({ cutoff, joinedSeq }: Reached): boolean {
    return this.#until !== undefined && covers(cutoff, joinedSeq)
  }

  /**
   * Counts the deliveries to a client. A wide revocation sends a client with `logoutBy: 'sub'` one
   * message a user.
   */
  #deliver({ clientId, logoutBy, source, targets: count }: Reached): void {
    const narrow =
      this.#until !== undefined ||
      this.#selector.kind === 'session' ||
      this.#selector.kind === 'grant'
    // The console is a client of the broker itself and no instance.
    if (source !== 'broker') this.#clients.add(clientId)
    if (narrow || logoutBy === 'sid' || !this.#sentBySub.has(clientId)) this.#deliveries += count
    this.#sentBySub.add(clientId)
  }

  result(): Omit<Preview, 'otherSubjects'> {
    return {
      sessions: this.#sessions,
      subjects: this.#subjects,
      clients: this.#clients.size,
      deliveries: this.#deliveries,
      withoutFreshSignIn: this.#withoutFreshSignIn,
      firstSubjects: this.#first,
    }
  }
}

interface Page {
  rows: Row[]
  reached: Map<string, Reached[]>
}

function* pageOf(selector: Selector, after: { sub: string; sid: string }): Act<Page> {
  const { rows, reached } = pagesOf(selector)
  const from = { sid: '', sub: '', ...selector, afterSub: after.sub, afterSid: after.sid }
  const found = yield* rows.all(from)
  const last = found.at(-1)
  const tookPart =
    last === undefined ? [] : yield* reached.all({ ...from, lastSub: last.sub, lastSid: last.sid })
  return { rows: found, reached: Map.groupBy(tookPart, ({ sid }) => sid) }
}

type Reader = Pick<Engine, 'read'>
type UserSelector = Extract<Selector, { kind: 'subject' }>

/**
 * Counts what a revocation would sign out, without revoking. With `authenticatedUntil` it counts
 * what a new limit on the age of authentications ends at once: each session, or each grant of the
 * client, whose user authenticated at Microsoft no later than then.
 */
export async function previewRevocation(
  { read }: Reader,
  what: Selector | readonly UserSelector[],
  now: number,
  { authenticatedUntil }: { authenticatedUntil?: number } = {},
): Promise<Preview> {
  const selectors: readonly Selector[] = 'kind' in what ? [what] : what
  const count = new Count(selectors[0] ?? { kind: 'subject', sub: '' }, authenticatedUntil)
  const provable = await read(tenantsWithAuthTime)
  const otherSubjects: string[] = []
  for (const selector of selectors)
    if (selector.kind === 'subject')
      otherSubjects.push(...(await read(() => otherUsersOf(selector.sub))))
  for (const selector of selectors)
    await countAll({ read }, selector, now, (row, tookPart) => count.add(row, tookPart, provable))
  return { ...count.result(), otherSubjects }
}

async function countAll(
  { read }: Reader,
  selector: Selector,
  now: number,
  add: (row: Row, tookPart: Reached[]) => void,
): Promise<void> {
  for (let after = { sub: '', sid: '' }; ; await turn()) {
    const from = after
    const { rows, reached } = await read(() => pageOf(selector, from))
    for (const row of rows) if (isLive(row, now)) add(row, reached.get(row.sid) ?? [])
    const last = rows.at(-1)
    if (rows.length < PAGE || last === undefined) return
    after = last
  }
}
