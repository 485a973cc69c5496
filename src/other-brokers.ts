import { setTimeout as sleep } from 'node:timers/promises'
import { readBranding } from './acts/branding.ts'
import type { Deps } from './deps.ts'
import { allEnded } from './protocol/all-ended.ts'

/** Takes over what other brokers of the same store commit: revocations, registrations, tenants, keys and settings. */

type Followed = Pick<Deps, 'store' | 'feed' | 'clients' | 'connection' | 'keys' | 'log' | 'config'>

/** How long after a reading that failed the next one begins: at first, and after many. */
const [FIRST_PAUSE_MS, MOST_PAUSE_MS] = [250, 10_000]

/** @returns what ends it */
export function followOtherBrokers(deps: Followed): () => void {
  const { store, feed, log } = deps
  const registry = new Registry(deps)
  store.onElsewhere((what) => {
    if (what === 'log') feed.lookAgain()
    else if (what === 'wide') return
    else if (what === 'registry') registry.changed()
    else if (what === 'promoted') log.warn('log_continued', { next: 'Make sure that the former primary of Postgres is stopped.' })
    else if (what === 'log_lost') {
      log.error('log_lost', {
        next: 'The new primary of Postgres lacks revocations that were acknowledged. Every session was revoked, and new signing keys sign. See docs/scale-out.md.',
      })
      feed.lookAgain()
      registry.changed()
    } else {
      log.error('store_unconfirmed', {})
      feed.interrupt()
    }
  })
  return () => registry.stop()
}

/** What this broker keeps in memory of clients, tenants, keys and settings: read again after each change, and until the store has answered. */
class Registry {
  readonly #deps: Followed
  readonly #stopped = new AbortController()
  #isOld = false
  #reading = false

  constructor(deps: Followed) {
    this.#deps = deps
  }

  changed(): void {
    this.#isOld = true
    if (!this.#reading) void this.#readUntilNew()
  }

  stop(): void {
    this.#stopped.abort()
  }

  /** One reading at a time: what changes meanwhile, it may have missed. */
  async #readUntilNew(): Promise<void> {
    const { signal } = this.#stopped
    this.#reading = true
    for (let pauseMs = FIRST_PAUSE_MS; this.#isOld && !signal.aborted;) {
      this.#isOld = false
      try {
        await this.#read()
      } catch (error) {
        this.#isOld = true
        if (pauseMs === FIRST_PAUSE_MS && !signal.aborted) this.#deps.log.warn('registry_not_reloaded', { cause: String(error) })
        await sleep(pauseMs, undefined, { signal, ref: false }).catch(() => undefined)
        pauseMs = Math.min(2 * pauseMs, MOST_PAUSE_MS)
      }
    }
    this.#reading = false
  }

  /** Reads each part, also where another fails. */
  async #read(): Promise<void> {
    const { clients, connection, keys, store, config } = this.#deps
    await allEnded([clients.reload(), connection.reload(), keys.reload(), readBranding({ store, config })])
  }
}
