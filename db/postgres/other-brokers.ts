import { randomUUID } from 'node:crypto'
import { Client } from 'pg'
import type { Elsewhere } from '../types.ts'
import { connectionConfig } from './connect.ts'
import { Servers } from './servers.ts'

/**
 * What other brokers commit. Postgres notifies of each revocation at once; what is lost on the way
 * (a connection that ends, a pooler that passes no notifications) is found by the reading that
 * renews the lease. It refuses to decide anything: a listener reads the store.
 */

export const CHANNEL = 'broker_log'
const LEAST_PAUSE_MS = 100
const MOST_PAUSE_MS = 2_000
/** Ends the payload of a wide revocation, whose deliveries are written afterwards. */
export const WIDE = ' wide'
/** Begins the payload of a notification that a broker sends to itself: no revocation. */
const OWN = 'check '
/**
 * How long the broker waits for that notification; and, before it sends it, for its own connection
 * to listen.
 */
const HEARS_MS = 1_000

export interface Position {
  epoch: string
  seq: number
  version: number
}

export class OtherBrokersWatch {
  readonly #servers: Servers
  readonly #tell: (what: Elsewhere) => void
  #at: Position | undefined
  #client: Client | undefined
  /** Settles when the connection listens. What is sent before that is lost. */
  #listening = Promise.withResolvers<true>()
  #listens = false
  #timer: NodeJS.Timeout | undefined
  #pauseMs = LEAST_PAUSE_MS
  #stopped = false
  readonly #awaited = new Map<string, () => void>()

  /** @param url past a pooler, which passes no notifications */
  constructor(url: string, tell: (what: Elsewhere) => void) {
    this.#servers = new Servers(url)
    this.#tell = tell
    void this.#listen()
  }

  /** What the lease has read: the listener gets a change since the last reading. */
  seen(position: Position): void {
    const before = this.#at
    this.#at = position
    if (before === undefined) return
    const anew = position.epoch !== before.epoch
    if (anew || position.seq !== before.seq) this.#tell('log')
    if (anew || position.version !== before.version) this.#tell('registry')
  }

  /** Listens at the server that its address leads to now. */
  again(): void {
    this.#listenAgain()
  }

  /**
   * Whether a notification that `send` sends reaches this broker. A pooler in transaction mode
   * passes none.
   */
  async hears(send: (channel: string, payload: string) => Promise<unknown>): Promise<boolean> {
    const payload = `${OWN}${randomUUID()}`
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const late = setTimeout(() => resolve(false), HEARS_MS)
    this.#awaited.set(payload, () => resolve(true))
    try {
      if (!(await Promise.race([this.#listening.promise, promise]))) return false
      late.refresh()
      await send(CHANNEL, payload)
      return await promise
    } finally {
      clearTimeout(late)
      this.#awaited.delete(payload)
    }
  }

  #notified(payload: string): void {
    if (payload.startsWith(OWN)) return this.#awaited.get(payload)?.()
    this.#tell('log')
    if (payload.endsWith(WIDE)) this.#tell('wide')
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#drop()
  }

  async #listen(): Promise<void> {
    const address = this.#servers.current
    const client = new Client(connectionConfig(address))
    this.#client = client
    client.on('error', () => this.#listenAgain())
    client.on('end', () => this.#client === client && this.#listenAgain())
    client.on('notification', ({ payload = '' }) => this.#notified(payload))
    try {
      await client.connect()
      await client.query(`LISTEN ${CHANNEL}`)
      this.#pauseMs = LEAST_PAUSE_MS
      this.#listens = true
      this.#listening.resolve(true)
      // What was committed while nothing listened.
      this.#tell('log')
    } catch {
      // A standby takes no LISTEN.
      this.#servers.passOver(address)
      this.#listenAgain()
    }
  }

  #listenAgain(): void {
    void this.#drop()
    if (this.#stopped || this.#timer !== undefined) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      void this.#listen()
    }, this.#pauseMs)
    this.#timer.unref()
    this.#pauseMs = Math.min(this.#pauseMs * 2, MOST_PAUSE_MS)
  }

  async #drop(): Promise<void> {
    const client = this.#client
    this.#client = undefined
    if (this.#listens) this.#listening = Promise.withResolvers()
    this.#listens = false
    await client?.end().catch(() => undefined)
  }
}
