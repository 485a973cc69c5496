import { z } from 'zod'
import { DOMAIN } from '../protocol/client-metadata.ts'
import { GUID } from '../protocol/guid.ts'
import { storedText } from '../protocol/stored-text.ts'

/** Schemas for the fields of a registration that need more than a type. */

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]'])

export const clientIdSchema = z
  .string('an id, e.g. "sydney"')
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/,
    'letters, digits, dots, dashes and underscores, at most 100, e.g. "sydney"',
  )

/**
 * A loopback redirect address of a native application without a port, because the application
 * learns its port when it starts (RFC 8252 §7.3).
 */
const NATIVE = /^http:\/\/(?:127\.0\.0\.1|\[::1\])(?=[/?]|$)/

/**
 * Returns what is wrong with an address, or undefined. Nothing is normalized, because addresses
 * must match exactly later.
 */
export function addressProblem(value: string, loopback: boolean): string | undefined {
  const url = URL.canParse(value) ? new URL(value) : undefined
  if (!url || /[\s\\]/.test(value)) return 'is not an absolute address'
  const onThisMachine = LOOPBACK.has(url.hostname)
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    return `has the scheme ${url.protocol}, but only https is accepted (no custom schemes)`
  if (url.protocol === 'http:' && !(loopback && onThisMachine)) return 'must be https'
  if (onThisMachine && !loopback)
    return 'is on this machine (set BROKER_ALLOW_LOOPBACK_TARGETS=yes if that is intended)'
  if (value.includes('#')) return 'must not have a fragment (#)'
  if (value.includes('*')) return 'must not have a wildcard (*): an address must match exactly'
  if (url.username || url.password) return 'must not have a user name or password in it'
  return undefined
}

/** An https address without fragment (RFC 6749 §3.1.2), wildcard or user name. */
export const webAddress = (example: string, loopback: boolean, isNative = false) =>
  storedText(`an address, e.g. "${example}"`)
    .max(2000, 'at most 2000 characters')
    .superRefine((value, c) => {
      const problem = addressProblem(value, loopback || (isNative && NATIVE.test(value)))
      if (problem !== undefined)
        c.addIssue({
          code: 'custom',
          message: `${JSON.stringify(value.slice(0, 100))} ${problem}; e.g. "${example}"`,
        })
    })

/** An absolute URI without a fragment (RFC 8707 §2), for example a `urn:`. */
export const absoluteUri = (example: string) =>
  storedText(`a URI, e.g. "${example}"`)
    .max(500)
    .refine(
      (value) => URL.canParse(value) && !/[#\s]/.test(value),
      `an absolute URI without a fragment, e.g. "${example}"`,
    )

/** An origin as a browser sends it in `Origin`: scheme, host and port only. */
export const originSchema = (loopback: boolean) =>
  webAddress('https://app.case-manager.example', loopback).refine(
    (value) => URL.canParse(value) && new URL(value).origin === value,
    'an origin without a path or a slash at its end, e.g. "https://app.case-manager.example"',
  )

export const tenantSchema = z
  .string()
  .toLowerCase()
  .regex(GUID, 'a tenant id, e.g. "6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11"')

const MOST_TENANTS = 50
const EMAIL_DOMAINS =
  'a list of domains for each tenant id, e.g. {"6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11": ["contoso.example"]}'
const domainSchema = z
  .string('a domain, e.g. "contoso.example"')
  .toLowerCase()
  .max(253)
  .regex(DOMAIN, 'a domain, e.g. "contoso.example"')

/**
 * A tenant id in upper or lower case. It is not lowercased here, because a record would silently
 * keep the last of two spellings of one tenant.
 */
const tenantInAnyCase = z
  .string()
  .regex(new RegExp(GUID.source, 'i'), 'a tenant id, e.g. "6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11"')

/** Email domains by tenant. A domain belongs to one tenant, as at Microsoft. */
export const emailDomainsSchema = z
  .record(
    tenantInAnyCase,
    z
      .array(domainSchema)
      .min(1, 'at least one domain, or leave the tenant out')
      .max(20, 'at most 20'),
    EMAIL_DOMAINS,
  )
  .superRefine((tied, c) => {
    const problem = (message: string, ...path: string[]): void =>
      c.addIssue({ code: 'custom', path, message })
    const owners = new Map<string, string>()
    const spellings = new Map<string, string>()
    if (Object.keys(tied).length > MOST_TENANTS) problem(`at most ${MOST_TENANTS} tenants`)
    for (const [spelling, domains] of Object.entries(tied)) {
      const tid = spelling.toLowerCase()
      const before = spellings.get(tid)
      if (before !== undefined)
        problem(
          `is the same tenant as ${before}; write it once, with the domains of both`,
          spelling,
        )
      spellings.set(tid, spelling)
      for (const domain of new Set(domains)) {
        const owner = owners.get(domain)
        if (owner !== undefined && owner !== tid)
          problem(`${domain} is tied to ${owner} too. A domain has one tenant`, spelling)
        owners.set(domain, tid)
      }
    }
  })
  .overwrite((tied) =>
    Object.fromEntries(Object.entries(tied).map(([tid, domains]) => [tid.toLowerCase(), domains])),
  )

const PRIVATE_PARTS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']

/** A key set (RFC 7517 §5) with public keys only. */
export const jwksSchema = z
  .object(
    { keys: z.array(z.record(z.string(), z.unknown())).min(1, 'at least one key').max(20) },
    'a key set, e.g. {"keys":[{"kty":"EC","crv":"P-256","kid":"1","x":"…","y":"…"}]}',
  )
  .superRefine((set, c) => {
    for (const [index, key] of set.keys.entries()) {
      if (PRIVATE_PARTS.some((part) => key[part] !== undefined))
        c.addIssue({
          code: 'custom',
          path: ['keys', index],
          message:
            'holds a private or symmetric key. Make another one, and register its public part only',
        })
      else if (key.kty !== 'EC' && key.kty !== 'RSA')
        c.addIssue({ code: 'custom', path: ['keys', index, 'kty'], message: 'must be EC or RSA' })
    }
  })
