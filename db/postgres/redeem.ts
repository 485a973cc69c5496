import { sql } from 'drizzle-orm'
import type { RowOf } from '../engine/statement.ts'
import { insertEach } from '../engine/statement.ts'
import { codes, families, participants, sessions, subjects } from '../schema.ts'
import { activity, sessionFields, touchIsDue, validSession } from '../session/row.ts'
import { codeFields, consumption, freshUntilOf, grantOf, isOffline, isPresented, joining, joinsAgain, mayRedeem } from '../token/codes.ts'
import type { CodeRow, Redeemed, Redemption } from '../token/codes.ts'
import { firstOf, opening } from '../token/rotate.ts'
import { askedRows, lookUp, setStatement } from './executor.ts'
import { committed } from './transact.ts'
import type { Connecting } from './transact.ts'

/**
 * Redemptions that wait together, as two statements of one transaction: the first locks codes and their sessions, and the second redeems what
 * may be. A second use, rejections and whatever is unusual are left to the act.
 */

const found = askedRows<{ codeHash: string }>({ codeHash: 'text' })
const foundFields = { ...codeFields, place: found.place }

/** It waits for no lock and so cannot be part of a deadlock: a code or a session that another transaction holds is left to the act. */
const lockAll = setStatement<{ codeHash: string }, typeof foundFields>(
  'broker_lock_codes',
  foundFields,
  (f) => sql`SELECT ${f} FROM ${found.rows},
    ${lookUp(codes, sql`${codes.codeHash} = ${found.asked.codeHash}`, sql`FOR UPDATE SKIP LOCKED`)},
    ${lookUp(sessions, sql`${sessions.sid} = ${codes.sid}`, sql`FOR UPDATE SKIP LOCKED`)}`,
)

interface Asked {
  codeHash: string
  familyId: string
  audience: string | undefined
  most: number | undefined
  offline: boolean
  now: number
}

const types = { codeHash: 'text', familyId: 'text', audience: 'text', most: 'bigint', offline: 'boolean', now: 'bigint' } as const
const { rows, asked, place } = askedRows<Asked>(types)
// A session that may be used is covered by no cutoff.
const { cutoff: _cutoff, ...read } = sessionFields
const ofFamily = { scope: codes.scope, audience: codes.audience, nonce: codes.nonce }
const fields = {
  ...{ ...read, ...ofFamily, place, codeHash: codes.codeHash, clientId: codes.clientId, familyId: asked.familyId, now: asked.now },
  freshUntil: freshUntilOf(asked.most),
  offline: sql<number>`CASE WHEN ${asked.offline} THEN 1 ELSE 0 END`,
  /** Whether it counts as activity of the session: 1 or 0. */
  due: sql<number>`CASE WHEN ${touchIsDue(asked.now)} THEN 1 ELSE 0 END`,
}
const ready = (name: keyof typeof fields) => sql<never>`ready.${sql.identifier(name)}`
const common = { sid: ready('sid'), clientId: ready('clientId'), now: ready('now') }

/**
 * Its snapshot is taken when the sessions are locked: a revocation that it does not see has not looked yet for who takes part in them. Check, `rev`
 * and what is written share it.
 */
const redeemAll = setStatement<Asked, typeof fields>(
  'broker_redeem_all',
  fields,
  (f) => sql`WITH ready AS MATERIALIZED (
      SELECT ${f} FROM ${rows}, ${lookUp(codes, sql`${codes.codeHash} = ${asked.codeHash}`)},
        ${lookUp(sessions, sql`${sessions.sid} = ${codes.sid}`)}, ${lookUp(subjects, sql`${subjects.sub} = ${sessions.sub}`)}
      WHERE ${mayRedeem(asked)}),
    consumed AS (UPDATE ${codes} SET ${consumption(ready('now'))} FROM ready WHERE ${codes.codeHash} = ${ready('codeHash')}),
    joined AS (${insertEach(participants, joining({ ...common, head: ready('head'), freshUntil: ready('freshUntil') }), sql`ready`)} ${joinsAgain}),
    active AS (UPDATE ${sessions} SET ${activity(ready('now'))} FROM ready WHERE ${sessions.sid} = ${ready('sid')} AND ready.due = 1),
    opened AS (${insertEach(
      families,
      opening({
        ...{ ...common, familyId: ready('familyId'), openedSeq: ready('head') },
        ...{ scope: ready('scope'), audience: ready('audience'), nonce: ready('nonce') },
      }),
      sql`(SELECT * FROM ready WHERE ready.offline = 1) AS ready`,
    )})
    SELECT ready.* FROM ready`,
)

function answer(row: RowOf<typeof fields>, code: CodeRow): Redeemed {
  const { sid, familyId, head: rev } = row
  const grant = grantOf(code)
  const session = validSession({ ...row, lastActiveAt: row.due === 1 ? row.now : row.lastActiveAt })
  return { outcome: 'redeemed', session, grant, family: isOffline(code) ? firstOf({ familyId, sid, grant }) : undefined, rev }
}

/** @returns the answers by the place of their input; none where it is left to the act, as the second of two codes of one session is */
export const redeemTogether =
  (pool: Connecting) =>
  (inputs: Redemption[]): Promise<(Redeemed | undefined)[]> =>
    committed(pool, async (client) => {
      const answers: (Redeemed | undefined)[] = inputs.map(() => undefined)
      const locked = lockAll.rows((await client.query(lockAll.query(inputs))).rows)
      const ofSessions = new Map<string, { code: CodeRow; input: Redemption; at: number }>()
      for (const { place: from1, ...code } of locked) {
        const input = inputs[from1 - 1]
        if (input !== undefined && isPresented(code, input)) ofSessions.set(code.sid, { code, input, at: from1 - 1 })
      }
      const all = [...ofSessions.values()]
      if (all.length === 0) return answers
      const asking = all.map(({ code, input: { codeHash, familyId, audience, maxAuthenticationSeconds: most, now } }) => ({
        ...{ codeHash, familyId, audience, most, offline: isOffline(code), now },
      }))
      for (const row of redeemAll.rows((await client.query(redeemAll.query(asking))).rows)) {
        const one = all[row.place - 1]
        if (one !== undefined) answers[one.at] = answer(row, one.code)
      }
      return answers
    })
