import { randomUUID } from 'node:crypto'
import { Client } from 'pg'
import type { Elsewhere } from '../types.ts'
import { connectionConfig } from './connect.ts'
import { Servers } from './servers.ts'

/**
 * Watches for commits of other brokers. Postgres notifies of each revocation at once. Notifications
 * can get lost (a connection ends, a pooler passes none), so the read that renews the lease finds
 * them too. The watch only informs listeners, which then read the store.
 */

export const CHANNEL = 'broker_log'
const LEAST_PAUSE_MS = 100
const MOST_PAUSE_MS = 2_000
/** The end of the payload for a wide revocation, whose deliveries are written afterwards. */
export const WIDE = ' wide'
/** The beginning of the payload of a notification that a broker sends to itself as a test. */
const OWN = 'check '
/**
 * How long the broker waits for that notification and, before it sends it, for its own connection
 * to listen.
 */
const NOTIFICATION_MS = 1_000

export interface Position {
  epoch: string
  seq: number
  version: number
}

export class OtherBrokersWatch {
  readonly #servers: Servers
  readonly #inform: (what: Elsewhere) => void
  readonly #ended: () => void
  #at: Position | undefined
  #client: Client | undefined
  /** Settles when the connection listens. Notifications before that are lost. */
  #listening = Promise.withResolvers<true>()
  #listens = false
  #timer: NodeJS.Timeout | undefined
  #pauseMs = LEAST_PAUSE_MS
  #stopped = false
  readonly #awaited = new Map<string, () => void>()

  /**
   * Begins to listen for changes by other brokers.
   * @param url of Postgres itself: a pooler passes no notifications
   * @param ended called when the connection has ended. Behind a pooler, no other connection of the
   * broker ends with the server
   */
  constructor(url: string, inform: (what: Elsewhere) => void, ended: () => void) {
    this.#servers = new Servers(url)
    this.#inform = inform
    this.#ended = ended
    void this.#listen()
  }

  /**
   * Compares the position that the lease has read with the last one, and informs the listener of a
   * change.
   */
  seen(position: Position): void {
    const before = this.#at
    this.#at = position
    if (before === undefined) return
    const anew = position.epoch !== before.epoch
    if (anew || position.seq !== before.seq) this.#inform('log')
    if (anew || position.version !== before.version) this.#inform('registry')
  }

  /** Listens again, at the server that the address leads to now. */
  again(): void {
    this.#listenAgain()
  }

  /**
   * Returns whether a notification that `send` sends reaches this broker. A pooler in transaction
   * mode passes none.
   */
  async receivesNotifications(
    send: (channel: string, payload: string) => Promise<unknown>,
  ): Promise<boolean> {
    const payload = `${OWN}${randomUUID()}`
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const late = setTimeout(() => resolve(false), NOTIFICATION_MS)
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
    this.#inform('log')
    if (payload.endsWith(WIDE)) this.#inform('wide')
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
    const ended = (): void => {
      this.#ended()
      this.#listenAgain()
    }
    client.on('error', ended)
    client.on('end', () => this.#client === client && ended())
    client.on('notification', ({ payload = '' }) => this.#notified(payload))
    try {
      await client.connect()
      await client.query(`LISTEN ${CHANNEL}`)
      this.#pauseMs = LEAST_PAUSE_MS
      this.#listens = true
      this.#listening.resolve(true)
      // Commits from before the connection listened may have been missed.
      this.#inform('log')
    } catch {
      // A standby rejects LISTEN.
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
