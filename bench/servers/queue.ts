import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * One Valkey or Redis that several processes share. It keeps its data on disk, and can be killed
 * and started again.
 */

const PROGRAM = ['valkey-server', 'redis-server']
  .flatMap((name) => (process.env.PATH ?? '').split(delimiter).map((dir) => join(dir, name)))
  .find((file) => existsSync(file))

export class QueueProcess {
  readonly #dir = mkdtempSync(join(tmpdir(), 'queue-'))
  readonly #port: number
  #child: ChildProcess | undefined

  private constructor(port: number) {
    this.#port = port
  }
  static async open(port: number): Promise<QueueProcess> {
    const queue = new QueueProcess(port)
    await queue.start()
    return queue
  }
  get url(): string {
    return `redis://127.0.0.1:${this.#port}`
  }
  get pid(): number {
    return this.#child?.pid ?? 0
  }
  async start(): Promise<void> {
    if (PROGRAM === undefined)
      throw new Error('Install valkey-server or redis-server: several brokers share one.')
    const kept = [
      '--dir',
      this.#dir,
      '--appendonly',
      'yes',
      '--save',
      '',
      '--maxmemory-policy',
      'noeviction',
    ]
    this.#child = spawn(PROGRAM, ['--port', String(this.#port), '--bind', '127.0.0.1', ...kept], {
      stdio: 'ignore',
    })
    for (const end = Date.now() + 30_000; !(await listens(this.#port)); await sleep(20))
      if (Date.now() > end) throw new Error('The queue server did not start within 30 s.')
  }
  async kill(): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((done) => child.once('exit', done))
    child.kill('SIGKILL')
    await gone
  }
  async close(): Promise<void> {
    await this.kill()
    rmSync(this.#dir, { recursive: true, force: true })
  }
}

const listens = (port: number): Promise<boolean> =>
  new Promise((done) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('error', () => done(false))
    socket.once('connect', () => {
      socket.destroy()
      done(true)
    })
  })
