import type { Socket } from 'node:net'
import type { Clock } from '../clock.ts'
import { Answer, type Decide } from './answer.ts'
import { readSimple } from './simple-request.ts'

/**
 * The connections on which only requests of the simple form came so far. Each is answered by one write.
 * The first other request, or part of one, hands its connection to node:http for good. So no state of a request is kept between two reads.
 */

export interface SimpleOptions {
  decide: Decide
  clock: Clock
  /** Takes a connection over, as a new one; what was read of it is still to be read. */
  handOver: (socket: Socket) => void
  /** For the first request to begin. A connection that has sent one may stay idle: the proxy is the one to close it. */
  firstRequestMs: number
}

export class SimpleConnections {
  readonly #options: SimpleOptions
  readonly #open = new Set<SimpleConnection>()
  #draining = false
  #second = -1
  #date = ''

  constructor(options: SimpleOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#open.size
  }

  accept(socket: Socket): void {
    const connection = new SimpleConnection(socket, this.#options, {
      ending: () => this.#ending(),
      left: () => this.#open.delete(connection),
    })
    this.#open.add(connection)
  }

  /** Closes what is idle, after what is written. What is being answered ends with its answer. */
  drain(): void {
    this.#draining = true
    for (const connection of this.#open) connection.closeIfIdle()
  }

  destroy(): void {
    for (const connection of this.#open) connection.destroy()
  }

  /** What every answer ends with. RFC 9110 §6.6.1 demands `Date`. */
  #ending(): { text: string; last: boolean } {
    const nowMs = this.#options.clock.nowMs()
    const second = Math.floor(nowMs / 1000)
    if (second !== this.#second) {
      this.#second = second
      this.#date = `Date: ${new Date(nowMs).toUTCString()}\r\n`
    }
    return { text: this.#draining ? `${this.#date}Connection: close\r\n\r\n` : `${this.#date}\r\n`, last: this.#draining }
  }
}

interface Shared {
  ending: () => { text: string; last: boolean }
  left: () => void
}

class SimpleConnection {
  readonly #socket: Socket
  readonly #options: SimpleOptions
  readonly #shared: Shared
  #answering = false
  #begun = false

  constructor(socket: Socket, options: SimpleOptions, shared: Shared) {
    this.#socket = socket
    this.#options = options
    this.#shared = shared
    socket.setTimeout(options.firstRequestMs)
    socket.on('timeout', this.destroy).on('error', this.destroy).on('end', this.#ended).on('close', shared.left).on('data', this.#read)
  }

  readonly destroy = (): void => void this.#socket.destroy()
  readonly #ended = (): void => void this.#socket.end()

  closeIfIdle(): void {
    if (!this.#answering) this.#socket.destroySoon()
  }

  readonly #read = (chunk: Buffer): void => {
    const request = readSimple(chunk)
    if (request === undefined) return this.#handOver(chunk)
    const { method, rawHeaders, url } = request
    if (!this.#begun) this.#socket.setTimeout(0)
    this.#begun = true
    const answer = this.#options.decide({ method, url, rawHeaders, remoteAddress: this.#socket.remoteAddress })
    if (answer instanceof Answer) return void this.#write(answer)
    // Nothing else of this connection is read before it is answered.
    this.#answering = true
    this.#socket.pause()
    void answer.then((later) => {
      this.#answering = false
      if (this.#write(later)) this.#socket.resume()
    })
  }

  /** @returns whether the next request may be read */
  #write({ head }: Answer): boolean {
    const { last, text } = this.#shared.ending()
    const flowing = this.#socket.write(head + text, 'latin1')
    if (last) this.#socket.destroySoon()
    else if (!flowing) {
      // It reads no answers: no more of its requests are read.
      this.#socket.pause()
      this.#socket.once('drain', () => this.#socket.resume())
    }
    return flowing && !last
  }

  #handOver(chunk: Buffer): void {
    const socket = this.#socket
    socket.setTimeout(0)
    socket.off('timeout', this.destroy).off('error', this.destroy).off('end', this.#ended).off('close', this.#shared.left).off('data', this.#read)
    this.#shared.left()
    socket.pause()
    socket.unshift(chunk)
    this.#options.handOver(socket)
    socket.resume()
  }
}
