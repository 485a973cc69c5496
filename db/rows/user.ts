import { sql } from 'drizzle-orm'
import type { Act } from '../engine/act.ts'
import { forUpdate } from '../engine/dialect.ts'
import {
  assign,
  columnsOf,
  command,
  insertInto,
  lockRows,
  names,
  pick,
  query,
  type RowOf,
  type Takes,
} from '../engine/statement.ts'
import { optional, optionals } from '../engine/values.ts'
import { subjects } from '../schema.ts'
import type { NewSession, Subject } from '../types.ts'
import { indexNames } from './user-words.ts'

/**
 * Users: one `sub` for each tenant and object id, forever. Their names at Microsoft are kept up to
 * date.
 */

export const subjectFields = columnsOf(
  subjects,
  'sub',
  'tid',
  'oid',
  'name',
  'username',
  'email',
  'homeId',
  'createdAt',
)

export const subjectOf: (row: RowOf<typeof subjectFields>) => Subject = optionals

type User = Takes<{ tid: string; oid: string }>
const isUser = (p: User) => sql`${subjects.tid} = ${p.tid} AND ${subjects.oid} = ${p.oid}`
const bySub = query(
  subjectFields,
  (p: Takes<{ sub: string }>, f) =>
    sql`SELECT ${f} FROM ${subjects} WHERE ${subjects.sub} = ${p.sub}`,
)
const byUser = query(
  subjectFields,
  (p: User, f) => sql`SELECT ${f} FROM ${subjects} WHERE ${isUser(p)}`,
)
const byUserLocked = query(
  subjectFields,
  (p: User, f) => sql`SELECT ${f} FROM ${subjects} WHERE ${isUser(p)}${forUpdate(subjects)}`,
)
const lock = lockRows(subjects, (p: Takes<{ sub: string }>) => sql`${subjects.sub} = ${p.sub}`)
const sameHuman = query(
  columnsOf(subjects, 'sub'),
  (p: Takes<{ homeId: string; sub: string }>, f) =>
    sql`SELECT ${f} FROM ${subjects} WHERE ${subjects.homeId} = ${p.homeId} AND ${subjects.sub} <> ${p.sub} ORDER BY ${subjects.sub}`,
)
type Names = {
  sub: string
  name: string | null
  username: string | null
  email: string | null
  homeId: string | null
}
const add = command(
  (p: Takes<Names & { tid: string; oid: string; now: number }>) =>
    sql`${insertInto(subjects, {
      ...pick(p, 'sub', 'tid', 'oid', 'name', 'username', 'email', 'homeId'),
      createdAt: p.now,
    })} ON CONFLICT (${names(subjects.tid, subjects.oid)}) DO NOTHING`,
)
const describe = command(
  (p: Takes<Names>) =>
    sql`UPDATE ${subjects} SET ${assign(subjects, pick(p, 'name', 'username', 'email', 'homeId'))}
      WHERE ${subjects.sub} = ${p.sub}`,
)

export interface KnownUser {
  sub: string
  /**
   * The known home account id, even where this sign-in did not bring it: it never changes for an
   * account.
   */
  homeId: string | undefined
  /** The stored names, and those that this sign-in brings. */
  names: { stored: Omit<Names, 'sub'>; received: Omit<Names, 'sub'> }
}

const UNNAMED = { name: null, username: null, email: null }

/**
 * Returns the user of a sign-in. For a new user it stores only their identity: names count once the
 * sign-in is accepted (`nameUser`).
 * @param sub the new user's `sub`
 */
export function* subjectFor(
  { user }: Pick<NewSession, 'user'>,
  sub: string,
  now: number,
): Act<KnownUser> {
  const { tid, oid, name = null, username = null, email = null, homeId = null } = user
  const received = { name, username, email, homeId }
  let known = yield* byUserLocked.get({ tid, oid })
  if (known === undefined) {
    const stored = { ...UNNAMED, homeId }
    if ((yield* add.run({ sub, tid, oid, ...stored, now })) === 1)
      return { sub, homeId: user.homeId, names: { stored, received } }
    // The first sign-in of this user at another broker has committed meanwhile.
    known = yield* byUserLocked.get({ tid, oid })
    if (known === undefined) throw new Error('The user is known and is not there.')
  }
  const names = { stored: known, received: { ...received, homeId: homeId ?? known.homeId } }
  return { sub: known.sub, homeId: optional(names.received.homeId), names }
}

/**
 * Stores the names that an accepted sign-in brings. A rejected sign-in changes neither name nor
 * address.
 */
export function* nameUser({ sub, names: { stored, received } }: KnownUser): Act<void> {
  if (!isOtherwise(stored, received)) return
  yield* describe.run({ sub, ...received })
  if (
    received.name !== stored.name ||
    received.username !== stored.username ||
    received.email !== stored.email
  )
    yield* indexNames(sub, received, stored)
}

const isOtherwise = (known: Omit<Names, 'sub'>, now: Omit<Names, 'sub'>): boolean =>
  known.name !== now.name ||
  known.username !== now.username ||
  known.email !== now.email ||
  known.homeId !== now.homeId

/** Keeps other acts from writing this user's rows until this act ends. */
export const lockSubject = (sub: string): Act<unknown> => lock.get({ sub })

export function* findSubject(sub: string): Act<Subject | undefined> {
  const row = yield* bySub.get({ sub })
  return row && subjectOf(row)
}
export function* findSubjectByUser(tid: string, oid: string): Act<Subject | undefined> {
  const row = yield* byUser.get({ tid, oid })
  return row && subjectOf(row)
}

/**
 * Returns Microsoft's home account id. Where Microsoft did not send it, it is the id that a member
 * of the tenant has.
 */
export const homeOf = ({ homeId, oid, tid }: Pick<Subject, 'tid' | 'oid' | 'homeId'>): string =>
  homeId ?? `${oid}.${tid}`

interface Human {
  sub: string | undefined
  homeId: string
  others: string[]
}

/**
 * Returns the user of a tenant, if they have signed in there, and the same human's guest users in
 * other tenants. A lock covers all of them.
 */
export function* findHuman({ tid, oid }: { tid: string; oid: string }): Act<Human> {
  const user = yield* findSubjectByUser(tid, oid)
  const homeId = homeOf(user ?? { tid, oid })
  return { sub: user?.sub, homeId, others: yield* othersAt(homeId, user?.sub) }
}

function* othersAt(homeId: string, sub = ''): Act<string[]> {
  return (yield* sameHuman.all({ homeId, sub })).map((user) => user.sub)
}

export function* otherUsersOf(sub: string): Act<string[]> {
  const user = yield* findSubject(sub)
  return user === undefined ? [] : yield* othersAt(homeOf(user), sub)
}
