import type { Store } from '../../db/store.ts'

/**
 * The last uses of clients' secrets. A request notes its use in memory alone; a worker writes each
 * at most once an hour, so that no token waits for it.
 */

const HOUR = 3600
/** The most uses that one transaction writes. */
const MOST = 100

interface Use {
  clientId: string
  id: string
  /** Epoch seconds. */
  at: number
}
interface Noted extends Use {
  isWritten: boolean
  /** When this process last wrote a use of this secret. */
  writtenAt: number
}

export class SecretUses {
  readonly #noted = new Map<string, Noted>()

  /** Notes that a secret has authenticated its client. */
  note(use: Use): void {
    const key = JSON.stringify([use.clientId, use.id])
    const writtenAt = this.#noted.get(key)?.writtenAt ?? 0
    this.#noted.set(key, { ...use, writtenAt, isWritten: false })
  }

  /** Writes what is due. A secret that is no longer used is forgotten after an hour. */
  async write(store: Pick<Store, 'recordSecretUses'>, now: number): Promise<void> {
    const old = [...this.#noted].filter(([, { writtenAt }]) => now - writtenAt >= HOUR)
    for (const [key, { isWritten }] of old) if (isWritten) this.#noted.delete(key)
    // In one order, so that two brokers do not wait for each other.
    const due = old
      .filter(([, { isWritten }]) => !isWritten)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
    for (let from = 0; from < due.length; from += MOST) {
      const some = due.slice(from, from + MOST)
      await store.recordSecretUses(some.map(([, { clientId, id, at }]) => ({ clientId, id, at })))
      for (const [key, written] of some) {
        const latest = this.#noted.get(key) ?? written
        // A use that came meanwhile is written in an hour.
        this.#noted.set(key, { ...latest, isWritten: latest === written, writtenAt: now })
      }
    }
  }
}
