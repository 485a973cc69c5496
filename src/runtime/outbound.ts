import { lookup as systemLookup, type LookupAddress, type LookupOptions } from 'node:dns'
import { type BlockList, isIP, type LookupFunction } from 'node:net'
import { checkServerIdentity, type PeerCertificate } from 'node:tls'
import {
  Agent,
  buildConnector,
  type Dispatcher,
  EnvHttpProxyAgent,
  fetch as undiciFetch,
} from 'undici'
import { addressProblem, privateProblem } from './outbound-addresses.ts'

export interface Outbound {
  /**
   * Sends a request. It never follows a redirect and reads at most `maxBytes` of the answer. Throws
   * on transport errors and timeouts.
   */
  request(
    url: string,
    init: {
      method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'
      headers?: Record<string, string>
      body?: string
      timeoutMs: number
      maxBytes: number
      /** The encoding of the answer's body. With `latin1` each character is one byte. */
      encoding?: 'utf8' | 'latin1'
      signal?: AbortSignal | undefined
    },
  ): Promise<{ status: number; headers: Record<string, string>; body: string }>
  /**
   * Returns the validity of the certificate of an https origin, under the same address rules.
   * Throws if there is no connection or the certificate is not valid.
   */
  certificate(origin: string, timeoutMs: number): Promise<Validity>
  close(): Promise<void>
}

/** The validity of a certificate in epoch seconds. */
interface Validity {
  from: number
  until: number
}

/**
 * HTTP to addresses that others registered: logout targets, `jwks_uri`, webhooks. Private networks
 * are allowed because instances run there (for webhooks, only those of an allow-list); link-local
 * and metadata addresses never are, loopback and plain http only if the operator allows them. A
 * host name is checked by the addresses it resolves to, and again on the connected socket before
 * the request is written, so that DNS rebinding has no effect. Through a proxy only literal
 * addresses can be checked: the proxy decides which names may be called.
 */

export interface OutboundOptions {
  /** True if loopback addresses are allowed, for the demo and for development on one machine. */
  allowLoopback: boolean
  /**
   * The private addresses that are allowed, for webhooks. Default: all, because instances run
   * there.
   */
  privateRanges?: BlockList
  /** True if plain http is allowed. Default: the value of `allowLoopback`. */
  allowHttp?: boolean
  connectTimeoutMs?: number
  /** A certificate authority to trust in addition to the system's. */
  ca?: string
  /** The proxy for https requests. It resolves the names. */
  proxy?: ProxySettings | undefined
  /** A replacement for the system's resolver, in tests. */
  lookup?: typeof systemLookup
}

/**
 * Thrown for an address that the rules reject. The message is for operators: it names the address
 * and contains nothing of the request.
 */
export class AddressRejected extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'AddressRejected'
  }
}

export function createOutbound(options: OutboundOptions): Outbound {
  const agent = agentOf(options)
  const { allowLoopback, proxy, allowHttp = allowLoopback } = options
  const problemOf = addressCheckOf(options)
  const send = async (by: Dispatcher, url: string, init: Init): ReturnType<Outbound['request']> => {
    if (proxy !== undefined) checkHost(url, allowLoopback, problemOf)
    return request(by, allowHttp, url, init)
  }
  return {
    request: (url, init) => send(agent, url, init),
    certificate: (origin, timeoutMs) =>
      certificateOf(options, (by) => send(by, origin, { method: 'HEAD', timeoutMs, maxBytes: 0 })),
    close: () => agent.destroy(),
  }
}

/** Returns why an address must not be called, or undefined. */
type AddressCheck = (address: string) => string | undefined

const addressCheckOf = ({ allowLoopback, privateRanges }: OutboundOptions): AddressCheck =>
  privateRanges === undefined
    ? (address) => addressProblem(address, allowLoopback)
    : (address) =>
        addressProblem(address, true) ?? privateProblem(address, privateRanges, allowLoopback)

type Identity = typeof checkServerIdentity

function agentOf(options: OutboundOptions, identity?: Identity): Dispatcher {
  const { proxy, ca } = options
  const tls = {
    ...(ca !== undefined && { ca }),
    ...(identity !== undefined && { checkServerIdentity: identity, maxCachedSessions: 0 }),
  }
  const pooled = {
    connect: guardedConnector(options, tls),
    connections: 32,
    pipelining: 1,
    keepAliveTimeout: 4_000,
    // Connections are closed earlier than the server announces, so that a request does not meet a
    // connection that is being closed.
    keepAliveTimeoutThreshold: 1_500,
  }
  return proxy === undefined ? new Agent(pooled) : proxyAgent(proxy, { ...pooled, requestTls: tls })
}

/** Uses a new connection, because a resumed TLS session shows no certificate. */
async function certificateOf(
  options: OutboundOptions,
  send: (by: Dispatcher) => Promise<unknown>,
): Promise<Validity> {
  let seen: PeerCertificate | undefined
  const agent = agentOf(options, (host, certificate) => {
    const problem = checkServerIdentity(host, certificate)
    if (problem === undefined) seen = certificate
    return problem
  })
  try {
    await send(agent)
  } catch (error) {
    // A failure after the handshake does not concern the certificate.
    if (seen === undefined || error instanceof AddressRejected) throw error
  } finally {
    await agent.destroy()
  }
  if (seen === undefined) throw new Error('The connection showed no certificate.')
  const seconds = (date: string): number => Math.floor(Date.parse(date) / 1000)
  return { from: seconds(seen.valid_from), until: seconds(seen.valid_to) }
}

/**
 * Checks the host of a request through a proxy. A literal address is checked here; only the proxy
 * knows what a name resolves to.
 */
function checkHost(url: string, allowLoopback: boolean, problemOf: AddressCheck): void {
  const host = new URL(url).hostname.replace(/^\[|\]$/g, '')
  const problem = isIP(host) === 0 ? undefined : problemOf(host)
  if (problem !== undefined) throw new AddressRejected(`${problem}.`)
  if (!allowLoopback && /^(?:.+\.)?localhost\.?$/i.test(host))
    throw new AddressRejected(`${host} is a name of this machine.`)
}

function guardedConnector(
  options: OutboundOptions,
  tls: buildConnector.BuildOptions,
): buildConnector.connector {
  const { connectTimeoutMs = 3_000, lookup = systemLookup } = options
  const problemOf = addressCheckOf(options)
  const connect = buildConnector({
    timeout: connectTimeoutMs,
    allowH2: false,
    autoSelectFamily: true,
    lookup: guardedLookup(lookup, problemOf),
    ...tls,
  })
  return (target, done) => {
    // The resolver is not called for a literal address.
    const literal = target.hostname.replace(/^\[|\]$/g, '')
    const problem = isIP(literal) === 0 ? undefined : problemOf(literal)
    if (problem !== undefined) return done(new AddressRejected(`${problem}.`), null)
    return connect(target, (error, socket) => {
      if (error !== null) return done(error, null)
      const rejected = problemOf(socket.remoteAddress ?? '')
      if (rejected === undefined) return done(null, socket)
      socket.destroy()
      return done(new AddressRejected(`${rejected}.`), null)
    })
  }
}

/**
 * Wraps the resolver so that it returns only addresses that may be called, and fails if none is
 * left.
 */
function guardedLookup(lookup: typeof systemLookup, problemOf: AddressCheck): LookupFunction {
  return (hostname, asked, done) => {
    const every: LookupOptions & { all: true } = { ...asked, all: true }
    lookup(hostname, every, (error: NodeJS.ErrnoException | null, found: LookupAddress[]) => {
      if (error !== null) return done(error, '', 0)
      const good = found.filter(({ address }) => problemOf(address) === undefined)
      const first = good[0]
      if (first === undefined)
        return done(
          new AddressRejected(
            `${hostname} resolves to nothing that may be called: ${found.map(({ address }) => problemOf(address)).join('; ')}.`,
          ),
          '',
          0,
        )
      return asked.all === true
        ? (done as unknown as (e: null, all: LookupAddress[]) => void)(null, good)
        : done(null, first.address, first.family)
    })
  }
}

type Init = Omit<Parameters<Outbound['request']>[1], 'method'> & {
  method: Parameters<Outbound['request']>[1]['method'] | 'HEAD'
}

async function request(
  agent: Dispatcher,
  allowHttp: boolean,
  address: string,
  init: Init,
): ReturnType<Outbound['request']> {
  const url = new URL(address)
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && allowHttp))
    throw new AddressRejected(`${url.origin} is not https.`)
  const abort = new AbortController()
  const timer = setTimeout(
    () => abort.abort(new Error(`no answer within ${init.timeoutMs} ms`)),
    init.timeoutMs,
  )
  const cut = (): void => abort.abort(init.signal?.reason)
  init.signal?.addEventListener('abort', cut)
  if (init.signal?.aborted === true) cut()
  try {
    const answer = await agent.request({
      origin: url.origin,
      path: url.pathname + url.search,
      method: init.method,
      headers: init.headers ?? {},
      body: init.body ?? null,
      signal: abort.signal,
      headersTimeout: 0,
      bodyTimeout: 0,
    })
    return {
      status: answer.statusCode,
      headers: flat(answer.headers),
      body: await readUpTo(answer.body, init.maxBytes, init.encoding),
    }
  } finally {
    clearTimeout(timer)
    init.signal?.removeEventListener('abort', cut)
  }
}

/**
 * Reads at most `maxBytes` of a body. Because the status has already arrived, a body that is too
 * long, stalls or breaks off is only cut. Its connection is not used again.
 */
async function readUpTo(
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
  encoding: 'utf8' | 'latin1' = 'utf8',
): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  try {
    for await (const chunk of body) {
      chunks.push(chunk.subarray(0, maxBytes - size))
      size += chunk.length
      if (size > maxBytes) break
    }
  } catch {
    // The part that was read is returned.
  }
  return Buffer.concat(chunks).toString(encoding)
}

function flat(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  const out: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined) out[name] = Array.isArray(value) ? value.join(', ') : value
  return out
}

/**
 * The proxy in front of the internet (HTTPS_PROXY) for requests over https, and the hosts that
 * bypass it (NO_PROXY).
 */

export interface ProxySettings {
  https: string
  noProxy: string
}

type Options = ConstructorParameters<typeof EnvHttpProxyAgent>[0]

/**
 * `httpProxy` is empty instead of undefined, because undici would then read it from the
 * environment.
 */
const proxyAgent = ({ https, noProxy }: ProxySettings, options: Options = {}): EnvHttpProxyAgent =>
  new EnvHttpProxyAgent({ ...options, httpProxy: '', httpsProxy: https, noProxy })

/**
 * Returns undici's own `fetch`, with the types of Node's, through the proxy. Node's `fetch` accepts
 * no agent of another copy of undici.
 */
export function proxiedFetch(
  settings: ProxySettings,
  options: Options = {},
): { fetch: (url: string, init: RequestInit) => Promise<Response>; close(): Promise<void> } {
  const dispatcher = proxyAgent(settings, options)
  // Undici loads it when it is read, and few brokers have a proxy.
  const fetch = undiciFetch as unknown as (
    url: string,
    init: Omit<RequestInit, 'dispatcher'> & { dispatcher: EnvHttpProxyAgent },
  ) => Promise<Response>
  return {
    fetch: (url, init) => fetch(url, { ...init, dispatcher }),
    close: () => dispatcher.destroy(),
  }
}
