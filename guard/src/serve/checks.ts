import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { BlockList } from 'node:net'
import {
  addressesOf,
  challenge,
  challengeOf,
  challengeWithoutToken,
  STEP_UP,
  UNMET,
  type Scheme,
} from '../authorize.ts'
import type { CheckResult } from '../claims.ts'
import type { Guard, Known } from '../guard.ts'
import { quoted } from '../problems.ts'
import { HeaderReader, REPEATED } from './headers.ts'
import { Answer, type IdentityHeaders } from './identity.ts'
import { readRequest, REQUEST_HEADERS, type RequestFrom } from './original-request.ts'
import { lacking, rulingFor, type Asked, type Lack, type Rule } from './rules.ts'
import type { Sessions } from './sessions.ts'

/** The reason for a rejected request, as a metric label from a closed list. */
type Denied =
  | 'unlisted_proxy'
  | 'identity_header'
  | 'override_header'
  | 'upgrade'
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
  | 'strength'
  | 'unavailable'
  | 'error'

interface CheckParts {
  guard: Pick<Guard, 'check' | 'stepUp'>
  known: Known
  /** Returns the current rules, which can be reloaded while the process runs. */
  rules: () => readonly Rule[]
  identity: IdentityHeaders
  sessions: Sessions
  requestFrom: RequestFrom
  pathPrefix: string
  /**
   * Addresses of trusted proxies. Undefined: the listener is a unix socket, whose file mode
   * decides.
   */
  trustedProxies: BlockList | undefined
  /** The addresses by which clients send requests that the proxy has checked. */
  publicAddresses: readonly string[]
  tokenHeader: string
  identityPrefix: string
  noLeaseStatus: 403 | 503
  /** Aborted at shutdown, so that each pending answer closes its connection. */
  stopping: AbortSignal
  /** Reports a wrong proxy configuration, or an error of this program, to the operator. */
  problem: (error: Error) => void
}

export interface CheckCounters {
  allowed: number
  public: number
  denied: Partial<Record<Denied, number>>
}

/** Answers a proxy's check of each request. Every path of this listener is such a check. */
export function checks(parts: CheckParts): { listener: RequestListener; counters: CheckCounters } {
  const counters: CheckCounters = { allowed: 0, public: 0, denied: {} }
  const check = new Check(parts, counters)
  const failed = (cause: unknown): Answer => {
    parts.problem(new Error('A check failed.', { cause }))
    return check.unavailable('error')
  }
  const send = (response: ServerResponse, answer: Answer): void => {
    if (parts.stopping.aborted) response.setHeader('Connection', 'close')
    answer.send(response)
  }
  const listener: RequestListener = (request, response) => {
    try {
      const answer = check.answer(request)
      if (answer instanceof Answer) send(response, answer)
      else void answer.catch(failed).then((later) => send(response, later))
    } catch (cause) {
      send(response, failed(cause))
    }
  }
  return { listener, counters }
}

const SCHEMES: Readonly<Record<string, Scheme>> = { bearer: 'Bearer', dpop: 'DPoP' }
const NO_RULE = 'No rule has this method, host and path.'

class Check {
  readonly #parts: CheckParts
  readonly #counters: CheckCounters
  readonly #headers: HeaderReader
  readonly #bearerAlone: boolean

  constructor(parts: CheckParts, counters: CheckCounters) {
    this.#parts = parts
    this.#counters = counters
    this.#headers = new HeaderReader(
      [...REQUEST_HEADERS[parts.requestFrom], parts.tokenHeader, 'Upgrade', 'DPoP'],
      parts.identityPrefix,
    )
    this.#bearerAlone = parts.tokenHeader.toLowerCase() === 'authorization'
  }

  answer(request: IncomingMessage): Answer | Promise<Answer> {
    const { guard, identity, known, pathPrefix, requestFrom, rules, trustedProxies } = this.#parts
    if (trustedProxies !== undefined) {
      const { remoteAddress } = request.socket
      // A reset connection has no address any more.
      if (remoteAddress === undefined) return this.#deny('unlisted_proxy')
      if (!isListed(trustedProxies, remoteAddress))
        return this.#misconfigured('unlisted_proxy', `${remoteAddress} is not in trusted_proxies.`)
    }
    const headers = this.#headers.read(request.rawHeaders)
    if (headers === 'identity_header') return this.#deny(headers)
    if (headers === 'override_header')
      return this.#misconfigured(
        headers,
        'The client sent a header that overrides its method or path. Remove X-HTTP-Method-Override, X-Original-URL and their like.',
      )
    const [, , , held, upgrade, proof] = headers
    // With another upgrade, the proxy would pass on a different protocol without a check.
    if (upgrade !== undefined && (upgrade === REPEATED || upgrade.toLowerCase() !== 'websocket'))
      return this.#misconfigured(
        'upgrade',
        'The client offers an upgrade. Remove Upgrade and HTTP2-Settings from a request unless Upgrade is websocket.',
      )
    const read = readRequest(request, headers, requestFrom, pathPrefix)
    if (!read.ok)
      return read.missing === undefined
        ? this.#deny(read.why)
        : this.#misconfigured(read.why, read.missing)
    const ruling = rulingFor(rules(), read.asked)
    if (ruling.outcome === 'none') return this.#logged('no_rule', NO_RULE, read.asked)
    if (ruling.outcome === 'public') {
      this.#counters.public++
      return identity.none
    }
    if (held === REPEATED) return this.#deny('token_repeated')
    const { publicAddresses } = this.#parts
    const found = held === undefined ? undefined : this.#tokenIn(held.trim())
    if (found === undefined)
      return this.#unauthenticated('no_token', challengeWithoutToken(publicAddresses))
    const { scheme, token } = found
    const judge = (result: CheckResult): Answer | Promise<Answer> =>
      this.#judge(ruling.rules, result, read.asked, scheme)
    if (scheme === 'Bearer') {
      const result = known(token)
      return result === undefined ? guard.check(token).then(judge) : judge(result)
    }
    const { host, method } = read.asked
    const addresses = publicAddresses.filter((address) => new URL(address).hostname === host)
    return guard
      .check(token, {
        // Several proofs count as none.
        proof: typeof proof === 'string' ? proof : undefined,
        method,
        addresses: addressesOf(addresses, read.target),
      })
      .then(judge)
  }

  #judge(
    rules: readonly Rule[],
    result: CheckResult,
    asked: Asked,
    scheme: Scheme,
  ): Answer | Promise<Answer> {
    if (!result.ok)
      return result.status === 503
        ? this.unavailable('unavailable')
        : this.#unauthenticated('invalid_token', challengeOf(result, scheme))
    const lacks = lacking(rules, result.claims)
    if (lacks !== undefined) return this.#insufficient(lacks, asked, scheme)
    for (const rule of rules) {
      const missed = this.#parts.guard.stepUp(result.claims, rule)
      if (missed !== undefined)
        return this.#unauthenticated('strength', challenge(scheme, UNMET, STEP_UP, missed))
    }
    this.#parts.sessions.accepted(result.claims)
    const { identity } = this.#parts
    const ready = identity.ready(result.claims)
    return ready === undefined
      ? identity.make(result.claims).then((made) => this.#allow(made))
      : this.#allow(ready)
  }

  #allow(answer: Answer): Answer {
    this.#counters.allowed++
    return answer
  }

  #tokenIn(value: string): { scheme: Scheme; token: string } | undefined {
    const space = value.indexOf(' ')
    if (space < 0)
      return this.#bearerAlone || value === '' ? undefined : { scheme: 'Bearer', token: value }
    const scheme = SCHEMES[value.slice(0, space).toLowerCase()]
    return scheme && { scheme, token: value.slice(space).trimStart() }
  }

  #unauthenticated(why: Denied, challenge: string): Answer {
    this.#count(why)
    return new Answer(401, ['X-Guard', 'unauthenticated', 'WWW-Authenticate', challenge])
  }

  #insufficient({ description, rule, scope, what }: Lack, asked: Asked, scheme: Scheme): Answer {
    const error = 'insufficient_scope'
    const more = scope === undefined ? {} : { scope }
    const answer = { rule, error, challenge: challenge(scheme, error, description, more) }
    return this.#logged(what, description, asked, answer)
  }

  /** Rejects with 403 and logs one line per reason and minute, with its first request. */
  #logged(
    why: Denied,
    description: string,
    { host, method, path }: Asked,
    { challenge: sent, error, rule }: { rule?: string; error?: string; challenge?: string } = {},
  ): Answer {
    const cause = new Error(rule === undefined ? description : `Rule ${rule}: ${description}`)
    this.#parts.problem(
      new Error(`A request was rejected with 403: ${method} ${quoted(host + path)}`, { cause }),
    )
    return this.#deny(why, description, error, sent === undefined ? [] : ['WWW-Authenticate', sent])
  }

  #deny(
    why: Denied,
    description = 'guard serve cannot be certain what this request asks for.',
    error = 'access_denied',
    more: readonly string[] = [],
  ): Answer {
    this.#count(why)
    return new Answer(
      403,
      ['X-Guard', 'denied', ...more],
      JSON.stringify({ error, error_description: description }),
    )
  }

  /** Rejects a request that shows a wrong proxy configuration, and logs it for the operator. */
  #misconfigured(why: Denied, problem: string): Answer {
    this.#parts.problem(
      new Error(
        `A request was rejected, because the proxy is not set up for guard serve. ${quoted(problem)}`,
      ),
    )
    return this.#deny(why, 'The proxy is not set up for guard serve, whose log says more.')
  }

  /**
   * Answers that the guard cannot decide. Never 401, which would send the user to sign in again and
   * again.
   */
  unavailable(why: Denied): Answer {
    this.#count(why)
    return new Answer(this.#parts.noLeaseStatus, ['X-Guard', 'no_lease', 'Retry-After', '1'])
  }

  #count(why: Denied): void {
    this.#counters.denied[why] = (this.#counters.denied[why] ?? 0) + 1
  }
}

function isListed(list: BlockList, address: string): boolean {
  const v4 =
    /^::ffff:([\d.]+)$/i.exec(address)?.[1] ?? (address.includes(':') ? undefined : address)
  return v4 === undefined ? list.check(address, 'ipv6') : list.check(v4, 'ipv4')
}
