import { chmodSync, mkdtempSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { createMigrated, sql, startPostgres, type PostgresServer } from './postgres.ts'
import { waitFor } from './stage.ts'

/**
 * A primary and its synchronous standby, at an address that moves with the primary, as a failover
 * tool provides.
 */

/**
 * The settings of a broker's Postgres; and a standby that has lost its primary soon looks for it
 * again.
 */
const SETTINGS = { fsync: 'on', full_page_writes: 'on', wal_retrieve_retry_interval: '200ms' }

export class Pair implements PostgresServer {
  /** A link to the directory of the primary's socket. */
  readonly dir: string
  readonly #place = mkdtempSync(join(tmpdir(), 'pg-pair-'))
  #primary: PostgresServer
  #standby: PostgresServer | undefined

  private constructor(primary: PostgresServer) {
    this.#primary = primary
    this.dir = join(this.#place, 'primary')
    // A pooler runs as another user than this process.
    chmodSync(this.#place, 0o755)
    this.#move()
  }

  /** Opens a pair with a database that has the broker's tables, and a role that finds them. */
  static async open(): Promise<{ server: Pair; url: string }> {
    const pair = new Pair(await startPostgres(SETTINGS))
    try {
      await createMigrated(pair)
      await sql(pair.url('postgres'), 'ALTER ROLE postgres SET search_path = broker')
      await sql(pair.url('postgres'), `ALTER SYSTEM SET synchronous_standby_names = 'standby'`)
      await sql(pair.url('postgres'), 'SELECT pg_reload_conf()')
      await pair.#addStandby()
      return { server: pair, url: pair.url('broker') }
    } catch (error) {
      await pair.stop()
      throw error
    }
  }

  get pid(): number {
    return this.#primary.pid
  }
  url(database: string): string {
    return `postgres://postgres@/${database}?host=${encodeURIComponent(this.dir)}`
  }
  kill(): Promise<void> {
    return this.#primary.kill()
  }
  start(): Promise<void> {
    return this.#primary.start()
  }

  async restartStandby(downMs: number): Promise<void> {
    await this.#standby?.kill()
    await sleep(downMs)
    await this.#standby?.start()
    await this.#confirms()
  }

  /**
   * Promotes the standby to primary, with a new standby of its own.
   * @param former whether the old primary is killed first, or runs on beside the new one for `ms`
   * @param afterMs the time that the failover tool needs until it promotes
   * @param moved called when the address leads to the new primary
   */
  async promote({
    former,
    afterMs = 0,
    ms,
    moved,
  }: {
    former: 'killed' | 'isolated'
    afterMs?: number
    ms: number
    moved: () => Promise<void>
  }): Promise<void> {
    await this.#confirms()
    const [old, next] = [this.#primary, this.#standby]
    if (next === undefined) throw new Error('There is no standby.')
    if (former === 'killed') await old.kill()
    await sleep(afterMs)
    await sql(next.url('postgres'), 'SELECT pg_promote()')
    this.#primary = next
    this.#standby = undefined
    this.#move()
    await moved()
    await this.#addStandby()
    if (former === 'isolated') {
      await sleep(ms)
      await old.kill()
    }
    await old.stop()
  }

  async stop(): Promise<void> {
    await this.#standby?.stop()
    await this.#primary.stop()
    rmSync(this.#place, { recursive: true, force: true })
  }

  #move(): void {
    const next = join(this.#place, 'next')
    symlinkSync(this.#primary.dir, next)
    renameSync(next, this.dir)
  }

  async #addStandby(): Promise<void> {
    this.#standby = await startPostgres(SETTINGS, this.#primary)
    await this.#confirms()
  }

  /** Waits until the standby confirms commits. From then on it has every acknowledged commit. */
  async #confirms(): Promise<void> {
    const client = new Client({ connectionString: this.url('postgres') })
    client.on('error', () => undefined)
    await client.connect()
    const asked = `SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'`
    try {
      await waitFor(
        'the standby confirms commits',
        async () => (await client.query(asked)).rows.length > 0,
        120,
      )
    } finally {
      await client.end()
    }
  }
}
