/** Reads server-sent events (HTML §9.2) from a body of bytes. */

export interface StreamEvent {
  event: string
  data: string
  /** The last `id` so far on this stream. */
  id: string | undefined
}

/**
 * The longest event or line. A longer one is not from the broker: a snapshot of 1,000 entries has
 * about 150 KB.
 */
const MAX_CHARACTERS = 8 * 1024 * 1024

/**
 * Yields the events of a stream.
 * @param onBytes called for each piece of the body, also for comments (heartbeats)
 * @throws RangeError for an event that is too long, and every error of the body
 */
export async function* readEvents(
  body: ReadableStream<Uint8Array>,
  onBytes: () => void,
): AsyncGenerator<StreamEvent, void, undefined> {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  const parser = new EventParser()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      // An event without the empty line at its end is incomplete, and is not delivered.
      if (done) return
      onBytes()
      yield* parser.push(decoder.decode(value, { stream: true }))
    }
  } finally {
    // A consumer that stops reading releases the connection.
    reader.cancel().catch(() => {})
  }
}

export class EventParser {
  #pending = ''
  #event = ''
  #data: string[] = []
  #id: string | undefined
  #size = 0

  push(text: string): StreamEvent[] {
    const events: StreamEvent[] = []
    this.#pending += text
    // A CR at the end may be the first half of a CRLF. It waits for the next piece.
    const lines = this.#pending.split(/\r\n|\n|\r(?!$)/)
    this.#pending = lines.pop() ?? ''
    for (const line of lines) {
      const event = this.#line(line)
      if (event !== undefined) events.push(event)
    }
    if (this.#pending.length + this.#size > MAX_CHARACTERS)
      throw new RangeError('The feed sent an event that is too large.')
    return events
  }

  #line(line: string): StreamEvent | undefined {
    if (line === '') return this.#dispatch()
    const colon = line.indexOf(':')
    if (colon === 0) return undefined
    const field = colon === -1 ? line : line.slice(0, colon)
    const value = colon === -1 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (field === 'data') {
      this.#data.push(value)
      this.#size += value.length
    } else if (field === 'event') this.#event = value
    else if (field === 'id' && !value.includes('\0')) this.#id = value
    return undefined
  }

  #dispatch(): StreamEvent | undefined {
    const event =
      this.#data.length === 0
        ? undefined
        : { event: this.#event || 'message', data: this.#data.join('\n'), id: this.#id }
    this.#event = ''
    this.#data = []
    this.#size = 0
    return event
  }
}
