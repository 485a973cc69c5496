import { sql } from 'drizzle-orm'
import { folded } from '../../src/runtime/fold.ts'
import type { Act } from '../engine/act.ts'
import { rowsOf } from '../engine/dialect.ts'
import { castTo, command, insertEach, type Takes } from '../engine/statement.ts'
import { listOf } from '../engine/values.ts'
import { subjectWords } from '../schema.ts'

/** The index of the words of users' names. The act that writes a name writes its words. */

interface Named {
  name: string | null
  username: string | null
  email: string | null
}

const LONGEST_WORD = 64
/** The most words of one user. */
const MOST_WORDS = 40

/** Returns a word as the index holds it: cut, and of whole characters. */
export const asIndexed = (word: string): string => word.slice(0, LONGEST_WORD).toWellFormed()

/**
 * Returns each word of the names, whole and in its parts: `carol.chen@contoso.example` is found by
 * its beginning, by `chen` and by `contoso`.
 */
export function indexedWords({ name, username, email }: Named): string[] {
  const whole = folded([name, username, email].filter(Boolean).join(' ')).split(/\s+/)
  const parts = whole.flatMap((word) => word.split(/[^\p{L}\p{N}]+/u))
  return [...new Set([...whole, ...parts])].filter(Boolean).map(asIndexed).slice(0, MOST_WORDS)
}

const { rows: wordRows, row: wordRow } = rowsOf(sql<string>`${sql.placeholder('list')}`, {
  word: 'text',
})
const add = command(
  (p: Takes<{ sub: string; list: string }>) =>
    sql`${insertEach(subjectWords, { word: wordRow.word, sub: castTo('text', p.sub) }, wordRows)} ON CONFLICT DO NOTHING`,
)
const forget = command(
  (p: Takes<{ sub: string }>) =>
    sql`DELETE FROM ${subjectWords} WHERE ${subjectWords.sub} = ${p.sub}`,
)

export function* forgetWords(sub: string): Act<void> {
  yield* forget.run({ sub })
}

/**
 * Replaces the words of a user, in the act that writes the names.
 * @param former the names until now; a user without any has no stored words
 */
export function* indexNames(sub: string, names: Named, former: Named): Act<void> {
  if ([former.name, former.username, former.email].some(Boolean)) yield* forgetWords(sub)
  const words = indexedWords(names)
  if (words.length > 0) yield* add.run({ sub, list: listOf(words.map((word) => ({ word }))) })
}
