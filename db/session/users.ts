import { setImmediate as turn } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { wordsOf } from '../../src/runtime/fold.ts'
import type { Act, Engine } from '../engine/act.ts'
import { query, type Takes } from '../engine/statement.ts'
import { asIndexed, indexedWords } from '../rows/user-words.ts'
import { subjectFields, subjectOf } from '../rows/user.ts'
import { subjects, subjectWords } from '../schema.ts'
import type { Subject } from '../types.ts'

/** Finds users by the words of their names, in any order, whether or not they are signed in. */

type Place = { word: string; sub: string }
/**
 * The rows that one turn reads, and the turns of one search. A search that matches many users stops
 * there and returns `more`.
 */
const [PAGE, MOST_PAGES] = [200, 50]
const candidates = query(
  { ...subjectFields, word: subjectWords.word },
  (
    p: Takes<Place & { to: string }>,
    f,
  ) => sql`SELECT ${f} FROM ${subjectWords} JOIN ${subjects} ON ${subjects.sub} = ${subjectWords.sub}
    WHERE (${subjectWords.word}, ${subjectWords.sub}) > (${p.word}, ${p.sub}) AND ${subjectWords.word} < ${p.to}
    ORDER BY ${subjectWords.word}, ${subjectWords.sub} LIMIT ${sql.raw(String(PAGE))}`,
)

const AFTER_ALL = '\u{10ffff}'
/** Returns the longest word, which probably matches the fewest users. */
const longest = (words: readonly string[]): string =>
  words.reduce((a, b) => (b.length > a.length ? b : a), '')

/**
 * The users of a tenant that one turn reads, in the order of its index, and the turns of one
 * search.
 */
const [TENANT_PAGE, TENANT_PAGES] = [500, 200]
const ofTenant = query(
  subjectFields,
  (
    p: Takes<{ tid: string; after: string }>,
    f,
  ) => sql`SELECT ${f} FROM ${subjects} WHERE ${subjects.tid} = ${p.tid} AND ${subjects.oid} > ${p.after}
    ORDER BY ${subjects.oid} LIMIT ${sql.raw(String(TENANT_PAGE))}`,
)

async function searchTenant(
  { read }: Pick<Engine, 'read'>,
  tid: string,
  words: string[],
  limit: number,
): Promise<Hits> {
  const users: Subject[] = []
  for (let [pages, after] = [0, '']; pages < TENANT_PAGES; pages++) {
    const from = after
    const rows = await read(() => ofTenant.all({ tid, after: from }))
    for (const row of rows) if (fits(words, indexedWords(row))) users.push(subjectOf(row))
    const last = rows.at(-1)
    if (users.length > limit || rows.length < TENANT_PAGE || last === undefined)
      return { users: users.slice(0, limit), more: users.length > limit }
    after = last.oid
    await turn()
  }
  return { users, more: true }
}

const inOrder = query(
  subjectFields,
  (
    p: Takes<{ tid: string; oid: string; limit: number }>,
    f,
  ) => sql`SELECT ${f} FROM ${subjects} WHERE (${subjects.tid}, ${subjects.oid}) > (${p.tid}, ${p.oid})
    ORDER BY ${subjects.tid}, ${subjects.oid} LIMIT ${p.limit}`,
)

/** Lists users by tenant and object id, from after a user. @param tid lists only this tenant's */
export function* listUsers({
  tid,
  after = { tid: tid ?? '', oid: '' },
  limit,
}: {
  tid: string | undefined
  after: Pick<Subject, 'tid' | 'oid'> | undefined
  limit: number
}): Act<Subject[]> {
  const rows = yield* inOrder.all({ ...after, limit })
  return rows.map(subjectOf).filter((subject) => tid === undefined || subject.tid === tid)
}

interface Hits {
  users: Subject[]
  more: boolean
}
const fits = (words: readonly string[], its: readonly string[]): boolean =>
  words.every((word) => its.some((candidate) => candidate.startsWith(word)))

/**
 * Searches users for operators, by words of their name, username or address in any order. A word
 * matches by its beginning, without regard to case and accents. Reads are bounded: `more` means
 * that others may match too. With `tid` only the users of that tenant are read, so that the answer
 * does not depend on the users of others.
 */
export async function searchUsers(
  { read }: Pick<Engine, 'read'>,
  { text, tid, limit }: { text: string; tid?: string | undefined; limit: number },
): Promise<Hits> {
  const words = wordsOf(text).map(asIndexed)
  const by = longest(words)
  const found = new Map<string, Subject>()
  if (by === '') return { users: [], more: false }
  if (tid !== undefined) return searchTenant({ read }, tid, words, limit)
  let from: Place = { word: by, sub: '' }
  for (let pages = 0; pages < MOST_PAGES; pages++) {
    const place = from
    const rows = await read(() => candidates.all({ ...place, to: by + AFTER_ALL }))
    for (const row of rows) {
      if (fits(words, indexedWords(row))) found.set(row.sub, subjectOf(row))
      if (found.size > limit) return { users: [...found.values()].slice(0, limit), more: true }
    }
    const last = rows.at(-1)
    if (rows.length < PAGE || last === undefined) return { users: [...found.values()], more: false }
    from = { word: last.word, sub: last.sub }
    await turn()
  }
  return { users: [...found.values()], more: true }
}
