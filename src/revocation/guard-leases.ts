import type { OpenGuardLease } from '../../db/log/guard-leases.ts'
import type { Deps } from '../outbox/deps.ts'

/**
 * Keeps the rows of the streams and pollers that get leases from this process, and ends the rows of
 * all processes whose leases are over. It only counts by clocks that are never set.
 */

/** The longest lease, with the drift of the clocks and the steps in which they go. */
const OVER_MS = 61_000

type LeaseDeps = { store: Deps['store']; clock: Pick<Deps['clock'], 'elapsedMs'> } & Pick<
  Deps,
  'random'
>

export class GuardLeases {
  readonly #deps: LeaseDeps
  /** When each stream of this process last got a lease; Infinity while it is open. */
  readonly #own = new Map<string, number>()
  /** Since when nothing shows that a row's leases are extended. */
  readonly #idle = new Map<string, { as: string; sinceMs: number }>()

  constructor(deps: LeaseDeps) {
    this.#deps = deps
  }

  /** Returns the name of a new stream, which is open until `left`, or of a new poller. */
  name(of: 'stream' | 'poller'): string {
    const stream = this.#deps.random(12).toString('base64url')
    this.#own.set(stream, of === 'stream' ? Infinity : this.#deps.clock.elapsedMs())
    return stream
  }

  /**
   * Writes the row of a stream or poller, before its first lease. That lease has to count from
   * after this call.
   * @throws StoreUnavailable
   */
  async open(row: { stream: string; clientId: string; guardId: string }): Promise<void> {
    const { store } = this.#deps
    await store.openGuardLease({ ...row, holder: store.processId })
  }

  /**
   * Returns whether a poller may get its next lease under this name. The lease has to count from
   * before this call.
   */
  async resume(clientId: string, stream: string): Promise<boolean> {
    const { store, clock } = this.#deps
    const held = await store.holdGuardLease({ stream, clientId, holder: store.processId })
    if (held) this.#own.set(stream, clock.elapsedMs())
    return held
  }

  /** Notes that a stream gets no more leases. */
  left(stream: string): void {
    if (this.#own.has(stream)) this.#own.set(stream, -Infinity)
  }

  async tend(): Promise<void> {
    const { store, clock } = this.#deps
    const nowMs = clock.elapsedMs()
    const ended = [...this.#own].filter(([, atMs]) => atMs < nowMs - OVER_MS)
    if (ended.length > 0)
      await store.leaveGuardLeases({
        streams: ended.map(([stream]) => stream),
        holder: store.processId,
      })
    // A poller may have returned meanwhile.
    for (const [stream, atMs] of ended) if (this.#own.get(stream) === atMs) this.#own.delete(stream)
    const rows = (await store.openGuardLeases()).filter(
      ({ stream, holder }) => holder !== store.processId || !this.#own.has(stream),
    )
    const names = new Set(rows.map(({ stream }) => stream))
    for (const stream of this.#idle.keys()) if (!names.has(stream)) this.#idle.delete(stream)
    const over = rows.filter((row) => this.#isOver(row))
    if (over.length > 0)
      await store.endGuardLeases(over.map(({ stream, holder }) => ({ stream, holder })))
  }

  #isOver({ stream, holder, heartbeat }: OpenGuardLease): boolean {
    const { store, clock } = this.#deps
    const as = holder === store.processId ? '' : `${holder} ${heartbeat}`
    const nowMs = clock.elapsedMs()
    const idle = this.#idle.get(stream)
    if (idle?.as === as) return nowMs - idle.sinceMs >= OVER_MS
    this.#idle.set(stream, { as, sinceMs: nowMs })
    return false
  }
}
