import type { PoolClient } from 'pg'
import type { Act, Engine, Sources } from '../engine/act.ts'
import type { HighWater } from '../high-water.ts'
import { StoreUnavailable, type Committed } from '../types.ts'
import type { Connections } from './connections.ts'
import { runAct } from './executor.ts'
import { CHANNEL, WIDE } from './other-brokers.ts'
import { codeOf, committed, withConnection } from './transact.ts'

/**
 * Runs acts on Postgres. A write is one transaction, and is run again where Postgres rolled it back
 * for another one (deadlock, serialization). An answer needs this broker's lease at that moment,
 * because an act that writes nothing is confirmed by no standby.
 */

/** The most attempts of one act. */
const ATTEMPTS = 4

/**
 * Returns whether another attempt may succeed: 40001 serialization_failure and 40P01
 * deadlock_detected mean that nothing was written.
 */
const mayPassNow = (error: unknown): boolean => ['40001', '40P01'].includes(codeOf(error) ?? '')

/**
 * Returns the error that the caller gets. A constraint (23), wrong SQL (42) or a value that does
 * not fit (22) is a bug, and is returned unchanged. Everything else is a fault of the server or the
 * network, and becomes StoreUnavailable.
 */
export function rejection(error: unknown): unknown {
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
  /** Returns the furthest known point of the log. */
  position(): HighWater
  /**
   * Records what an act has appended.
   * @throws StoreUnavailable where the log went back meanwhile
   */
  appended(committed: readonly Committed[], before: HighWater): void
  /**
   * Checks that this broker may answer (process-lease.ts).
   * @throws StoreUnavailable if it may not
   */
  mustBeFenced(): void | Promise<void>
}

/**
 * Runs a read under the lease.
 * @throws StoreUnavailable
 */
export type Fenced = <T>(read: () => Promise<T>) => Promise<T>

/**
 * Checks the lease before the read, which may wait for it, and after it, so that what was read is
 * not older than the lease. If connections were closed meanwhile, the data may be from a former
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
  position,
  appended,
  mustBeFenced,
  sources,
}: PostgresEngineOptions): Engine {
  const mustBeOpen = (): void => {
    if (pool.ending) throw new StoreUnavailable('The store is closed.')
  }
  const write = async <T>(act: () => Act<T>): Promise<T> => {
    mustBeOpen()
    for (let attempt = 1; ; attempt++) {
      const [{ generation }, before] = [pool, position()]
      try {
        const { value, revoked } = await committed(pool, (client) =>
          runAndNotify(client, sources, act),
        )
        if (revoked.length > 0) announce(revoked)
        await mustBeFenced()
        if (pool.generation !== generation) throw new StoreUnavailable(CHANGED)
        appended(revoked, before)
        return value
      } catch (error) {
        if (attempt === ATTEMPTS || !mayPassNow(error)) throw rejection(error)
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
      throw rejection(error)
    }
  }
  // On Postgres each transaction has a connection of its own, so a page needs no separate path.
  return { write, writePage: write, read }
}

/**
 * Notifies other brokers of a revocation with its commit. Only acts that revoke notify:
 * notifications serialize commits, as the lock of the log's head does anyway.
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
