import {
  Client,
  type ClientBase,
  type ClientConfig,
  type Pool,
  type PoolClient,
  type QueryResult,
  type QueryResultRow,
} from 'pg'
import { StoreUnavailable } from '../types.ts'
import { createPool } from './connect.ts'
import { Servers } from './servers.ts'
import { withConnection } from './transact.ts'

/**
 * Connections to the primary whose log this broker has taken over. Connections that were opened to
 * another server, or before a failover, are rejected: an old primary that still runs would answer
 * from old data.
 */

/**
 * A server, identified within the history of its log: the promotion of a standby, and a recovery,
 * begin a new timeline.
 */
export interface Server {
  systemIdentifier: string
  /** The timeline as in the names of Postgres's log files: eight hexadecimal digits. */
  timeline: string
}

/** SQL for the server that answers; a standby has no timeline here. */
export const SERVER = `(SELECT system_identifier::text FROM pg_control_system()) AS "systemIdentifier",
  CASE WHEN pg_is_in_recovery() THEN '' ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END AS timeline`

export const isSame = (a: Server, b: Server | undefined): boolean =>
  a.systemIdentifier === b?.systemIdentifier && a.timeline === b.timeline

/** One connection for the lease, and one to take over a log. */
const LEASE_CONNECTIONS = 2
/** How long one server may take to accept a connection, where the address names another. */
const NEXT_MS = 2_000

const clientOf = (servers: Servers) =>
  class extends Client {
    constructor(config: ClientConfig = {}) {
      super({
        ...config,
        connectionString: servers.current,
        ...(servers.count > 1 && { connectionTimeoutMillis: NEXT_MS }),
      })
    }
  }

/**
 * Returns the server that the connection leads to.
 * @throws StoreUnavailable where it cannot write
 */
export async function serverOf(client: Pick<ClientBase, 'query'>): Promise<Server> {
  const { rows } = await client.query<Server & { readOnly: boolean }>(
    `SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' AS "readOnly", ${SERVER}`,
  )
  const [found] = rows
  if (found === undefined || found.readOnly) throw new StoreUnavailable(READ_ONLY)
  return { systemIdentifier: found.systemIdentifier, timeline: found.timeline }
}

export class Connections {
  readonly #pool: Pool
  /** A pool for the lease alone, which must not wait behind acts. */
  readonly #leasePool: Pool
  readonly #servers: Servers
  /**
   * For each connection, the server that it was opened to and the generation in which it was
   * opened.
   */
  readonly #opened = new WeakMap<ClientBase, { server: Server; generation: number }>()
  #accepted: Server | undefined
  /** Connections from before this generation are closed when they are met. */
  #openedIn = 0
  #generation = 0
  #informedIn = -1
  /** The error message for a connection to a server that is not accepted. */
  problem: string | undefined
  /** Called when a connection leads to a server that is not accepted. */
  onOther: () => void = () => undefined
  /** Called when an idle connection has ended, as all do when the server ends. */
  onEnded: () => void = () => undefined

  constructor(url: string) {
    this.#servers = new Servers(url)
    const onConnect = async (client: ClientBase): Promise<void> => {
      const generation = this.#openedIn
      this.#opened.set(client, { server: await serverOf(client), generation })
    }
    const options = { Client: clientOf(this.#servers), onConnect }
    this.#pool = createPool(url, options)
    this.#leasePool = createPool(url, { ...options, max: LEASE_CONNECTIONS })
    // After the error of an idle connection, the next act opens another one.
    for (const pool of [this.#pool, this.#leasePool]) pool.on('error', () => this.onEnded())
  }

  get ending(): boolean {
    return this.#pool.ending
  }

  /** True if the address names several servers. */
  get hasOthers(): boolean {
    return this.#servers.count > 1
  }

  /**
   * Rises whenever the server may have changed. Data that was read in an earlier generation may be
   * out of date.
   */
  get generation(): number {
    return this.#generation
  }

  /**
   * Returns a connection to the accepted server.
   * @throws StoreUnavailable where another one answers
   */
  async connect(): Promise<PoolClient> {
    const client = await this.#current(this.#pool)
    const server = this.#opened.get(client)?.server
    if (server !== undefined && isSame(server, this.#accepted)) return client
    // The connection is kept: acts will use it once its server is taken over.
    client.release()
    if (this.#informedIn !== this.#generation) this.onOther()
    this.#informedIn = this.#generation
    throw new StoreUnavailable(this.problem ?? NOT_TAKEN_OVER)
  }

  /**
   * Returns a connection for the lease, to the primary that answers now, whether or not its log is
   * taken over.
   */
  connectAny(): Promise<PoolClient> {
    return this.#current(this.#leasePool)
  }

  async #current(pool: Pool): Promise<PoolClient> {
    for (;;) {
      const address = this.#servers.current
      const client = await pool.connect().catch((error: unknown) => {
        // This error means that all connections were in use, not that the server failed.
        if (
          !(error instanceof Error && error.message === 'timeout exceeded when trying to connect')
        )
          this.#servers.passOver(address)
        throw error
      })
      if (this.#opened.get(client)?.generation === this.#openedIn) return client
      client.release(true)
    }
  }

  query<R extends QueryResultRow>(text: string, values: unknown[] = []): Promise<QueryResult<R>> {
    return withConnection(this, (client) => client.query<R>(text, values))
  }

  /**
   * Throws unless this server's log is taken over and the store is open.
   * @throws StoreUnavailable
   */
  mustBeAccepted(server: Server): void {
    if (this.ending) throw new StoreUnavailable('The store was closed.')
    if (!isSame(server, this.#accepted)) throw new StoreUnavailable(this.problem ?? NOT_TAKEN_OVER)
  }

  /** Makes this the only server on which acts run. */
  accept(server: Server): void {
    this.#accepted = server
    this.problem = undefined
    this.#generation++
  }

  /** Stops the use of every connection, until a server is accepted again. */
  reject(): void {
    this.#accepted = undefined
    this.drop()
  }

  /** Stops the use of all connections that were opened until now. */
  drop(): void {
    this.#openedIn++
    this.#generation++
  }

  /** The address of the server to which new connections go. */
  get address(): string {
    return this.#servers.current
  }

  /**
   * Goes on to the next server of the address, because this one does not confirm commits. Does
   * nothing where there is no other, or it was passed over already.
   */
  passOver(address: string): void {
    if (!this.hasOthers || address !== this.address) return
    this.#servers.passOver(address)
    this.drop()
  }

  async end(): Promise<void> {
    await Promise.all([this.#pool.end(), this.#leasePool.end()])
  }
}

const READ_ONLY =
  'BROKER_DATABASE_URL leads to a standby, or to a server that is read-only. Name the primary, or the primary and its standbys: postgres://broker@a,b/broker.'

const NOT_TAKEN_OVER =
  'Postgres has begun a new timeline (a standby was promoted, or the database was recovered), and this broker has not taken it over yet. Nothing was written.'
