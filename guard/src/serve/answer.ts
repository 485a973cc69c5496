import { validateHeaderValue, type ServerResponse } from 'node:http'

/** No cache may keep an answer, and none has a body. */
const EVERY: readonly string[] = ['Cache-Control', 'no-store', 'Content-Length', '0']

/** The answer to a check. One object answers many requests. */
export class Answer {
  readonly #status: number
  /** Names and values in turn. */
  readonly #headers: string[]

  /** @throws TypeError for a value that would end its header */
  constructor(status: number, headers: readonly string[]) {
    for (let at = 0; at < headers.length; at += 2) validateHeaderValue(headers[at] ?? '', headers[at + 1] ?? '')
    this.#status = status
    this.#headers = [...EVERY, ...headers]
  }

  send(response: ServerResponse): void {
    response.writeHead(this.#status, this.#headers).end()
  }
}
