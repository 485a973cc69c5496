import type { Pool, PoolClient } from 'pg'
import type { Act, Ambient, Engine } from '../engine/act.ts'
import { StoreUnavailable } from '../store.ts'
import type { Committed } from '../types.ts'
import { runAct } from './executor.ts'

/**
 * Runs acts on Postgres: a write is one transaction, run again where Postgres gave it up for another (deadlock, serialization). It refuses to
 * call a commit done whose answer was lost or came with a warning: nobody knows what became of it.
 */

/** Attempts of one act in all. */
const ATTEMPTS = 4

/** 40001 serialization_failure, 40P01 deadlock_detected: nothing was done, and the same act may pass now. */
const mayPassNow = (error: unknown): boolean => ['40001', '40P01'].includes(codeOf(error) ?? '')

const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined

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
  const write = async <T>(act: () => Act<T>): Promise<T> => {
    for (let attempt = 1; ; attempt++) {
      try {
        const { value, revoked } = await withConnection(pool, (client) => transact(client, act))
        if (revoked.length > 0) announce(revoked)
        return value
      } catch (error) {
        if (attempt === ATTEMPTS || !mayPassNow(error)) throw refusal(error)
      }
    }
  }
  const read = async <T>(act: () => Act<T>): Promise<T> => {
    await mustBeFenced()
    try {
      return await withConnection(pool, async (client) => (await runAct(client, act())).value)
    } catch (error) {
      throw refusal(error)
    }
  }
  return { nowMs, newId, write, read }
}

async function withConnection<T>(pool: Pick<Pool, 'connect'>, use: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  try {
    const value = await use(client)
    client.release()
    return value
  } catch (error) {
    client.release(isBroken(error))
    throw error
  }
}

/** One attempt, whole. */
async function transact<T>(client: PoolClient, act: () => Act<T>): Promise<{ value: T; revoked: Committed[] }> {
  await client.query('BEGIN')
  try {
    const ran = await runAct(client, act())
    await commit(client)
    return ran
  } catch (error) {
    if (!(error instanceof UnknownOutcome)) await client.query('ROLLBACK').catch(() => undefined)
    throw error
  }
}

/** The connection is of no more use: it has ended, or the server is read-only or about to stop (25006, 57P01–57P03). */
const isBroken = (error: unknown): boolean => {
  const code = codeOf(error)
  return (
    error instanceof Error && (code === undefined || error instanceof UnknownOutcome || /^(08|25006|57P)/.test(code) || !/^[0-9A-Z]{5}$/.test(code))
  )
}

/** Whether it was written cannot be known: it may have been. */
class UnknownOutcome extends StoreUnavailable {
  constructor(cause: unknown) {
    super('The database did not say whether it has committed. Ask again: every act may be repeated.', { cause })
  }
}

async function commit(client: PoolClient): Promise<void> {
  try {
    const { command } = await confirmed(client, () => client.query('COMMIT'))
    // A transaction that had failed is answered with ROLLBACK.
    if (command !== 'COMMIT') throw new Error(`COMMIT was answered with ${command}.`)
  } catch (error) {
    throw new UnknownOutcome(error)
  }
}

/** Runs what commits. A warning says that the standby did not confirm it (01000): only this server has it. */
async function confirmed<T>(client: PoolClient, run: () => Promise<T>): Promise<T> {
  let warned: string | undefined
  const warn = ({ message }: { message?: string | undefined }): void => void (warned = message ?? 'a warning')
  client.on('notice', warn)
  try {
    const answer = await run()
    if (warned !== undefined) throw new UnknownOutcome(new Error(warned))
    return answer
  } finally {
    client.off('notice', warn)
  }
}

/** Postgres has answered that it did nothing; anything else leaves open whether it did. */
const isRefused = (code: string | undefined): boolean => code !== undefined && /^[0-9A-Z]{5}$/.test(code) && !/^(08|57P)/.test(code)

/** One statement that is a transaction of its own. @throws Postgres's error, or StoreUnavailable */
export async function commitOne(pool: Pick<Pool, 'connect'>, query: { name: string; text: string; values: unknown[] }): Promise<unknown[]> {
  return withConnection(pool, async (client) => {
    try {
      return (await confirmed(client, () => client.query<Record<string, unknown>>(query))).rows
    } catch (error) {
      throw error instanceof UnknownOutcome || isRefused(codeOf(error)) ? error : new UnknownOutcome(error)
    }
  })
}

/** Whether it was this one's values, or its neighbors, that Postgres did not take (22 data, 23 constraint, 40 given up for another). */
export const mayPassAlone = (error: unknown): boolean => /^(22|23|40)/.test(codeOf(error) ?? '')
