import { sql } from 'drizzle-orm'
import type { Ambient } from '../engine/act.ts'
import type { Param } from '../engine/statement.ts'
import { isSuperseded, leased, leasedUntil, mayLease, secondsOf, wanted } from '../outbox/lease.ts'
import type { Leased, LeaseInput, Wanted } from '../outbox/lease.ts'
import { deliveryFields } from '../outbox/row.ts'
import { deliveries, targets } from '../schema.ts'
import { lookUp, setStatement } from './executor.ts'
import { commitOne } from './transact.ts'
import type { Connecting } from './transact.ts'

/** Leases of deliveries that wait together, as one statement: it leases those that may be leased. The act says why another may not. */

type Asked = Wanted & { id: string; untilMs: number; now: number }

const asked = <K extends keyof Asked>(name: K): Param<Asked[K]> => sql<Asked[K]>`asked.${sql.identifier(name)}`
const fields = {
  ...deliveryFields,
  superseded: isSuperseded(asked('now')),
  untilMs: asked('untilMs'),
  place: sql<number>`asked.place`,
}

/** It waits for no lock and so cannot be part of a deadlock: a delivery that another transaction holds is left to the act. */
const leaseAll = setStatement<Asked, typeof fields>('broker_lease_all', fields, (p, f) => {
  const numbers = [p.made, p.nowMs, p.dueByMs, p.untilMs, p.now].map((list) => sql`CAST(${list} AS bigint[])`)
  return sql`WITH ready AS MATERIALIZED (
      SELECT ${f} FROM unnest(CAST(${p.id} AS text[]), ${sql.join(numbers, sql`, `)}) WITH ORDINALITY
          AS asked("id", "made", "nowMs", "dueByMs", "untilMs", "now", place),
        ${lookUp(deliveries, sql`${deliveries.id} = ${asked('id')}`, sql`FOR NO KEY UPDATE SKIP LOCKED`)},
        ${lookUp(targets, sql`${targets.targetId} = ${deliveries.targetId}`)}
      WHERE ${mayLease({ made: asked('made'), nowMs: asked('nowMs'), dueByMs: asked('dueByMs') })})
    UPDATE ${deliveries} SET ${leasedUntil(sql<number>`ready."untilMs"`)} FROM ready WHERE ${deliveries.id} = ready.id RETURNING ready.*`
})

/** @returns the answers by the place of their input; none where it is left to the act, as the second of two leases of one delivery is */
export const leaseTogether =
  (pool: Connecting, ambient: Pick<Ambient, 'nowMs'>) =>
  async (inputs: LeaseInput[]): Promise<(Leased | undefined)[]> => {
    const now = secondsOf(ambient)
    const rows = await commitOne(pool, leaseAll.query(inputs.map((input) => ({ ...wanted(input), id: input.id, untilMs: input.untilMs, now }))))
    const answers: (Leased | undefined)[] = inputs.map(() => undefined)
    for (const row of leaseAll.rows(rows)) answers[row.place - 1] = leased(row)
    return answers
  }
