import { sql } from 'drizzle-orm'
import type { Param } from '../engine/statement.ts'
import { sessions, subjects } from '../schema.ts'
import { sessionFields, validSession } from '../session/row.ts'
import { isPlainlyValid } from '../token/access.ts'
import type { Access, Input } from '../token/access.ts'
import type { Fenced } from './engine.ts'
import { lookUp, setStatement } from './executor.ts'
import { readOne } from './transact.ts'
import type { Connecting } from './transact.ts'

/** Checks of access tokens that wait together, as one statement: it settles valid ones whose use is not to be written. */

type Asked = Omit<Input, 'joins' | 'needs' | 'audience'> & { needs: string | undefined; audience: string | undefined }

const asked = <K extends keyof Asked>(name: K): Param<Asked[K]> => sql<Asked[K]>`asked.${sql.identifier(name)}`
// A session whose token is valid is covered by no cutoff.
const { cutoff: _cutoff, head: _head, ...read } = sessionFields
const fields = { ...read, place: sql<number>`asked.place` }

const checkAll = setStatement<Asked, typeof fields>('broker_check_all', fields, (p, f) => {
  const texts = [p.sid, p.sub, p.clientId, p.needs, p.audience].map((list) => sql`CAST(${list} AS text[])`)
  const others = [sql`CAST(${p.rev} AS bigint[])`, sql`CAST(${p.now} AS bigint[])`, sql`CAST(${p.touch} AS boolean[])`]
  const named = { sub: asked('sub'), clientId: asked('clientId'), needs: asked('needs'), audience: asked('audience') }
  const names = { ...named, rev: asked('rev'), now: asked('now'), touch: asked('touch') }
  return sql`SELECT ${f} FROM unnest(${sql.join([...texts, ...others], sql`, `)}) WITH ORDINALITY
      AS asked("sid", "sub", "clientId", "needs", "audience", "rev", "now", "touch", place),
      ${lookUp(sessions, sql`${sessions.sid} = ${asked('sid')}`)}, ${lookUp(subjects, sql`${subjects.sub} = ${sessions.sub}`)}
    WHERE ${isPlainlyValid({ sid: asked('sid'), ...names })}`
})

/** @returns the answers by the place of their input; none where it is left to the act */
export const checkTogether =
  (pool: Connecting, fenced: Fenced) =>
  async (inputs: Input[]): Promise<(Access | undefined)[]> => {
    const asking = checkAll.query(inputs.map(({ needs, audience, ...input }) => ({ ...input, needs, audience })))
    const rows = await fenced(() => readOne(pool, asking))
    const answers: (Access | undefined)[] = inputs.map(() => undefined)
    for (const row of checkAll.rows(rows)) answers[row.place - 1] = { outcome: 'good', session: validSession(row) }
    return answers
  }
