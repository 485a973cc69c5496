import { keyOf, keysOf, type Bearer, type Entry } from './selector.ts'
import { safely, type Hooks } from './hooks.ts'

/**
 * What this guard enforces: the newest `seq` for each selector. Memory is bounded however many
 * revocations there are: entries expire, and over the cap the older half becomes one cutoff,
 * "everything authorized before this", which rejects more than it must and never less.
 */
export class Ledger {
  /** Rises whenever a token that was valid may no longer be. */
  version = 0
  readonly #entries = new Map<string, { seq: number; exp: number }>()
  readonly #maxEntries: number
  #cutoff: { seq: number; exp: number } | undefined
  #turn: { seq: number; at: number; exp: number } | undefined
  /**
   * Entries that ended before this are forgotten: a clock that was set back since must not revive
   * what they covered.
   */
  #sweptAt = 0

  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries
  }

  get size(): number {
    return this.#entries.size
  }
  /** The cutoff that stands for entries over the cap, if any. */
  get cutoffSeq(): number | undefined {
    return this.#cutoff?.seq
  }
  get sweptAt(): number {
    return this.#sweptAt
  }

  /** False where it says nothing new. Order does not matter, and neither does telling it twice. */
  add({ seq, selector, exp }: Entry): boolean {
    const key = keyOf(selector)
    const before = this.#entries.get(key)
    if (before !== undefined && before.seq >= seq) {
      before.exp = Math.max(before.exp, exp)
      return false
    }
    // An entry that comes again moves to the end: the oldest is first.
    this.#entries.delete(key)
    this.#entries.set(key, { seq, exp: Math.max(exp, before?.exp ?? 0) })
    this.version++
    if (this.#entries.size > this.#maxEntries) this.#collapse()
    return true
  }

  /**
   * Whether a bearer is revoked. `cutoff`: perhaps not, but this guard no longer remembers enough
   * to say so.
   */
  covers(bearer: Bearer): 'revoked' | 'cutoff' | undefined {
    const { rev } = bearer
    if (keysOf(bearer).some((key) => this.#reaches(key, rev))) return 'revoked'
    return this.#cutoff !== undefined && rev < this.#cutoff.seq ? 'cutoff' : undefined
  }

  #reaches(key: string, rev: number): boolean {
    const entry = this.#entries.get(key)
    return entry !== undefined && rev < entry.seq
  }

  /** Another log begins (a restored database): what the former one said means nothing in it. */
  clear(): void {
    this.#entries.clear()
    this.#cutoff = undefined
    this.#sweptAt = 0
    this.version++
  }

  /**
   * The new log has come to `seq`, learnt at `at`. A token issued before with a `rev` that this log
   * has not reached is of the former log, and none of the entries covers it: it is rejected until
   * it has expired anyway.
   */
  turned(seq: number, at: number, exp: number): void {
    this.#turn = { seq, at, exp }
    this.version++
  }
  isOfFormerLog(token: { rev: number; iat: number }): boolean {
    return this.#turn !== undefined && token.rev > this.#turn.seq && token.iat < this.#turn.at
  }

  /** Forgets what has expired before `now` (epoch seconds, the tolerance already taken off). */
  sweep(now: number): void {
    for (const [key, entry] of this.#entries) if (entry.exp < now) this.#entries.delete(key)
    if (this.#cutoff !== undefined && this.#cutoff.exp < now) this.#cutoff = undefined
    if (this.#turn !== undefined && this.#turn.exp < now) this.#turn = undefined
    this.#sweptAt = Math.max(this.#sweptAt, now)
  }
  /** The broker has sent every live entry again: nothing is missing any more. */
  refilled(): void {
    this.#sweptAt = 0
  }

  #collapse(): void {
    let { seq, exp } = this.#cutoff ?? { seq: 0, exp: 0 }
    let left = Math.ceil(this.#maxEntries / 2)
    for (const [key, entry] of this.#entries) {
      if (left-- <= 0 && entry.seq > seq) break
      seq = Math.max(seq, entry.seq)
      exp = Math.max(exp, entry.exp)
      this.#entries.delete(key)
    }
    this.#cutoff = { seq, exp }
  }
}

/**
 * Called once for each revocation that says something new, as soon as it is enforced. `covers`
 * tells which sessions it ends. Not called for what the first snapshot of this process holds: ask
 * `isRevoked` about each session that outlived a restart, once `start()` has resolved.
 */
export type RevocationListener = (revocation: Entry) => void

/**
 * Enforces revocations, wherever they come from: puts them into the ledger and tells the instance
 * of what is new.
 */
export class Enforcer {
  readonly #ledger: Ledger
  readonly #hooks: Pick<Hooks, 'collapsed' | 'enforced'>
  readonly #listeners = new Set<RevocationListener>()
  readonly #onEnforced: (entry: Entry, collapsed: boolean) => void

  /** @param onEnforced the guard's own business, before any listener of the instance */
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
