import { sql } from 'drizzle-orm'
import {
  endsNewer,
  leased,
  leasedUntil,
  mayLease,
  wanted,
  type Leased,
  type LeaseInput,
  type Wanted,
} from '../outbox/delivery-lease.ts'
import { deliveryFields } from '../outbox/row.ts'
import { deliveries } from '../schema.ts'
import type { Fenced } from './engine.ts'
import { askedRows, lookUp, setStatement } from './executor.ts'
import { commitOne, type Connecting } from './transact.ts'

/**
 * Leases deliveries that wait together with one statement. Where a lease is not possible, the act
 * says why.
 */

type Asked = Wanted & { id: string; untilMs: number; now: number }

const numbers = {
  made: 'bigint',
  nowMs: 'bigint',
  dueByMs: 'bigint',
  untilMs: 'bigint',
  now: 'bigint',
} as const
const { rows, asked, place } = askedRows<Asked>({ id: 'text', ...numbers })
const fields = {
  ...deliveryFields,
  endsNewer: endsNewer(asked.now),
  untilMs: asked.untilMs,
  place,
}

/**
 * The commit of a lease waits neither for the disk nor for a standby. If a crash undoes it, the
 * attempt is repeated, as after a crash of the process that had it. The delivery itself was
 * committed in full before.
 */
const notAwaited = sql`set_config('synchronous_commit', 'off', true)`

/**
 * Skips deliveries that another transaction has locked and leaves them to the act, so that the
 * statement cannot be part of a deadlock.
 */
const leaseAll = setStatement<Asked, typeof fields>(
  'broker_lease_all',
  fields,
  (f) => sql`WITH ready AS MATERIALIZED (
      SELECT ${f} FROM ${rows}, ${lookUp(deliveries, sql`${deliveries.id} = ${asked.id}`, sql`FOR NO KEY UPDATE SKIP LOCKED`)}
      WHERE ${mayLease(asked)})
    UPDATE ${deliveries} SET ${leasedUntil(sql<number>`ready."untilMs"`)} FROM ready, (SELECT ${notAwaited}) AS commits
    WHERE ${deliveries.id} = ready.id RETURNING ready.*`,
)

/**
 * Leases deliveries with one statement, under this process's own lease: no standby confirms the
 * statement, and an isolated old primary would not know of a newer session that a token could end.
 * @returns the answers in the order of the inputs; undefined where the act has to answer, such as
 * the second of two leases of one delivery
 */
export const leaseTogether =
  (pool: Connecting, fenced: Fenced, nowMs: () => number) =>
  async (inputs: LeaseInput[]): Promise<(Leased | undefined)[]> => {
    const now = Math.floor(nowMs() / 1000)
    const asking = leaseAll.query(
      inputs.map((input) => ({ ...wanted(input), id: input.id, untilMs: input.untilMs, now })),
    )
    const done = await fenced(() => commitOne(pool, asking))
    const answers: (Leased | undefined)[] = inputs.map(() => undefined)
    for (const row of leaseAll.rows(done)) answers[row.place - 1] = leased(row)
    return answers
  }
