import type { Context } from 'hono'
import type { Deps } from '../deps.ts'
import { type Pass, consoleAccessBy } from './console-session.ts'

/**
 * Informs open pages that something changed; the pages fetch it themselves. One read of the store
 * every two seconds serves all pages, and none is made while no page is open. A stream ends with
 * the pass of its reader.
 */

const LOOK_MS = 2_000
const BEAT_MS = 15_000
const MOST = 100
/** The delay after a revocation, so that many revocations in a row cause one read of the store. */
const SOON_MS = 100

interface Stream {
  pass: Pass
  out: ReadableStreamDefaultController<Uint8Array>
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

export class LivePages {
  readonly #deps: Deps
  readonly #streams = new Set<Stream>()
  #stop: (() => void) | undefined
  #seen = ''
  #beatAtMs = 0
  #looking = false
  #closed = false

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** Opens a stream. Returns undefined if too many are open, or the broker is shutting down. */
  open(c: Context, pass: Pass): Response | undefined {
    if (this.#closed || this.#streams.size >= MOST) return undefined
    let mine: Stream | undefined
    const body = new ReadableStream<Uint8Array>(
      {
        start: (out) => {
          mine = { pass, out }
          this.#streams.add(mine)
          out.enqueue(bytes('retry: 2000\n\n'))
          this.#begin()
        },
        cancel: () => {
          if (mine !== undefined) this.#drop(mine)
        },
      },
      { highWaterMark: 8 },
    )
    c.header('Cache-Control', 'no-store')
    c.header('X-Accel-Buffering', 'no')
    c.header('Content-Type', 'text/event-stream; charset=utf-8')
    c.header('Transfer-Encoding', 'chunked')
    return c.body(body)
  }

  close(): void {
    this.#closed = true
    for (const stream of [...this.#streams]) this.#end(stream)
  }

  #begin(): void {
    if (this.#stop !== undefined) return
    let soon: NodeJS.Timeout | undefined
    const timer = setInterval(() => void this.#look(), LOOK_MS)
    timer.unref()
    const unsubscribe = this.#deps.feed.subscribe(() => {
      soon ??= setTimeout(() => {
        soon = undefined
        void this.#look()
      }, SOON_MS)
      soon.unref()
    })
    this.#stop = () => {
      clearInterval(timer)
      clearTimeout(soon)
      unsubscribe()
    }
  }

  async #look(): Promise<void> {
    if (this.#looking) return
    this.#looking = true
    try {
      const now = this.#deps.clock.now()
      for (const stream of [...this.#streams]) {
        if ((await consoleAccessBy(this.#deps, stream.pass, now, false)).is !== 'operator')
          this.#end(stream, 'event: over\ndata: {}\n\n')
      }
      const seen = await this.#fingerprint()
      if (seen !== this.#seen) this.#send('event: changed\ndata: {}\n\n')
      else if (this.#deps.clock.nowMs() - this.#beatAtMs > BEAT_MS) this.#send(': here\n\n')
      this.#seen = seen
    } catch {
      // While the store is down the pages stay as they are. The next read tries it again.
    } finally {
      this.#looking = false
    }
  }

  async #fingerprint(): Promise<string> {
    const { store, queue, feed } = this.#deps
    const [head, counts, guards] = await Promise.all([
      store.head(),
      store.deliveryCounts(),
      store.guardReports(),
    ])
    const enforced = guards.map((guard) => [
      guard.clientId,
      guard.guardId,
      guard.enforcedSeq,
      guard.version,
      guard.withoutLease,
      guard.clockOffsetSeconds,
    ])
    const streams = feed.streams().map((stream) => [stream.clientId, stream.guardId])
    return JSON.stringify([
      head,
      counts.map((count) => [count.clientId, count.state, count.count]),
      enforced,
      streams,
      queue.targets(),
    ])
  }

  #send(text: string): void {
    this.#beatAtMs = this.#deps.clock.nowMs()
    // A slow reader may miss an event, because the next event has the same meaning.
    for (const { out } of this.#streams) if ((out.desiredSize ?? 0) > 0) out.enqueue(bytes(text))
  }

  #end(stream: Stream, last?: string): void {
    if (!this.#drop(stream)) return
    if (last !== undefined) stream.out.enqueue(bytes(last))
    stream.out.close()
  }

  #drop(stream: Stream): boolean {
    const was = this.#streams.delete(stream)
    if (this.#streams.size === 0) {
      this.#stop?.()
      this.#stop = undefined
    }
    return was
  }
}
