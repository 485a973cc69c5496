import { sql } from 'drizzle-orm'
import { sessions, subjects } from '../schema.ts'
import { accessFields, answerOf, concerned, type Access, type Input } from '../token/access.ts'
import type { Fenced } from './engine.ts'
import { askedRows, lookUp, setStatement } from './executor.ts'
import { readOne, type Connecting } from './transact.ts'

/**
 * Checks access tokens that wait together: one statement reads all that decides. A use that has to
 * be written is left to the act.
 */

type Asked = Pick<Input, 'sid' | 'clientId'> & {
  needs: string | undefined
  audience: string | undefined
}

const { rows, asked, place } = askedRows<Asked>({
  sid: 'text',
  clientId: 'text',
  needs: 'text',
  audience: 'text',
})
const fields = { ...accessFields(asked), place }

const readAll = setStatement<Asked, typeof fields>(
  'broker_read_access',
  fields,
  (f) => sql`SELECT ${f} FROM ${rows}, ${lookUp(sessions, sql`${sessions.sid} = ${asked.sid}`)},
      ${lookUp(subjects, sql`${subjects.sub} = ${sessions.sub}`)}`,
)

/**
 * Checks the inputs with one statement.
 * @returns the answers in the order of the inputs; undefined where the act has to answer
 */
export const checkTogether =
  (pool: Connecting, fenced: Fenced) =>
  async (inputs: Input[]): Promise<(Access | undefined)[]> => {
    const asking = readAll.query(inputs.map(concerned))
    const found = new Map(
      readAll.rows(await fenced(() => readOne(pool, asking))).map((row) => [row.place, row]),
    )
    return inputs.map((input, index) => answerOf(found.get(index + 1), input))
  }
