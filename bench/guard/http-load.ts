import { connect } from 'node:net'

/**
 * GET requests over raw connections, one at a time on each, so that the loader costs as little as
 * possible.
 */
export interface Load {
  socket: string
  /** The tokens, which are sent in turn. */
  tokens: readonly string[]
  connections: number
  seconds: number
}

const END = '\r\n\r\n'

/**
 * Returns the rate of requests.
 * @throws Error where an answer is not a 200: a rejected request would falsify the rate
 */
export async function requestsPerSecond({
  connections,
  seconds,
  socket,
  tokens,
}: Load): Promise<number> {
  const requests = tokens.map((token) => requestWith(token))
  const begun = performance.now()
  const until = begun + seconds * 1000
  const counts = await Promise.all(
    Array.from({ length: connections }, (_, n) => client(socket, requests, n, until)),
  )
  return counts.reduce((sum, count) => sum + count, 0) / ((performance.now() - begun) / 1000)
}

const requestWith = (token: string): string =>
  [
    'GET /api/cases/4711?page=2 HTTP/1.1',
    'Host: cases.example',
    `Authorization: Bearer ${token}`,
    'User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
    'Accept: application/json',
    'Accept-Language: en-US,en;q=0.5',
    'Cookie: session=0123456789abcdef0123456789abcdef; theme=dark',
  ].join('\r\n') + END

function client(
  path: string,
  requests: readonly string[],
  first: number,
  until: number,
): Promise<number> {
  const socket = connect(path)
  let answered = 0
  let text = ''
  const send = (): void => void socket.write(requests[(first + answered) % requests.length] ?? '')
  return new Promise((done, failed) => {
    socket
      .once('error', failed)
      .once('close', () => failed(new Error('nginx closed a connection.')))
    socket.setEncoding('latin1').on('data', (piece: string) => {
      text += piece
      const head = text.indexOf(END)
      if (head < 0) return
      const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0)
      if (text.length < head + END.length + length) return
      if (!text.startsWith('HTTP/1.1 200'))
        return failed(new Error(`nginx answered ${text.slice(0, text.indexOf('\r\n'))}.`))
      answered++
      text = ''
      if (performance.now() < until) return send()
      socket.removeAllListeners('close').destroy()
      done(answered)
    })
    send()
  })
}
