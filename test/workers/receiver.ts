import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'

/**
 * A logout address of an instance. It keeps every request that reached it, and answers as the test
 * sets it.
 */
export interface Receiver {
  url: string
  /** The claims of each token that it was sent, oldest first. */
  tokens: Record<string, unknown>[]
  requests: { headers: IncomingMessage['headers']; body: string; method: string | undefined }[]
  /** Answers the next requests; not called for a receiver that is down. */
  answer: (response: ServerResponse, nth: number) => void
  /** Closes its port, so that nothing listens there. */
  goDown(): Promise<void>
  comeBack(): Promise<void>
}

export const ok = (response: ServerResponse): void => void response.writeHead(200).end()
export const status =
  (code: number, body = '', headers: Record<string, string> = {}) =>
  (response: ServerResponse): void =>
    void response.writeHead(code, headers).end(body)

export async function startReceiver(answer: Receiver['answer'] = ok): Promise<Receiver> {
  const listen = async (port: number) => {
    const server = createServer(async (request, response) => {
      let body = ''
      for await (const chunk of request) body += String(chunk)
      receiver.requests.push({ headers: request.headers, body, method: request.method })
      receiver.tokens.push(claimsOf(new URLSearchParams(body).get('logout_token') ?? ''))
      receiver.answer(response, receiver.requests.length)
    })
    await new Promise<void>((done, failed) =>
      server.once('error', failed).listen(port, '127.0.0.1', done),
    )
    return server
  }
  let server: Awaited<ReturnType<typeof listen>> | undefined = await listen(0)
  const { port } = server.address() as AddressInfo
  const goDown = async (): Promise<void> => {
    const closing = server
    server = undefined
    closing?.closeAllConnections()
    await new Promise<void>((done) =>
      closing === undefined ? done() : closing.close(() => done()),
    )
  }
  const receiver: Receiver = {
    url: `http://127.0.0.1:${port}/oidc/backchannel-logout`,
    tokens: [],
    requests: [],
    answer,
    goDown,
    async comeBack() {
      server = await listen(port)
    },
  }
  onTestFinished(goDown)
  return receiver
}

const claimsOf = (jwt: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(jwt.split('.')[1] ?? 'e30', 'base64url').toString()) as Record<
    string,
    unknown
  >
