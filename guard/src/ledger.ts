import { keyOf, keysOf, type Bearer, type Entry } from './selector.ts'
import { safely, type Hooks } from './hooks.ts'

/** The source of a revocation: the broker's log, or a logout token. */
export type Source = 'log' | 'logout_token'

/**
 * Why a token or session is not valid: it is revoked; or the guard cannot be sure, because it has
 * forgotten too much (`cutoff`), or gets no revocations of the user's tenant (`tenant`).
 */
export type Covered = 'revoked' | 'cutoff' | 'tenant'

/**
 * The newest `seq` for each selector. Memory is bounded: entries expire, and above the limit the
 * older half becomes one cutoff, "everything authorized before this", which rejects more than it
 * must and never less.
 */
class NewestSeqs {
  #entries = new Map<string, { seq: number; exp: number }>()
  readonly #most: number
  #cutoff: { seq: number; exp: number } | undefined

  constructor(most: number) {
    this.#most = most
  }

  get size(): number {
    return this.#entries.size
  }
  get cutoffSeq(): number | undefined {
    return this.#cutoff?.seq
  }

  /** Replaces what is here by what `other` has. */
  copy(other: NewestSeqs): void {
    this.#entries = new Map(other.#entries)
    this.#cutoff = other.#cutoff
  }

  /** Adds an entry. Returns false if the same selector has the same or a higher `seq`. */
  add({ seq, selector, exp }: Entry): boolean {
    const key = keyOf(selector)
    const before = this.#entries.get(key)
    if (before !== undefined && before.seq >= seq) {
      this.#entries.set(key, { seq: before.seq, exp: Math.max(before.exp, exp) })
      return false
    }
    // A repeated selector moves to the end, so that the oldest entry is first.
    this.#entries.delete(key)
    this.#entries.set(key, { seq, exp: Math.max(exp, before?.exp ?? 0) })
    if (this.#entries.size > this.#most) this.#collapse()
    return true
  }

  covers(bearer: Bearer): 'revoked' | 'cutoff' | undefined {
    const { rev } = bearer
    if (keysOf(bearer).some((key) => this.#reaches(key, rev))) return 'revoked'
    return this.#cutoff !== undefined && rev < this.#cutoff.seq ? 'cutoff' : undefined
  }

  #reaches(key: string, rev: number): boolean {
    const entry = this.#entries.get(key)
    return entry !== undefined && rev < entry.seq
  }

  sweep(now: number): void {
    for (const [key, entry] of this.#entries) if (entry.exp < now) this.#entries.delete(key)
    if (this.#cutoff !== undefined && this.#cutoff.exp < now) this.#cutoff = undefined
  }

  #collapse(): void {
    let { seq, exp } = this.#cutoff ?? { seq: 0, exp: 0 }
    let left = Math.ceil(this.#most / 2)
    for (const [key, entry] of this.#entries) {
      if (left-- <= 0 && entry.seq > seq) break
      seq = Math.max(seq, entry.seq)
      exp = Math.max(exp, entry.exp)
      this.#entries.delete(key)
    }
    this.#cutoff = { seq, exp }
  }
}

/** The revocations that this guard enforces. */
export class Ledger {
  /** Increases whenever a token that was valid may no longer be. */
  version = 0
  /** Every revocation, those of logout tokens included. */
  readonly #all: NewestSeqs
  /** The revocations of logout tokens, which are kept when another log begins. */
  readonly #loggedOut: NewestSeqs
  /** The tenants whose revocations the log brings. Undefined: all. */
  #tenants: ReadonlySet<string> | undefined
  #turn: { seq: number; at: number; exp: number } | undefined
  /**
   * The time before which ended entries are forgotten. If the clock is set back, it must not revive
   * what they covered.
   */
  #sweptAt = 0

  constructor(maxEntries: number) {
    this.#all = new NewestSeqs(maxEntries)
    this.#loggedOut = new NewestSeqs(maxEntries)
  }

  get size(): number {
    return this.#all.size
  }
  /** The cutoff that stands for entries over the cap, if any. */
  get cutoffSeq(): number | undefined {
    return this.#all.cutoffSeq
  }
  get sweptAt(): number {
    return this.#sweptAt
  }

  /**
   * Adds an entry. Returns false if it is already covered. Entries may come in any order, and
   * twice.
   */
  add(entry: Entry, source: Source = 'log'): boolean {
    if (source === 'logout_token') this.#loggedOut.add(entry)
    const isNew = this.#all.add(entry)
    if (isNew) this.version++
    return isNew
  }

  /** Returns why a bearer is not valid, or undefined. */
  covers(bearer: Bearer): Covered | undefined {
    const { tid } = bearer
    const isUnknown = tid !== undefined && this.#tenants?.has(tid) === false
    return this.#all.covers(bearer) ?? (isUnknown ? 'tenant' : undefined)
  }

  /** Returns whether the log has brought the revocations of all these tenants so far. */
  bringsAll(tenants: readonly string[] | undefined): boolean {
    const known = this.#tenants
    return known === undefined || tenants?.every((tid) => known.has(tid)) === true
  }

  /** Sets the tenants whose revocations the log brings. Undefined: all. */
  follow(tenants: readonly string[] | undefined): void {
    if (tenants?.length === this.#tenants?.size && this.bringsAll(tenants)) return
    this.#tenants = tenants && new Set(tenants)
    this.version++
  }

  /** Forgets what the log has brought, because another one begins (a restored database). */
  clear(): void {
    this.#all.copy(this.#loggedOut)
    this.#sweptAt = 0
    this.version++
  }

  /**
   * Sets how far a new log was at a time. A token issued before that time, with a `rev` that the
   * new log has not reached, is of the former log. No entry covers it, so it is rejected until it
   * has expired.
   */
  turned(seq: number, at: number, exp: number): void {
    this.#turn = { seq, at, exp }
    this.version++
  }
  isOfFormerLog(token: { rev: number; iat: number }): boolean {
    return this.#turn !== undefined && token.rev > this.#turn.seq && token.iat < this.#turn.at
  }

  /** Forgets what has expired before `now` (epoch seconds, the tolerance already subtracted). */
  sweep(now: number): void {
    this.#all.sweep(now)
    this.#loggedOut.sweep(now)
    if (this.#turn !== undefined && this.#turn.exp < now) this.#turn = undefined
    this.#sweptAt = Math.max(this.#sweptAt, now)
  }
  /** Notes that the broker has sent every live entry again, so that none is missing. */
  refilled(): void {
    this.#sweptAt = 0
  }
}

/**
 * A function that is called once for each new revocation, as soon as it is enforced. `covers` finds
 * the sessions that it ends. It does not get the first snapshot of this process: after a restart,
 * call `isRevoked` for each session that was kept, once `start()` has resolved.
 */
export type RevocationListener = (revocation: Entry) => void

/**
 * Enforces revocations from every source: adds them to the ledger, and informs the instance of new
 * ones.
 */
export class Enforcer {
  readonly #ledger: Ledger
  readonly #hooks: Pick<Hooks, 'collapsed' | 'enforced'>
  readonly #listeners = new Set<RevocationListener>()
  readonly #onEnforced: (entry: Entry, collapsed: boolean) => void

  /**
   * Creates an enforcer.
   * @param onEnforced called before the listeners of the instance
   */
  constructor(
    ledger: Ledger,
    hooks: Pick<Hooks, 'collapsed' | 'enforced'>,
    onEnforced: (entry: Entry, collapsed: boolean) => void,
  ) {
    this.#ledger = ledger
    this.#hooks = hooks
    this.#onEnforced = onEnforced
  }

  get hasListeners(): boolean {
    return this.#listeners.size > 0
  }

  /** Adds a listener. Returns a function that removes it. */
  listen(listener: RevocationListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * Enforces a revocation. Returns false if it was already enforced.
   * @param tell true to inform the listeners
   */
  enforce(entry: Entry, source: Source, tell: boolean): boolean {
    const cutoffBefore = this.#ledger.cutoffSeq
    if (!this.#ledger.add(entry, source)) return false
    const { cutoffSeq } = this.#ledger
    const collapsed = cutoffSeq !== undefined && cutoffSeq !== cutoffBefore
    this.#onEnforced(entry, collapsed)
    if (collapsed) this.#hooks.collapsed({ seq: cutoffSeq })
    this.#hooks.enforced(entry)
    if (tell) for (const listener of this.#listeners) safely(() => listener(entry))
    return true
  }
}
