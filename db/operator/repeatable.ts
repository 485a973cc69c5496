import { sql } from 'drizzle-orm'
import type { Act } from '../engine/act.ts'
import { withoutReprepare } from '../engine/dialect.ts'
import {
  assign,
  columnsOf,
  command,
  excluded,
  insertInto,
  names,
  pick,
  query,
  type Takes,
} from '../engine/statement.ts'
import { idempotencyKeys as keys } from '../schema.ts'

/** Repeatable requests: each key of a caller with its request and its answer. */

const KEEP_SECONDS = 86_400

/** A request with an `Idempotency-Key`. The hashes are of the key and of the request. */
interface Key {
  caller: string
  keyHash: string
  requestHash: string
  now: number
}

type Answered = Key & { most: number; status: number; answer: string }

const kept = query(
  { count: sql<number>`count(*)` },
  (p: Takes<{ caller: string; most: number }>, f) =>
    sql`SELECT ${f} FROM (SELECT ${keys.keyHash} FROM ${keys} WHERE ${keys.caller} = ${p.caller} LIMIT ${p.most}) AS page`,
)
const find = query(
  columnsOf(keys, 'requestHash', 'status', 'answer'),
  (p: Takes<{ caller: string; keyHash: string; now: number }>, f) =>
    sql`SELECT ${f} FROM ${keys} WHERE ${keys.caller} = ${withoutReprepare(p.caller)} AND ${keys.keyHash} = ${withoutReprepare(p.keyHash)} AND ${keys.expiresAt} > ${p.now}`,
)
// If two answers come at once, the first is kept. An expired row is overwritten.
const keep = command(
  (p: Takes<Omit<Answered, 'most'> & { expiresAt: number }>) =>
    sql`${insertInto(keys, {
      ...pick(p, 'caller', 'keyHash', 'requestHash', 'expiresAt'),
      status: p.status,
      answer: p.answer,
    })} ON CONFLICT (${names(keys.caller, keys.keyHash)}) DO UPDATE SET ${assign(keys, {
      requestHash: excluded(keys.requestHash),
      expiresAt: excluded(keys.expiresAt),
      status: excluded(keys.status),
      answer: excluded(keys.answer),
    })} WHERE ${keys.expiresAt} <= ${p.now}`,
)

/**
 * Looks up the answer that was kept under a key. `other`: the key was used with a different
 * request.
 */
export function* findRepeatable({
  caller,
  keyHash,
  requestHash,
  now,
}: Key): Act<{ outcome: 'new' | 'other' } | { outcome: 'done'; status: number; answer: string }> {
  const row = yield* find.get({ caller, keyHash, now })
  if (row === undefined) return { outcome: 'new' }
  return row.requestHash === requestHash
    ? { outcome: 'done', status: row.status, answer: row.answer }
    : { outcome: 'other' }
}

/** Keeps the answer for a day, unless the key has one or the caller has `most` keys. */
export function* keepRepeatable({ most, ...asked }: Answered): Act<void> {
  const { caller, keyHash, requestHash, now, status, answer } = asked
  if (((yield* kept.get({ caller, most }))?.count ?? 0) >= most) return
  yield* keep.run({
    caller,
    keyHash,
    requestHash,
    now,
    status,
    answer,
    expiresAt: now + KEEP_SECONDS,
  })
}
