import { sql } from 'drizzle-orm'
import type { Act, Engine } from '../engine/act.ts'
import { hidden } from '../engine/dialect.ts'
import { assign, columnsOf, command, excluded, insertInto, names, query } from '../engine/statement.ts'
import type { Takes } from '../engine/statement.ts'
import { optional } from '../engine/values.ts'
import { idempotencyKeys as keys } from '../schema.ts'
import type { RepeatableActs } from '../store.ts'

/** Requests that their sender may repeat: each key of a caller with its request, and its answer once there is one. */

const KEEP_SECONDS = 86_400
/** A request that takes longer belonged to a process that ended: the next one may do it. */
const RUNNING_SECONDS = 60

type Key = Parameters<RepeatableActs['beginRepeatable']>[0]
type Begun = Awaited<ReturnType<RepeatableActs['beginRepeatable']>>

const kept = query(
  { count: sql<number>`count(*)` },
  (p: Takes<{ caller: string; most: number }>, f) =>
    sql`SELECT ${f} FROM (SELECT ${keys.keyHash} FROM ${keys} WHERE ${keys.caller} = ${p.caller} LIMIT ${p.most}) AS page`,
)
const find = query(
  columnsOf(keys, 'requestHash', 'status', 'answer'),
  (p: Takes<{ caller: string; keyHash: string }>, f) =>
    sql`SELECT ${f} FROM ${keys} WHERE ${keys.caller} = ${hidden(p.caller)} AND ${keys.keyHash} = ${hidden(p.keyHash)}`,
)
// Of two at once, one writes the row. What has expired, or was left by a process that ended, is as if it were not there.
const begin = command(
  (p: Takes<{ caller: string; keyHash: string; requestHash: string; now: number; expiresAt: number; staleAt: number }>) =>
    sql`${insertInto(keys, { ...{ caller: p.caller, keyHash: p.keyHash, requestHash: p.requestHash }, startedAt: p.now, expiresAt: p.expiresAt })}
      ON CONFLICT (${names(keys.caller, keys.keyHash)}) DO UPDATE SET ${assign(keys, {
        ...{ requestHash: excluded(keys.requestHash), startedAt: excluded(keys.startedAt), expiresAt: excluded(keys.expiresAt) },
        ...{ status: null, answer: null },
      })} WHERE ${keys.expiresAt} <= ${excluded(keys.startedAt)}
        OR (${keys.status} IS NULL AND ${keys.startedAt} <= ${p.staleAt} AND ${keys.requestHash} = ${excluded(keys.requestHash)})`,
)
const conclude = command(
  (p: Takes<{ caller: string; keyHash: string; requestHash: string; status: number; answer: string }>) =>
    sql`UPDATE ${keys} SET ${assign(keys, { status: p.status, answer: p.answer })}
      WHERE ${keys.caller} = ${p.caller} AND ${keys.keyHash} = ${p.keyHash} AND ${keys.requestHash} = ${p.requestHash}`,
)
const drop = command(
  (p: Takes<{ caller: string; keyHash: string; requestHash: string }>) =>
    sql`DELETE FROM ${keys} WHERE ${keys.caller} = ${p.caller} AND ${keys.keyHash} = ${p.keyHash} AND ${keys.requestHash} = ${p.requestHash}
      AND ${keys.status} IS NULL`,
)

function* beginOne({ caller, keyHash, requestHash, now, most }: Key): Act<Begun> {
  const key = { caller, keyHash, requestHash }
  const there = yield* find.get({ caller, keyHash })
  if (there === undefined && ((yield* kept.get({ caller, most }))?.count ?? 0) >= most) return { outcome: 'full' }
  const begun = yield* begin.run({ ...key, now, expiresAt: now + KEEP_SECONDS, staleAt: now - RUNNING_SECONDS })
  if (begun === 1) return { outcome: 'begun' }
  const row = yield* find.get({ caller, keyHash })
  if (row?.requestHash !== requestHash) return { outcome: 'other' }
  const [status, answer] = [optional(row.status), optional(row.answer)]
  return status === undefined || answer === undefined ? { outcome: 'running' } : { outcome: 'done', status, answer }
}

export const repeatableActs = ({ write }: Engine): RepeatableActs => ({
  beginRepeatable: (key) => write(() => beginOne(key)),
  concludeRepeatable: ({ caller, keyHash, requestHash, answer }) =>
    write(function* () {
      const key = { caller, keyHash, requestHash }
      yield* answer === undefined ? drop.run(key) : conclude.run({ ...key, status: answer.status, answer: answer.body })
    }),
})
