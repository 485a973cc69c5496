import { validateHeaderValue, type ServerResponse } from 'node:http'

/** No cache may keep an answer. */
const EVERY: readonly string[] = ['Cache-Control', 'no-store']

/** The answer to a check. One object answers many requests. */
export class Answer {
  readonly #status: number
  /** Names and values in turn. */
  readonly #headers: string[]
  readonly #body: string

  /**
   * @param body JSON: what Envoy, Traefik and Caddy pass on to the client
   * @throws TypeError for a value that would end its header
   */
  constructor(status: number, headers: readonly string[], body = '') {
    for (let at = 0; at < headers.length; at += 2) validateHeaderValue(headers[at] ?? '', headers[at + 1] ?? '')
    this.#status = status
    const type = body === '' ? [] : ['Content-Type', 'application/json']
    this.#headers = [...EVERY, 'Content-Length', String(Buffer.byteLength(body)), ...type, ...headers]
    this.#body = body
  }

  send(response: ServerResponse): void {
    response.writeHead(this.#status, this.#headers).end(this.#body)
  }
}
