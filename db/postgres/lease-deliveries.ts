import { sql } from 'drizzle-orm'
import { endsNewer, leased, leasedUntil, mayLease, wanted } from '../outbox/delivery-lease.ts'
import type { Leased, LeaseInput, Wanted } from '../outbox/delivery-lease.ts'
import { deliveryFields } from '../outbox/row.ts'
import { deliveries, targets } from '../schema.ts'
import type { Fenced } from './engine.ts'
import { askedRows, lookUp, setStatement } from './executor.ts'
import { commitOne } from './transact.ts'
import type { Connecting } from './transact.ts'

/**
 * Leases of deliveries that wait together, as one statement: it leases those that may be leased.
 * The act says why another may not.
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
 * attempt is made again, as after the death of the process that had it. What it leases was
 * committed in full before.
 */
const notAwaited = sql`set_config('synchronous_commit', 'off', true)`

/**
 * It waits for no lock and so cannot be part of a deadlock: a delivery that another transaction
 * holds is left to the act.
 */
const leaseAll = setStatement<Asked, typeof fields>(
  'broker_lease_all',
  fields,
  (f) => sql`WITH ready AS MATERIALIZED (
      SELECT ${f} FROM ${rows}, ${lookUp(deliveries, sql`${deliveries.id} = ${asked.id}`, sql`FOR NO KEY UPDATE SKIP LOCKED`)},
        ${lookUp(targets, sql`${targets.targetId} = ${deliveries.targetId}`)}
      WHERE ${mayLease(asked)})
    UPDATE ${deliveries} SET ${leasedUntil(sql<number>`ready."untilMs"`)} FROM ready, (SELECT ${notAwaited}) AS commits
    WHERE ${deliveries.id} = ready.id RETURNING ready.*`,
)

/**
 * An isolated old primary knows of no session that was opened elsewhere meanwhile, which a token
 * could end. No standby confirms the lease there, so the lease of this process has to hold.
 * @returns the answers by the place of their input; none where it is left to the act, as the second
 * of two leases of one delivery is
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
