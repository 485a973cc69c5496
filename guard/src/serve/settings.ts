import { readFileSync } from 'node:fs'
import { BlockList, isIP } from 'node:net'
import { resolve, dirname } from 'node:path'
import type { ClientKey } from '../credentials.ts'
import type { GuardOptions } from '../options.ts'
import { isLoopback, readAddress, type Address } from './addresses.ts'
import type { RequestFrom } from './original-request.ts'
import { HOST } from './rules.ts'

/** Every setting of `guard serve`, once: its name in the file, as a flag and in the environment, and what it takes. */

interface Setting {
  name: string
  /** What it does, for `--help`. */
  help: string
  example: string
  fallback?: string
  list?: true
  /** Not as a flag: command lines are visible to every user of the machine. */
  secret?: true
}

export const SETTINGS = [
  { name: 'issuer', help: "the broker's issuer, exactly", example: 'https://sign-in.example' },
  { name: 'client_id', help: 'as this application is registered', example: 'sydney' },
  { name: 'client_secret', help: 'its secret', example: 'cmb_…', secret: true },
  { name: 'client_secret_file', help: 'a file that holds the secret', example: '/run/secrets/client_secret' },
  { name: 'client_key_file', help: 'a private JWK instead of a secret (private_key_jwt)', example: '/run/secrets/client_key.json' },
  {
    name: 'audience',
    help: 'audiences, one of which a token needs; not set: urn:case-manager:instance:<client_id>',
    example: 'https://sydney.example',
    list: true,
  },
  { name: 'rules', help: 'the file of rules: which requests need what', example: 'rules.json' },
  { name: 'listen', help: 'where the proxy asks', example: 'unix:/run/guard/check.sock', fallback: '127.0.0.1:7410' },
  { name: 'local_listen', help: 'where the application and the monitoring ask', example: 'unix:/run/guard/local.sock', fallback: '127.0.0.1:7411' },
  {
    name: 'local_secret',
    help: 'the bearer token of the stream of ended sessions, where local_listen is TCP',
    example: '(32 random characters)',
    secret: true,
  },
  { name: 'local_secret_file', help: 'a file that holds it', example: '/run/secrets/guard_local' },
  {
    name: 'local_hosts',
    help: 'names by which the local listener may be called',
    example: 'localhost',
    fallback: 'localhost,127.0.0.1,[::1]',
    list: true,
  },
  { name: 'request_from', help: 'forwarded (X-Forwarded-Method, -Host, -Uri) or request (Envoy)', example: 'forwarded', fallback: 'forwarded' },
  { name: 'path_prefix', help: 'with request_from=request: what the proxy puts before the path', example: '/check', fallback: '' },
  { name: 'trusted_proxies', help: 'addresses that may ask, where listen is TCP', example: '10.0.0.0/24', fallback: '127.0.0.0/8,::1', list: true },
  { name: 'token_header', help: 'the header that holds the access token', example: 'X-Forwarded-Access-Token', fallback: 'Authorization' },
  { name: 'identity_prefix', help: 'what the names of the identity headers begin with', example: 'X-Guard-', fallback: 'X-Guard-' },
  { name: 'identity_audience', help: 'aud of the signed identity header; not set: it is empty', example: 'https://cases.internal' },
  { name: 'stale_status', help: 'the answer when it cannot know: 503, or 403 for nginx', example: '403', fallback: '503' },
  { name: 'stale_after_seconds', help: 'how long the broker may be silent', example: '35', fallback: '35' },
  { name: 'stale_policy', help: 'then: refuse, introspect, or accept:SECONDS', example: 'accept:120', fallback: 'refuse' },
  { name: 'clock_tolerance_seconds', help: 'how far this clock may be off, 0 to 30', example: '5', fallback: '5' },
  { name: 'guard_id', help: 'the name of this process in the console of the broker', example: 'web-1' },
] as const satisfies readonly Setting[]

type Name = (typeof SETTINGS)[number]['name']
const ALL: readonly Setting[] = SETTINGS

export interface ServeConfig {
  guard: Omit<GuardOptions, 'hooks' | 'fetch' | 'clock' | 'random'>
  rulesFile: string
  listen: Address
  localListen: Address
  localSecret: string | undefined
  localHosts: readonly string[]
  requestFrom: RequestFrom
  pathPrefix: string
  trustedProxies: BlockList
  tokenHeader: string
  identityPrefix: string
  identityAudience: string | undefined
  staleStatus: 403 | 503
}

export interface Sources {
  /** `--name value`, by the setting's name. */
  flags: Readonly<Record<string, string>>
  env: Readonly<Record<string, string | undefined>>
  /** The JSON file of settings, if there is one. */
  file: string | undefined
}

export const flagOf = (name: string): string => `--${name.replaceAll('_', '-')}`
const variableOf = (name: string): string => `GUARD_${name.toUpperCase()}`

/** Flags before the environment before the file. Every problem at once, with an example. */
export function readSettings({ env, file, flags }: Sources): { ok: true; config: ServeConfig } | { ok: false; problems: string[] } {
  const problems: string[] = []
  const say = (name: Name, wrong: string): void => {
    const { example } = ALL.find((one) => one.name === name) ?? { example: '' }
    problems.push(`${name} (${flagOf(name)}, ${variableOf(name)}): ${wrong} Example: ${example}`)
  }
  const inFile = file === undefined ? {} : readFile(file, problems)
  const values = new Map<string, string>()
  for (const { name, fallback } of ALL) {
    const value = flags[name] ?? env[variableOf(name)] ?? inFile[name] ?? fallback
    if (value !== undefined) values.set(name, value)
  }
  const get = (name: Name): string | undefined => values.get(name) || undefined
  const config = toConfig(get, say)
  return problems.length === 0 ? { ok: true, config } : { ok: false, problems }
}

type Get = (name: Name) => string | undefined
type Say = (name: Name, wrong: string) => void

/** File values as text; paths in the file are relative to it. */
function readFile(file: string, problems: string[]): Record<string, string> {
  let document: unknown
  try {
    document = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    problems.push(`The settings in ${file} cannot be read: ${(error as Error).message}.`)
    return {}
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    problems.push(`The settings in ${file} must be an object, e.g. { "issuer": "https://sign-in.example" }.`)
    return {}
  }
  const known = ALL.map(({ name }) => name)
  const read: Record<string, string> = {}
  for (const [name, value] of Object.entries(document)) {
    if (name === '$schema') continue
    if (!known.includes(name)) problems.push(`${file}: unknown setting "${name}". Known: ${known.join(', ')}.`)
    else if (['string', 'number'].includes(typeof value)) read[name] = String(value)
    else if (Array.isArray(value)) read[name] = value.join(',')
    else problems.push(`${file}: ${name} must be a text, a number or a list of texts.`)
    if (isPath(name) && read[name] !== undefined) read[name] = resolve(dirname(file), read[name])
  }
  return read
}

const isPath = (name: string): boolean => name === 'rules' || name.endsWith('_file')

function toConfig(get: Get, say: Say): ServeConfig {
  const listen = addressOf(get, say, 'listen')
  const localListen = addressOf(get, say, 'local_listen')
  const requestFrom = oneOf(get, say, 'request_from', ['forwarded', 'request'])
  const staleStatus = Number(oneOf(get, say, 'stale_status', ['503', '403'])) as 403 | 503
  const tokenHeader = headerName(get, say, 'token_header')
  const identityPrefix = headerName(get, say, 'identity_prefix')
  if (!identityPrefix.endsWith('-')) say('identity_prefix', 'must end with a dash.')
  const pathPrefix = get('path_prefix') ?? ''
  if (pathPrefix !== '' && !/^(?:\/[A-Za-z0-9._-]+)+$/.test(pathPrefix)) say('path_prefix', 'must be a path without a slash at its end.')
  if (get('rules') === undefined) say('rules', 'is missing: without rules every request is refused.')
  const localSecret = secretOf(get, say, 'local_secret')
  if (localSecret !== undefined && localSecret.length < 16) say('local_secret', 'must have 16 characters at least.')
  const localHosts = listOf(get('local_hosts')).map((host) => host.toLowerCase())
  for (const host of localHosts) if (!HOST.test(host)) say('local_hosts', `"${host}" is no host name.`)
  if (localListen.kind === 'tcp' && !isLoopback(localListen.host) && localSecret === undefined)
    say('local_listen', 'is open to other machines: set local_secret_file, or listen on loopback or a unix socket.')
  return {
    guard: guardOptions(get, say),
    rulesFile: get('rules') ?? '',
    listen,
    localListen,
    localSecret,
    localHosts,
    requestFrom: requestFrom as RequestFrom,
    pathPrefix,
    trustedProxies: proxiesOf(get, say, listen),
    tokenHeader,
    identityPrefix,
    identityAudience: get('identity_audience'),
    staleStatus,
  }
}

function guardOptions(get: Get, say: Say): ServeConfig['guard'] {
  const issuer = get('issuer')
  const clientId = get('client_id')
  const clientKey = keyOf(get, say)
  const clientSecret = secretOf(get, say, 'client_secret')
  if (issuer === undefined) say('issuer', 'is missing.')
  if (clientId === undefined) say('client_id', 'is missing.')
  if (clientKey === undefined && clientSecret === undefined && get('client_key_file') === undefined)
    say('client_secret_file', 'is missing (or client_secret, or client_key_file).')
  const audience = listOf(get('audience'))
  return {
    issuer: issuer ?? '',
    clientId: clientId ?? '',
    clientSecret,
    clientKey,
    audience: audience.length === 0 ? undefined : audience,
    staleness: { afterSeconds: numberOf(get, say, 'stale_after_seconds'), policy: policyOf(get, say) },
    clockToleranceSeconds: numberOf(get, say, 'clock_tolerance_seconds'),
    guardId: get('guard_id'),
  }
}

const listOf = (value: string | undefined): string[] =>
  (value ?? '')
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '')

function numberOf(get: Get, say: Say, name: Name): number {
  const value = get(name) ?? ''
  if (!/^\d{1,5}$/.test(value)) say(name, `must be a whole number, and is "${value}".`)
  return Number(value)
}

function oneOf(get: Get, say: Say, name: Name, values: readonly string[]): string {
  const value = get(name) ?? ''
  if (!values.includes(value)) say(name, `must be ${values.join(' or ')}, and is "${value}".`)
  return value
}

function headerName(get: Get, say: Say, name: Name): string {
  const value = get(name) ?? ''
  if (!/^[A-Za-z][A-Za-z0-9-]{0,63}$/.test(value)) say(name, `must be made of letters, digits and dashes, and is "${value}".`)
  return value
}

function policyOf(get: Get, say: Say): NonNullable<GuardOptions['staleness']>['policy'] {
  const value = get('stale_policy') ?? ''
  const seconds = /^accept:(\d{1,5})$/.exec(value)?.[1]
  if (seconds !== undefined) return { acceptSeconds: Number(seconds) }
  if (value !== 'refuse' && value !== 'introspect') say('stale_policy', `must be refuse, introspect or accept:SECONDS, and is "${value}".`)
  return value === 'introspect' ? 'introspect' : 'refuse'
}

function secretOf(get: Get, say: Say, name: 'client_secret' | 'local_secret'): string | undefined {
  const file = get(`${name}_file`)
  if (file === undefined) return get(name)
  if (get(name) !== undefined) say(`${name}_file`, `is set beside ${name}: keep one of them.`)
  return contentOf(file, say, `${name}_file`)?.trim()
}

function keyOf(get: Get, say: Say): ClientKey | undefined {
  const file = get('client_key_file')
  const text = file === undefined ? undefined : contentOf(file, say, 'client_key_file')
  if (text === undefined) return undefined
  try {
    return JSON.parse(text) as ClientKey
  } catch {
    say('client_key_file', 'must hold a private JWK as JSON.')
    return undefined
  }
}

function contentOf(file: string, say: Say, name: Name): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    say(name, `cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'}).`)
    return undefined
  }
}

function addressOf(get: Get, say: Say, name: 'listen' | 'local_listen'): Address {
  const address = readAddress(get(name) ?? '')
  if (address === undefined) say(name, `must be unix:/path or HOST:PORT, and is "${get(name) ?? ''}".`)
  return address ?? { kind: 'tcp', host: '127.0.0.1', port: 0 }
}

function proxiesOf(get: Get, say: Say, listen: Address): BlockList {
  const list = new BlockList()
  const proxies = listOf(get('trusted_proxies'))
  for (const proxy of proxies) {
    const [address = '', bits] = proxy.split('/')
    const family = isIP(address) === 4 ? 'ipv4' : 'ipv6'
    const most = family === 'ipv4' ? 32 : 128
    if (isIP(address) === 0 || (bits !== undefined && !(/^\d{1,3}$/.test(bits) && Number(bits) <= most)))
      say('trusted_proxies', `"${proxy}" is no address and no range.`)
    else if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(bits), family)
  }
  if (listen.kind === 'tcp' && !isLoopback(listen.host) && proxies.every((proxy) => isLoopback(proxy.split('/')[0] ?? '')))
    say('trusted_proxies', 'must name the proxies, because listen is open to other machines.')
  return list
}

/** For `--help`. */
export function describeSettings(): string {
  const lines = ALL.map(({ example, fallback, help, name, secret }) => {
    const named = secret ? variableOf(name) : `${flagOf(name)} …`
    return `  ${named.padEnd(30)} ${help}${fallback ? ` (${fallback})` : `, e.g. ${example}`}`
  })
  return lines.join('\n')
}
