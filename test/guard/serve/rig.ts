import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { describe } from '../../../guard/src/problems.ts'
import { serve, type Serving } from '../../../guard/src/serve/serve.ts'
import { readSettings } from '../../../guard/src/serve/settings.ts'
import { CLIENT, startBroker, type Broker } from '../stand-in.ts'

/** `guard serve` in this process, on real sockets, with a simulated broker. */

export const RULES = [
  { path: '/health', methods: ['GET'], public: true },
  { path: '/api/*', scope: 'openid' },
  { path: '/api/admin/*', any_role: ['CaseManager.Admin'] },
  { path: '/ledger/*', audience: ['https://ledger.example'] },
]

export interface Answer {
  status: number
  headers: IncomingMessage['headers']
  body: string
}

export interface Running {
  broker: Broker
  serving: Serving
  problems: string[]
  /** Writes the rules, which `serving.reload()` reads. */
  writeRules(rules: unknown): void
  /** A directory of this test's own. */
  directory: string
  /** Sends the check of a user's request as a proxy does. */
  check(asked?: Asked): Promise<Answer>
  local(path: string, headers?: string[]): Promise<Answer>
}

export interface Asked {
  method?: string | undefined
  host?: string | undefined
  uri?: string | undefined
  token?: string | undefined
  /** Names and values, in addition to the proxy's own headers or instead of them. */
  headers?: string[]
  /** The method and path of the check itself. */
  at?: { method?: string; path?: string }
}

export function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), 'guard-serve-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/**
 * Starts `guard serve`.
 * @param flags settings by name; `{dir}` is a directory of the test's own
 */
export async function startServe(
  flags: Record<string, string> = {},
  options: { rules?: unknown; mostSessions?: number; live?: boolean } = {},
): Promise<Running> {
  const broker = await startBroker()
  const directory = temporary()
  const rules = join(directory, 'rules.json')
  const writeRules = (list: unknown): void => writeFileSync(rules, JSON.stringify({ rules: list }))
  writeRules(options.rules ?? RULES)
  const basics = {
    issuer: broker.issuer,
    client_id: CLIENT.clientId,
    client_secret: CLIENT.clientSecret,
    audience: 'https://sydney.example,https://ledger.example',
  }
  const given = {
    ...basics,
    listen: '127.0.0.1:0',
    local_listen: 'unix:{dir}/local.sock',
    rules,
    guard_id: 'web-1',
    ...flags,
  }
  const filled = Object.fromEntries(
    Object.entries(given).map(([name, value]) => [name, value.replaceAll('{dir}', directory)]),
  )
  const read = readSettings({ flags: filled, env: {}, file: undefined })
  if (!read.ok) throw new Error(read.problems.join('\n'))
  const problems: string[] = []
  const problem = (error: Error): void => void problems.push(describe(error))
  const { mostSessions } = options
  const serving = await serve({
    config: read.config,
    problem,
    guard: { clock: broker.clock, random: () => 0 },
    mostSessions,
  })
  onTestFinished(() => serving.stop())
  if (options.live !== false) await serving.live
  return {
    broker,
    serving,
    problems,
    writeRules,
    directory,
    check: (asked = {}) => ask(serving.checkAddress, toHeaders(asked), asked.at),
    local: (path, headers = []) =>
      ask(serving.localAddress, ['Host', 'localhost', ...headers], { path }),
  }
}

function toHeaders({
  headers = [],
  host = 'cases.example',
  method = 'GET',
  token,
  uri = '/api/cases',
}: Asked): string[] {
  const set = [
    ['X-Forwarded-Method', method],
    ['X-Forwarded-Host', host],
    ['X-Forwarded-Uri', uri],
    ['Authorization', token === undefined ? '' : `Bearer ${token}`],
  ]
  return [
    'Host',
    'guard',
    ...set.filter(([, value]) => value !== '').flat(),
    ...headers,
  ] as string[]
}

/**
 * Sends one request on its own connection, with exactly these headers. If `Connection` is missing,
 * `keep-alive` is added, as a proxy does.
 */
export function ask(
  address: string,
  headers: string[],
  {
    body: sent,
    method = 'GET',
    path = '/',
  }: { body?: string; method?: string; path?: string } = {},
): Promise<Answer> {
  const kept = headers.some((name, at) => at % 2 === 0 && name.toLowerCase() === 'connection')
    ? headers
    : [...headers, 'Connection', 'keep-alive']
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      { ...placeOf(address), method, path, headers: kept, agent: false },
      (response) => {
        let body = ''
        response.setEncoding('utf8')
        response.on('data', (piece: string) => (body += piece))
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
        )
      },
    )
    request.on('error', reject).end(sent)
  })
}

export function placeOf(address: string): { socketPath: string } | { host: string; port: string } {
  if (address.startsWith('unix:')) return { socketPath: address.slice(5) }
  const { hostname, port } = new URL(address)
  return { host: hostname.replace(/^\[|\]$/g, ''), port }
}

/** Asks as an application does about one of its own sessions. */
export function post(
  address: string,
  body: string,
  headers: string[] = [],
  path = '/session',
): Promise<Answer> {
  const length = ['Content-Length', String(Buffer.byteLength(body))]
  const options = { method: 'POST', path, body }
  return ask(address, ['Host', 'localhost', ...length, ...headers], options)
}
