import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { otherUser } from '../bench/servers/postgres.ts'
import { end, untilListens } from '../bench/servers/process.ts'
import { PGBOUNCER } from './needs.ts'
import { freePorts } from './process/ports.ts'

/**
 * A real PgBouncer in front of a Postgres of the tests. PGBOUNCER names another than the machine's.
 */

/** From 1.21 on, prepared statements work in transaction mode. Debian 12 has 1.18. */
const versionOf = (program: string): number => {
  const [, major, minor] =
    /PgBouncer (\d+)\.(\d+)/.exec(spawnSync(program, ['--version'], { encoding: 'utf8' }).stdout) ??
    []
  return Number(major) * 1_000 + Number(minor)
}
const PREPARES = 1_021
const START_SECONDS = 60

export type PoolMode = 'session' | 'transaction'

/** The modes in which this machine's PgBouncer can serve a broker; empty without one. */
export const POOL_MODES: readonly PoolMode[] =
  PGBOUNCER === undefined
    ? []
    : versionOf(PGBOUNCER) >= PREPARES
      ? ['session', 'transaction']
      : ['session']

interface PoolerOptions {
  /** The directory of the server's socket. */
  host: string
  mode: PoolMode
  /** More lines of `[pgbouncer]`. */
  settings?: readonly string[]
}

export class Pooler {
  readonly port: number
  readonly #dir: string
  readonly #program: string
  #child: ChildProcess | undefined

  private constructor(program: string, dir: string, port: number) {
    this.#program = program
    this.#dir = dir
    this.port = port
  }

  static async open({ host, mode, settings = [] }: PoolerOptions): Promise<Pooler> {
    if (PGBOUNCER === undefined) throw new Error('PgBouncer is not installed.')
    const [port = 0] = await freePorts(1)
    const dir = mkdtempSync(join(tmpdir(), 'pgbouncer-'))
    const lines = [
      '[databases]',
      `* = host=${host}`,
      '[pgbouncer]',
      'listen_addr = 127.0.0.1',
      `listen_port = ${port}`,
      'unix_socket_dir =',
      'auth_type = trust',
      `auth_file = ${join(dir, 'users')}`,
      // Brokers name the namespace of their tables in this parameter; here the role has it as a
      // setting.
      'ignore_startup_parameters = options',
      `pool_mode = ${mode}`,
      ...(mode === 'transaction' ? ['max_prepared_statements = 200'] : []),
      ...settings,
    ]
    writeFileSync(join(dir, 'users'), '"postgres" ""\n')
    writeFileSync(join(dir, 'pgbouncer.ini'), `${lines.join('\n')}\n`)
    const as = otherUser()
    if (as !== undefined)
      for (const file of ['', 'users', 'pgbouncer.ini']) chownSync(join(dir, file), as.uid, as.gid)
    const pooler = new Pooler(PGBOUNCER, dir, port)
    await pooler.start()
    return pooler
  }

  url(database: string): string {
    return `postgres://postgres@127.0.0.1:${this.port}/${database}`
  }

  async start(): Promise<void> {
    this.#child = spawn(this.#program, [join(this.#dir, 'pgbouncer.ini')], {
      stdio: 'ignore',
      cwd: '/',
      ...otherUser(),
    })
    await untilListens(this.port, 'PgBouncer', START_SECONDS)
  }

  /** Kills the pooler, which ends every connection at once. */
  async kill(): Promise<void> {
    if (this.#child !== undefined) await end(this.#child, 'SIGKILL')
  }

  async restart(): Promise<void> {
    await this.kill()
    await this.start()
  }

  async close(): Promise<void> {
    await this.kill()
    rmSync(this.#dir, { recursive: true, force: true })
  }
}
