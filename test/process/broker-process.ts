import { type ChildProcess, fork } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { stringify } from 'yaml'
import { freePorts } from './ports.ts'

/**
 * The built broker in its own process, optionally with a simulated Microsoft, for tests that kill
 * it.
 */

const ROOT = resolve(import.meta.dirname, '../..')

/**
 * The cache of V8's compiled modules for processes that tests start: it saves a sixth of a broker's
 * start. Node compares it with the sources.
 */
export const COMPILED = { NODE_COMPILE_CACHE: join(ROOT, 'node_modules/.cache/compiled') }

/**
 * Waits until `check` returns a truthy value. At the limit it throws with the last error or value.
 */
export async function until<T>(
  what: string,
  check: () => T | Promise<T>,
  seconds = 60,
): Promise<NonNullable<T>> {
  const end = Date.now() + seconds * 1000
  let last: unknown
  while (Date.now() < end) {
    try {
      const value = await check()
      if (value) return value
      last = value
    } catch (error) {
      last = error
    }
    await new Promise((tick) => setTimeout(tick, 20))
  }
  throw new Error(
    `Waited ${seconds} s for: ${what}. Last: ${last instanceof Error ? last.message : JSON.stringify(last)}`,
  )
}

/** Generous, because the machine may be busy. A process that takes longer never starts or ends. */
const LIMIT_MS = 120_000

export interface ClientEntry {
  client_id: string
  client_secret: string
  [name: string]: unknown
}

export class BrokerProcess {
  readonly dataDir: string
  readonly issuer: string
  readonly ops: string
  readonly env: Record<string, string>
  /** The program of its next starts: a file and its arguments. */
  program: readonly string[]
  #child: ChildProcess | undefined
  #output = ''

  constructor(parts: {
    dataDir: string
    issuer: string
    ops: string
    env: Record<string, string>
    program: readonly string[] | undefined
  }) {
    this.dataDir = parts.dataDir
    this.issuer = parts.issuer
    this.ops = parts.ops
    this.env = parts.env
    this.program = parts.program ?? [join(ROOT, 'dist/src/cli.js'), 'serve']
  }

  get output(): string {
    return this.#output
  }
  get pid(): number | undefined {
    return this.#child?.pid
  }

  async start(): Promise<void> {
    const [file = '', ...args] = this.program
    const child = fork(file, args, {
      env: {
        PATH: process.env.PATH ?? '',
        HOME: process.env.HOME ?? '/',
        ...COMPILED,
        ...this.env,
      },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      detached: true,
      // Without this process's own options, such as a loader of TypeScript.
      execArgv: [],
    })
    this.#child = child
    for (const stream of [child.stdout, child.stderr])
      stream?.on(
        'data',
        (chunk: Buffer) => (this.#output = (this.#output + chunk.toString()).slice(-200_000)),
      )
    const served = new Promise<void>((ready, failed) => {
      child.once('message', () => ready())
      child.once('exit', (code) =>
        failed(
          new Error(`The broker ended (${code}) before it served:\n${this.#output.slice(-4000)}`),
        ),
      )
    })
    await this.#within('serve', served)
  }

  /**
   * Sends the broker a message by IPC.
   * @returns its answer
   */
  async ask(message: object): Promise<unknown> {
    const child = this.#child
    if (child === undefined) throw new Error('The broker does not run.')
    return new Promise((answered, failed) => {
      const gone = (): void => failed(new Error('The broker ended before it answered.'))
      child.once('exit', gone)
      child.once('message', (answer) => {
        child.off('exit', gone)
        answered(answer)
      })
      child.send(message)
    })
  }

  /**
   * Ends the broker at once, as a power cut does, or asks it to drain (SIGTERM). Settles when it
   * has ended.
   */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> {
    const child = this.#child
    this.#child = undefined
    if (!child || child.exitCode !== null || child.signalCode !== null)
      return child?.exitCode ?? null
    const gone = new Promise<number | null>((done) => child.once('exit', (code) => done(code)))
    child.kill(signal)
    return this.#within(`end after ${signal}`, gone).catch((error: unknown) => {
      child.kill('SIGKILL')
      throw error
    })
  }

  async #within<T>(what: string, done: Promise<T>): Promise<T> {
    const limit = new AbortController()
    const late = sleep(LIMIT_MS, undefined, { signal: limit.signal }).then(() => {
      throw new Error(
        `The process did not ${what} within ${LIMIT_MS / 1000} s:\n${this.#output.slice(-4000)}`,
      )
    })
    late.catch(() => undefined)
    return Promise.race([done, late]).finally(() => limit.abort())
  }
}

/**
 * Prepares another process of the same store, a broker or workers, with its own ports and data
 * directory.
 */
export async function prepareSibling(
  { issuer, env }: BrokerProcess,
  options: { env?: Record<string, string>; program?: readonly string[] | undefined } = {},
): Promise<{ broker: BrokerProcess; dispose(): Promise<void> }> {
  const { BROKER_CLIENTS_FILE: _, ...shared } = env
  const dataDir = mkdtempSync(join(tmpdir(), 'cmbp-'))
  const [port = 0, opsPort = 0] = await freePorts(2)
  const own = {
    BROKER_LISTEN: `127.0.0.1:${port}`,
    BROKER_OPS_LISTEN: `127.0.0.1:${opsPort}`,
    BROKER_DATA_DIR: join(dataDir, 'data'),
  }
  const parts = {
    dataDir,
    issuer,
    ops: `http://127.0.0.1:${opsPort}`,
    env: { ...shared, ...own, ...options.env },
    program: options.program,
  }
  return disposable(new BrokerProcess(parts))
}

const disposable = (broker: BrokerProcess) => ({
  broker,
  async dispose() {
    await broker.end('SIGTERM')
    rmSync(broker.dataDir, { recursive: true, force: true, maxRetries: 5 })
  },
})

/**
 * Prepares a broker with its own data directory, secret, free ports and clients file. The caller
 * calls `dispose` when done.
 */
export async function prepareBroker(
  options: {
    clients?: ClientEntry[]
    env?: Record<string, string>
    program?: readonly string[] | undefined
    /** The address of a proxy in front of it; the default is its own address. */
    issuer?: string | undefined
  } = {},
): Promise<{ broker: BrokerProcess; dispose(): Promise<void> }> {
  const dataDir = mkdtempSync(join(tmpdir(), 'cmbp-'))
  const [port = 0, opsPort = 0] = await freePorts(2)
  const { issuer = `http://localhost:${port}` } = options
  const env: Record<string, string> = {
    BROKER_ISSUER: issuer,
    BROKER_LISTEN: `127.0.0.1:${port}`,
    BROKER_OPS_LISTEN: `127.0.0.1:${opsPort}`,
    BROKER_SECRET: randomBytes(32).toString('hex'),
    BROKER_DATA_DIR: join(dataDir, 'data'),
    BROKER_ALLOW_LOOPBACK_TARGETS: 'yes',
    ...options.env,
  }
  if (options.clients) {
    env.BROKER_CLIENTS_FILE = join(dataDir, 'clients.yaml')
    const clients = options.clients.map(({ client_secret: secret, ...rest }) => ({
      ...rest,
      client_secret_hash: createHash('sha256').update(secret).digest('base64url'),
    }))
    writeFileSync(env.BROKER_CLIENTS_FILE, stringify({ clients }), { mode: 0o600 })
  }
  return disposable(
    new BrokerProcess({
      dataDir,
      issuer,
      ops: `http://127.0.0.1:${opsPort}`,
      env,
      program: options.program,
    }),
  )
}
