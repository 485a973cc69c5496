import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { z } from 'zod'
import { readSignals, type SignalSettings } from './signals.ts'
import { MFA_PROOF_EXPECTED, parseMfaProof, type MfaProof } from '../protocol/mfa-proof.ts'
import { PERSONAL_TENANT } from '../protocol/names.ts'
import { trustedProxies, type TrustedProxies } from '../protocol/remote-address.ts'

/** The settings of one broker, read from the environment once. Every problem is reported at once, with the variable's name and an example. */

export interface Address {
  host: string
  port: number
}

export type EntraCredential = { kind: 'secret'; secret: string } | { kind: 'certificate'; file: string } | { kind: 'federated'; file: string }

export interface Config {
  /** `https://…` (http only on localhost), no trailing slash. */
  issuer: string
  listen: Address
  opsListen: Address
  /** Whose X-Forwarded-For counts. */
  trustedProxies: TrustedProxies
  /** Raw values of BROKER_SECRET, current first. */
  secrets: Buffer[]
  entra: {
    /** The allow-list: GUIDs, lower case. Empty: not connected. */
    tenants: string[]
    clientId: string | undefined
    credential: EntraCredential | undefined
    /** `https://login.microsoftonline.com`, or with `simulated` another (http allowed), no trailing slash. */
    authority: string
    simulated: boolean
  }
  mfaProof: MfaProof
  operatorTenant: string | undefined
  /** Where browsers reach the operators' listener: an origin, no trailing slash. */
  opsOrigin: string
  clientsFile: string | undefined
  dataDir: string
  /** PEM files (PKCS#8) with signing keys; none: the broker makes and keeps its own. */
  keyFiles: string[]
  queueUrl: string | undefined
  /** Defaults; a tenant may have its own. */
  limits: { idleSeconds: number; absoluteSeconds: number; staySignedInSeconds: number }
  /** How long what is over is kept. */
  retention: { sessionDays: number; revocationDays: number; auditDays: number }
  /** Logout targets and `jwks_uri` may be loopback or http: the demo, and development on one machine. */
  allowLoopbackTargets: boolean
  /** What ends sessions from outside. */
  signals: SignalSettings
}

export interface ConfigProblem {
  name: string
  problem: string
  example: string
}

export class ConfigError extends Error {
  readonly problems: readonly ConfigProblem[]
  constructor(problems: readonly ConfigProblem[]) {
    const lines = problems.map((p) => `  ${p.name}: ${p.problem}\n      for example: ${p.name}=${p.example}`)
    super(
      `The settings have ${problems.length === 1 ? 'a problem' : `${problems.length} problems`}:\n${lines.join('\n')}\nAll settings: docs/configuration.md`,
    )
    this.name = 'ConfigError'
    this.problems = problems
  }
}

export type Environment = Readonly<Record<string, string | undefined>>

const MICROSOFT_AUTHORITIES = ['https://login.microsoftonline.com', 'https://login.microsoftonline.us', 'https://login.partner.microsoftonline.cn']
const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]'])
const GUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const EXAMPLE_GUID = '6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11'

const origin = z.string().transform((value, c) => {
  const url = URL.canParse(value) ? new URL(value) : undefined
  if (url && (url.protocol === 'https:' || url.protocol === 'http:') && !url.search && !url.hash && !url.username && !url.password) return url
  c.addIssue('has to be an address like https://host, without a query, a fragment or a user name')
  return z.NEVER
})

const opsOrigin = origin.transform((url, c) => {
  if (url.pathname !== '/') c.addIssue('has to have no path: the console is at /ops of it')
  else if (url.protocol !== 'https:' && !LOOPBACK.has(url.hostname)) c.addIssue('has to be https (http is for localhost alone)')
  return url.origin
})

const trimmed = (url: URL): string => url.href.replace(/\/+$/, '')

const issuer = origin.transform((url, c) => {
  if (url.pathname !== '/') c.addIssue('has to have no path: the broker needs a host name of its own, as its cookies do')
  else if (url.protocol !== 'https:' && !LOOPBACK.has(url.hostname)) c.addIssue('has to be https (http is for localhost alone)')
  return trimmed(url)
})

const address = z.string().transform((value, c): Address => {
  const match = /^(?:(.+):)?(\d{1,5})$/.exec(value)
  const port = Number(match?.[2])
  if (match && port <= 65535) return { host: (match[1] ?? '127.0.0.1').replace(/^\[|\]$/g, ''), port }
  c.addIssue('has to be host:port')
  return z.NEVER
})

const list = z.string().transform((value) =>
  value
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean),
)
const proxies = list.transform((ranges, c): TrustedProxies => {
  try {
    return trustedProxies(ranges)
  } catch (error) {
    c.addIssue(`has to be a comma list of addresses and CIDRs: ${(error as Error).message}`)
    return z.NEVER
  }
})
const guids = list.transform((values, c) => {
  const lower = values.map((value) => value.toLowerCase())
  for (const value of lower) {
    if (!GUID.test(value))
      c.addIssue(`has to be a comma list of tenant ids; "${value.slice(0, 40)}" is none (Entra admin centre, Overview, Tenant ID)`)
    else if (value === PERSONAL_TENANT) c.addIssue('names the tenant of personal Microsoft accounts, which are never let in')
  }
  return [...new Set(lower)]
})
const guid = guids.transform((values, c) => {
  if (values.length === 1 && values[0]) return values[0]
  c.addIssue('has to be one id')
  return z.NEVER
})

const secrets = list.transform((values, c) => {
  const decoded = values.map((value) => (/^(?:[0-9a-f]{2})+$/i.test(value) ? Buffer.from(value, 'hex') : Buffer.from(value, 'base64url')))
  if (decoded.length === 0 || decoded.some((secret) => secret.length < 32))
    c.addIssue('has to be at least 32 random bytes, in base64url or hex (make one: openssl rand -hex 32)')
  else if (decoded.some((secret) => new Set(secret).size < 8)) c.addIssue('is no random value (make one: openssl rand -hex 32)')
  return decoded
})

const mfaProof = z.string().transform((value, c): MfaProof => {
  const proof = parseMfaProof(value)
  if (proof === undefined) c.addIssue(MFA_PROOF_EXPECTED)
  return proof ?? z.NEVER
})

const yes = z.string().transform((value, c) => {
  if (value === 'yes' || value === 'no') return value === 'yes'
  c.addIssue('has to be yes or no')
  return z.NEVER
})
const seconds = (least: number, most: number) =>
  z.string().transform((value, c) => {
    const number = Number(value)
    if (Number.isInteger(number) && number >= least && number <= most) return number
    c.addIssue(`has to be a whole number of seconds from ${least} to ${most}`)
    return z.NEVER
  })
const days = (least: number) =>
  z.string().transform((value, c) => {
    const number = Number(value)
    if (Number.isInteger(number) && number >= least && number <= 3_650) return number
    c.addIssue(`has to be a whole number of days from ${least} to 3650`)
    return z.NEVER
  })
const queueUrl = z.string().transform((value, c) => {
  if (/^rediss?:\/\/[^/\s]+/.test(value)) return value
  c.addIssue('has to begin with redis:// or rediss:// (leave it unset and the broker runs its own queue server)')
  return z.NEVER
})

/** Reads one setting; `…_FILE` names a file that holds it. */
class Reader {
  readonly problems: ConfigProblem[] = []
  readonly #env: Environment
  constructor(env: Environment) {
    this.#env = env
  }

  add(name: string, problem: string, example: string): undefined {
    this.problems.push({ name, problem, example })
  }

  raw(name: string, example: string): string | undefined {
    const value = this.#env[name] || undefined
    const file = this.#env[`${name}_FILE`] || undefined
    if (value !== undefined && file !== undefined) return this.add(name, `is set, and so is ${name}_FILE: keep one of the two`, example)
    if (file === undefined) return value?.trim()
    try {
      return readFileSync(file, 'utf8').trim() || this.add(`${name}_FILE`, `names an empty file (${file})`, '/run/secrets/broker')
    } catch (error) {
      return this.add(
        `${name}_FILE`,
        `names a file that cannot be read: ${(error as NodeJS.ErrnoException).code ?? 'error'} ${file}`,
        '/run/secrets/broker',
      )
    }
  }

  optional<T>(name: string, schema: z.ZodType<T, string>, example: string): T | undefined {
    const raw = this.raw(name, example)
    if (raw === undefined) return undefined
    const parsed = schema.safeParse(raw)
    if (parsed.success) return parsed.data
    for (const issue of parsed.error.issues) this.add(name, issue.message, example)
    return undefined
  }

  required<T>(name: string, schema: z.ZodType<T, string>, example: string): T | undefined {
    const before = this.problems.length
    const value = this.optional(name, schema, example)
    if (value === undefined && this.problems.length === before) this.add(name, 'is not set', example)
    return value
  }

  /** A path that is used as a path: here `…_FILE` is the setting's own name. */
  path(name: string): string | undefined {
    const value = this.#env[name] || undefined
    return value === undefined ? undefined : resolve(value)
  }
}

function readCredential(read: Reader): EntraCredential | undefined {
  const found: EntraCredential[] = []
  const secret = read.raw('BROKER_ENTRA_CLIENT_SECRET', 'the value that Entra showed once')
  if (secret !== undefined) found.push({ kind: 'secret', secret })
  const certificate = read.path('BROKER_ENTRA_CERTIFICATE_FILE')
  if (certificate !== undefined) found.push({ kind: 'certificate', file: certificate })
  const federated = read.path('BROKER_ENTRA_FEDERATED_TOKEN_FILE')
  if (federated !== undefined) found.push({ kind: 'federated', file: federated })
  if (found.length > 1) {
    const rest = 'BROKER_ENTRA_CERTIFICATE_FILE, BROKER_ENTRA_FEDERATED_TOKEN_FILE'
    return read.add('BROKER_ENTRA_CLIENT_SECRET', `and ${rest}: Entra takes exactly one credential, keep one of them`, '')
  }
  return found[0]
}

function readEntra(read: Reader): Config['entra'] {
  const tenants = read.optional('BROKER_ENTRA_TENANT', guids, EXAMPLE_GUID) ?? []
  const clientId = read.optional('BROKER_ENTRA_CLIENT_ID', guid, EXAMPLE_GUID)
  const simulated = read.optional('BROKER_ENTRA_SIMULATED', yes, 'yes') ?? false
  const given = read.optional('BROKER_ENTRA_AUTHORITY', origin, 'https://login.microsoftonline.com')
  const authority = given === undefined ? 'https://login.microsoftonline.com' : trimmed(given)
  const microsofts = MICROSOFT_AUTHORITIES.includes(authority)
  if (!microsofts && !simulated)
    read.add(
      'BROKER_ENTRA_AUTHORITY',
      "is not Microsoft's: a simulated Microsoft proves nothing about anybody, so say BROKER_ENTRA_SIMULATED=yes where that is meant",
      'https://login.microsoftonline.com',
    )
  if (microsofts && simulated) read.add('BROKER_ENTRA_SIMULATED', "is yes, but the authority is Microsoft's own: remove one of the two", 'no')
  if (given?.protocol === 'http:' && !LOOPBACK.has(given.hostname))
    read.add('BROKER_ENTRA_AUTHORITY', 'has to be https (http is for a simulated Microsoft on localhost)', 'https://login.microsoftonline.com')
  return { tenants, clientId, credential: readCredential(read), authority, simulated }
}

/**
 * Reads every setting.
 * @throws ConfigError with every problem
 */
export function loadConfig(env: Environment): Config {
  const read = new Reader(env)
  const issuerValue = read.required('BROKER_ISSUER', issuer, 'https://login.case-manager.example')
  const secretValues = read.required('BROKER_SECRET', secrets, '"$(openssl rand -hex 32)"')
  const opsListen = read.optional('BROKER_OPS_LISTEN', address, '127.0.0.1:7401') ?? { host: '127.0.0.1', port: 7401 }
  const entra = readEntra(read)
  const allowLoopback = read.optional('BROKER_ALLOW_LOOPBACK_TARGETS', yes, 'yes') ?? false
  const config: Config = {
    issuer: issuerValue ?? '',
    secrets: secretValues ?? [],
    listen: read.optional('BROKER_LISTEN', address, '0.0.0.0:7400') ?? { host: '127.0.0.1', port: 7400 },
    opsListen,
    opsOrigin: read.optional('BROKER_OPS_ORIGIN', opsOrigin, 'https://ops.case-manager.example') ?? `http://localhost:${opsListen.port}`,
    trustedProxies: read.optional('BROKER_TRUSTED_PROXIES', proxies, '10.0.0.0/8') ?? trustedProxies([]),
    entra,
    mfaProof: read.optional('BROKER_MFA_PROOF', mfaProof, 'auth_context:c1') ?? { kind: 'auth_context', id: 'c1' },
    operatorTenant: read.optional('BROKER_OPERATOR_TENANT', guid, EXAMPLE_GUID),
    clientsFile: read.path('BROKER_CLIENTS_FILE'),
    dataDir: resolve(env.BROKER_DATA_DIR || 'data'),
    keyFiles: (read.optional('BROKER_KEY_FILES', list, '/run/secrets/es256.pem,/run/secrets/rs256.pem') ?? []).map((file) => resolve(file)),
    queueUrl: read.optional('BROKER_QUEUE_URL', queueUrl, 'rediss://queue.internal:6379'),
    retention: {
      sessionDays: read.optional('BROKER_RETENTION_SESSION_DAYS', days(1), '30') ?? 30,
      revocationDays: read.optional('BROKER_RETENTION_REVOCATION_DAYS', days(1), '90') ?? 90,
      auditDays: read.optional('BROKER_RETENTION_AUDIT_DAYS', days(30), '730') ?? 730,
    },
    limits: {
      idleSeconds: read.optional('BROKER_SESSION_IDLE_SECONDS', seconds(60, 604_800), '28800') ?? 8 * 3600,
      absoluteSeconds: read.optional('BROKER_SESSION_ABSOLUTE_SECONDS', seconds(300, 604_800), '43200') ?? 12 * 3600,
      staySignedInSeconds: read.optional('BROKER_SESSION_STAY_SIGNED_IN_SECONDS', seconds(300, 7_776_000), '86400') ?? 24 * 3600,
    },
    allowLoopbackTargets: allowLoopback,
    signals: readSignals(read, { issuer: issuerValue ?? '', simulated: entra.simulated, allowLoopback }),
  }
  if (env.BROKER_DATABASE_URL)
    read.add('BROKER_DATABASE_URL', 'is not supported yet: this version keeps its state in SQLite, in BROKER_DATA_DIR; remove the variable', '')
  if (read.problems.length > 0) throw new ConfigError(read.problems)
  return config
}
