import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { BlockList, isIP } from 'node:net'
import { readOptions, type GuardOptions } from '../options.ts'
import { SETTINGS, flagOf, variableOf, type Name } from './setting-table.ts'
import type { ClientKey } from '../credentials.ts'
import type { WithoutLease } from '../lease.ts'
import { isLoopback, readAddress, type Address } from './addresses.ts'
import { IDENTITY_NAMES, type IdentityName } from './identity.ts'
import type { RequestFrom } from './original-request.ts'
import { HOST } from './rules.ts'

/** Reads the settings from flags, the environment and a file. */

interface Sources {
  /** Flags (`--name value`) by setting name. */
  flags: Readonly<Record<string, string>>
  env: Readonly<Record<string, string | undefined>>
  /** The path of the JSON settings file. */
  file: string | undefined
}

/**
 * Reads the settings: flags override the environment, which overrides the file. Reports every
 * problem at once.
 */
export function readSettings({
  env,
  file,
  flags,
}: Sources): { ok: true; config: ServeConfig } | { ok: false; problems: string[] } {
  const problems: string[] = []
  const say = (name: Name, wrong: string): void => {
    const { example } = SETTINGS.find((setting) => setting.name === name) ?? { example: '' }
    problems.push(`${named(name)}: ${wrong} Example: ${example}`)
  }
  const inFile = file === undefined ? {} : readFile(file, problems)
  const values = new Map<string, string>()
  for (const { name, fallback } of SETTINGS) {
    const value = flags[name] ?? env[variableOf(name)] ?? inFile[name] ?? fallback
    if (value !== undefined) values.set(name, value)
  }
  const get = (name: Name): string | undefined => values.get(name) || undefined
  const config = toConfig(get, say)
  if (problems.length === 0) problems.push(...guardProblems(config.guard))
  return problems.length === 0 ? { ok: true, config } : { ok: false, problems }
}

/** Settings whose guard option has another name. */
const SETTING_OF: Readonly<Record<string, string>> = {
  clientSecret: 'client_secret_file',
  clientKey: 'client_key_file',
  clientAssertion: 'client_assertion_file',
}
const settingOf = (option: string): string =>
  SETTING_OF[option] ?? option.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/** Returns the guard's problems with its options, under the operator's names. */
function guardProblems(options: ServeConfig['guard']): string[] {
  try {
    readOptions(options)
    return []
  } catch (error) {
    const [, ...problems] = (error as Error).message.split('\n- ')
    return problems.map((problem) =>
      problem.replace(/^[^:]+/, (options) =>
        options.replace(/[\w.]+/g, (option) => named(settingOf(option))),
      ),
    )
  }
}

const named = (name: string): string => `${name} (${flagOf(name)}, ${variableOf(name)})`

/** Reads the file's values as text. Paths in it are relative to the file. */
function readFile(file: string, problems: string[]): Record<string, string> {
  let document: unknown
  try {
    document = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    problems.push(`The settings in ${file} cannot be read: ${(error as Error).message}.`)
    return {}
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    problems.push(
      `The settings in ${file} must be an object, e.g. { "issuer": "https://sign-in.example" }.`,
    )
    return {}
  }
  const known = SETTINGS.map(({ name }) => name)
  const read: Record<string, string> = {}
  for (const [name, value] of Object.entries(document)) {
    if (name === '$schema') continue
    if (!known.includes(name))
      problems.push(`${file}: unknown setting "${name}". Known: ${known.join(', ')}.`)
    else if (['string', 'number'].includes(typeof value)) read[name] = String(value)
    else if (Array.isArray(value)) read[name] = value.join(',')
    else problems.push(`${file}: ${name} must be a text, a number or a list of texts.`)
    if (isPath(name) && read[name] !== undefined) read[name] = resolve(dirname(file), read[name])
  }
  return read
}

const isPath = (name: string): boolean => name === 'rules' || name.endsWith('_file')

/** The configuration of `guard serve`, parsed from the settings. */

export interface ServeConfig {
  guard: Omit<GuardOptions, 'hooks' | 'fetch' | 'clock' | 'random'>
  rulesFile: string
  listen: Address
  localListen: Address
  localSecret: string | undefined
  localHosts: readonly string[]
  requestFrom: RequestFrom
  pathPrefix: string
  /**
   * Addresses of trusted proxies. Undefined: `listen` is a unix socket, whose file mode decides.
   */
  trustedProxies: BlockList | undefined
  tokenHeader: string
  identityPrefix: string
  identityHeaders: readonly IdentityName[]
  identityAudience: string | undefined
  /** True if the application asks about its own sessions. */
  judgesSessions: boolean
  noLeaseStatus: 403 | 503
}

type Get = (name: Name) => string | undefined
type Say = (name: Name, wrong: string) => void

/** Builds the configuration. @param say called with each problem */
function toConfig(get: Get, say: Say): ServeConfig {
  const listen = addressOf(get, say, 'listen')
  const localListen = addressOf(get, say, 'local_listen')
  const requestFrom = oneOf(get, say, 'request_from', ['forwarded', 'request'])
  const noLeaseStatus = Number(oneOf(get, say, 'no_lease_status', ['503', '403'])) as 403 | 503
  const tokenHeader = headerName(get, say, 'token_header')
  const identityPrefix = headerName(get, say, 'identity_prefix')
  if (!identityPrefix.endsWith('-')) say('identity_prefix', 'must end with a dash.')
  const pathPrefix = get('path_prefix') ?? ''
  if (pathPrefix !== '' && !/^(?:\/[A-Za-z0-9._-]+)+$/.test(pathPrefix))
    say('path_prefix', 'must be a path without a slash at its end.')
  if (get('rules') === undefined)
    say('rules', 'is missing: without rules every request is rejected.')
  const localSecret = secretOf(get, say, 'local_secret')
  if (localSecret !== undefined && localSecret.length < 16)
    say('local_secret', 'must have 16 characters at least.')
  const localHosts = listOf(get('local_hosts')).map((host) => host.toLowerCase())
  for (const host of localHosts)
    if (!HOST.test(host)) say('local_hosts', `"${host}" is not a host name.`)
  if (localListen.kind === 'tcp' && !isLoopback(localListen.host) && localSecret === undefined)
    say(
      'local_listen',
      'is open to other machines: set local_secret_file, or listen on loopback or a unix socket.',
    )
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
    identityHeaders: identityHeadersOf(get, say),
    identityAudience: get('identity_audience'),
    judgesSessions: oneOf(get, say, 'sessions', ['no', 'yes']) === 'yes',
    noLeaseStatus,
  }
}

function guardOptions(get: Get, say: Say): ServeConfig['guard'] {
  const issuer = get('issuer')
  const clientId = get('client_id')
  const clientKey = keyOf(get, say)
  const clientSecret = secretOf(get, say, 'client_secret')
  if (issuer === undefined) say('issuer', 'is missing.')
  if (clientId === undefined) say('client_id', 'is missing.')
  const tokenFile = get('client_assertion_file')
  if (clientSecret === undefined && get('client_key_file') === undefined && tokenFile === undefined)
    say(
      'client_secret_file',
      'is missing (or client_secret, client_key_file or client_assertion_file).',
    )
  if (tokenFile !== undefined) contentOf(tokenFile, say, 'client_assertion_file')
  const audience = listOf(get('audience'))
  const publicAddress = listOf(get('public_address'))
  return {
    issuer: issuer ?? '',
    clientId: clientId ?? '',
    clientSecret,
    clientKey,
    clientAssertion:
      tokenFile === undefined ? undefined : () => readFileSync(tokenFile, 'utf8').trim(),
    audience: audience.length === 0 ? undefined : audience,
    publicAddress,
    withoutLease: oneOf(get, say, 'without_lease', ['reject', 'introspect']) as WithoutLease,
    clockToleranceSeconds: numberOf(get, say, 'clock_tolerance_seconds'),
    guardId: get('guard_id'),
  }
}

/** Returns the wanted identity headers. Names ignore case, like all header names. */
function identityHeadersOf(get: Get, say: Say): IdentityName[] {
  const wanted = listOf(get('identity_headers'))
  const named = wanted.map((each) =>
    IDENTITY_NAMES.find((name) => name.toLowerCase() === each.toLowerCase()),
  )
  for (const [at, name] of named.entries())
    if (name === undefined)
      say('identity_headers', `"${wanted[at]}" is not one of ${IDENTITY_NAMES.join(', ')}.`)
  if (get('identity_audience') !== undefined && !named.includes('Assertion'))
    say('identity_headers', 'must name Assertion, because identity_audience is set.')
  return IDENTITY_NAMES.filter((name) => named.includes(name))
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
  if (!/^[A-Za-z][A-Za-z0-9-]{0,63}$/.test(value))
    say(name, `must be made of letters, digits and dashes, and is "${value}".`)
  return value
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
  if (address === undefined)
    say(name, `must be unix:/path or HOST:PORT, and is "${get(name) ?? ''}".`)
  return address ?? { kind: 'tcp', host: '127.0.0.1', port: 0 }
}

function proxiesOf(get: Get, say: Say, listen: Address): BlockList | undefined {
  const list = new BlockList()
  const proxies = listOf(get('trusted_proxies'))
  for (const proxy of proxies) {
    const [address = '', bits] = proxy.split('/')
    const family = isIP(address) === 4 ? 'ipv4' : 'ipv6'
    const most = family === 'ipv4' ? 32 : 128
    if (
      isIP(address) === 0 ||
      (bits !== undefined && !(/^\d{1,3}$/.test(bits) && Number(bits) <= most))
    )
      say('trusted_proxies', `"${proxy}" is neither an address nor a range.`)
    else if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(bits), family)
  }
  if (
    listen.kind === 'tcp' &&
    !isLoopback(listen.host) &&
    proxies.every((proxy) => isLoopback(proxy.split('/')[0] ?? ''))
  )
    say('trusted_proxies', 'must name the proxies, because listen is open to other machines.')
  return listen.kind === 'unix' ? undefined : list
}
