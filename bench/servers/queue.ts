import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { end, untilListens } from './process.ts'

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
    await untilListens(this.#port, 'The queue server', 30)
  }
  async kill(): Promise<void> {
    if (this.#child !== undefined) await end(this.#child, 'SIGKILL')
  }
  async close(): Promise<void> {
    await this.kill()
    rmSync(this.#dir, { recursive: true, force: true })
  }
}
