import type { ClientBase, PoolClient } from 'pg'
import { StoreUnavailable } from '../types.ts'

/**
 * One transaction on a connection of the pool. A commit whose answer was lost, or came with a
 * warning, does not count as done.
 */

/** A pool of connections. */
export interface Connecting {
  connect(): Promise<PoolClient>
  /**
   * Called when the server is no longer the primary, so that no earlier connection is used again.
   */
  drop?(): void
}

export async function withConnection<T>(
  pool: Connecting,
  use: (client: PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect()
  // An error that ends the connection fails its statement. Without a listener it would end the
  // process as well.
  client.on('error', ignore)
  try {
    const value = await use(client)
    client.release()
    return value
  } catch (error) {
    client.release(isBroken(error))
    if (isNoPrimary(error)) pool.drop?.()
    throw error
  } finally {
    client.off('error', ignore)
  }
}

const ignore = (): void => undefined

/**
 * Runs work in one transaction on a connection of the pool.
 * @throws UnknownOutcome where it may have been committed
 */
export const committed = <T>(
  pool: Connecting,
  work: (client: PoolClient) => Promise<T>,
): Promise<T> => withConnection(pool, (client) => commitAs(client, () => work(client)))

/**
 * Runs work in one transaction on this connection.
 * @throws UnknownOutcome where it may have been committed
 */
export async function commitAs<T>(client: ClientBase, work: () => Promise<T>): Promise<T> {
  await client.query('BEGIN')
  try {
    const value = await work()
    await commit(client)
    return value
  } catch (error) {
    if (!(error instanceof UnknownOutcome)) await client.query('ROLLBACK').catch(() => undefined)
    throw error
  }
}

interface OneQuery {
  name: string
  text: string
  values: unknown[]
  /** Milliseconds. */
  query_timeout?: number
}

/** Runs one statement that only reads. */
export const readOne = (pool: Connecting, query: OneQuery): Promise<unknown[]> =>
  withConnection(pool, async (client) => (await client.query<Record<string, unknown>>(query)).rows)

/**
 * Runs one statement that is a transaction of its own.
 * @throws Postgres's error, or StoreUnavailable
 */
export const commitOne = (pool: Connecting, query: OneQuery): Promise<unknown[]> =>
  withConnection(pool, async (client) => {
    try {
      return (await confirmed(client, () => client.query<Record<string, unknown>>(query))).rows
    } catch (error) {
      throw error instanceof UnknownOutcome || isRejected(codeOf(error))
        ? error
        : new UnknownOutcome(error)
    }
  })

async function commit(client: ClientBase): Promise<void> {
  try {
    const { command } = await confirmed(client, () => client.query('COMMIT'))
    // Postgres answers the COMMIT of a failed transaction with ROLLBACK.
    if (command !== 'COMMIT') throw new Error(`COMMIT was answered with ${command}.`)
  } catch (error) {
    throw new UnknownOutcome(error)
  }
}

/**
 * Runs a commit. A warning (01000) means that the standby did not confirm it, so only this server
 * has it.
 */
async function confirmed<T>(client: ClientBase, run: () => Promise<T>): Promise<T> {
  let warned: string | undefined
  const warn = ({ message }: { message?: string | undefined }): void =>
    void (warned = message ?? 'a warning')
  client.on('notice', warn)
  try {
    const answer = await run()
    if (warned !== undefined) throw new UnknownOutcome(new Error(warned))
    return answer
  } finally {
    client.off('notice', warn)
  }
}

/** The error of a commit whose outcome is unknown: it may have been written. */
class UnknownOutcome extends StoreUnavailable {
  constructor(cause: unknown) {
    super(
      'The database did not say whether it has committed. Ask again: every act may be repeated.',
      { cause },
    )
  }
}

/**
 * Returns whether the connection can no longer be used: it has ended, or the server is read-only or
 * about to stop (25006, 57P01–57P03).
 */
function isBroken(error: unknown): boolean {
  const code = codeOf(error)
  return error instanceof UnknownOutcome || !isRejected(code) || code === '25006'
}

/**
 * Returns whether the server has become read-only (25006) or ends its connections (57P01). Its
 * other connections are then useless too.
 */
function isNoPrimary(error: unknown): boolean {
  const code = codeOf(error instanceof UnknownOutcome ? error.cause : error)
  return code === '25006' || code === '57P01'
}

/** Returns whether Postgres answered that it wrote nothing. Any other error leaves that open. */
const isRejected = (code: string | undefined): boolean =>
  code !== undefined && /^[0-9A-Z]{5}$/.test(code) && !/^(08|57P)/.test(code)

export const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined

/**
 * Returns whether an act may succeed alone: Postgres rejected its values or those of another act in
 * the statement (22 data, 23 constraint, 40 rolled back for another).
 */
export const mayPassAlone = (error: unknown): boolean => /^(22|23|40)/.test(codeOf(error) ?? '')
