import type { IncomingMessage } from 'node:http'
import { type Asked, HOST, readPath } from './rules.ts'
import type { Once } from './headers.ts'

/**
 * Reads the user's request as the proxy reports it. Missing, repeated or ambiguous values are
 * rejected.
 */

/**
 * The source of the user's request. `forwarded`: `X-Forwarded-Method`, `-Host` and `-Uri`.
 * `request`: the check itself has the same method, host and path (Envoy).
 */
export type RequestFrom = 'forwarded' | 'request'

type ReadRequest =
  | {
      ok: true
      asked: Asked
      /** The path as the client sent it, with its query. */
      target: string
    }
  | {
      ok: false
      why: 'method' | 'host' | 'path'
      /** The missing proxy configuration. Undefined: the user's path is ambiguous. */
      missing?: string
    }

/**
 * The headers that `readRequest` needs, in order. The caller reads `Authorization` or its
 * replacement.
 */
export const REQUEST_HEADERS: Record<
  RequestFrom,
  readonly [method: string, host: string, path: string]
> = {
  forwarded: ['X-Forwarded-Method', 'X-Forwarded-Host', 'X-Forwarded-Uri'],
  // Method and path come from the check itself.
  request: ['', 'Host', ''],
}

export function readRequest(
  { method: ownMethod, url: ownUrl = '' }: Pick<IncomingMessage, 'method' | 'url'>,
  headers: readonly Once[],
  from: RequestFrom,
  pathPrefix: string,
): ReadRequest {
  const reject = (why: 'method' | 'host' | 'path', missing: string): ReadRequest => ({
    ok: false,
    why,
    missing,
  })
  const forwarded = from === 'forwarded'
  const [methodAt, hostAt, pathAt] = REQUEST_HEADERS[from]
  const method = forwarded ? headers[0] : ownMethod
  if (typeof method !== 'string' || !/^[A-Z]{1,20}$/.test(method))
    return reject('method', `${methodAt || 'The method'} must be there once, in upper case.`)
  const host = readHost(headers[1])
  if (host === undefined)
    return reject('host', `${hostAt} must be there once, a host name with or without a port.`)
  const target = forwarded ? headers[2] : withoutPrefix(ownUrl, pathPrefix)
  if (typeof target !== 'string')
    return reject(
      'path',
      forwarded ? `${pathAt} must be there once.` : `The path must begin with ${pathPrefix}.`,
    )
  const path = readPath(target)
  return path.ok
    ? { ok: true, asked: { method, host, path: path.path }, target }
    : { ok: false, why: 'path' }
}

function readHost(value: Once): string | undefined {
  if (typeof value !== 'string' || value.length > 260) return undefined
  const host = value.toLowerCase().replace(/:\d{1,5}$/, '')
  return HOST.test(host) ? host : undefined
}

function withoutPrefix(url: string, prefix: string): string | undefined {
  if (prefix === '') return url
  return url.startsWith(`${prefix}/`) ? url.slice(prefix.length) : undefined
}
