import type { Store } from '../../../db/store.ts'
import type {
  LoggedRevocation,
  RejectedSignIn,
  Searched,
  Session,
  SessionPlace,
  SessionStatus,
  Subject,
} from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { Problem } from '../../audit/problem.ts'
import { userName } from './names.ts'
import { sessionIn, userIn } from './scope.ts'
import { isReference } from './texts/search.ts'
import type { Client } from '../../protocol/client-metadata.ts'
import { folded, wordsOf } from '../../runtime/fold.ts'
import { isGuid } from '../../protocol/guid.ts'

/**
 * The search of the console, the admin API and `cmb`. Each look-up is bounded and uses an index.
 */

/** Upper bound of the hits in each group. */
const MOST = 20
export const LONGEST_SEARCH = 200

export interface Hits {
  users: Subject[]
  /** True if more users match. */
  moreUsers: boolean
  clients: Client[]
  /** Live and ended sessions. */
  sessions: { session: Session; state: Exclude<SessionStatus['state'], 'unknown'> }[]
  revocations: LoggedRevocation[]
  /** The rejected sign-in whose page showed this reference. */
  signIns: RejectedSignIn[]
  /**
   * The case reference with an exact match, and the bounded number of its revocations and locks.
   */
  cases: { caseReference: string; revocations: number; locks: number }[]
}

export const hitCount = ({ users, clients, sessions, revocations, signIns, cases }: Hits): number =>
  [users, clients, sessions, revocations, signIns, cases].reduce(
    (sum, { length }) => sum + length,
    0,
  )

/** Searches all groups. @param tid limits the search to this tenant's users and sessions */
export async function searched(
  deps: Pick<Deps, 'store' | 'clients' | 'connection'>,
  text: string,
  now: number,
  tid?: string,
): Promise<Hits> {
  // Postgres rejects a NUL character in text.
  const wanted = text.replaceAll('\0', '').trim().slice(0, LONGEST_SEARCH)
  const none = { clients: [], revocations: [], cases: [] }
  if (wanted === '') return { ...none, users: [], moreUsers: false, sessions: [], signIns: [] }
  const [found, session, rejected] = await Promise.all([
    usersFor(deps, wanted, tid),
    sessionIn(deps, { tid }, wanted, now),
    isReference(wanted) ? deps.store.findRejectedSignIn(wanted.toUpperCase()) : undefined,
  ])
  const isTheirs = tid === undefined || rejected?.user?.tid === tid
  const own = {
    users: found.users,
    moreUsers: found.more,
    sessions: session === undefined ? [] : [session],
    signIns: rejected !== undefined && isTheirs ? [rejected] : [],
  }
  if (tid !== undefined) return { ...none, ...own }
  const [revocations, cases] = await Promise.all([
    revocationsFor(deps, wanted),
    casesFor(deps, wanted),
  ])
  return { ...own, clients: clientsFor(deps, wanted), revocations, cases }
}

/** Finds users by a whole id, or by words of a name. @param tid only users of this tenant */
export async function usersFor(
  { store, connection }: Pick<Deps, 'store' | 'connection'>,
  text: string,
  tid?: string,
): Promise<{ users: Subject[]; more: boolean }> {
  const oid = text.toLowerCase()
  const tenants = tid === undefined ? connection.current().tenants : [tid]
  const byId = isGuid(oid)
    ? await Promise.all(tenants.map((tenant) => store.findSubjectByUser(tenant, oid)))
    : [text.startsWith('u_') ? await userIn({ store }, { tid }, text) : undefined]
  const users = byId.filter((subject) => subject !== undefined)
  return users.length > 0 ? { users, more: false } : store.searchUsers({ text, tid, limit: MOST })
}

/** The most candidates that an answer names. */
const FEW = 5
/** A thing that a filter may name: its id, its name, and what the filter then looks for. */
type Candidate<T> = readonly [id: string, name: string, wanted: T]

/** Returns what the only candidate stands for. @throws Problem 422 if there is none, or several */
function theOnly<T>(text: string, found: readonly Candidate<T>[], more: boolean, kinds: string): T {
  const [only] = found
  if (only !== undefined && found.length === 1 && !more) return only[2]
  const few = found.slice(0, FEW).map(([id, name]) => `${name} (${id})`)
  throw new Problem(
    422,
    'The filter names no one',
    found.length === 0
      ? `No ${kinds} is called ${text}.`
      : `${text} may be ${few.join(', ')}${found.length > FEW || more ? ' or others' : ''}. Name one by its id.`,
  )
}

/** Returns the user whom `usersFor` found. @throws Problem 422 if there is none, or several */
export const onlyUser = (
  text: string,
  { users, more }: Awaited<ReturnType<typeof usersFor>>,
): Subject =>
  theOnly(
    text,
    users.map((user) => [user.sub, userName(user), user] as const),
    more,
    'user',
  )

/**
 * Returns the id of the actor or user whom a filter names, by id or by words of a name.
 * @throws Problem 422 if it names none, or several
 */
export async function idNamedBy(
  deps: Pick<Deps, 'store' | 'clients' | 'connection'>,
  what: 'actor' | 'user',
  text: string | undefined,
  tid?: string,
): Promise<string | undefined> {
  if (text === undefined) return undefined
  const isActor = what === 'actor'
  if (
    isActor &&
    ((await deps.store.findClient(text)) !== undefined ||
      (await deps.store.listAudit({ actorId: text, limit: 1 })).length > 0 ||
      (await deps.store.pageOfRevocations({ actorId: text, limit: 1, most: MOST_ENTRIES })).found
        .length > 0)
  )
    return text
  const { users, more } = await usersFor(deps, text, tid)
  const found = [
    ...users.map((user) => [user.sub, userName(user), user.sub] as const),
    ...(isActor ? clientsFor(deps, text) : []).map(
      ({ clientId, metadata }) => [clientId, metadata.name, clientId] as const,
    ),
  ]
  return theOnly(text, found, more, isActor ? 'operator, user or client' : 'user')
}

/**
 * How the audit log names a target: kind and id. Names can begin with such a word too ("Grant
 * Miller", "Key Vault"), so they are searched first.
 */
const TARGET =
  /^(?:(?:client|client_id|delivery|file|id|key|problem|target_id) \S|(?:grant|session) s_|stream st_|subject u_|webhook wh_|(?:tenant|user) [\da-f]{8}-)/

/**
 * Returns the names by which the audit log knows a target, which a filter names as the log does, or
 * by its id or words of its name. A user has two: locks name tenant and object id.
 * @throws Problem 422 if it names none, or several
 */
export async function targetsNamedBy(
  deps: Pick<Deps, 'store' | 'clients' | 'connection'>,
  text: string | undefined,
): Promise<{ target?: string; orTarget?: string }> {
  if (text === undefined) return {}
  if ((await deps.store.listAudit({ target: text, limit: 1 })).length > 0) return { target: text }
  const { users, more } = await usersFor(deps, text)
  const words = wordsOf(text)
  const tenants = (await deps.store.listTenants()).filter(
    ({ tid, name = '' }) => tid === text || words.every((word) => folded(name).includes(word)),
  )
  const found: Candidate<{ target: string; orTarget?: string }>[] = [
    ...users.map((user) => {
      const { sub, tid, oid } = user
      const wanted = { target: `subject ${sub}`, orTarget: `user ${tid} ${oid}` }
      return [sub, userName(user), wanted] as const
    }),
    ...clientsFor(deps, text).map(
      ({ clientId, metadata }) =>
        [clientId, metadata.name, { target: `client ${clientId}` }] as const,
    ),
    ...tenants.map(({ tid, name = tid }) => [tid, name, { target: `tenant ${tid}` }] as const),
  ]
  return found.length === 0 && TARGET.test(text)
    ? { target: text }
    : theOnly(text, found, more, 'user, client or tenant')
}

type SessionSearch = Parameters<Store['searchSessions']>[0]
type FoundSession = Awaited<ReturnType<Store['searchSessions']>>[number]

/**
 * Returns a page of live sessions, newest first. With `tid` only that tenant's.
 * @param most looks at no more than this, nor at more than the bound of one answer
 */
export function sessionsBy(
  deps: Pick<Deps, 'store' | 'connection'>,
  { text, most: wanted = MOST_SESSIONS, ...filters }: SessionSearch & { most?: number },
): Promise<Searched<FoundSession, SessionPlace>> {
  const most = Math.min(wanted, MOST_SESSIONS)
  if (text !== undefined && filters.sub === undefined)
    return sessionsOfNamed(deps, { ...filters, text, most })
  return deps.store.pageOfSessions({ ...filters, text, most })
}

/**
 * Returns live sessions of the users that a text names, newest first. If it names few users, their
 * sessions are looked up, so that an unknown name scans no sessions. `text` is words of a name, or
 * a whole sub, sid or object id.
 */
async function sessionsOfNamed(
  deps: Pick<Deps, 'store' | 'connection'>,
  { text, before, limit, most, ...filters }: SessionSearch & { text: string; most: number },
): Promise<Searched<FoundSession, SessionPlace>> {
  const { store } = deps
  const match = text.startsWith('s_')
    ? await sessionIn(deps, filters, text, filters.now)
    : undefined
  const named =
    match === undefined
      ? await usersFor(deps, text, filters.tid)
      : { users: [{ sub: match.session.sub }], more: false }
  if (named.more) return store.pageOfSessions({ ...filters, text, before, limit, most })
  const each = await Promise.all(
    named.users.map(({ sub }) => store.searchSessions({ ...filters, sub, before, limit })),
  )
  const found = each
    .flat()
    .filter(({ session }) => match === undefined || session.sid === text)
    .toSorted(
      (a, b) => b.session.openedAt - a.session.openedAt || (a.session.sid < b.session.sid ? 1 : -1),
    )
  return { found: found.slice(0, limit), searchedTo: undefined }
}

async function revocationsFor(
  { store }: Pick<Deps, 'store'>,
  text: string,
): Promise<LoggedRevocation[]> {
  const found = /^\d{1,15}$/.test(text) ? await store.findRevocation(Number(text)) : undefined
  return found === undefined ? [] : [found]
}

async function casesFor(
  { store }: Pick<Deps, 'store'>,
  caseReference: string,
): Promise<Hits['cases']> {
  const [revocations, locks] = await Promise.all([
    store.listRevocations({ caseReference, limit: MOST }),
    store.listLocks({ state: 'all', caseReference, limit: MOST }),
  ])
  return revocations.length + locks.length === 0
    ? []
    : [{ caseReference, revocations: revocations.length, locks: locks.length }]
}

function clientsFor({ clients }: Pick<Deps, 'clients'>, text: string): Client[] {
  const words = wordsOf(text)
  const names = ({ clientId, metadata }: Client): string => folded(`${clientId} ${metadata.name}`)
  return clients
    .list()
    .filter((client) => words.every((word) => names(client).includes(word)))
    .slice(0, MOST)
}

/**
 * Log entries that one answer scans when no index applies: 30 to 50 ms of CPU time at a million
 * rows (`npm run bench console`). The answer says where it stopped, and the next continues there.
 */
export const MOST_ENTRIES = 50_000
/** The same bound for sessions: each needs a look-up in the table (9 µs). */
const MOST_SESSIONS = 5_000

/** The cursor of a page of sessions: the place of the last session of the page before. */
export const SESSION_CURSOR = /^(\d{1,12})\.([\w-]{1,100})$/

/** Returns the place, or undefined for no valid cursor: the first page. */
export function readSessionCursor(cursor: string | undefined): SessionPlace | undefined {
  const [, openedAt, sid = ''] = SESSION_CURSOR.exec(cursor ?? '') ?? []
  return openedAt === undefined ? undefined : { openedAt: Number(openedAt), sid }
}

export const sessionCursor = ({ openedAt, sid }: SessionPlace): string => `${openedAt}.${sid}`
