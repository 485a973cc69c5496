import { sql } from 'drizzle-orm'
import { sessions, subjects } from '../schema.ts'
import { sessionFields, validSession } from '../session/row.ts'
import { isPlainlyValid } from '../token/access.ts'
import type { Access, Input } from '../token/access.ts'
import type { Fenced } from './engine.ts'
import { askedRows, lookUp, setStatement } from './executor.ts'
import { readOne } from './transact.ts'
import type { Connecting } from './transact.ts'

/** Checks of access tokens that wait together, as one statement: it settles valid ones whose use is not to be written. */

type Asked = Omit<Input, 'joins' | 'needs' | 'audience'> & { needs: string | undefined; audience: string | undefined }

const texts = { sid: 'text', sub: 'text', clientId: 'text', needs: 'text', audience: 'text' } as const
const { rows, asked, place } = askedRows<Asked>({ ...texts, rev: 'bigint', now: 'bigint', touch: 'boolean' })
// A session whose token is valid is covered by no cutoff.
const { cutoff: _cutoff, head: _head, ...read } = sessionFields
const fields = { ...read, place }

const checkAll = setStatement<Asked, typeof fields>(
  'broker_check_all',
  fields,
  (f) => sql`SELECT ${f} FROM ${rows}, ${lookUp(sessions, sql`${sessions.sid} = ${asked.sid}`)},
      ${lookUp(subjects, sql`${subjects.sub} = ${sessions.sub}`)}
    WHERE ${isPlainlyValid(asked)}`,
)

/** @returns the answers by the place of their input; none where it is left to the act */
export const checkTogether =
  (pool: Connecting, fenced: Fenced) =>
  async (inputs: Input[]): Promise<(Access | undefined)[]> => {
    const asking = checkAll.query(inputs.map(({ needs, audience, ...input }) => ({ ...input, needs, audience })))
    const found = await fenced(() => readOne(pool, asking))
    const answers: (Access | undefined)[] = inputs.map(() => undefined)
    for (const row of checkAll.rows(found)) answers[row.place - 1] = { outcome: 'good', session: validSession(row) }
    return answers
  }
