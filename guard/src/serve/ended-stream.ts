import type { ServerResponse } from 'node:http'
import type { Clock } from '../clock.ts'

/** The stream of ended sessions, as server-sent events (docs/guard-serve.md). */

const HEARTBEAT_MS = 15_000
const LOOK_MS = 1000
const REMEMBERED = 10_000
const MOST_STREAMS = 100
const MAX_WAITING_BYTES = 1 << 20

export class EndedStream {
  readonly #clock: Clock
  /** The id of this process, because each process numbers its own events. */
  readonly #run: string
  readonly #streams = new Set<ServerResponse>()
  #events: { n: number; text: string }[] = []
  #n = 0
  #cancelHeartbeat: () => void = () => {}
  #cancelLook: () => void = () => {}
  readonly #isKnown: () => boolean
  #known = false

  /** Creates the stream. @param isKnown returns whether the guard knows the current revocations */
  constructor(options: { clock: Clock; run: string; isKnown: () => boolean }) {
    this.#clock = options.clock
    this.#run = options.run
    this.#isKnown = options.isKnown
  }

  get size(): number {
    return this.#streams.size
  }

  /** Starts to tell readers when the guard loses its lease, and when it has one again. */
  watch(): void {
    this.#look()
    this.#cancelLook = this.#clock.after(LOOK_MS, () => this.watch())
  }

  #look(): void {
    if (this.#known === this.#isKnown()) return
    this.#known = !this.#known
    this.send(this.#known ? 'live' : 'no_lease', {})
  }

  open(lastEventId: string | undefined, response: ServerResponse): void {
    if (this.#streams.size >= MOST_STREAMS)
      return void response.writeHead(503, { 'cache-control': 'no-store', 'retry-after': '5' }).end()
    this.#look()
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    })
    response.write(`: guard serve\nretry: 1000\n\n`)
    const missed = this.#since(lastEventId)
    if (missed === undefined) response.write(frame('reset', {}, this.#id(this.#n)))
    else for (const { text } of missed) response.write(text)
    response.write(frame(this.#known ? 'live' : 'no_lease', {}, this.#id(this.#n)))
    this.#streams.add(response)
    response.once('close', () => this.#streams.delete(response))
    if (this.#streams.size === 1) this.#beat()
  }

  send(event: 'ended' | 'forgotten' | 'no_lease' | 'live', data: object): void {
    const n = ++this.#n
    const text = frame(event, data, this.#id(n))
    this.#events.push({ n, text })
    if (this.#events.length > 2 * REMEMBERED) this.#events = this.#events.slice(-REMEMBERED)
    for (const stream of this.#streams) this.#write(stream, text)
  }

  close(): void {
    this.#cancelLook()
    this.#cancelHeartbeat()
    for (const stream of this.#streams) stream.end()
  }

  #id(n: number): string {
    return `${this.#run}.${n}`
  }

  /** Returns the events after an event id. Undefined if they are no longer stored. */
  #since(lastEventId: string | undefined): { text: string }[] | undefined {
    if (lastEventId === undefined || lastEventId === '') return []
    const [, run, digits] = /^(.+)\.(\d{1,15})$/.exec(lastEventId) ?? []
    const last = Number(digits)
    if (run !== this.#run || last > this.#n) return undefined
    const kept = this.#events.filter(({ n }) => n > last)
    return kept.length === this.#n - last ? kept : undefined
  }

  /** Writes to a reader. One with too much unread data is disconnected, and resumes. */
  #write(stream: ServerResponse, text: string): void {
    if (stream.writableLength > MAX_WAITING_BYTES) stream.destroy()
    else stream.write(text)
  }

  #beat(): void {
    this.#cancelHeartbeat()
    this.#cancelHeartbeat = this.#clock.after(HEARTBEAT_MS, () => {
      for (const stream of this.#streams) this.#write(stream, ': heartbeat\n\n')
      if (this.#streams.size > 0) this.#beat()
    })
  }
}

const frame = (event: string, data: object, id: string): string =>
  `event: ${event}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`
