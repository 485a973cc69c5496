import { type BlockList, isIP } from 'node:net'
import { addressRanges } from './remote-address.ts'

/**
 * Decides which addresses the broker may call: never link-local, metadata and reserved ones, and
 * loopback only if the operator allows it.
 */

/**
 * Addresses that are never called: those of RFC 6890 and those from which cloud providers serve
 * credentials, including the IPv4 ones inside NAT64 (RFC 6052) and 6to4 (RFC 3056).
 */
const never = addressRanges([
  '0.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/3',
  '168.63.129.16',
  '100.100.100.200',
  '192.0.0.192',
  '::',
  'fe80::/10',
  'ff00::/8',
  'fd00:ec2::254',
  'fd20:ce::254',
  '64:ff9b::/104',
  '64:ff9b::a9fe:0/112',
  '64:ff9b::a83f:8110/128',
  // NAT64 with a local prefix (RFC 8215), in which the position of the IPv4 address is unknown.
  '64:ff9b:1::/48',
  '2002:0::/24',
  '2002:a9fe::/32',
])

const loopback = addressRanges(['127.0.0.0/8', '::1', '64:ff9b::7f00:0/104', '2002:7f00::/24'])

/** Returns why an address must not be called, or undefined. */
export function addressProblem(address: string, allowLoopback: boolean): string | undefined {
  const bare = address.replace(/^\[|\]$|%.*$/g, '')
  const family = isIP(bare)
  if (family === 0) return `${bare} is not an IP address`
  const kind = family === 4 ? 'ipv4' : 'ipv6'
  if (never.check(bare, kind))
    return `${bare} is a link-local, metadata or reserved address, which is never called`
  if (!allowLoopback && loopback.check(bare, kind))
    return `${bare} is a loopback address, and BROKER_ALLOW_LOOPBACK_TARGETS is not set`
  return undefined
}

/**
 * Private addresses (RFC 6890), including those inside NAT64. 6to4 and Teredo are included as a
 * whole, because no server uses them.
 */
const privates = addressRanges([
  '10.0.0.0/8',
  '100.64.0.0/10',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '64:ff9b::a00:0/104',
  '64:ff9b::6440:0/106',
  '64:ff9b::ac10:0/108',
  '64:ff9b::c0a8:0/112',
  '2001::/32',
  '2001:db8::/32',
  '2002::/16',
  'fc00::/7',
  'fec0::/10',
])

/**
 * Returns why a webhook must not be sent to an address, or undefined if it is public or in the
 * list.
 * @param address an address that `addressProblem` accepts
 */
export function privateProblem(
  address: string,
  allowed: BlockList,
  allowLoopback: boolean,
): string | undefined {
  const bare = address.replace(/^\[|\]$|%.*$/g, '')
  const kind = isIP(bare) === 4 ? 'ipv4' : 'ipv6'
  if (allowed.check(bare, kind)) return undefined
  const onThisMachine = loopback.check(bare, kind)
  if (onThisMachine ? allowLoopback : !privates.check(bare, kind)) return undefined
  return `${bare} is a ${onThisMachine ? 'loopback' : 'private'} address, and BROKER_WEBHOOK_PRIVATE_RANGES does not have it`
}
