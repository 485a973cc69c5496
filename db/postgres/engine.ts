import type { Pool, PoolClient } from 'pg'
import type { Act, Ambient, Engine } from '../engine/act.ts'
import { StoreUnavailable } from '../store.ts'
import type { Committed } from '../types.ts'
import { CHANNEL } from './elsewhere.ts'
import { runAct } from './executor.ts'
import { codeOf, committed, withConnection } from './transact.ts'

/**
 * Runs acts on Postgres: a write is one transaction, run again where Postgres gave it up for another (deadlock, serialization). A read needs
 * this broker's lease.
 */

/** Attempts of one act in all. */
const ATTEMPTS = 4

/** 40001 serialization_failure, 40P01 deadlock_detected: nothing was done, and the same act may pass now. */
const mayPassNow = (error: unknown): boolean => ['40001', '40P01'].includes(codeOf(error) ?? '')

/** A constraint (23) or wrong SQL (42) is a bug and stays what it is; so is a value that does not fit (22). Everything else is the server or the way to it. */
export function refusal(error: unknown): unknown {
  if (error instanceof StoreUnavailable) return error
  const code = codeOf(error)
  if (error instanceof TypeError || (code !== undefined && /^(22|23|42)/.test(code))) return error
  return new StoreUnavailable(
    'The database did not answer: nothing was written. Check that Postgres runs and that BROKER_DATABASE_URL leads to it.',
    {
      cause: error,
    },
  )
}

export interface PostgresEngineOptions extends Ambient {
  pool: Pool
  announce(committed: readonly Committed[]): void
  /** @throws StoreUnavailable where this broker may not answer: see lease.ts */
  mustBeFenced(): void | Promise<void>
}

export function postgresEngine({ pool, announce, mustBeFenced, nowMs, newId }: PostgresEngineOptions): Engine {
  const mustBeOpen = (): void => {
    if (pool.ending) throw new StoreUnavailable('The store is closed.')
  }
  const write = async <T>(act: () => Act<T>): Promise<T> => {
    mustBeOpen()
    for (let attempt = 1; ; attempt++) {
      try {
        const { value, revoked } = await committed(pool, (client) => runAndNotify(client, act))
        if (revoked.length > 0) announce(revoked)
        return value
      } catch (error) {
        if (attempt === ATTEMPTS || !mayPassNow(error)) throw refusal(error)
      }
    }
  }
  const read = async <T>(act: () => Act<T>): Promise<T> => {
    mustBeOpen()
    await mustBeFenced()
    try {
      return await withConnection(pool, async (client) => (await runAct(client, act())).value)
    } catch (error) {
      throw refusal(error)
    }
  }
  return { nowMs, newId, write, read }
}

/** Other brokers hear of a revocation with its commit. Only here: notifications put commits in one line, as the log's head does anyway. */
async function runAndNotify<T>(client: PoolClient, act: () => Act<T>): Promise<{ value: T; revoked: Committed[] }> {
  const ran = await runAct(client, act())
  const last = ran.revoked.at(-1)
  if (last !== undefined) await client.query('SELECT pg_notify($1, $2)', [CHANNEL, String(last.revocation.seq)])
  return ran
}
