import { Client } from 'pg'
import type { ClientBase, ClientConfig, Pool, PoolClient, QueryResult, QueryResultRow } from 'pg'
import { StoreUnavailable } from '../types.ts'
import { createPool } from './connect.ts'
import { Servers } from './servers.ts'
import { withConnection } from './transact.ts'

/**
 * Connections to the primary whose log this broker has taken over. It refuses those that were
 * opened to another server, or before a failover: an old primary that still runs would answer what
 * it knew then.
 */

/**
 * A server, as the history of its log goes: a standby that is promoted, and a recovery, begin a new
 * timeline.
 */
export interface Server {
  systemIdentifier: string
  /** As Postgres names files of its log: eight hexadecimal digits. */
  timeline: string
}

/** Of the server that answers; no timeline while it is a standby. */
export const SERVER = `(SELECT system_identifier::text FROM pg_control_system()) AS "systemIdentifier",
  CASE WHEN pg_is_in_recovery() THEN '' ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END AS timeline`

export const isSame = (one: Server, other: Server | undefined): boolean =>
  one.systemIdentifier === other?.systemIdentifier && one.timeline === other.timeline

/** The lease, and what takes a log over. */
const LEASE_CONNECTIONS = 2
/** How long one server may take to accept a connection, where there is another. */
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

/** @throws StoreUnavailable where it cannot write */
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
  /** Of the lease alone, which must not wait behind acts. */
  readonly #leasePool: Pool
  readonly #servers: Servers
  /** Of each connection, what it was opened to, and when. */
  readonly #opened = new WeakMap<ClientBase, { server: Server; generation: number }>()
  #accepted: Server | undefined
  /** Connections that were opened in an earlier one are closed. */
  #openedIn = 0
  #generation = 0
  #toldIn = -1
  /** What a connection to a server that is not accepted is answered with. */
  problem: string | undefined
  /** Called where one was met. */
  onOther: () => void = () => undefined

  constructor(url: string) {
    this.#servers = new Servers(url)
    const onConnect = async (client: ClientBase): Promise<void> => {
      const generation = this.#openedIn
      this.#opened.set(client, { server: await serverOf(client), generation })
    }
    const options = { Client: clientOf(this.#servers), onConnect }
    this.#pool = createPool(url, options)
    this.#leasePool = createPool(url, { ...options, max: LEASE_CONNECTIONS })
    // A connection that ends while it is idle is replaced by the next act.
    for (const pool of [this.#pool, this.#leasePool]) pool.on('error', () => undefined)
  }

  get ending(): boolean {
    return this.#pool.ending
  }

  /** Whether the address names several servers. */
  get hasOthers(): boolean {
    return this.#servers.count > 1
  }

  /** Rises whenever the server may be another one: what was read before may be of another time. */
  get generation(): number {
    return this.#generation
  }

  /** To the server that is accepted. @throws StoreUnavailable where another one answers */
  async connect(): Promise<PoolClient> {
    const client = await this.#current(this.#pool)
    const server = this.#opened.get(client)?.server
    if (server !== undefined && isSame(server, this.#accepted)) return client
    // Kept: acts will use it once its server is taken over.
    client.release()
    if (this.#toldIn !== this.#generation) this.onOther()
    this.#toldIn = this.#generation
    throw new StoreUnavailable(this.problem ?? NOT_TAKEN_OVER)
  }

  /** To the primary that answers now, whether or not its log is taken over: for the lease. */
  connectAny(): Promise<PoolClient> {
    return this.#current(this.#leasePool)
  }

  async #current(pool: Pool): Promise<PoolClient> {
    for (;;) {
      const address = this.#servers.current
      const client = await pool.connect().catch((error: unknown) => {
        // All connections were in use: that says nothing of the server.
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
   * @throws StoreUnavailable where the log is taken over on another server, or the store is closed
   */
  mustBeAccepted(server: Server): void {
    if (this.ending) throw new StoreUnavailable('The store was closed.')
    if (!isSame(server, this.#accepted)) throw new StoreUnavailable(this.problem ?? NOT_TAKEN_OVER)
  }

  /** From now on acts run on this server alone. */
  accept(server: Server): void {
    this.#accepted = server
    this.problem = undefined
    this.#generation++
  }

  /** No connection that was opened until now is used again. */
  drop(): void {
    this.#openedIn++
    this.#generation++
  }

  /** The server that connections go to now. */
  get address(): string {
    return this.#servers.current
  }

  /**
   * That server does not confirm commits: where the address names another one, that is tried,
   * unless it is already.
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
