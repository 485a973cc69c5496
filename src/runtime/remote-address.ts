import type { IncomingMessage } from 'node:http'
import { BlockList, isIP } from 'node:net'
import type { Context } from 'hono'

/**
 * Determines the address of a request's sender behind proxies. Only the entries that trusted
 * proxies add to X-Forwarded-For count, because any client can send that header.
 */

export type TrustedProxies = BlockList

/**
 * Builds a list of address ranges.
 * @param ranges addresses (`10.0.0.7`) and CIDRs (`10.0.0.0/8`, `fd00::/8`)
 * @throws Error that names the range that is not valid
 */
export function addressRanges(ranges: readonly string[]): TrustedProxies {
  const list = new BlockList()
  for (const range of ranges) {
    const [address = '', prefix] = range.split('/')
    const [family, bits] = address.includes(':')
      ? (['ipv6', 128] as const)
      : (['ipv4', 32] as const)
    try {
      list.addSubnet(address, prefix === undefined ? bits : Number(prefix || Number.NaN), family)
    } catch {
      throw new Error(`${range} is neither an address nor a CIDR.`)
    }
  }
  return list
}

const plain = (address: string): string =>
  address
    .trim()
    .replace(/^\[|\]$/g, '')
    .replace(/^::ffff:(?=\d+\.)/i, '')

const trusts = (proxies: TrustedProxies, address: string): boolean => {
  const version = isIP(address)
  return version !== 0 && proxies.check(address, version === 4 ? 'ipv4' : 'ipv6')
}

export const isTrustedProxy = (proxies: TrustedProxies, peer: string | undefined): boolean =>
  peer !== undefined && trusts(proxies, plain(peer))

interface Forwarded {
  /** The first address from the right that is not a trusted proxy, or the peer if it is not one. */
  from: string
  /** True if the header names an address before `from`, which is ignored. */
  unused: boolean
}

export function forwarded(
  peer: string,
  forwardedFor: string | undefined,
  proxies: TrustedProxies,
): Forwarded {
  let from = plain(peer)
  for (const hop of (forwardedFor ?? '').split(',').toReversed()) {
    const address = plain(hop)
    if (isIP(address) === 0) break
    if (!trusts(proxies, from)) return { from, unused: true }
    from = address
  }
  return { from, unused: false }
}

export const remoteAddress = (
  peer: string | undefined,
  forwardedFor: string | undefined,
  proxies: TrustedProxies,
): string | undefined =>
  peer === undefined ? undefined : forwarded(peer, forwardedFor, proxies).from

/**
 * Returns the sender's address of a request, for logs and rate limits. It authenticates nothing.
 */
export function remoteOf(
  c: Context,
  config: { trustedProxies: TrustedProxies },
): string | undefined {
  const { incoming } = (c.env ?? {}) as { incoming?: IncomingMessage }
  return remoteAddress(
    incoming?.socket.remoteAddress,
    c.req.header('x-forwarded-for'),
    config.trustedProxies,
  )
}

/**
 * Notices a proxy in front of the broker that is not trusted. All users behind it then have the
 * proxy's address.
 */

/**
 * The requests in a row, with an untrusted proxy, that show a wrong configuration. A single one
 * proves nothing, because any client can send the header.
 */
const LEAST = 5

export class AddressWatch {
  #hidden = 0
  #address = ''

  /**
   * Records a request with X-Forwarded-For.
   * @param isPrivate returns whether an address is private or loopback, as that of a proxy is
   */
  note({ from, unused }: Forwarded, isPrivate: (address: string) => boolean): void {
    if (!unused || !isPrivate(from)) this.#hidden = 0
    else {
      this.#hidden++
      this.#address = from
    }
  }

  /**
   * Returns the address that all of the latest requests had, and their number. Undefined if there
   * are too few.
   */
  hidden(): { address: string; requests: number } | undefined {
    return this.#hidden < LEAST ? undefined : { address: this.#address, requests: this.#hidden }
  }
}

/**
 * Returns whether a request failed because its sender closed the connection before the end of the
 * body. That is no fault of the broker, and the answer is not read.
 */
export function senderIsGone(error: Error, c: Context): boolean {
  const { incoming } = (c.env ?? {}) as { incoming?: IncomingMessage }
  return (
    incoming?.destroyed === true &&
    error.message === 'aborted' &&
    (error as NodeJS.ErrnoException).code === 'ECONNRESET'
  )
}

/** Returns the first part of an address, IPv4 /24 or IPv6 /48: pages show no more of it. */
export function networkOf(address: string): string {
  const v4 = /(\d+\.\d+\.\d+)\.\d+$/.exec(address)?.[1]
  const groups = [...(address.split('::')[0] ?? '').split(':').filter(Boolean), '0', '0', '0']
  return v4 === undefined ? `${groups.slice(0, 3).join(':')}:*` : `${v4}.*`
}
