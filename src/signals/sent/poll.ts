import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import type { SignalStream } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { isAboutStream, type SetPayload } from '../../protocol/stream-event.ts'
import { mintSet } from '../../outbox/security-event-message.ts'
import { storedText } from '../../protocol/stored-text.ts'

/**
 * Delivers security event tokens by polling (RFC 8936). An event is returned again until the
 * receiver acknowledges it.
 */

/** The most events in one answer, because the broker signs each event for each answer. */
const MOST_EVENTS = 20
const LONG_POLL_MS = 20_000
/**
 * The interval at which a waiting request looks for new events, which any broker may have written.
 */
const LOOK_MS = 500

export const polling = z.object({
  maxEvents: z.int().min(0).optional(),
  returnImmediately: z.boolean().optional(),
  ack: z.array(storedText().max(100)).max(1000).optional(),
  setErrs: z
    .record(
      storedText().max(100),
      z.object({ err: storedText().max(100), description: storedText().max(1000).optional() }),
    )
    .optional(),
})
export const polled = z.object({
  sets: z.record(z.string(), z.string()).meta({ description: 'by their jti' }),
  moreAvailable: z.boolean().optional(),
})

type Answer = z.output<typeof polled>

/**
 * Answers polls. A client has one waiting request: a later one ends it, and the earlier one is
 * answered without events.
 */
export class Polls {
  readonly #waiting = new Map<string, AbortController>()
  readonly #deps: Pick<Deps, 'store' | 'config' | 'keys' | 'clock' | 'clients'>

  constructor(deps: Pick<Deps, 'store' | 'config' | 'keys' | 'clock' | 'clients'>) {
    this.#deps = deps
  }

  /**
   * Settles the acknowledged events and answers with new ones, waiting for them unless
   * `returnImmediately`.
   * @param gone aborted when the client closes the connection
   */
  async poll(
    stream: SignalStream,
    asked: z.output<typeof polling>,
    gone: AbortSignal,
  ): Promise<Answer> {
    await this.#settle(stream, asked)
    const limit = Math.min(asked.maxEvents ?? MOST_EVENTS, MOST_EVENTS)
    if (limit === 0) return { sets: {} }
    const answer = await this.#look(stream, limit)
    if (asked.returnImmediately === true || Object.keys(answer.sets).length > 0) return answer
    return this.#wait(stream, limit, gone)
  }

  async #settle(
    { id }: SignalStream,
    { ack = [], setErrs = {} }: z.output<typeof polling>,
  ): Promise<void> {
    const errors = Object.entries(setErrs).map(([delivery, { err }]) => ({
      delivery,
      error: err.replaceAll(/[^\w]/g, '_').slice(0, 40),
    }))
    const results = [
      ...ack
        .filter((candidate) => setErrs[candidate] === undefined)
        .map((delivery) => ({ delivery })),
      ...errors,
    ]
    if (results.length > 0)
      await this.#deps.store.settlePolled({ id, results, nowMs: this.#deps.clock.nowMs() })
  }

  async #look(stream: SignalStream, limit: number): Promise<Answer> {
    const { deliveries, more } = await this.#deps.store.pollStream({ id: stream.id, limit })
    if (deliveries.length === 0) return { sets: {} }
    const current = await this.#deps.store.findStream(stream.id)
    const sets: Answer['sets'] = {}
    for (const { id, payload, createdAtMs } of deliveries) {
      const message = JSON.parse(payload ?? 'null') as SetPayload | null
      if (message === null || !mayGo(current, message)) continue
      sets[id] = await mintSet(this.#deps, stream, { id, createdAtMs, message })
    }
    return { sets, ...(more && { moreAvailable: true }) }
  }

  async #wait(stream: SignalStream, limit: number, gone: AbortSignal): Promise<Answer> {
    this.#waiting.get(stream.id)?.abort()
    const ending = new AbortController()
    this.#waiting.set(stream.id, ending)
    const signal = AbortSignal.any([ending.signal, gone, AbortSignal.timeout(LONG_POLL_MS)])
    try {
      for (;;) {
        await sleep(LOOK_MS, undefined, { signal, ref: false })
        const answer = await this.#look(stream, limit)
        if (Object.keys(answer.sets).length > 0) return answer
      }
    } catch (error) {
      if (!signal.aborted) throw error
      return { sets: {} }
    } finally {
      if (this.#waiting.get(stream.id) === ending) this.#waiting.delete(stream.id)
    }
  }
}

/**
 * Returns whether an event may be sent: a paused or disabled stream sends only events about itself.
 */
const mayGo = (stream: SignalStream | undefined, { type }: SetPayload): boolean =>
  stream !== undefined &&
  stream.method === 'poll' &&
  (stream.status === 'enabled' || isAboutStream(type))
