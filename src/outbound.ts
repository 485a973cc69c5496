import { lookup as systemLookup, type LookupAddress, type LookupOptions } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import { Agent, buildConnector, type Dispatcher } from 'undici'
import type { Outbound } from './deps.ts'
import { proxyAgent, type ProxySettings } from './proxy.ts'

/**
 * HTTP to addresses that others registered: logout targets, `jwks_uri`. Private networks are where instances live, so they are allowed;
 * link-local and metadata addresses never are, loopback and plain http only where the operator allows them. A name is judged by what it
 * resolves to, and once more by the connected socket before a byte of the request is written, so that DNS cannot be rebound in between. By way
 * of a proxy only literal addresses can be judged: which names it may call is the proxy's own rule.
 */

export interface OutboundOptions {
  /** Loopback addresses too: the demo, and development on one machine. */
  allowLoopback: boolean
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

/** An address that no setting allows. The text is for operators: it names the address, nothing of the request. */
export class AddressRejected extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'AddressRefused'
  }
}

/** RFC 6890 and what cloud providers serve credentials from; IPv4 inside NAT64 (RFC 6052) and 6to4 (RFC 3056) included. */
const never = new BlockList()
never.addSubnet('0.0.0.0', 8, 'ipv4')
never.addSubnet('169.254.0.0', 16, 'ipv4')
never.addSubnet('224.0.0.0', 3, 'ipv4')
never.addAddress('168.63.129.16', 'ipv4')
never.addAddress('100.100.100.200', 'ipv4')
never.addAddress('192.0.0.192', 'ipv4')
never.addAddress('::', 'ipv6')
never.addSubnet('fe80::', 10, 'ipv6')
never.addSubnet('ff00::', 8, 'ipv6')
never.addAddress('fd00:ec2::254', 'ipv6')
never.addAddress('fd20:ce::254', 'ipv6')
never.addSubnet('64:ff9b::', 104, 'ipv6')
never.addSubnet('64:ff9b::a9fe:0', 112, 'ipv6')
never.addSubnet('64:ff9b::a83f:8110', 128, 'ipv6')
// NAT64 of a network's own (RFC 8215): where in it the IPv4 stands is not known.
never.addSubnet('64:ff9b:1::', 48, 'ipv6')
never.addSubnet('2002:0::', 24, 'ipv6')
never.addSubnet('2002:a9fe::', 32, 'ipv6')

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')
loopback.addSubnet('64:ff9b::7f00:0', 104, 'ipv6')
loopback.addSubnet('2002:7f00::', 24, 'ipv6')

/** Undefined where the address may be called, else why not. */
export function addressProblem(address: string, allowLoopback: boolean): string | undefined {
  const bare = address.replace(/^\[|\]$|%.*$/g, '')
  const family = isIP(bare)
  if (family === 0) return `${bare} is not an IP address`
  const kind = family === 4 ? 'ipv4' : 'ipv6'
  if (never.check(bare, kind)) return `${bare} is a link-local, metadata or reserved address, which is never called`
  if (!allowLoopback && loopback.check(bare, kind)) return `${bare} is a loopback address, and BROKER_ALLOW_LOOPBACK_TARGETS is not set`
  return undefined
}

export function createOutbound(options: OutboundOptions): Outbound {
  const pooled = {
    connect: guardedConnector(options),
    connections: 32,
    pipelining: 1,
    keepAliveTimeout: 4_000,
    // Below what a server announces, or a request meets a connection that is being closed.
    keepAliveTimeoutThreshold: 1_500,
  }
  const { proxy, ca } = options
  const agent: Dispatcher =
    proxy === undefined ? new Agent(pooled) : proxyAgent(proxy, { ...pooled, ...(ca === undefined ? {} : { requestTls: { ca } }) })
  return {
    async request(url, init) {
      if (proxy !== undefined) judgeName(url, options.allowLoopback)
      return request(agent, options.allowHttp ?? options.allowLoopback, url, init)
    },
    close: () => agent.destroy(),
  }
}

/** What a proxy would be asked to call: an address is judged here, a name's address by the proxy alone. */
function judgeName(url: string, allowLoopback: boolean): void {
  const host = new URL(url).hostname.replace(/^\[|\]$/g, '')
  const problem = isIP(host) === 0 ? undefined : addressProblem(host, allowLoopback)
  if (problem !== undefined) throw new AddressRejected(`${problem}.`)
  if (!allowLoopback && /^(?:.+\.)?localhost\.?$/i.test(host)) throw new AddressRejected(`${host} is a name of this machine.`)
}

function guardedConnector({ allowLoopback, connectTimeoutMs = 3_000, ca, lookup = systemLookup }: OutboundOptions): buildConnector.connector {
  const connect = buildConnector({
    timeout: connectTimeoutMs,
    allowH2: false,
    autoSelectFamily: true,
    lookup: guardedLookup(lookup, allowLoopback),
    ...(ca === undefined ? {} : { ca }),
  })
  return (target, done) => {
    // A literal address is never looked up.
    const literal = target.hostname.replace(/^\[|\]$/g, '')
    const problem = isIP(literal) === 0 ? undefined : addressProblem(literal, allowLoopback)
    if (problem !== undefined) return done(new AddressRejected(`${problem}.`), null)
    return connect(target, (error, socket) => {
      if (error !== null) return done(error, null)
      const rejected = addressProblem(socket.remoteAddress ?? '', allowLoopback)
      if (rejected === undefined) return done(null, socket)
      socket.destroy()
      return done(new AddressRejected(`${rejected}.`), null)
    })
  }
}

/** Keeps what may be called of what a name resolves to; none left is a refusal. */
function guardedLookup(lookup: typeof systemLookup, allowLoopback: boolean): LookupFunction {
  return (hostname, asked, done) => {
    const every: LookupOptions & { all: true } = { ...asked, all: true }
    lookup(hostname, every, (error: NodeJS.ErrnoException | null, found: LookupAddress[]) => {
      if (error !== null) return done(error, '', 0)
      const good = found.filter(({ address }) => addressProblem(address, allowLoopback) === undefined)
      const first = good[0]
      if (first === undefined)
        return done(
          new AddressRejected(
            `${hostname} resolves to nothing that may be called: ${found.map(({ address }) => addressProblem(address, allowLoopback)).join('; ')}.`,
          ),
          '',
          0,
        )
      return asked.all === true ? (done as unknown as (e: null, all: LookupAddress[]) => void)(null, good) : done(null, first.address, first.family)
    })
  }
}

async function request(
  agent: Dispatcher,
  allowHttp: boolean,
  address: string,
  init: Parameters<Outbound['request']>[1],
): ReturnType<Outbound['request']> {
  const url = new URL(address)
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && allowHttp)) throw new AddressRejected(`${url.origin} is not https.`)
  const abort = new AbortController()
  const timer = setTimeout(() => abort.abort(new Error(`no answer within ${init.timeoutMs} ms`)), init.timeoutMs)
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
    return { status: answer.statusCode, headers: flat(answer.headers), body: await readUpTo(answer.body, init.maxBytes) }
  } finally {
    clearTimeout(timer)
    init.signal?.removeEventListener('abort', cut)
  }
}

/** The status has arrived: a body that is too long, stalls or breaks off is cut there. Its connection is not used again. */
async function readUpTo(body: AsyncIterable<Uint8Array>, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  try {
    for await (const chunk of body) {
      chunks.push(chunk.subarray(0, maxBytes - size))
      size += chunk.length
      if (size > maxBytes) break
    }
  } catch {
    // What has been read stands.
  }
  return Buffer.concat(chunks).toString('utf8')
}

function flat(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  const out: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) if (value !== undefined) out[name] = Array.isArray(value) ? value.join(', ') : value
  return out
}
