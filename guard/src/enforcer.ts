import { safely, type Hooks } from './hooks.ts'
import type { Ledger } from './ledger.ts'
import type { Entry } from './selector.ts'

/**
 * Called once for each revocation that says something new, as soon as it is enforced. `covers` tells which sessions it ends. Not called for what
 * the first snapshot of this process holds: ask `isRevoked` about each session that outlived a restart, once `start()` has resolved.
 */
export type RevocationListener = (revocation: Entry) => void

/** Enforces revocations, wherever they come from: puts them into the ledger and tells the instance of what is new. */
export class Enforcer {
  readonly #ledger: Ledger
  readonly #hooks: Pick<Hooks, 'collapsed' | 'enforced'>
  readonly #listeners = new Set<RevocationListener>()
  readonly #onEnforced: (entry: Entry, collapsed: boolean) => void

  /** @param onEnforced the guard's own business, before any listener of the instance */
  constructor(ledger: Ledger, hooks: Pick<Hooks, 'collapsed' | 'enforced'>, onEnforced: (entry: Entry, collapsed: boolean) => void) {
    this.#ledger = ledger
    this.#hooks = hooks
    this.#onEnforced = onEnforced
  }

  get hasListeners(): boolean {
    return this.#listeners.size > 0
  }

  /** @returns how to stop listening */
  listen(listener: RevocationListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** @param tell whether listeners get it. @returns false where it says nothing new */
  enforce(entry: Entry, tell: boolean): boolean {
    const cutoffBefore = this.#ledger.cutoffSeq
    if (!this.#ledger.add(entry)) return false
    const { cutoffSeq } = this.#ledger
    const collapsed = cutoffSeq !== undefined && cutoffSeq !== cutoffBefore
    this.#onEnforced(entry, collapsed)
    if (collapsed) this.#hooks.collapsed({ seq: cutoffSeq })
    this.#hooks.enforced(entry)
    if (tell) for (const listener of this.#listeners) safely(() => listener(entry))
    return true
  }
}
