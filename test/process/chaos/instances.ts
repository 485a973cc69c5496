import { type ChildProcess, fork } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { freePorts } from '../ports.ts'

/** One instance of the chaos run: its process, and the line to it, which can be cut. */

export interface Delivered {
  sid?: string
  sub?: string
  rev: number
}

type Line = 'open' | 'refuses' | 'swallows'

export class Instance {
  readonly city: string
  readonly #parts: { port: number; file: string; seed: number }
  #starts = 0
  #child: ChildProcess | undefined
  #proxy: Server | undefined
  #proxyPort = 0
  #line: Line = 'open'
  readonly #sockets = new Set<Socket>()

  private constructor(city: string, parts: { port: number; file: string; seed: number }) {
    this.city = city
    this.#parts = parts
  }

  static async open(city: string, dir: string, seed: number): Promise<Instance> {
    const [port = 0] = await freePorts(1)
    const file = join(dir, `${city}.jsonl`)
    writeFileSync(file, '')
    const instance = new Instance(city, { port, file, seed })
    await instance.#listen()
    await instance.start()
    return instance
  }

  get logoutUri(): string {
    return `http://127.0.0.1:${this.#proxyPort}/oidc/backchannel-logout`
  }
  get running(): boolean {
    return this.#child !== undefined
  }
  /** All that it has ever been told, in order. */
  delivered(): Delivered[] {
    const lines = readFileSync(this.#parts.file, 'utf8').split('\n').filter(Boolean)
    return lines.map((line) => JSON.parse(line) as Delivered)
  }

  async start(): Promise<void> {
    if (this.#child !== undefined) return
    const { port, file, seed } = this.#parts
    const child = fork(join(import.meta.dirname, 'instance.ts'), [String(port), file, String(seed), `${this.city} ${this.#starts++}`], {
      execArgv: [],
    })
    this.#child = child
    await new Promise<void>((ready, failed) => {
      child.once('message', () => ready())
      child.once('exit', (code) => failed(new Error(`${this.city} ended (${code}) before it listened.`)))
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
  /** So many in a hundred sessions get 500 from now on; the answer to all the others is as before. */
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

  async cut(line: Exclude<Line, 'open'>): Promise<void> {
    this.#line = line
    for (const socket of this.#sockets) socket.destroy()
    if (line === 'refuses') await this.#unlisten()
  }
  async mend(): Promise<void> {
    // What was swallowed stays unanswered, as on a line that was cut.
    for (const socket of this.#line === 'swallows' ? this.#sockets : []) socket.destroy()
    this.#line = 'open'
    await this.#listen()
  }

  async close(): Promise<void> {
    this.resume()
    await this.kill()
    for (const socket of this.#sockets) socket.destroy()
    await this.#unlisten()
  }

  async #listen(): Promise<void> {
    if (this.#proxy !== undefined) return
    const proxy = createServer((from) => this.#pass(from))
    this.#proxy = proxy
    await new Promise<void>((ready, failed) => {
      proxy.once('error', failed)
      proxy.listen(this.#proxyPort, '127.0.0.1', ready)
    })
    this.#proxyPort = (proxy.address() as AddressInfo).port
  }
  async #unlisten(): Promise<void> {
    const proxy = this.#proxy
    this.#proxy = undefined
    if (proxy !== undefined) await new Promise((done) => proxy.close(done))
  }

  #pass(from: Socket): void {
    this.#hold(from)
    if (this.#line === 'swallows') return void from.resume()
    const to = connect(this.#parts.port, '127.0.0.1')
    this.#hold(to)
    from.pipe(to).pipe(from)
    from.on('close', () => to.destroy())
    to.on('close', () => from.destroy())
  }
  #hold(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => undefined).on('close', () => this.#sockets.delete(socket))
  }
}
