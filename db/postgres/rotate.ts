import { sql } from 'drizzle-orm'
import type { RowOf } from '../engine/statement.ts'
import { families, participants, sessions, subjects } from '../schema.ts'
import { activity, participation, touchIsDue, validSession } from '../session/row.ts'
import { familyFields, mayRotate, rotated, rotation } from '../token/rotate.ts'
import type { Input, Rotation } from '../token/rotate.ts'
import { commitOne } from './transact.ts'
import type { Connecting } from './transact.ts'
import { askedRows, lookUp, setStatement } from './executor.ts'

/**
 * Rotations that wait together, as one statement: it rotates the current generation of families whose grant and session are valid. Replay,
 * theft, reasons and whatever is unusual are left to the act.
 */

type Asked = Pick<Input, 'familyId' | 'generation' | 'clientId' | 'now'> & { audience: string | undefined }

const usedAt = sql<number>`used.now`
const { rows, asked } = askedRows<Asked>({ familyId: 'text', generation: 'bigint', clientId: 'text', audience: 'text', now: 'bigint' })

// A family that is rotated is covered by no cutoff, and its user's authentication is recent enough.
const { cutoff: _cutoff, grantCutoff: _grantCutoff, freshUntil: _freshUntil, ...read } = familyFields
const fields = {
  ...read,
  now: asked.now,
  /** Whether its use counts as activity of the session: 1 or 0. */
  due: sql<number>`CASE WHEN ${touchIsDue(asked.now)} THEN 1 ELSE 0 END`,
}

/**
 * Check, `rev` and rotation share one snapshot: a revocation that the check did not see has a higher `seq` than `rev`. It waits for no lock
 * and so cannot be part of a deadlock: a family or a session that another transaction holds is left to the act.
 */
const rotateAll = setStatement<Asked, typeof fields>(
  'broker_rotate_all',
  fields,
  (f) => sql`WITH ready AS MATERIALIZED (
      SELECT ${f}
      FROM ${rows}, ${lookUp(families, sql`${families.familyId} = ${asked.familyId}`, sql`FOR NO KEY UPDATE SKIP LOCKED`)},
        ${lookUp(sessions, sql`${sessions.sid} = ${families.sid}`)}, ${lookUp(subjects, sql`${subjects.sub} = ${sessions.sub}`)}
      WHERE ${mayRotate(asked)}),
    used AS MATERIALIZED (
      SELECT ready.sid, ready."familyClient", ready.now FROM ready, ${sessions}
      WHERE ready.due = 1 AND ${sessions.sid} = ready.sid FOR NO KEY UPDATE OF ${sessions} SKIP LOCKED),
    active AS (UPDATE ${sessions} SET ${activity(usedAt)} FROM used WHERE ${sessions.sid} = used.sid),
    participated AS (UPDATE ${participants} SET ${participation(usedAt)} FROM used
      WHERE ${participants.sid} = used.sid AND ${participants.clientId} = used."familyClient")
    UPDATE ${families} SET ${rotation(sql<number>`ready.now`)} FROM ready
    WHERE ${families.familyId} = ready."familyId" AND (ready.due = 0 OR EXISTS (SELECT 1 FROM used WHERE used.sid = ready.sid)) RETURNING ready.*`,
)

const answer = (row: RowOf<typeof fields>): Rotation =>
  rotated(row, validSession({ ...row, lastActiveAt: row.due === 1 ? row.now : row.lastActiveAt }))

/** @returns the answers by the place of their input; none where it is left to the act, as the second use of one token is */
export const rotateTogether =
  (pool: Connecting) =>
  async (inputs: Input[]): Promise<(Rotation | undefined)[]> => {
    const firsts = new Map(inputs.toReversed().map((input) => [input.familyId, input]))
    const all = [...firsts.values()]
    const done = await commitOne(pool, rotateAll.query(all.map(({ audience, ...input }) => ({ ...input, audience }))))
    const settled = new Map(rotateAll.rows(done).map((row) => [row.familyId, answer(row)]))
    return inputs.map((input) => (firsts.get(input.familyId) === input ? settled.get(input.familyId) : undefined))
  }
