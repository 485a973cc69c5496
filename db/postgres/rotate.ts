import { sql } from 'drizzle-orm'
import { activity, participation, touchDue, validSession } from '../rows/session.ts'
import { families, participants, sessions, subjects } from '../schema.ts'
import {
  checkedFields,
  rejection,
  rotated,
  rotation,
  type Input,
  type Rotation,
} from '../token/rotate.ts'
import type { Fenced } from './engine.ts'
import { askedRows, lookUp, setStatement } from './executor.ts'
import { commitOne, readOne, type Connecting } from './transact.ts'

/**
 * Rotations that wait together: one statement reads their families, the act's own rule judges each
 * row, and one statement rotates the accepted ones. Replay, theft, rejections and rows that another
 * transaction has locked are left to the act.
 */

type Asked = Pick<Input, 'familyId'> & { audience: string | undefined }
const wanted = askedRows<Asked>({ familyId: 'text', audience: 'text' })
const readFields = { ...checkedFields(wanted.asked.audience ?? sql`NULL`), place: wanted.place }

/**
 * `rev` and all judged fields come from one snapshot, so that a revocation that is not in it has a
 * higher `seq` than `rev`.
 */
const readAll = setStatement<Asked, typeof readFields>(
  'broker_read_families',
  readFields,
  (
    f,
  ) => sql`SELECT ${f} FROM ${wanted.rows}, ${lookUp(families, sql`${families.familyId} = ${wanted.asked.familyId}`)},
    ${lookUp(sessions, sql`${sessions.sid} = ${families.sid}`)}, ${lookUp(subjects, sql`${subjects.sub} = ${sessions.sub}`)}`,
)

/** An accepted rotation. `due`: 1 where the use counts as activity of the session, else 0. */
type Accepted = Pick<Input, 'familyId' | 'generation' | 'now'> & {
  sid: string
  clientId: string
  due: number
}
const { rows, asked } = askedRows<Accepted>({
  familyId: 'text',
  generation: 'bigint',
  now: 'bigint',
  sid: 'text',
  clientId: 'text',
  due: 'bigint',
})
const usedAt = sql<number>`used.now`
const rotatedFields = { familyId: families.familyId }

const current = sql`${families.familyId} = ${asked.familyId} AND ${families.generation} = ${asked.generation}`

/**
 * Skips locked rows, so that the statement cannot be part of a deadlock. A family whose generation
 * has changed since it was read is not rotated. The condition on `due`, which is always 0 or 1,
 * makes the planner expect few rows and look families up by their key, whatever its statistics.
 */
const rotateAll = setStatement<Accepted, typeof rotatedFields>(
  'broker_rotate_all',
  rotatedFields,
  (f) => sql`WITH ready AS MATERIALIZED (
      SELECT asked.* FROM ${rows}, ${lookUp(families, current, sql`FOR NO KEY UPDATE SKIP LOCKED`)} WHERE ${asked.due} BETWEEN 0 AND 1),
    used AS MATERIALIZED (
      SELECT ready.sid, ready."clientId", ready.now FROM ready, ${sessions}
      WHERE ready.due = 1 AND ${sessions.sid} = ready.sid FOR NO KEY UPDATE OF ${sessions} SKIP LOCKED),
    active AS (UPDATE ${sessions} SET ${activity(usedAt)} FROM used WHERE ${sessions.sid} = used.sid),
    participated AS (UPDATE ${participants} SET ${participation(usedAt)} FROM used
      WHERE ${participants.sid} = used.sid AND ${participants.clientId} = used."clientId")
    UPDATE ${families} SET ${rotation(sql<number>`ready.now`)} FROM ready
    WHERE ${families.familyId} = ready."familyId" AND (ready.due = 0 OR EXISTS (SELECT 1 FROM used WHERE used.sid = ready.sid)) RETURNING ${f}`,
)

/**
 * Rotates the tokens of the inputs together.
 * @returns the answers in the order of the inputs; undefined where the act has to answer, such as
 * the second use of one token
 */
export const rotateTogether =
  (pool: Connecting, fenced: Fenced) =>
  (inputs: Input[]): Promise<(Rotation | undefined)[]> =>
    fenced(async () => {
      const answers = new Map<string, { place: number; answer: Rotation }>()
      const accepted: Accepted[] = []
      const read = await readOne(
        pool,
        readAll.query(inputs.map(({ familyId, audience }) => ({ familyId, audience }))),
      )
      for (const row of readAll.rows(read)) {
        const input = inputs[row.place - 1]
        if (
          input === undefined ||
          answers.has(row.familyId) ||
          row.generation !== input.generation ||
          input.keeps === true ||
          rejection(row, input) !== undefined
        )
          continue
        const { familyId, generation, now } = input
        const due = touchDue(row, now)
        accepted.push({
          familyId,
          generation,
          now,
          sid: row.sid,
          clientId: row.familyClient,
          due: due ? 1 : 0,
        })
        const session = validSession({ ...row, lastActiveAt: due ? now : row.lastActiveAt })
        answers.set(familyId, { place: row.place, answer: rotated(row, session) })
      }
      const settled: (Rotation | undefined)[] = inputs.map(() => undefined)
      if (accepted.length === 0) return settled
      for (const { familyId } of rotateAll.rows(await commitOne(pool, rotateAll.query(accepted)))) {
        const found = answers.get(familyId)
        if (found !== undefined) settled[found.place - 1] = found.answer
      }
      return settled
    })
