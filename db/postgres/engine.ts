import type { PoolClient } from 'pg'
import type { Act, Engine, Sources } from '../engine/act.ts'
import { StoreUnavailable } from '../types.ts'
import type { Committed } from '../types.ts'
import type { Connections } from './connections.ts'
import { runAct } from './executor.ts'
import { CHANNEL, WIDE } from './other-brokers.ts'
import { codeOf, committed, withConnection } from './transact.ts'

/**
 * Runs acts on Postgres: a write is one transaction, run again where Postgres gave it up for
 * another (deadlock, serialization). What is answered needs this broker's lease at that moment: not
 * every commit writes, and one that does not write is confirmed by no standby.
 */

/** Attempts of one act in all. */
const ATTEMPTS = 4

/**
 * 40001 serialization_failure, 40P01 deadlock_detected: nothing was done, and the same act may pass
 * now.
 */
const mayPassNow = (error: unknown): boolean => ['40001', '40P01'].includes(codeOf(error) ?? '')

/**
 * A constraint (23) or wrong SQL (42) is a bug and stays what it is; so is a value that does not
 * fit (22). Everything else is the server or the way to it.
 */
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

interface PostgresEngineOptions {
  sources: Sources
  pool: Connections
  announce(committed: readonly Committed[]): void
  /** @throws StoreUnavailable where this broker may not answer: see lease.ts */
  mustBeFenced(): void | Promise<void>
}

/** Runs a read so that its answer counts. @throws StoreUnavailable */
export type Fenced = <T>(read: () => Promise<T>) => Promise<T>

/**
 * The lease is asked for before, which may wait for it, and after: what was read meanwhile is then
 * not older than the lease. A read on a connection that was closed meanwhile may be of a former
 * primary, and is read again.
 */
export const fencedBy =
  ({
    pool,
    mustBeFenced,
  }: Pick<PostgresEngineOptions, 'mustBeFenced'> & {
    pool: Pick<Connections, 'generation'>
  }): Fenced =>
  async (read) => {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      await mustBeFenced()
      const { generation } = pool
      const value = await read()
      await mustBeFenced()
      if (pool.generation === generation) return value
    }
    throw new StoreUnavailable(CHANGED)
  }

const CHANGED =
  'The primary of Postgres changed while the database was asked. Ask again: every act may be repeated.'

export function postgresEngine({
  pool,
  announce,
  mustBeFenced,
  sources,
}: PostgresEngineOptions): Engine {
  const mustBeOpen = (): void => {
    if (pool.ending) throw new StoreUnavailable('The store is closed.')
  }
  const write = async <T>(act: () => Act<T>): Promise<T> => {
    mustBeOpen()
    for (let attempt = 1; ; attempt++) {
      const { generation } = pool
      try {
        const { value, revoked } = await committed(pool, (client) =>
          runAndNotify(client, sources, act),
        )
        if (revoked.length > 0) announce(revoked)
        await mustBeFenced()
        if (pool.generation !== generation) throw new StoreUnavailable(CHANGED)
        return value
      } catch (error) {
        if (attempt === ATTEMPTS || !mayPassNow(error)) throw refusal(error)
      }
    }
  }
  const fenced = fencedBy({ pool, mustBeFenced })
  const read = async <T>(act: () => Act<T>): Promise<T> => {
    mustBeOpen()
    try {
      return await fenced(() =>
        withConnection(pool, async (client) => (await runAct(client, sources, act())).value),
      )
    } catch (error) {
      throw refusal(error)
    }
  }
  // A page has a connection of its own anyway.
  return { write, writePage: write, read }
}

/**
 * Other brokers are notified of a revocation with its commit. Only here: notifications put commits
 * in one line, as the log's head does anyway.
 */
async function runAndNotify<T>(
  client: PoolClient,
  sources: Sources,
  act: () => Act<T>,
): Promise<{ value: T; revoked: Committed[] }> {
  const ran = await runAct(client, sources, act())
  const last = ran.revoked.at(-1)
  if (last === undefined) return ran
  const isWide = ran.revoked.some(({ revocation }) => revocation.fanOut === 'pending')
  await client.query('SELECT pg_notify($1, $2)', [
    CHANNEL,
    `${last.revocation.seq}${isWide ? WIDE : ''}`,
  ])
  return ran
}
