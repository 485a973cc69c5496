import type { IncomingMessage } from 'node:http'
import type { Asked } from './rules.ts'
import { HOST } from './rules.ts'
import { readPath } from './path.ts'

/** What the user's request was, as the proxy in front tells it. Whatever is missing, repeated or ambiguous is refused. */

/** `forwarded`: `X-Forwarded-Method`, `-Host` and `-Uri`. `request`: the check is sent with the request's own method, host and path (Envoy). */
export type RequestFrom = 'forwarded' | 'request'

export type ReadRequest =
  | { ok: true; asked: Asked }
  | {
      ok: false
      why: 'method' | 'host' | 'path'
      /** What the proxy has to be set up for; not set: the user's path is ambiguous. */ missing?: string
    }

/** Names as a CGI or WSGI program compares them: it takes `X_Guard_Sub` for `X-Guard-Sub`. */
export const foldName = (name: string): string => name.toLowerCase().replaceAll('_', '-')

/** Every value of a header, by its folded name, in the order given. */
export function valuesOf({ rawHeaders }: Pick<IncomingMessage, 'rawHeaders'>, folded: string): string[] {
  const values: string[] = []
  for (let at = 0; at < rawHeaders.length; at += 2) if (foldName(rawHeaders[at] ?? '') === folded) values.push(rawHeaders[at + 1] ?? '')
  return values
}

export function readRequest(request: IncomingMessage, from: RequestFrom, pathPrefix: string): ReadRequest {
  const refuse = (why: 'method' | 'host' | 'path', missing: string): ReadRequest => ({ ok: false, why, missing })
  const once = (name: string): string | undefined => {
    const values = valuesOf(request, name.toLowerCase())
    return values.length === 1 ? values[0] : undefined
  }
  const [methodAt, hostAt, pathAt] = from === 'forwarded' ? ['X-Forwarded-Method', 'X-Forwarded-Host', 'X-Forwarded-Uri'] : ['method', 'Host', 'path']
  const method = from === 'forwarded' ? once(methodAt) : request.method
  if (method === undefined || !/^[A-Z]{1,20}$/.test(method)) return refuse('method', `${methodAt} must be there once, a method in upper case.`)
  const host = readHost(once(hostAt))
  if (host === undefined) return refuse('host', `${hostAt} must be there once, a host name with or without a port.`)
  const target = from === 'forwarded' ? once(pathAt) : withoutPrefix(request.url ?? '', pathPrefix)
  if (target === undefined) return refuse('path', from === 'forwarded' ? `${pathAt} must be there once.` : `The path must begin with ${pathPrefix}.`)
  const path = readPath(target)
  return path.ok ? { ok: true, asked: { method, host, path: path.path } } : { ok: false, why: 'path' }
}

function readHost(value: string | undefined): string | undefined {
  const host = value?.toLowerCase().replace(/:\d{1,5}$/, '')
  return host !== undefined && host.length <= 255 && HOST.test(host) ? host : undefined
}

function withoutPrefix(url: string, prefix: string): string | undefined {
  if (prefix === '') return url
  return url.startsWith(`${prefix}/`) ? url.slice(prefix.length) : undefined
}
