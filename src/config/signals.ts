import { readFileSync } from 'node:fs'
import { parse, YAMLParseError } from 'yaml'
import { z } from 'zod'

/** The settings of what ends sessions from outside: the probe, Microsoft Graph, and issuers of security events. */

export interface SignalIssuer {
  issuer: string
  /** `secevent`: pushes security event tokens (RFC 8935). `oidc`: an upstream provider that sends logout tokens. */
  kind: 'secevent' | 'oidc'
  jwksUri: string
  audience: string
  /** How it names people, see docs/microsoft.md. */
  subject: 'iss_sub' | 'opaque' | 'tid_oid'
  /** Whose people it may speak of; undefined: of every tenant that is connected. */
  tenants: string[] | undefined
}

/** Of those that are connected. */
export type Tenants = 'all' | string[]

export interface SignalSettings {
  /** `everySeconds` 0: off. */
  probe: { everySeconds: number; perSecond: number }
  /** Tenants in which Graph is used, and where Graph is: no trailing slash. */
  graph: { tenants: Tenants; origin: string }
  /** Tenants in which signing out everywhere signs out at Microsoft too. */
  revokeAtMicrosoft: Tenants
  issuers: SignalIssuer[]
}

interface Reading {
  add(name: string, problem: string, example: string): undefined
  optional<T>(name: string, schema: z.ZodType<T, string>, example: string): T | undefined
  path(name: string): string | undefined
}

const GUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const GRAPHS = [
  'https://graph.microsoft.com',
  'https://graph.microsoft.us',
  'https://dod-graph.microsoft.us',
  'https://microsoftgraph.chinacloudapi.cn',
]

const minutes = z.string().transform((value, c) => {
  const number = Number(value)
  if (number === 0 || (number >= 0.05 && number <= 240)) return Math.round(number * 60)
  c.addIssue('has to be 0 (off) or a number of minutes up to 240')
  return z.NEVER
})
const perSecond = z.string().transform((value, c) => {
  const number = Number(value)
  if (Number.isInteger(number) && number >= 1 && number <= 1000) return number
  c.addIssue('has to be a whole number from 1 to 1000')
  return z.NEVER
})
/** `yes`, `no`, or a comma list of tenant ids. */
const whichTenants = z.string().transform((value, c): 'yes' | 'no' | string[] => {
  if (value === 'yes' || value === 'no') return value
  const list = value
    .toLowerCase()
    .split(',')
    .map((one) => one.trim())
    .filter(Boolean)
  if (list.length > 0 && list.every((one) => GUID.test(one))) return list
  c.addIssue('has to be yes, no or a comma list of tenant ids')
  return z.NEVER
})
const address = z.string().transform((value, c) => {
  const url = URL.canParse(value) ? new URL(value) : undefined
  if (url && /^https?:$/.test(url.protocol) && !url.search && !url.hash && !url.username && !url.password) return url.href.replace(/\/+$/, '')
  c.addIssue('has to be an address like https://graph.microsoft.com/v1.0')
  return z.NEVER
})

const issuersFile = z.strictObject({
  issuers: z.array(
    z.strictObject({
      issuer: z.url(),
      kind: z.enum(['secevent', 'oidc']).default('secevent'),
      jwks_uri: z.url(),
      audience: z.string().min(1).optional(),
      subject: z.enum(['iss_sub', 'opaque', 'tid_oid']),
      tenants: z.array(z.string().toLowerCase().regex(GUID, 'has to be a tenant id')).min(1).optional(),
    }),
  ),
})

interface Known {
  issuer: string
  simulated: boolean
  allowLoopback: boolean
}

export function readSignals(read: Reading, known: Known): SignalSettings {
  const tenantsOf = (name: string): Tenants => {
    const which = read.optional(name, whichTenants, 'yes') ?? 'no'
    return which === 'yes' ? 'all' : which === 'no' ? [] : which
  }
  return {
    probe: {
      everySeconds: read.optional('BROKER_PROBE_MINUTES', minutes, '15') ?? 15 * 60,
      perSecond: read.optional('BROKER_PROBE_PER_SECOND', perSecond, '100') ?? 100,
    },
    graph: { tenants: tenantsOf('BROKER_GRAPH'), origin: readOrigin(read, known) },
    revokeAtMicrosoft: tenantsOf('BROKER_REVOKE_AT_MICROSOFT'),
    issuers: readIssuers(read, known),
  }
}

function readOrigin(read: Reading, { simulated }: Known): string {
  const name = 'BROKER_GRAPH_ORIGIN'
  const example = 'https://graph.microsoft.com/v1.0'
  const origin = read.optional(name, address, example) ?? example
  const microsofts = GRAPHS.includes(new URL(origin).origin)
  if (!microsofts && !simulated) read.add(name, 'is not Microsoft’s: another Graph goes with BROKER_ENTRA_SIMULATED=yes alone', example)
  return origin
}

function readIssuers(read: Reading, known: Known): SignalIssuer[] {
  const name = 'BROKER_SIGNAL_ISSUERS_FILE'
  const example = '/etc/broker/signal-issuers.yaml'
  const file = read.path(name)
  if (file === undefined) return []
  let content: unknown
  try {
    content = parse(readFileSync(file, 'utf8'))
  } catch (error) {
    read.add(
      name,
      error instanceof YAMLParseError ? `${file} is no YAML` : `${file} cannot be read: ${(error as NodeJS.ErrnoException).code ?? 'error'}`,
      example,
    )
    return []
  }
  const parsed = issuersFile.safeParse(content)
  if (!parsed.success) {
    for (const issue of parsed.error.issues) read.add(name, `${file}: ${issue.path.join('.') || 'the file'}: ${issue.message}`, example)
    return []
  }
  return parsed.data.issuers.map((one) => {
    const secure = [one.issuer, one.jwks_uri].every((url) => url.startsWith('https://'))
    if (!secure && !known.allowLoopback) read.add(name, `${file}: ${one.issuer}: issuer and jwks_uri have to be https`, example)
    if (one.kind === 'oidc' && one.audience === undefined)
      read.add(name, `${file}: ${one.issuer}: audience is missing: our client_id at that provider`, example)
    return {
      issuer: one.issuer,
      kind: one.kind,
      jwksUri: one.jwks_uri,
      audience: one.audience ?? known.issuer,
      subject: one.subject,
      tenants: one.tenants,
    }
  })
}
