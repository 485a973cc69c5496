import { type ChildProcess, fork } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePorts } from '../ports.ts'
import { Line } from '../../line.ts'

/** One instance of the chaos run: its process, and the line to it, which can be cut. */

export interface Delivered {
  sid?: string
  sub?: string
  rev: number
}

export class Instance {
  readonly city: string
  readonly #parts: { port: number; file: string; seed: number }
  #starts = 0
  #child: ChildProcess | undefined
  readonly #line: Line

  private constructor(
    city: string,
    line: Line,
    parts: { port: number; file: string; seed: number },
  ) {
    this.city = city
    this.#line = line
    this.#parts = parts
  }

  static async open(city: string, dir: string, seed: number): Promise<Instance> {
    const [port = 0] = await freePorts(1)
    const file = join(dir, `${city}.jsonl`)
    writeFileSync(file, '')
    const instance = new Instance(city, await Line.open({ port, host: '127.0.0.1' }), {
      port,
      file,
      seed,
    })
    await instance.start()
    return instance
  }

  get logoutUri(): string {
    return `http://127.0.0.1:${this.#line.port}/oidc/backchannel-logout`
  }
  get running(): boolean {
    return this.#child !== undefined
  }
  /** Returns every logout token that it got, in order. */
  delivered(): Delivered[] {
    const lines = readFileSync(this.#parts.file, 'utf8').split('\n').filter(Boolean)
    return lines.map((line) => JSON.parse(line) as Delivered)
  }

  async start(): Promise<void> {
    if (this.#child !== undefined) return
    const { port, file, seed } = this.#parts
    const child = fork(
      join(import.meta.dirname, 'instance.ts'),
      [String(port), file, String(seed), `${this.city} ${this.#starts++}`],
      {
        execArgv: [],
      },
    )
    this.#child = child
    await new Promise<void>((ready, failed) => {
      child.once('message', () => ready())
      child.once('exit', (code) =>
        failed(new Error(`${this.city} ended (${code}) before it listened.`)),
      )
    })
  }
  async kill(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((done) => child.once('exit', done))
    child.kill('SIGKILL')
    await gone
  }
  /** Makes a percentage of the sessions get 500 from now on. All other answers stay the same. */
  async failSessions(sickPercent: number): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    const noted = new Promise((done) => child.once('message', done))
    child.send({ sickPercent })
    await noted
  }
  pause(): void {
    this.#child?.kill('SIGSTOP')
  }
  resume(): void {
    this.#child?.kill('SIGCONT')
  }

  async cut(how: 'refuses' | 'swallows'): Promise<void> {
    if (how === 'refuses') await this.#line.refuse()
    else this.#line.swallow()
  }
  repair(): Promise<void> {
    return this.#line.repair()
  }

  async close(): Promise<void> {
    this.resume()
    await this.kill()
    await this.#line.close()
  }
}
