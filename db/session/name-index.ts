import { setImmediate as turn } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { folded, wordsOf } from '../../src/runtime/fold.ts'
import type { Act, Engine } from '../engine/act.ts'
import { rowsOf } from '../engine/dialect.ts'
import { castTo, command, insertEach, query } from '../engine/statement.ts'
import type { RowOf, Takes } from '../engine/statement.ts'
import { listOf } from '../engine/values.ts'
import { subjects, subjectWords } from '../schema.ts'
import type { SignInActs } from '../store.ts'
import type { Subject } from '../types.ts'
import { subjectFields, subjectOf } from './user-row.ts'

/** Users by the words of their names, in any order, whether or not they are signed in: an index of words that is written with the name. */

type Named = Pick<RowOf<typeof subjectFields>, 'name' | 'username' | 'email'>

const LONGEST_WORD = 64
/** Of one user. */
const MOST_WORDS = 40

/** Each word whole and in its parts: `carol.chen@contoso.example` is found by its beginning, by chen and by contoso. */
function indexedWords({ name, username, email }: Named): string[] {
  const whole = folded([name, username, email].filter(Boolean).join(' ')).split(/\s+/)
  const parts = whole.flatMap((word) => word.split(/[^\p{L}\p{N}]+/u))
  return [...new Set([...whole, ...parts])]
    .filter(Boolean)
    .map((word) => word.slice(0, LONGEST_WORD).toWellFormed())
    .slice(0, MOST_WORDS)
}

const { rows: wordRows, row: wordRow } = rowsOf(sql<string>`${sql.placeholder('list')}`, { word: 'text' })
const add = command(
  (p: Takes<{ sub: string; list: string }>) =>
    sql`${insertEach(subjectWords, { word: wordRow.word, sub: castTo('text', p.sub) }, wordRows)} ON CONFLICT DO NOTHING`,
)
const forget = command((p: Takes<{ sub: string }>) => sql`DELETE FROM ${subjectWords} WHERE ${subjectWords.sub} = ${p.sub}`)

export function* forgetWords(sub: string): Act<void> {
  yield* forget.run({ sub })
}

/** In the act that writes the names. @param former the names until now; of a user without any, no words are stored */
export function* indexNames(sub: string, names: Named, former: Named): Act<void> {
  if ([former.name, former.username, former.email].some(Boolean)) yield* forgetWords(sub)
  const words = indexedWords(names)
  if (words.length > 0) yield* add.run({ sub, list: listOf(words.map((word) => ({ word }))) })
}

type Place = { word: string; sub: string }
/** Read in one turn, and in one search: what a search that fits many users goes through before it says that there are more. */
const [PAGE, MOST_PAGES] = [200, 50]
const candidates = query(
  { ...subjectFields, word: subjectWords.word },
  (p: Takes<Place & { to: string }>, f) => sql`SELECT ${f} FROM ${subjectWords} JOIN ${subjects} ON ${subjects.sub} = ${subjectWords.sub}
    WHERE (${subjectWords.word}, ${subjectWords.sub}) > (${p.word}, ${p.sub}) AND ${subjectWords.word} < ${p.to}
    ORDER BY ${subjectWords.word}, ${subjectWords.sub} LIMIT ${sql.raw(String(PAGE))}`,
)

const AFTER_ALL = '\u{10ffff}'
/** The word that fits the fewest users, as far as its length tells. */
const longest = (words: readonly string[]): string => words.reduce((a, b) => (b.length > a.length ? b : a), '')

/** Of a tenant: in the order of its index, so many in a turn and in a search. */
const [TENANT_PAGE, TENANT_PAGES] = [500, 200]
const ofTenant = query(
  subjectFields,
  (p: Takes<{ tid: string; after: string }>, f) => sql`SELECT ${f} FROM ${subjects} WHERE ${subjects.tid} = ${p.tid} AND ${subjects.oid} > ${p.after}
    ORDER BY ${subjects.oid} LIMIT ${sql.raw(String(TENANT_PAGE))}`,
)

async function searchTenant({ read }: Pick<Engine, 'read'>, tid: string, words: string[], limit: number): Promise<Hits> {
  const users: Subject[] = []
  for (let [pages, after] = [0, '']; pages < TENANT_PAGES; pages++) {
    const from = after
    const rows = await read(() => ofTenant.all({ tid, after: from }))
    for (const row of rows) if (fits(words, indexedWords(row))) users.push(subjectOf(row))
    const last = rows.at(-1)
    if (users.length > limit || rows.length < TENANT_PAGE || last === undefined) return { users: users.slice(0, limit), more: users.length > limit }
    after = last.oid
    await turn()
  }
  return { users, more: true }
}

interface Hits {
  users: Subject[]
  more: boolean
}
const fits = (words: readonly string[], its: readonly string[]): boolean => words.every((word) => its.some((one) => one.startsWith(word)))

export async function searchUsers({ read }: Pick<Engine, 'read'>, { text, tid, limit }: Parameters<SignInActs['searchUsers']>[0]): Promise<Hits> {
  const words = wordsOf(text).map((word) => word.slice(0, LONGEST_WORD).toWellFormed())
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

export const nameActs = (engine: Engine): Pick<SignInActs, 'searchUsers'> => ({ searchUsers: (input) => searchUsers(engine, input) })
