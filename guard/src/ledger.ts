import type { Hooks } from './hooks.ts'
import type { Listeners } from './listeners.ts'
import { keyOf, keysOf, type Bearer, type Entry, type ReasonClass } from './selector.ts'

/** The most beginnings of another log that are told apart. */
const MOST_TURNS = 100

/** The source of a revocation: the broker's log, or a logout token. */
export type Source = 'log' | 'logout_token'

/** The beginning of another log: how far that was, and when (epoch seconds). */
interface Turn {
  seq: number
  at: number
}

interface Kept {
  seq: number
  /** Epoch seconds after which neither a token nor a session that it covers can be left. */
  until: number
  reasonClass: ReasonClass | undefined
}

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
  #entries = new Map<string, Kept>()
  readonly #most: number
  #cutoff: { seq: number; until: number } | undefined

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
  add({ seq, selector, exp, sessionExp = 0, reasonClass }: Entry): boolean {
    const key = keyOf(selector)
    const before = this.#entries.get(key)
    const until = Math.max(exp, sessionExp, before?.until ?? 0)
    if (before !== undefined && before.seq >= seq) {
      this.#entries.set(key, { ...before, until })
      return false
    }
    // A repeated selector moves to the end, so that the oldest entry is first.
    this.#entries.delete(key)
    this.#entries.set(key, { seq, until, reasonClass })
    if (this.#entries.size > this.#most) this.#collapse()
    return true
  }

  covers(bearer: Bearer): 'revoked' | 'cutoff' | undefined {
    if (this.first(bearer) !== undefined) return 'revoked'
    return this.#cutoff !== undefined && bearer.rev < this.#cutoff.seq ? 'cutoff' : undefined
  }

  /** Returns the oldest of the entries that cover a bearer. */
  first(bearer: Bearer): Kept | undefined {
    let first: Kept | undefined
    for (const key of keysOf(bearer)) {
      const entry = this.#entries.get(key)
      const isOldest = entry !== undefined && !(first !== undefined && first.seq <= entry.seq)
      if (isOldest && bearer.rev < entry.seq) first = entry
    }
    return first
  }

  sweep(now: number): void {
    for (const [key, entry] of this.#entries) if (entry.until < now) this.#entries.delete(key)
    if (this.#cutoff !== undefined && this.#cutoff.until < now) this.#cutoff = undefined
  }

  #collapse(): void {
    let { seq, until } = this.#cutoff ?? { seq: 0, until: 0 }
    let left = Math.ceil(this.#most / 2)
    for (const [key, entry] of this.#entries) {
      if (left-- <= 0 && entry.seq > seq) break
      seq = Math.max(seq, entry.seq)
      until = Math.max(until, entry.until)
      this.#entries.delete(key)
    }
    this.#cutoff = { seq, until }
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
  /** The earliest first. No time forgets them, because a clock may be wrong. */
  #turns: Turn[] = []
  /**
   * The `seq` from which entries tell every end of an instance's session. Undefined until the
   * broker has said it.
   */
  completeFrom: number | undefined
  /** The newest revocation of a tenant. */
  tenantSeq = 0
  /**
   * The time before which ended entries are forgotten. If the clock is set back, it must not revive
   * what they covered.
   */
  #sweptAt = 0
  /** The same, since the broker was last asked for everything. */
  #sweptSince = 0

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
    if (entry.selector.kind === 'tenant') this.tenantSeq = Math.max(this.tenantSeq, entry.seq)
    // The log says itself how long its entry counts for sessions.
    const isNew = this.#all.add(source === 'log' ? entry : { ...entry, sessionExp: undefined })
    if (isNew) this.version++
    return isNew
  }

  /** Returns why a bearer is not valid, or undefined. */
  covers(bearer: Bearer): Covered | undefined {
    return this.#all.covers(bearer) ?? (this.brings(bearer.tid) ? undefined : 'tenant')
  }

  /** Returns whether the log brings the revocations of a tenant. */
  brings(tid: string | undefined): boolean {
    return tid === undefined || this.#tenants?.has(tid) !== false
  }

  /**
   * Returns whether the log has brought the revocations of all these tenants so far. Undefined: of
   * each tenant.
   */
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

  /** Returns the entry that ended a session, if any: the oldest of those that cover it. */
  ending(session: Bearer): { reasonClass: ReasonClass | undefined } | undefined {
    return this.#all.first(session)
  }

  /** Forgets what the log has brought, because another one begins (a restored database). */
  clear(): void {
    this.#all.copy(this.#loggedOut)
    this.completeFrom = undefined
    this.tenantSeq = 0
    this.#sweptAt = this.#sweptSince = 0
    this.version++
  }

  /**
   * Notes how far a new log was at a time. What was issued before that time, with a `rev` that the
   * new log had not reached, is of a former log: no entry covers it.
   */
  turned(seq: number, at: number): void {
    // A later turn at a lower `seq` says all that an earlier one does.
    const earlier = this.#turns.filter((turn) => turn.seq < seq || turn.at > at)
    const turns = [...earlier, { seq, at }]
    const [first, second, ...others] = turns
    this.#turns = turns
    this.version++
    if (turns.length <= MOST_TURNS || first === undefined || second === undefined) return
    // The two earliest become one that covers more than both, and never less.
    const both = { seq: Math.min(first.seq, second.seq), at: Math.max(first.at, second.at) }
    this.#turns = [both, ...others]
  }
  isOfFormerLog({ iat, rev }: { rev: number; iat: number }): boolean {
    return this.#turns.some((turn) => rev > turn.seq && iat < turn.at)
  }

  /** Forgets what has expired before `now` (epoch seconds, the tolerance already subtracted). */
  sweep(now: number): void {
    this.#all.sweep(now)
    this.#loggedOut.sweep(now)
    this.#sweptAt = Math.max(this.#sweptAt, now)
    this.#sweptSince = Math.max(this.#sweptSince, now)
  }
  /** Notes that the broker is asked for every live entry again. */
  refill(): void {
    this.#sweptSince = 0
  }
  /** Notes that the broker has sent them, so that only those are missing that expired meanwhile. */
  refilled(): void {
    this.#sweptAt = this.#sweptSince
  }
}

/**
 * Enforces revocations from every source: adds them to the ledger, and informs the instance of new
 * ones.
 */
export class Enforcer {
  readonly #ledger: Ledger
  readonly #hooks: Pick<Hooks, 'collapsed' | 'enforced'>
  readonly #listeners: Pick<Listeners, 'tell'>
  readonly #onEnforced: (entry: Entry, collapsed: boolean) => void

  /**
   * Creates an enforcer.
   * @param onEnforced called before the listeners of the instance
   */
  constructor(
    ledger: Ledger,
    hooks: Pick<Hooks, 'collapsed' | 'enforced'>,
    listeners: Pick<Listeners, 'tell'>,
    onEnforced: (entry: Entry, collapsed: boolean) => void,
  ) {
    this.#ledger = ledger
    this.#hooks = hooks
    this.#listeners = listeners
    this.#onEnforced = onEnforced
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
    if (tell) this.#listeners.tell(entry)
    return true
  }
}
