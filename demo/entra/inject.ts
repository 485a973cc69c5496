import { IncomingMessage, ServerResponse, type RequestListener } from 'node:http'
import { Socket } from 'node:net'

/**
 * Calls a Node request listener without a socket, so that an answer of `oidc-provider` can be
 * changed before it is sent.
 */

export interface Injected {
  status: number
  location: string | undefined
  body: string
  /** Why a grant was rejected. The provider's own answer leaves it out, so it stays internal. */
  detail: string | undefined
}

export const DETAIL = 'x-inner-detail'

export function inject(
  listener: (...parameters: Parameters<RequestListener>) => unknown,
  request: { method: 'GET' | 'POST'; url: string; headers: Record<string, string>; body?: string },
): Promise<Injected> {
  const incoming = new IncomingMessage(new Socket())
  incoming.method = request.method
  incoming.url = request.url
  const body = request.body === undefined ? undefined : Buffer.from(request.body)
  incoming.headers = {
    ...request.headers,
    ...(body
      ? {
          'content-type': 'application/x-www-form-urlencoded',
          'content-length': String(body.length),
        }
      : {}),
  }
  if (body) incoming.push(body)
  incoming.push(null)
  const outgoing = new ServerResponse(incoming)
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    const keep = (chunk: unknown): void => {
      if (typeof chunk === 'string' || chunk instanceof Uint8Array)
        chunks.push(Buffer.from(chunk as string))
    }
    outgoing.write = ((chunk: unknown) => (keep(chunk), true)) as typeof outgoing.write
    outgoing.end = ((chunk: unknown) => {
      keep(chunk)
      resolve({
        status: outgoing.statusCode,
        location: outgoing.getHeader('location')?.toString(),
        body: Buffer.concat(chunks).toString('utf8'),
        detail: outgoing.getHeader(DETAIL)?.toString(),
      })
      return outgoing
    }) as typeof outgoing.end
    Promise.resolve(listener(incoming, outgoing)).catch(reject)
  })
}
