import { resolve } from 'node:path'
import { z } from 'zod'
import { judgeAccent, judgeBackground } from './contrast.ts'
import { isGuid } from '../protocol/guid.ts'
import {
  FRESH_CONTEXT_EXPECTED,
  parseFreshContext,
  type FreshContext,
  MFA_PROOF_EXPECTED,
  parseMfaProof,
  type MfaProof,
} from '../protocol/mfa-proof.ts'
import { PERSONAL_TENANT } from '../protocol/names.ts'
import { parseWork, WORK_NAMES, type Work } from '../protocol/work.ts'
import type { Address } from '../runtime/listener.ts'
import { addressRanges, type TrustedProxies } from '../runtime/remote-address.ts'
import type { Rate } from '../runtime/rate-limits.ts'

/**
 * Parse the text of a variable to its value. Each issue completes the sentence "BROKER_X …" and
 * never repeats a secret.
 */

/** All connected tenants, or a list of tenant ids. */
export type Tenants = 'all' | string[]

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]'])

export const text = z.string()
export const path = z.string().transform((value) => resolve(value))

const secure = (url: URL): boolean => url.protocol === 'https:' || LOOPBACK.has(url.hostname)

/** An http or https address, without a trailing slash. */
export const url = z.string().transform((value, c) => {
  const parsed = URL.canParse(value) ? new URL(value) : undefined
  if (
    parsed === undefined ||
    !/^https?:$/.test(parsed.protocol) ||
    parsed.search ||
    parsed.hash ||
    parsed.username ||
    parsed.password
  )
    c.addIssue('must be an address such as https://host, without query, fragment or user name')
  else if (!secure(parsed)) c.addIssue('must be https (http is accepted for localhost only)')
  else return parsed.href.replace(/\/+$/, '')
  return z.NEVER
})

/**
 * An address without a path.
 * @param why the reason, for the message
 */
export const origin = (why: string) =>
  url.transform((value, c) => {
    if (new URL(value).pathname !== '/') c.addIssue(`must have no path: ${why}`)
    return value
  })

/** The address of a listener, `host:port`. */
export const address = z.string().transform((value, c): Address => {
  const match = /^(?:(.+):)?(\d{1,5})$/.exec(value)
  const port = Number(match?.[2])
  if (match && port <= 65535)
    return { host: (match[1] ?? '127.0.0.1').replace(/^\[|\]$/g, ''), port }
  c.addIssue('must be host:port')
  return z.NEVER
})

const list = z.string().transform((value) =>
  value
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean),
)

export const paths = list.transform((values) => values.map((value) => resolve(value)))

export const proxies = list.transform((ranges, c): TrustedProxies => {
  try {
    return addressRanges(ranges)
  } catch (error) {
    c.addIssue(`must be a comma list of addresses and CIDRs: ${(error as Error).message}`)
    return z.NEVER
  }
})

/** A list of GUIDs in lower case. */
export const guids = list.transform((values, c) => {
  const lower = values.map((value) => value.toLowerCase())
  for (const value of lower) {
    if (!isGuid(value))
      c.addIssue(
        `must be a comma list of GUIDs; "${value.slice(0, 40)}" is not one (Entra admin center, Overview, Tenant ID)`,
      )
    else if (value === PERSONAL_TENANT)
      c.addIssue('names the tenant of personal Microsoft accounts, which the broker never accepts')
  }
  return [...new Set(lower)]
})

export const guid = guids.transform((values, c) => {
  if (values.length === 1 && values[0]) return values[0]
  c.addIssue('must be one id')
  return z.NEVER
})

/** `yes`, `no`, or a comma list of tenant ids. */
export const tenants = z.string().transform((value, c): Tenants => {
  if (value === 'yes') return 'all'
  if (value === 'no') return []
  const parsed = guids.safeParse(value)
  if (parsed.success && parsed.data.length > 0) return parsed.data
  c.addIssue('must be yes, no or a comma list of tenant ids')
  return z.NEVER
})

export const secrets = list.transform((values, c) => {
  const decoded = values.map((value) =>
    /^(?:[0-9a-f]{2})+$/i.test(value) ? Buffer.from(value, 'hex') : Buffer.from(value, 'base64url'),
  )
  if (decoded.length === 0 || decoded.some((secret) => secret.length < 32))
    c.addIssue(
      'must be at least 32 random bytes, in base64url or hex (make one: openssl rand -hex 32)',
    )
  else if (decoded.some((secret) => new Set(secret).size < 8))
    c.addIssue('is not random (make a random value: openssl rand -hex 32)')
  return decoded
})

export const mfaProof = z.string().transform((value, c): MfaProof => {
  const proof = parseMfaProof(value)
  if (proof === undefined) c.addIssue(MFA_PROOF_EXPECTED)
  return proof ?? z.NEVER
})

export const freshContext = z.string().transform((value, c): FreshContext => {
  const context = parseFreshContext(value)
  if (context === undefined) c.addIssue(FRESH_CONTEXT_EXPECTED)
  return context ?? z.NEVER
})

/** The policy for a sign-in beyond the limit of sessions. */
export const sharedComputer = z.enum(['offer', 'always', 'never'], 'must be offer, always or never')
export const whenFull = z.enum(['end_oldest', 'ask'], 'must be end_oldest or ask')

export const yes = z.string().transform((value, c) => {
  if (value !== 'yes' && value !== 'no') c.addIssue('must be yes or no')
  return value === 'yes'
})

/**
 * A whole number from `least` to `most`.
 * @param unit the unit in the message, such as `seconds`
 */
export const whole = (least: number, most: number, unit?: string) =>
  z.string().transform((value, c) => {
    const number = Number(value)
    if (/^\d+$/.test(value) && number >= least && number <= most) return number
    c.addIssue(
      `must be a whole number${unit === undefined ? '' : ` of ${unit}`} from ${least} to ${most}`,
    )
    return z.NEVER
  })

/** A number of minutes, returned in seconds; 0 means off. */
export const minutes = z.string().transform((value, c) => {
  const number = Number(value)
  if (number === 0 || (number >= 0.05 && number <= 240)) return Math.round(number * 60)
  c.addIssue('must be 0 (off) or a number of minutes up to 240')
  return z.NEVER
})

/** A day (UTC), returned as its first second. */
export const date = z.string().transform((value, c) => {
  const ms = /^\d{4}-\d{2}-\d{2}$/.test(value) ? Date.parse(value) : Number.NaN
  if (Number.isNaN(ms)) c.addIssue('must be a date such as 2027-03-31')
  return ms / 1000
})

export const proxyUrl = z.string().transform((value, c) => {
  const url = URL.canParse(value) ? new URL(value) : undefined
  if (
    url === undefined ||
    !['http:', 'https:'].includes(url.protocol) ||
    url.pathname !== '/' ||
    url.search !== ''
  ) {
    c.addIssue('must be the http or https address of a proxy, without a path')
    return z.NEVER
  }
  return url.href
})

export const queueUrl = z.string().transform((value, c) => {
  if (/^rediss?:\/\/[^/\s]+/.test(value)) return value
  c.addIssue(
    'must begin with redis:// or rediss:// (leave it unset and the broker runs its own queue server)',
  )
  return z.NEVER
})

export const databaseUrl = z.string().transform((value, c) => {
  if (/^postgres(ql)?:\/\/\S+$/.test(value)) return value
  c.addIssue(
    'must begin with postgres:// (leave it unset and the broker keeps its state in SQLite)',
  )
  return z.NEVER
})

export const standby = z.enum(['none', 'required'])

/** A list of kinds of background work. */
export const work = z.string().transform((value, c): Work[] => {
  const parsed = parseWork(value)
  if ('work' in parsed) return parsed.work
  c.addIssue(
    `must be all, none, or a comma list of ${WORK_NAMES.join(', ')}; "${parsed.unknown[0]?.slice(0, 40)}" is not one`,
  )
  return z.NEVER
})

/** A rate limit: `20/s:600` is 20 a second, 600 at once; `off` is no limit. */
export const rate = z.string().transform((value, c): Rate | undefined => {
  if (value === 'off') return undefined
  const [, count, unit, burst] = /^(\d{1,6})\/(s|min):(\d{1,7})$/.exec(value) ?? []
  const [perUnit, atOnce] = [Number(count), Number(burst)]
  if (perUnit > 0 && atOnce > 0)
    return { perSecond: unit === 's' ? perUnit : perUnit / 60, burst: atOnce }
  c.addIssue('must be a rate and a burst like 20/s:600 or 10/min:30, or off')
  return z.NEVER
})

/** A name as pages show it: one line, without markup. */
export const shownName = z
  .string()
  .regex(/^[^\p{C}<>]*$/u, 'must hold neither control characters nor < and >')
  .min(1, 'must not be empty')
  .max(60, 'must have at most 60 characters')

/** An https address, unchanged. */
export const link = z.string().transform((value, c) => {
  if (URL.canParse(value) && new URL(value).protocol === 'https:') return value
  c.addIssue('must be an https address')
  return z.NEVER
})

export const contact = z.string().transform((value, c) => {
  if (/^(?:mailto:[^\s?@]+@[^\s?@]+|tel:\+?[\d-]+)$/.test(value) || link.safeParse(value).success)
    return value
  c.addIssue('must be a mailto:, tel: or https address')
  return z.NEVER
})

/**
 * A color in lower case.
 * @param judge returns the problem with a color, or undefined
 */
const color = (judge: (color: string) => string | undefined) =>
  z.string().transform((value, c) => {
    const problem = judge(value.toLowerCase())
    if (problem !== undefined) c.addIssue(problem)
    return value.toLowerCase()
  })
export const accent = color(judgeAccent)
export const background = color(judgeBackground)
