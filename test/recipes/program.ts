import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { until } from '../process/broker-process.ts'

/** A program of a recipe, as a process group of its own. */

export const ROOT = resolve(import.meta.dirname, '../..')
export const example = (...path: string[]): string => resolve(ROOT, 'examples', ...path)
const BUNDLED = resolve(ROOT, 'node_modules/.bin/node')
/** The Node that comes with the packages, if there is one. */
export const NODE = existsSync(BUNDLED) ? BUNDLED : process.execPath

export interface Command {
  file: string
  args?: readonly string[]
  cwd?: string
  env?: Record<string, string>
}

export class Program {
  readonly #command: Command
  #child: ChildProcess | undefined
  #output = ''

  constructor(command: Command) {
    this.#command = command
  }

  /**
   * Starts the program. Settles when `isReady` is true; rejects with the program's output if it
   * ends before.
   */
  async start(isReady: () => Promise<boolean>): Promise<void> {
    const { file, args = [], cwd, env } = this.#command
    const child = spawn(file, args, {
      cwd,
      env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '/', LANG: 'C.UTF-8', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    this.#child = child
    child.on('error', (error) => (this.#output += error.message))
    for (const stream of [child.stdout, child.stderr])
      stream.on(
        'data',
        (chunk: Buffer) => (this.#output = (this.#output + chunk.toString()).slice(-20_000)),
      )
    try {
      await until(
        `${file} answers`,
        async () => {
          if (!this.#runs) return 'ended'
          return (await isReady()) && 'ready'
        },
        540,
      )
    } catch (error) {
      throw new Error(`${file} did not become ready:\n${this.#output}`, { cause: error })
    }
    if (!this.#runs)
      throw new Error(`${file} ended (${child.exitCode ?? child.signalCode}):\n${this.#output}`)
  }

  get output(): string {
    return this.#output
  }
  get #runs(): boolean {
    return (
      this.#child?.pid !== undefined &&
      this.#child.exitCode === null &&
      this.#child.signalCode === null
    )
  }

  /** Sends a signal to the program and all its children. */
  signal(name: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): void {
    if (this.#runs && this.#child?.pid !== undefined) process.kill(-this.#child.pid, name)
  }

  async end(): Promise<void> {
    const child = this.#child
    if (!this.#runs || child === undefined) return
    const gone = new Promise((done) => child.once('exit', done))
    this.signal('SIGKILL')
    await gone
  }
}

/** Returns whether the address answers at all, with a status below 500. */
export const answers = async (address: string): Promise<boolean> =>
  fetch(address, { redirect: 'manual', signal: AbortSignal.timeout(5000) }).then(
    async (response) => {
      await response.arrayBuffer()
      return response.status < 500
    },
    () => false,
  )
