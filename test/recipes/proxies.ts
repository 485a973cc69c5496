import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { until } from '../process/broker-process.ts'
import { freePorts } from '../process/ports.ts'
import { claimsOf } from '../token/tokens.ts'
import { ask, pairsOf, startApplication, type Answer, type Application } from './application.ts'
import { boundTokenTest } from './bound-token.ts'
import { boundTest, registrationOf } from './bounds.ts'
import { answers, example, NODE, Program, ROOT, type Command } from './program.ts'
import type { Recipe } from './recipe.ts'
import { upgradeTests, webSocketTest } from './upgrades.ts'
import type { Place, World } from './world.ts'

/**
 * Checks for every proxy in front of `guard serve`: rules 19 and 20 of docs/guard-serve.md, and the
 * sign-out itself.
 */

export interface ProxyParts {
  /** The port on which the proxy listens. */
  port: number
  guardPort: number
  applicationPort: number
  /** A directory of this recipe's own. */
  directory: string
}

export interface Proxy {
  name: string
  missing: string | undefined
  version: () => string
  /** The settings of `guard serve` that the proxy needs. */
  settings: readonly string[]
  /** The proxy's answer while the guard is down; the default is 503. */
  unavailableStatus?: 500
  /** Writes the configuration, and returns the command that runs the proxy in the foreground. */
  prepare: (parts: ProxyParts) => Command
}

/** Returns a file of examples/ with this run's addresses instead of the example's. */
export function configured(path: string, replaced: Record<string, string | number>): string {
  let text = readFileSync(example(path), 'utf8')
  for (const [from, to] of Object.entries(replaced)) {
    expect(text, `${path} names ${from}`).toContain(from)
    text = text.replaceAll(from, String(to))
  }
  return text
}

export const written = (directory: string, name: string, text: string): string => {
  const file = join(directory, name)
  writeFileSync(file, text)
  return file
}

const folded = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9]/g, '-')
export const identityIn = ({ reached }: Answer): [string, string][] =>
  reached
    .filter(([name, value]) => folded(name).startsWith('x-guard') && value !== '')
    .map(([name, value]) => [folded(name), value])
const bearer = (token: string): string[] => ['Authorization', `Bearer ${token}`]

const FORGED: [what: string, headers: string[]][] = [
  ['underscores', ['X_Guard_Sub', 'u_forged', 'X_Guard_Roles', 'CaseManager.Admin']],
  ['underscores and hyphens', ['X-Guard_Sub', 'u_forged', 'x_guard-roles', 'CaseManager.Admin']],
  [
    'characters that some programs read as underscores',
    ['X.Guard.Sub', 'u_forged', 'x~guard~roles', 'CaseManager.Admin'],
  ],
  ['the same name', ['X-Guard-Sub', 'u_forged']],
  ['the same name twice', ['x-guard-sub', 'u_forged', 'X-GUARD-SUB', 'u_forged']],
  ['a name that the guard leaves empty', ['X-Guard-Assertion', 'u_forged']],
  ['a name of the prefix that the guard does not have', ['X-Guard-Admin', 'u_forged']],
  ['a name in Connection', ['Connection', 'close, X-Guard-Sub, X-Guard-Roles']],
  ['a name with an underscore in Connection', ['Connection', 'x_guard_sub']],
]

/** Headers that some applications accept as the method or the path of a request. */
const OVERRIDES: [what: string, headers: string[]][] = [
  [
    'the method',
    ['X-HTTP-Method-Override', 'DELETE', 'X-HTTP-Method', 'DELETE', 'X-Method-Override', 'DELETE'],
  ],
  [
    'the path',
    [
      'X-Original-URL',
      '/admin/users',
      'X-Rewrite-URL',
      '/admin/users',
      'X-Override-URL',
      '/admin/users',
    ],
  ],
  [
    'the path, with underscores',
    ['X_Original_URL', '/admin/users', 'x_rewrite_url', '/admin/users'],
  ],
  ['the path, with dots', ['X.Original.Url', '/admin/users']],
  ['where the application begins', ['X-Script-Name', '/cases', 'x_script_name', '/cases']],
  ['the host', ['X-Forwarded-Host', 'open.example', 'Forwarded', 'host=open.example']],
  ['the host, with underscores', ['X_Forwarded_Host', 'open.example']],
]

export const proxy = (parts: Proxy): Recipe => ({
  name: parts.name,
  missing: parts.missing,
  version: parts.version,
  registered: [
    { name: parts.name, redirectPath: '/not-called', registration: () => registrationOf() },
  ],
  define: (world, note) => defineTests(parts, world, note),
})

export interface Running {
  application: Application
  signalGuard(name: 'SIGSTOP' | 'SIGCONT'): void
  endGuard(): Promise<void>
  program: Program
  place: Place
  ask(path: string, headers?: readonly string[]): Promise<Answer>
  /**
   * Starts the guard and waits until it listens, which does not mean that it knows of revocations
   * yet.
   * @param more further settings
   */
  startGuard(more?: readonly string[]): Promise<void>
  end(): Promise<void>
}

/** Returns the settings of `guard serve` for a client. */
export const guardSettings = (
  { baseUrl, clientId, clientSecret }: Place,
  { issuer }: World,
  port: number,
  localPort: number,
) => ({
  GUARD_PUBLIC_ADDRESS: baseUrl,
  GUARD_ISSUER: issuer,
  GUARD_CLIENT_ID: clientId,
  GUARD_CLIENT_SECRET: clientSecret,
  GUARD_LISTEN: `127.0.0.1:${port}`,
  GUARD_LOCAL_LISTEN: `127.0.0.1:${localPort}`,
  GUARD_LOCAL_SECRET: 'the local secret of this test, long enough',
})

/**
 * Starts a proxy.
 * @param port on which the proxy listens. Default: that of the client's own address
 */
export async function startProxy(
  { name, prepare, settings }: Pick<Proxy, 'name' | 'prepare' | 'settings'>,
  world: World,
  port?: number,
): Promise<Running> {
  const place = world.place(name)
  const baseUrl = port === undefined ? place.baseUrl : `http://127.0.0.1:${port}`
  const application = await startApplication()
  const [guardPort = 0, localPort = 0] = await freePorts(2)
  const guardWith = (more: readonly string[]): Program =>
    new Program({
      file: NODE,
      args: [
        join(ROOT, 'guard/dist/serve/bin.js'),
        'serve',
        '--rules',
        example('rules.json'),
        ...settings,
        ...more,
      ],
      env: {
        ...guardSettings(place, world, guardPort, localPort),
        NODE_EXTRA_CA_CERTS: world.caFile,
      },
    })
  let guard: Program | undefined
  const startGuard = (more: readonly string[] = []): Promise<void> => {
    guard = guardWith(more)
    return guard.start(() => answers(`http://127.0.0.1:${guardPort}/`))
  }
  await startGuard()
  const directory = mkdtempSync(join(world.directory, `${name}-`))
  const program = new Program(
    prepare({ port: port ?? place.port, guardPort, applicationPort: application.port, directory }),
  )
  await program.start(() => answers(`${baseUrl}/health`))
  return {
    application,
    signalGuard: (name) => guard?.signal(name),
    endGuard: async () => guard?.end(),
    program,
    place,
    ask: (path, headers = []) => ask(baseUrl, path, headers),
    startGuard,
    async end() {
      await program.end()
      await guard?.end()
      await application.close()
    },
  }
}

function defineTests(proxied: Proxy, world: () => World, note: (line: string) => void): void {
  let running: Running
  let token = ''
  let sub = ''
  const { unavailableStatus: unavailable = 503 } = proxied
  const passes = async (): Promise<boolean> =>
    (await running.ask('/cases', bearer(token))).status === 200
  beforeAll(async () => {
    running = await startProxy(proxied, world())
    token = await world().accessToken(world().newBrowser(), running.place)
    sub = String(claimsOf(token).sub)
    await until('a valid token passes', passes, 120)
  })
  afterAll(() => running?.end())

  test('a valid token passes, and the application reads the user from the identity headers', async () => {
    const answer = await running.ask('/cases?of=mine', bearer(token))
    expect(answer.status).toBe(200)
    expect(Object.fromEntries(identityIn(answer))).toMatchObject({
      'x-guard-sub': sub,
      'x-guard-client-id': proxied.name,
      'x-guard-roles': 'CaseManager.User',
      'x-guard-sid': expect.stringMatching(/^s_/) as string,
      'x-guard-rev': expect.stringMatching(/^\d+$/) as string,
    })
    expect(JSON.parse(answer.body)).toMatchObject({ url: '/cases?of=mine' })
  })

  test('401 with a challenge without a token and for a wrong one, 403 without the role, nothing for a public path', async () => {
    for (const headers of [[], bearer('wrong')]) {
      const { headers: said, status } = await running.ask('/cases', headers)
      expect([status, said['www-authenticate']]).toEqual([401, expect.stringMatching(/^Bearer/)])
    }
    expect((await running.ask('/admin/users', bearer(token))).status).toBe(403)
    const open = await running.ask('/health')
    expect([open.status, identityIn(open)]).toEqual([200, []])
  })

  boundTokenTest('/cases?of=mine', () => ({ place: running.place, world: world() }))

  test('another spelling of a path gets around no rule, and is not public', async () => {
    for (const path of [
      '/admin.json',
      '/ADMIN/users',
      '/admin/',
      '/admin.',
      '/admin%20',
      '/admin::$DATA',
    ])
      expect([path, await running.ask(path, bearer(token))]).toEqual([
        path,
        expect.objectContaining({ reached: [] }),
      ])
    for (const path of ['/HEALTH', '/health/', '/health.json', '/health.'])
      expect([path, await running.ask(path)]).toEqual([
        path,
        expect.objectContaining({ status: 401, reached: [] }),
      ])
  })

  test('what the guard is asked about is the request itself, whatever the client forwards', async () => {
    const elsewhere = [
      'X-Forwarded-Uri',
      '/health',
      'X-Forwarded-Method',
      'GET',
      'X-Forwarded-Host',
      'open.example',
      'X_Forwarded_Uri',
      '/health',
    ]
    expect((await running.ask('/cases', elsewhere)).reached).toEqual([])
    expect((await running.ask('/admin/users', [...bearer(token), ...elsewhere])).reached).toEqual(
      [],
    )
  })

  describe('a header that overrides the request line does not reach the application', () => {
    test.each(OVERRIDES)('%s', async (_, headers) => {
      for (const [path, sent] of [
        ['/cases', bearer(token)],
        ['/health', []],
      ] as const) {
        const { reached, status } = await running.ask(path, [...sent, ...headers])
        expect([200, 400, 403]).toContain(status)
        // A proxy sets X-Forwarded-Host to the name by which it was called.
        const sentByClient = pairsOf(headers).map(([name, value]) => `${folded(name)}: ${value}`)
        expect(
          reached
            .map(([name, value]) => `${folded(name)}: ${value}`)
            .filter((each) => sentByClient.includes(each)),
        ).toEqual([])
      }
    })
  })

  describe('rule 19: no identity of the client’s own reaches the application', () => {
    test.each(FORGED)('%s', async (_, headers) => {
      for (const [path, sent] of [
        ['/cases', bearer(token)],
        ['/health', []],
      ] as const) {
        const answer = await running.ask(path, [...sent, ...headers])
        // Either rejected, or passed with the guard's headers and no others.
        if (answer.reached.length === 0) expect([400, 403]).toContain(answer.status)
        else
          expect(identityIn(answer).filter(([name]) => name === 'x-guard-sub')).toEqual(
            path === '/health' ? [] : [['x-guard-sub', sub]],
          )
        expect(JSON.stringify(identityIn(answer))).not.toMatch(/forged|Admin/)
      }
    })
  })

  describe('no connection passes to another protocol than WebSocket', () => {
    const behind = () => ({
      application: running.application,
      port: running.place.port,
      bearer: `Authorization: Bearer ${token}`,
      sub,
    })
    upgradeTests(async () => ({
      ...behind(),
      passing: [
        ['/health', []],
        ['/cases', [behind().bearer]],
      ],
    }))
    webSocketTest(behind)
    test('the settings of an upgrade to HTTP/2 do not reach the application', async () => {
      const { reached, status } = await running.ask('/health', [
        'HTTP2-Settings',
        'AAMAAABkAAQAAP__',
      ])
      expect([status, reached.map(([name]) => name.toLowerCase())]).toEqual([
        200,
        expect.not.arrayContaining(['http2-settings']),
      ])
    })
  })

  describe('rule 20: what the guard does not know does not pass', () => {
    test(`a guard that does not answer: ${unavailable}, and then it passes again`, async () => {
      running.signalGuard('SIGSTOP')
      try {
        expect(await running.ask('/cases', bearer(token))).toMatchObject({
          status: unavailable,
          reached: [],
        })
      } finally {
        running.signalGuard('SIGCONT')
      }
      await until('it passes again', passes, 120)
    })

    test(`a guard that was killed: ${unavailable}; one that has not heard of the broker: 503, never 401; and then it passes again`, async () => {
      await running.endGuard()
      expect(await running.ask('/cases', bearer(token))).toMatchObject({
        status: unavailable,
        reached: [],
      })
      world().shut(proxied.name, true)
      try {
        await running.startGuard()
        expect((await running.ask('/health')).status).toBe(200)
        expect(await running.ask('/cases', bearer(token))).toMatchObject({
          status: 503,
          reached: [],
        })
      } finally {
        world().shut(proxied.name, false)
      }
      await until('it passes again', passes, 120)
    })
  })

  boundTest('none', () => ({
    clientId: proxied.name,
    note,
    world: world(),
    async signIn(browser) {
      const headers = bearer(await world().accessToken(browser, running.place))
      const status = async () => (await running.ask('/cases', headers)).status
      return [{ name: 'API', bound: 'lease', status }]
    },
  }))

  test('an identity header that identity_headers leaves out is empty', async () => {
    await running.endGuard()
    await running.startGuard(['--identity-headers', 'Sub,Roles'])
    await until('it passes again', passes, 120)
    const identity = Object.fromEntries(identityIn(await running.ask('/cases', bearer(token))))
    expect(identity).toEqual({ 'x-guard-sub': sub, 'x-guard-roles': 'CaseManager.User' })
    expect(identityIn(await running.ask('/health'))).toEqual([])
  })

  test('a sign-out is seen: the token no longer passes', async () => {
    const browser = world().newBrowser()
    token = await world().accessToken(browser, running.place)
    await until('the new token passes', passes)
    const sentAtMs = await world().signOut(browser)
    const rejected = await until('the token is rejected', async () => {
      const answer = await running.ask('/cases', bearer(token))
      return answer.status !== 200 && answer
    })
    note(`rejected ${Date.now() - sentAtMs} ms after the sign-out was sent`)
    expect(rejected).toMatchObject({ status: 401, reached: [] })
  })
}
