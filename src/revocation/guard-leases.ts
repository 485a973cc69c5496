import type { OpenGuardLease } from '../../db/log/guard-leases.ts'
import { OAuthError } from '../protocol/error.ts'
import type { Deps } from '../outbox/deps.ts'

/**
 * Keeps the rows of the streams and pollers that get leases from this process, and ends the rows of
 * all processes whose leases are over. It only counts by clocks that are never set.
 */

/** The longest lease, with the drift of the clocks and the steps in which they go. */
const OVER_MS = 61_000
/**
 * Rows that a client may have here, for each stream that it may hold open: one is of the open
 * stream, the others of connections that broke, or of pollers that started again. A poller that never
 * sends its name opens a row with each poll.
 */
const ROWS_OF_A_STREAM = 4
/** `Retry-After` for a client that has opened as many rows as it may. */
const FULL_SECONDS = 15

type LeaseDeps = { store: Deps['store']; clock: Pick<Deps['clock'], 'elapsedMs'> } & Pick<
  Deps,
  'random'
> & { config: { feedStreams: { ofClient: number } } }

export class GuardLeases {
  readonly #deps: LeaseDeps
  /** When each stream of this process last got a lease; Infinity while it is open. */
  readonly #own = new Map<string, { clientId: string; atMs: number }>()
  /** How many of them each client has. */
  readonly #ofClient = new Map<string, number>()
  /** Since when nothing shows that a row's leases are extended. */
  readonly #idle = new Map<string, { as: string; sinceMs: number }>()

  constructor(deps: LeaseDeps) {
    this.#deps = deps
  }

  /**
   * Returns the name of a new stream, which is open until `left`, or of a new poller.
   * @throws OAuthError 429 if the client has opened as many as it may
   */
  name(of: 'stream' | 'poller', clientId: string): string {
    const { random, clock, config } = this.#deps
    if ((this.#ofClient.get(clientId) ?? 0) >= ROWS_OF_A_STREAM * config.feedStreams.ofClient)
      throw new OAuthError(
        'temporarily_unavailable',
        `This client has opened too many streams and polls within a minute. Try again in ${FULL_SECONDS} s. Send with each poll the stream of the last answer.`,
        { status: 429, headers: { 'Retry-After': String(FULL_SECONDS) } },
      )
    const stream = random(12).toString('base64url')
    this.#note(stream, clientId, of === 'stream' ? Infinity : clock.elapsedMs())
    return stream
  }

  #note(stream: string, clientId: string, atMs: number): void {
    if (!this.#own.has(stream))
      this.#ofClient.set(clientId, (this.#ofClient.get(clientId) ?? 0) + 1)
    this.#own.set(stream, { clientId, atMs })
  }

  #forget(stream: string, clientId: string): void {
    this.#own.delete(stream)
    const left = (this.#ofClient.get(clientId) ?? 0) - 1
    if (left > 0) this.#ofClient.set(clientId, left)
    else this.#ofClient.delete(clientId)
  }

  /**
   * Writes the row of a stream or poller, before its first lease. That lease has to count from
   * after this call.
   * @throws StoreUnavailable
   */
  async open(row: {
    stream: string
    clientId: string
    guardId: string
    sessions?: boolean | undefined
  }): Promise<void> {
    const { store } = this.#deps
    await store.openGuardLease({ ...row, holder: store.processId })
  }

  /**
   * Returns whether a poller may get its next lease under this name. The lease has to count from
   * before this call.
   */
  async resume(row: { stream: string; clientId: string; sessions: boolean }): Promise<boolean> {
    const { stream, clientId } = row
    const { store, clock } = this.#deps
    const held = await store.holdGuardLease({ ...row, holder: store.processId })
    if (held) this.#note(stream, clientId, clock.elapsedMs())
    return held
  }

  /** Notes that a stream gets no more leases. */
  left(stream: string): void {
    const own = this.#own.get(stream)
    if (own !== undefined) own.atMs = -Infinity
  }

  async tend(): Promise<void> {
    const { store, clock } = this.#deps
    const nowMs = clock.elapsedMs()
    const ended = [...this.#own].filter(([, { atMs }]) => atMs < nowMs - OVER_MS)
    if (ended.length > 0)
      await store.leaveGuardLeases({
        streams: ended.map(([stream]) => stream),
        holder: store.processId,
      })
    // A poller may have returned meanwhile.
    for (const [stream, own] of ended)
      if (this.#own.get(stream) === own) this.#forget(stream, own.clientId)
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
