import type { IncomingMessage } from 'node:http'
import { BlockList, isIP } from 'node:net'
import type { Context } from 'hono'

/**
 * Where a request comes from, behind proxies: only what a trusted proxy adds to X-Forwarded-For
 * counts, because any client can send that header.
 */

export type TrustedProxies = BlockList

/**
 * @param ranges addresses (`10.0.0.7`) and CIDRs (`10.0.0.0/8`, `fd00::/8`).
 * @throws Error that names the range that is none
 */
export function addressRanges(ranges: readonly string[]): TrustedProxies {
  const list = new BlockList()
  for (const range of ranges) {
    const [address = '', prefix] = range.split('/')
    const version = isIP(address)
    const bits = prefix === undefined ? (version === 4 ? 32 : 128) : Number(prefix)
    if (version === 0 || !Number.isInteger(bits) || bits < 0 || bits > (version === 4 ? 32 : 128))
      throw new Error(`${range} is neither an address nor a CIDR.`)
    list.addSubnet(address, bits, version === 4 ? 'ipv4' : 'ipv6')
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
  /**
   * The first address from the right that is not a trusted proxy; the peer itself where it is none.
   */
  from: string
  /** The header names an address before `from`, which does not count. */
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

/** The same of a request, for logs and rate limits. It authenticates nothing. */
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
 * Notices a proxy in front of the broker that is not trusted: every user behind it has the address
 * of that proxy.
 */

/**
 * Any client may send the header: so many requests in a row, without one whose proxies are all
 * trusted, are no accident.
 */
const LEAST = 5

export class AddressWatch {
  #hidden = 0
  #address = ''

  /**
   * Takes each request with X-Forwarded-For.
   * @param isPrivate whether `from` is a private or loopback address, as that of a proxy is
   */
  note({ from, unused }: Forwarded, isPrivate: (address: string) => boolean): void {
    if (!unused || !isPrivate(from)) this.#hidden = 0
    else {
      this.#hidden++
      this.#address = from
    }
  }

  /** The address that all of the latest requests had, and how many they were. */
  hidden(): { address: string; requests: number } | undefined {
    return this.#hidden < LEAST ? undefined : { address: this.#address, requests: this.#hidden }
  }
}

/**
 * Whether a request failed because its sender closed the connection before the body ended: no fault
 * of ours, and no answer is read.
 */
export function senderIsGone(error: Error, c: Context): boolean {
  const { incoming } = (c.env ?? {}) as { incoming?: IncomingMessage }
  return (
    incoming?.destroyed === true &&
    error.message === 'aborted' &&
    (error as NodeJS.ErrnoException).code === 'ECONNRESET'
  )
}
