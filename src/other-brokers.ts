import { setTimeout as sleep } from 'node:timers/promises'
import { StoreUnavailable } from '../db/types.ts'
import type { Deps, Followed } from './deps.ts'
import { allEnded, within } from './runtime/concurrency.ts'

/**
 * Applies what other brokers on the same store commit: revocations, registrations, tenants, keys
 * and settings.
 */

type Following = Pick<
  Deps,
  'store' | 'feed' | 'clients' | 'connection' | 'keys' | 'log' | 'branding'
>

/** The pause after a failed read: the first one, and the longest after repeated failures. */
const [FIRST_PAUSE_MS, MOST_PAUSE_MS] = [250, 10_000]

/** The longest wait of a request for the state in memory to be read again. */
const PATIENCE_MS = 3_000

/**
 * Starts to follow the other brokers.
 * @returns the state of the memory, with `stop`
 */
export function followOtherBrokers(deps: Following): Followed & { stop(): void } {
  const { store, feed, log } = deps
  const registry = new Registry(deps)
  store.onElsewhere((what) => {
    if (what === 'log') feed.lookAgain()
    else if (what === 'wide') return
    else if (what === 'registry') registry.changed()
    else if (what === 'returned') registry.returned()
    else if (what === 'promoted')
      log.warn('log_continued', {
        next: 'Make sure that the former primary of Postgres is stopped.',
      })
    else if (what === 'log_lost') {
      log.error('log_lost', {
        next: 'Postgres lacks revocations that were acknowledged: its volume was put back, or a standby that lacked them was promoted. Every session was revoked, and new signing keys sign. See docs/scale-out.md.',
      })
      feed.lookAgain()
      registry.changed()
    } else {
      log.error('store_unconfirmed', {})
      feed.interrupt()
    }
  })
  return registry
}

/**
 * The state that this broker keeps in memory: clients, tenants, keys and settings. It is read again
 * after each change, and retried until the store answers.
 */
class Registry implements Followed {
  returns = 0
  readonly #deps: Following
  readonly #stopped = new AbortController()
  #isOld = false
  #reading = false
  /** Resolves when everything that changed while the broker was cut off is read. */
  #current: PromiseWithResolvers<void> | undefined
  /** Resolves when nothing is read any more. */
  #settled: PromiseWithResolvers<void> | undefined
  #pause = new AbortController()

  constructor(deps: Following) {
    this.#deps = deps
  }

  changed(): void {
    this.#isOld = true
    if (!this.#reading) void this.#readUntilNew()
  }

  /**
   * Called when the connection to the store is back and has reported changes. Requests then wait
   * until these are read.
   */
  returned(): void {
    if (!this.#reading) return
    this.returns++
    this.#current ??= Promise.withResolvers()
    this.#pause.abort()
  }

  current(): Promise<void> | undefined {
    const late = (): Error =>
      new StoreUnavailable(
        'What changed while this broker was cut off from the database cannot be read yet. Try again.',
      )
    return this.#current && within(PATIENCE_MS, this.#current.promise, late)
  }

  /** Settles once all is read that had changed; undefined where nothing is read. */
  read(): Promise<void> | undefined {
    return this.#reading ? (this.#settled ??= Promise.withResolvers()).promise : undefined
  }

  stop(): void {
    this.#stopped.abort()
    this.#pause.abort()
  }

  /**
   * Reads until nothing has changed during the last read. Only one read runs at a time, and it may
   * miss a change that is made while it runs.
   */
  async #readUntilNew(): Promise<void> {
    const { signal } = this.#stopped
    this.#reading = true
    for (let pauseMs = FIRST_PAUSE_MS; this.#isOld && !signal.aborted;) {
      this.#isOld = false
      try {
        await this.#read()
      } catch (error) {
        this.#isOld = true
        if (pauseMs === FIRST_PAUSE_MS && !signal.aborted)
          this.#deps.log.warn('registry_not_reloaded', { cause: String(error) })
        await this.#rest(pauseMs)
        pauseMs = Math.min(2 * pauseMs, MOST_PAUSE_MS)
      }
    }
    this.#reading = false
    this.#current?.resolve()
    this.#current = undefined
    this.#settled?.resolve()
    this.#settled = undefined
  }

  async #rest(ms: number): Promise<void> {
    this.#pause = new AbortController()
    await sleep(ms, undefined, { signal: this.#pause.signal, ref: false }).catch(() => undefined)
  }

  /** Reads every part, even if another part fails. */
  async #read(): Promise<void> {
    const { clients, connection, keys, branding } = this.#deps
    await allEnded([clients.reload(), connection.reload(), keys.reload(), branding.read()])
  }
}
