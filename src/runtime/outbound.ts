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
   * Never follows a redirect; reads at most `maxBytes` of the answer. Throws on transport errors
   * and timeouts.
   */
  request(
    url: string,
    init: {
      method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'
      headers?: Record<string, string>
      body?: string
      timeoutMs: number
      maxBytes: number
      /** `latin1`: each letter of the answer's body is one byte of it. */
      encoding?: 'utf8' | 'latin1'
      signal?: AbortSignal | undefined
    },
  ): Promise<{ status: number; headers: Record<string, string>; body: string }>
  /**
   * The certificate that the server at an https origin shows, through the same rules. Throws where
   * there is no connection, or it is not valid.
   */
  certificate(origin: string, timeoutMs: number): Promise<Validity>
  close(): Promise<void>
}

/** Of a certificate, in epoch seconds. */
interface Validity {
  from: number
  until: number
}

/**
 * HTTP to addresses that others registered: logout targets, `jwks_uri`, webhooks. Private networks
 * are where instances live, so they are allowed (webhooks: only those of an allow-list); link-local
 * and metadata addresses never are, loopback and plain http only where the operator allows them. A
 * name is judged by what it resolves to, and once more by the connected socket before a byte of the
 * request is written, so that DNS cannot be rebound in between. By way of a proxy only literal
 * addresses can be judged: which names it may call is the proxy's own rule.
 */

export interface OutboundOptions {
  /** Loopback addresses too: the demo, and development on one machine. */
  allowLoopback: boolean
  /**
   * Private addresses only of this list (webhooks); not set: all of them, because instances live
   * there.
   */
  privateRanges?: BlockList
  /** Plain http too; not set: where loopback is allowed. */
  allowHttp?: boolean
  connectTimeoutMs?: number
  /** A certificate authority to trust besides the system's. */
  ca?: string
  /** https goes by way of this proxy, which resolves names then. */
  proxy?: ProxySettings | undefined
  /** Stands in for the system's resolver. */
  lookup?: typeof systemLookup
}

/**
 * An address that no setting allows. The text is for operators: it names the address, nothing of
 * the request.
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
  const judge = judgeOf(options)
  const send = async (by: Dispatcher, url: string, init: Init): ReturnType<Outbound['request']> => {
    if (proxy !== undefined) judgeName(url, allowLoopback, judge)
    return request(by, allowHttp, url, init)
  }
  return {
    request: (url, init) => send(agent, url, init),
    certificate: (origin, timeoutMs) =>
      certificateOf(options, (by) => send(by, origin, { method: 'HEAD', timeoutMs, maxBytes: 0 })),
    close: () => agent.destroy(),
  }
}

/** Undefined where an address may be called, else why not. */
type Judge = (address: string) => string | undefined

const judgeOf = ({ allowLoopback, privateRanges }: OutboundOptions): Judge =>
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
    // Below what a server announces, or a request meets a connection that is being closed.
    keepAliveTimeoutThreshold: 1_500,
  }
  return proxy === undefined ? new Agent(pooled) : proxyAgent(proxy, { ...pooled, requestTls: tls })
}

/** By a connection of its own: one that takes up an earlier TLS session shows no certificate. */
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
    // What went wrong after the handshake is not about the certificate.
    if (seen === undefined || error instanceof AddressRejected) throw error
  } finally {
    await agent.destroy()
  }
  if (seen === undefined) throw new Error('The connection showed no certificate.')
  const seconds = (date: string): number => Math.floor(Date.parse(date) / 1000)
  return { from: seconds(seen.valid_from), until: seconds(seen.valid_to) }
}

/**
 * What a proxy would be asked to call: an address is judged here, a name's address by the proxy
 * alone.
 */
function judgeName(url: string, allowLoopback: boolean, judge: Judge): void {
  const host = new URL(url).hostname.replace(/^\[|\]$/g, '')
  const problem = isIP(host) === 0 ? undefined : judge(host)
  if (problem !== undefined) throw new AddressRejected(`${problem}.`)
  if (!allowLoopback && /^(?:.+\.)?localhost\.?$/i.test(host))
    throw new AddressRejected(`${host} is a name of this machine.`)
}

function guardedConnector(
  options: OutboundOptions,
  tls: buildConnector.BuildOptions,
): buildConnector.connector {
  const { connectTimeoutMs = 3_000, lookup = systemLookup } = options
  const judge = judgeOf(options)
  const connect = buildConnector({
    timeout: connectTimeoutMs,
    allowH2: false,
    autoSelectFamily: true,
    lookup: guardedLookup(lookup, judge),
    ...tls,
  })
  return (target, done) => {
    // A literal address is never looked up.
    const literal = target.hostname.replace(/^\[|\]$/g, '')
    const problem = isIP(literal) === 0 ? undefined : judge(literal)
    if (problem !== undefined) return done(new AddressRejected(`${problem}.`), null)
    return connect(target, (error, socket) => {
      if (error !== null) return done(error, null)
      const rejected = judge(socket.remoteAddress ?? '')
      if (rejected === undefined) return done(null, socket)
      socket.destroy()
      return done(new AddressRejected(`${rejected}.`), null)
    })
  }
}

/** Keeps what may be called of what a name resolves to; none left is a rejection. */
function guardedLookup(lookup: typeof systemLookup, judge: Judge): LookupFunction {
  return (hostname, asked, done) => {
    const every: LookupOptions & { all: true } = { ...asked, all: true }
    lookup(hostname, every, (error: NodeJS.ErrnoException | null, found: LookupAddress[]) => {
      if (error !== null) return done(error, '', 0)
      const good = found.filter(({ address }) => judge(address) === undefined)
      const first = good[0]
      if (first === undefined)
        return done(
          new AddressRejected(
            `${hostname} resolves to nothing that may be called: ${found.map(({ address }) => judge(address)).join('; ')}.`,
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
 * The status has arrived: a body that is too long, stalls or breaks off is cut there. Its
 * connection is not used again.
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
    // What has been read is kept.
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
 * Requests over https by way of the proxy in front of the internet (HTTPS_PROXY), except to the
 * hosts of NO_PROXY.
 */

export interface ProxySettings {
  https: string
  noProxy: string
}

/** Undici's own `fetch`, with the types of Node's: Node's takes no agent of another undici. */
const fetchThrough = undiciFetch as unknown as (
  url: string,
  init: Omit<RequestInit, 'dispatcher'> & { dispatcher: EnvHttpProxyAgent },
) => Promise<Response>

type Options = ConstructorParameters<typeof EnvHttpProxyAgent>[0]

/** `httpProxy` is empty and not unset: undici would take it from the environment. */
const proxyAgent = ({ https, noProxy }: ProxySettings, options: Options = {}): EnvHttpProxyAgent =>
  new EnvHttpProxyAgent({ ...options, httpProxy: '', httpsProxy: https, noProxy })

/** `fetch`, by way of the proxy. */
export function proxiedFetch(
  settings: ProxySettings,
  options: Options = {},
): { fetch: (url: string, init: RequestInit) => Promise<Response>; close(): Promise<void> } {
  const dispatcher = proxyAgent(settings, options)
  return {
    fetch: (url, init) => fetchThrough(url, { ...init, dispatcher }),
    close: () => dispatcher.destroy(),
  }
}
