import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { BlockList } from 'node:net'
import type { AccessClaims, CheckResult } from '../claims.ts'
import type { Guard, Known } from '../guard.ts'
import { quoted } from '../quoted.ts'
import { HeaderReader, REPEATED } from './headers.ts'
import { NO_STORE, type IdentityHeaders } from './identity.ts'
import { readRequest, REQUEST_HEADERS, type RequestFrom } from './original-request.ts'
import { lacking, rulingFor, type Rule } from './rules.ts'
import type { Sessions } from './sessions.ts'

/** Why a request was refused, for metrics: a closed list. */
export type Denied =
  | 'unlisted_proxy'
  | 'identity_header'
  | 'method'
  | 'host'
  | 'path'
  | 'no_rule'
  | 'token_repeated'
  | 'no_token'
  | 'invalid_token'
  | 'scope'
  | 'role'
  | 'audience'
  | 'unavailable'
  | 'error'

export interface CheckParts {
  guard: Pick<Guard, 'check'>
  known: Known
  /** As they are now: they can be read again while it runs. */
  rules: () => readonly Rule[]
  identity: IdentityHeaders
  sessions: Sessions
  requestFrom: RequestFrom
  pathPrefix: string
  trustedProxies: BlockList
  tokenHeader: string
  identityPrefix: string
  staleStatus: 403 | 503
  /** For an operator: what is wrong with the proxy's configuration, or with this program. */
  problem: (error: Error) => void
}

export interface CheckCounters {
  allowed: number
  public: number
  denied: Partial<Record<Denied, number>>
}

/** Answers the proxy's question about each request. Every path of this listener is such a question. */
export function checks(parts: CheckParts): { listener: RequestListener; counters: CheckCounters } {
  const counters: CheckCounters = { allowed: 0, public: 0, denied: {} }
  const check = new Check(parts, counters)
  const listener: RequestListener = (request, response) => {
    const failed = (cause: unknown): void => {
      parts.problem(new Error('A check failed.', { cause }))
      check.unavailable(response, 'error')
    }
    try {
      check.answer(request, response)?.catch(failed)
    } catch (cause) {
      failed(cause)
    }
  }
  return { listener, counters }
}

class Check {
  readonly #parts: CheckParts
  readonly #counters: CheckCounters
  readonly #headers: HeaderReader
  readonly #bearerAlone: boolean

  constructor(parts: CheckParts, counters: CheckCounters) {
    this.#parts = parts
    this.#counters = counters
    this.#headers = new HeaderReader([...REQUEST_HEADERS[parts.requestFrom], parts.tokenHeader], parts.identityPrefix)
    this.#bearerAlone = parts.tokenHeader.toLowerCase() === 'authorization'
  }

  /** Undefined: it is answered. */
  answer(request: IncomingMessage, response: ServerResponse): Promise<void> | undefined {
    const { guard, identity, known, pathPrefix, requestFrom, rules, trustedProxies } = this.#parts
    const { remoteAddress } = request.socket
    if (remoteAddress !== undefined && !isListed(trustedProxies, remoteAddress))
      return this.#misconfigured(response, 'unlisted_proxy', `${remoteAddress} is not in trusted_proxies.`)
    const headers = this.#headers.read(request.rawHeaders)
    if (headers === undefined) return this.#deny(response, 'identity_header')
    const read = readRequest(request, headers, requestFrom, pathPrefix)
    if (!read.ok) return read.missing === undefined ? this.#deny(response, read.why) : this.#misconfigured(response, read.why, read.missing)
    const ruling = rulingFor(rules(), read.asked)
    if (ruling.outcome === 'none') return this.#deny(response, 'no_rule')
    if (ruling.outcome === 'public') {
      this.#counters.public++
      response.writeHead(200, identity.none as string[]).end()
      return undefined
    }
    const held = headers[3]
    if (held === REPEATED) return this.#deny(response, 'token_repeated')
    const token = held === undefined ? undefined : this.#tokenIn(held.trim())
    if (token === undefined) return this.#unauthenticated(response, 'no_token', 'Bearer')
    const result = known(token)
    if (result !== undefined) return this.#judge(response, ruling.rules, result)
    return guard.check(token).then((checked) => this.#judge(response, ruling.rules, checked))
  }

  #judge(response: ServerResponse, rules: readonly Rule[], result: CheckResult): Promise<void> | undefined {
    if (!result.ok) return result.status === 503 ? this.unavailable(response, 'unavailable') : this.#invalid(response, result.description)
    const lacks = lacking(rules, result.claims)
    if (lacks !== undefined) return this.#insufficient(response, lacks.what, lacks.scope)
    this.#parts.sessions.accepted(result.claims)
    return this.#allow(response, result.claims)
  }

  #allow(response: ServerResponse, claims: AccessClaims): Promise<void> | undefined {
    const { identity } = this.#parts
    const headers = identity.ready(claims)
    if (headers === undefined) return identity.make(claims).then((made) => this.#allowWith(response, made))
    return this.#allowWith(response, headers)
  }

  #allowWith(response: ServerResponse, headers: readonly string[]): undefined {
    this.#counters.allowed++
    response.writeHead(200, headers as string[]).end()
  }

  #tokenIn(value: string): string | undefined {
    const space = value.indexOf(' ')
    if (space < 0) return this.#bearerAlone || value === '' ? undefined : value
    return value.slice(0, space).toLowerCase() === 'bearer' ? value.slice(space).trimStart() : undefined
  }

  #invalid(response: ServerResponse, description: string): undefined {
    this.#unauthenticated(response, 'invalid_token', `Bearer error="invalid_token", error_description="${description}"`)
  }

  #unauthenticated(response: ServerResponse, why: Denied, challenge: string): undefined {
    this.#count(why)
    this.#send(response, 401, ['X-Guard', 'unauthenticated', 'WWW-Authenticate', challenge])
  }

  #insufficient(response: ServerResponse, what: Denied, scope: string | undefined): undefined {
    const challenge = `Bearer error="insufficient_scope"${scope === undefined ? '' : `, scope="${scope}"`}`
    this.#count(what)
    this.#send(response, 403, ['X-Guard', 'denied', 'WWW-Authenticate', challenge])
  }

  #deny(response: ServerResponse, why: Denied): undefined {
    this.#count(why)
    this.#send(response, 403, ['X-Guard', 'denied'])
  }

  /** Not the user's fault: logged for the operator. */
  #misconfigured(response: ServerResponse, why: Denied, problem: string): undefined {
    this.#parts.problem(new Error(`A request was refused, because the proxy is not set up for guard serve. ${quoted(problem)}`))
    this.#deny(response, why)
  }

  /** It cannot know. Never 401: the user would be sent to sign in, in a loop. */
  unavailable(response: ServerResponse, why: Denied): undefined {
    this.#count(why)
    if (!response.headersSent) this.#send(response, this.#parts.staleStatus, ['X-Guard', 'stale', 'Retry-After', '1'])
  }

  #count(why: Denied): void {
    this.#counters.denied[why] = (this.#counters.denied[why] ?? 0) + 1
  }

  #send(response: ServerResponse, status: number, headers: readonly string[]): void {
    response.writeHead(status, [...NO_STORE, ...headers]).end()
  }
}

function isListed(list: BlockList, address: string): boolean {
  const v4 = /^::ffff:([\d.]+)$/i.exec(address)?.[1] ?? (address.includes(':') ? undefined : address)
  return v4 === undefined ? list.check(address, 'ipv6') : list.check(v4, 'ipv4')
}
