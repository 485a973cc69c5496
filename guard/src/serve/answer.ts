import { STATUS_CODES, validateHeaderValue } from 'node:http'

/** No cache may keep an answer, and none has a body. */
const EVERY: readonly string[] = ['Cache-Control', 'no-store', 'Content-Length', '0']

/** What a check answers: made once, written by node:http or, for a request of the simple form, as one text. */
export class Answer {
  readonly status: number
  /** Names and values in turn, as `writeHead` takes them. */
  readonly headers: readonly string[]
  /** The status line and the headers, each with its line end; `Date` and the empty line are still to come. */
  readonly head: string

  /** @throws TypeError for a value that would end its header */
  constructor(status: number, headers: readonly string[]) {
    this.status = status
    this.headers = [...EVERY, ...headers]
    let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`
    for (let at = 0; at < this.headers.length; at += 2) {
      const [name = '', value = ''] = this.headers.slice(at, at + 2)
      validateHeaderValue(name, value)
      head += `${name}: ${value}\r\n`
    }
    this.head = head
  }
}

/** As much of a request as a check reads. */
export interface CheckRequest {
  method: string
  /** The target in the request line. */
  url: string
  /** Names and values in turn, as they were received. */
  rawHeaders: readonly string[]
  /** Undefined on a unix socket. */
  remoteAddress: string | undefined
}

/** Neither throws nor rejects. */
export type Decide = (request: CheckRequest) => Answer | Promise<Answer>
