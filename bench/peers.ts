/**
 * `npm run bench peers`: measures Keycloak, Ory Hydra and node-oidc-provider as docs/compare.md
 * compares them with the broker. The peer and its Postgres share a core; the loader, the instances
 * and Hydra's sign-in application have another. The last line is JSON.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, type Instance } from './clients/agent.ts'
import { load } from './clients/loader.ts'
import {
  cores,
  load1,
  ms,
  pinAll,
  pinLoader,
  preciseMs,
  quantile,
  serverCommand,
  spread,
} from './machine/machine.ts'
import { readOptions, usageError } from './machine/options.ts'
import { sql, startPostgres, SYNCED } from './servers/postgres.ts'
import { Receivers } from './clients/receivers.ts'
import { residentMb } from './servers/site.ts'
import { basic, freePort, waitFor } from './servers/stage.ts'

const USAGE = `npm run bench peers -- [options]
  --keycloak DIR    an unpacked distribution of Keycloak 26: org.keycloak:keycloak-quarkus-dist (zip) of Maven Central;
                    it needs Java
  --hydra FILE      the program of Ory Hydra 26: a release of github.com/ory/hydra, or built there by go build
  --provider        node-oidc-provider, on SQLite with every write synced
  --help            prints this
  BENCH_ROUNDS=N    sign-outs that are measured (default 25)
  BENCH_SECONDS=S   what each of five rounds of refreshes lasts (default 4)`
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 25)
const SECONDS = Number(process.env.BENCH_SECONDS ?? 4)
/** A Java program needs some seconds until it is compiled. */
const WARM_UP_SECONDS = 15
const CONNECTIONS = 32
const INSTANCES = 100
const HANGING = 3
const HANGING_ROUNDS = 3
/** The server is killed when so many instances have their logout token. */
const KILL_AT = 5
const KILLS = 3
/** The time after the restart in which a delivery still counts. */
const AFTER_RESTART_MS = 30_000
const REDIRECT = 'http://127.0.0.1/callback'

/** The part of a registration that is the same at Hydra and at node-oidc-provider. */
const METADATA = {
  grant_types: ['authorization_code', 'refresh_token'],
  redirect_uris: [REDIRECT],
  post_logout_redirect_uris: [REDIRECT],
  backchannel_logout_session_required: true,
}

interface Peer {
  name: string
  /** The origin, without a path. */
  url: string
  paths: { ready: string; authorize: string; token: string; logout: string }
  /** The scope for which a client gets a refresh token and no ID token. */
  refreshScope: string
  /** True if it asks before it signs a user out. */
  confirms?: true
  command: [program: string, ...args: string[]]
  env: Record<string, string>
  /** Creates the user and the clients, once. */
  create(instances: readonly Instance[], logoutUris: readonly string[]): Promise<void>
  close?(): void
}

const { values } = readOptions(USAGE, {
  keycloak: { type: 'string' },
  hydra: { type: 'string' },
  provider: { type: 'boolean', default: false },
})
const { keycloak, hydra, provider } = values
if (keycloak === undefined && hydra === undefined && !provider)
  usageError(USAGE, 'Name a peer: --keycloak DIR, --hydra FILE or --provider.')
const kc = keycloak && resolve(keycloak, 'bin', 'kc.sh')
for (const file of [kc, hydra])
  if (file !== undefined && !existsSync(file)) usageError(USAGE, `${file} does not exist.`)

/** Runs a command of a peer that ends, and fails with its output. */
function run(env: Record<string, string>, program: string, ...args: string[]): void {
  const options = { env: { ...process.env, ...env }, encoding: 'utf8' } as const
  const { status, stdout, stderr } = spawnSync(program, args, options)
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} failed: ${stdout}${stderr}`)
}

async function openKeycloak(program: string): Promise<Peer> {
  await sql(postgres.url('postgres'), 'CREATE DATABASE keycloak')
  const url = `http://127.0.0.1:${await freePort()}`
  const realm = '/realms/bench/protocol/openid-connect'
  const password = randomBytes(16).toString('hex')
  return {
    name: 'keycloak',
    url,
    paths: {
      ready: '/realms/master',
      authorize: `${realm}/auth`,
      token: `${realm}/token`,
      logout: `${realm}/logout`,
    },
    refreshScope: 'profile',
    // The first start builds Keycloak for these two options.
    command: [program, 'start', '--db=postgres', '--cache=local'],
    env: {
      KC_HTTP_ENABLED: 'true',
      KC_HTTP_HOST: '127.0.0.1',
      KC_HTTP_PORT: new URL(url).port,
      KC_HOSTNAME: url,
      KC_DB_URL: `jdbc:postgresql://127.0.0.1:${port}/keycloak`,
      KC_DB_USERNAME: 'postgres',
      KC_DB_PASSWORD: 'none',
      KC_LOG_LEVEL: 'warn',
      KC_BOOTSTRAP_ADMIN_USERNAME: 'admin',
      KC_BOOTSTRAP_ADMIN_PASSWORD: password,
    },
    async create(instances, logoutUris) {
      const { access_token } = await json(`${url}/realms/master/protocol/openid-connect/token`, {
        method: 'POST',
        body: new URLSearchParams({
          grant_type: 'password',
          client_id: 'admin-cli',
          username: 'admin',
          password,
        }),
      })
      const clients = instances.map(({ clientId, secret }, n) => ({
        clientId,
        secret,
        redirectUris: [REDIRECT],
        attributes: {
          'backchannel.logout.url': logoutUris[n],
          'backchannel.logout.session.required': 'true',
          'id.token.signed.response.alg': 'RS256',
          'post.logout.redirect.uris': '+',
        },
      }))
      const user = {
        username: 'user',
        enabled: true,
        email: 'user@bench.example',
        emailVerified: true,
        firstName: 'User',
        lastName: 'Bench',
        credentials: [{ type: 'password', value: 'password' }],
      }
      const realm = {
        realm: 'bench',
        enabled: true,
        sslRequired: 'none',
        defaultSignatureAlgorithm: 'ES256',
        revokeRefreshToken: true,
        refreshTokenMaxReuse: 0,
        clients,
        users: [user],
      }
      await json(
        `${url}/admin/realms`,
        bodyOf('POST', realm, { authorization: `Bearer ${access_token}` }),
      )
    },
  }
}

async function openHydra(program: string): Promise<Peer> {
  await sql(postgres.url('postgres'), 'CREATE DATABASE hydra')
  const [own, admin] = [await freePort(), await freePort()]
  const url = `http://127.0.0.1:${own}`
  const requests = `http://127.0.0.1:${admin}/admin`
  const app = await signInApp(`${requests}/oauth2/auth/requests`)
  const at = `http://127.0.0.1:${(app.address() as { port: number }).port}`
  const env = {
    DSN: `postgres://postgres@127.0.0.1:${port}/hydra?sslmode=disable`,
    SECRETS_SYSTEM: randomBytes(16).toString('hex'),
    STRATEGIES_ACCESS_TOKEN: 'jwt',
    URLS_SELF_ISSUER: url,
    URLS_LOGIN: `${at}/login`,
    URLS_CONSENT: `${at}/consent`,
    URLS_LOGOUT: `${at}/logout`,
    SERVE_PUBLIC_HOST: '127.0.0.1',
    SERVE_PUBLIC_PORT: String(own),
    SERVE_ADMIN_HOST: '127.0.0.1',
    SERVE_ADMIN_PORT: String(admin),
    LOG_LEVEL: 'error',
    SQA_OPT_OUT: 'true',
  }
  run(env, program, 'migrate', 'sql', 'up', '--read-from-env', '--yes')
  return {
    name: 'hydra',
    url,
    paths: {
      ready: '/health/ready',
      authorize: '/oauth2/auth',
      token: '/oauth2/token',
      logout: '/oauth2/sessions/logout',
    },
    refreshScope: 'offline',
    // Without --dev, Hydra demands TLS.
    command: [program, 'serve', 'all', '--dev'],
    env,
    async create(instances, logoutUris) {
      const key = { alg: 'ES256', use: 'sig', kid: 'bench' }
      await json(`${requests}/keys/hydra.jwt.access-token`, bodyOf('POST', key))
      for (const [n, { clientId, secret }] of instances.entries())
        await json(
          `${requests}/clients`,
          bodyOf('POST', {
            client_id: clientId,
            client_secret: secret,
            ...METADATA,
            scope: 'openid offline',
            backchannel_logout_uri: logoutUris[n],
          }),
        )
    },
    close: () => void app.close(),
  }
}

/** Serves the pages that Hydra demands: they accept each sign-in, consent and sign-out at once. */
async function signInApp(requests: string): Promise<Server> {
  const accept = async (asked: URL): Promise<string> => {
    const kind = asked.pathname.slice(1)
    const query = `${kind}?${asked.searchParams}`
    const { requested_scope } = await json(`${requests}/${query}`)
    const body =
      kind === 'login'
        ? { subject: 'user', remember: true, remember_for: 3600 }
        : { grant_scope: requested_scope }
    const { redirect_to } = await json(
      `${requests}/${query.replace('?', '/accept?')}`,
      bodyOf('PUT', body),
    )
    return redirect_to ?? ''
  }
  // Hydra leaves two cookies for each client, which reach every port of the address.
  const server = createServer({ maxHeaderSize: 1 << 20 }, (request, response) => {
    accept(new URL(request.url ?? '/', 'http://localhost')).then(
      (location) => response.writeHead(303, { location }).end(),
      (error: unknown) => response.writeHead(500).end(String(error)),
    )
  })
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  return server
}

async function openProvider(): Promise<Peer> {
  const own = await freePort()
  const url = `http://127.0.0.1:${own}`
  return {
    name: 'node-oidc-provider',
    url,
    paths: { ready: '/jwks', authorize: '/auth', token: '/token', logout: '/session/end' },
    refreshScope: 'cases',
    confirms: true,
    command: serverCommand(undefined, 'token/peer-server', dir, '0', String(own)),
    env: {},
    async create(instances, logoutUris) {
      for (const [n, { clientId, secret }] of instances.entries())
        await json(
          `${url}/reg`,
          bodyOf('POST', {
            software_id: clientId,
            software_version: secret,
            ...METADATA,
            backchannel_logout_uri: logoutUris[n],
          }),
        )
    },
  }
}

async function json(url: string, init: RequestInit = {}): Promise<Record<string, string>> {
  const answer = await fetch(url, init)
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${url} answered with ${answer.status}: ${text.slice(0, 300)}`)
  return text === '' ? {} : (JSON.parse(text) as Record<string, string>)
}

const bodyOf = (
  method: string,
  body: object,
  headers: Record<string, string> = {},
): RequestInit => ({
  method,
  headers: { ...headers, 'content-type': 'application/json' },
  body: JSON.stringify(body),
})

/** Starts a peer, and waits until it answers. */
async function start({ name, url, paths, command, env }: Peer): Promise<ChildProcess> {
  const [program, ...args] = core === undefined ? command : ['taskset', '-c', core, ...command]
  const file = join(dir, `${name}.log`)
  const log = openSync(file, 'a')
  const child = spawn(program, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', log, log],
  })
  closeSync(log)
  await waitFor(
    `${name} to answer`,
    async () => {
      if (child.exitCode !== null) throw new Error(`${name} ended: ${readFileSync(file, 'utf8')}`)
      await sleep(100)
      return (await fetch(url + paths.ready).catch(() => undefined))?.ok ?? false
    },
    600,
  )
  return child
}

/** Returns the process that serves: kc.sh starts Java as its child, and ends with it. */
function servingPid({ pid = 0 }: ChildProcess): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return Number(children.split(' ')[0]) || pid
}

async function measure(peer: Peer): Promise<object> {
  const receivers = await Receivers.open(INSTANCES)
  const instances = receivers.uris.map((_, n) => ({
    clientId: `c${n}`,
    secret: randomBytes(16).toString('hex'),
    redirectUri: REDIRECT,
  }))
  let child = await start(peer)
  try {
    await peer.create(instances, receivers.uris)
    const refreshes = await refreshesOf(peer, instances[0] as Instance)
    const memoryMb = Math.round(residentMb(servingPid(child)))
    console.log(`${peer.name}: ${refreshes} refreshes a second, ${memoryMb} MB`)
    const parts = { peer, instances, receivers }
    await signOuts({ ...parts, rounds: Math.min(5, ROUNDS) })
    const well = await signOuts({ ...parts, rounds: ROUNDS })
    console.log(`   last told ${ms(well.lastTold)}; the user waits ${ms(well.waited)}`)
    const killed: number[] = []
    for (let round = 0; round < KILLS; round++) {
      const { told, out } = await signedIn(parts, (count) => {
        if (count === KILL_AT) process.kill(servingPid(child), 'SIGKILL')
      })
      const ended = new Promise((done) => child.once('exit', done))
      await out().catch(() => undefined)
      await ended
      child = await start(peer)
      await sleep(AFTER_RESTART_MS)
      killed.push(told.size)
    }
    console.log(`   killed while it delivers: ${killed.join(', ')} of ${INSTANCES} told`)
    receivers.hang(HANGING)
    const hanging = await signOuts({ ...parts, rounds: HANGING_ROUNDS, deaf: 1 })
    console.log(`   one hangs: the user waits ${ms(hanging.waited)}`)
    return { refreshes, memoryMb, ...well, hanging, killed }
  } finally {
    if (child.exitCode === null && child.signalCode === null)
      process.kill(servingPid(child), 'SIGKILL')
    peer.close?.()
    await receivers.close()
  }
}

interface Parts {
  peer: Peer
  instances: readonly Instance[]
  receivers: Receivers
}

/** Signs in at one client with one scope. Only Keycloak shows a form, and only the first time. */
async function signIn(
  agent: Agent,
  { url, paths }: Peer,
  instance: Instance,
  scope: string,
): Promise<Record<string, string>> {
  const asked = new URLSearchParams({
    response_type: 'code',
    client_id: instance.clientId,
    redirect_uri: REDIRECT,
    scope,
    state: 'state-of-the-bench',
  })
  const { left, status, text } = await agent.get(`${url}${paths.authorize}?${asked}`, REDIRECT)
  if (left === undefined && !text.includes('<form'))
    throw new Error(`${url} answered a sign-in with ${status}: ${text.slice(0, 300)}`)
  const user = { username: 'user', password: 'password' }
  const to = left?.href ?? (await agent.submit(text, user)).headers.get('location')
  const code = new URL(to ?? '', url).searchParams.get('code') ?? ''
  const form = { grant_type: 'authorization_code', code, redirect_uri: REDIRECT }
  return json(url + paths.token, {
    method: 'POST',
    headers: { authorization: basic(instance.clientId, instance.secret) },
    body: new URLSearchParams(form),
  })
}

async function refreshesOf(peer: Peer, instance: Instance): Promise<number> {
  const refreshTokens: string[] = []
  for (let n = 0; n < CONNECTIONS; n++) {
    const tokens = await signIn(new Agent(peer.url), peer, instance, peer.refreshScope)
    if (!headerOf(tokens.access_token).includes('ES256'))
      throw new Error(`${peer.name} signed an access token with ${headerOf(tokens.access_token)}.`)
    refreshTokens.push(tokens.refresh_token ?? '')
  }
  const target = {
    url: peer.url,
    path: peer.paths.token,
    authorization: basic(instance.clientId, instance.secret),
    refreshTokens,
  }
  await load(target, CONNECTIONS, WARM_UP_SECONDS)
  const rates: number[] = []
  for (let n = 0; n < 5; n++) rates.push((await load(target, CONNECTIONS, SECONDS)).perSecond)
  return Math.round(quantile(rates, 0.5))
}

const headerOf = (jwt = ''): string => Buffer.from(jwt.split('.')[0] ?? '', 'base64url').toString()

/**
 * Signs a user in at every client.
 * @param onTold is called with the number of instances that have their logout token
 * @returns when each instance got its logout token, and how the user signs out
 */
async function signedIn(
  { peer, instances, receivers }: Parts,
  onTold: (count: number) => void = () => {},
): Promise<{ told: Map<number, number>; out(): Promise<void> }> {
  const agent = new Agent(peer.url)
  const told = new Map<number, number>()
  // node-oidc-provider names a session to each client by another sid.
  const sids = new Set<string>()
  let hint = ''
  for (const instance of instances) {
    hint = (await signIn(agent, peer, instance, 'openid')).id_token ?? ''
    const claims = Buffer.from(hint.split('.')[1] ?? '', 'base64url').toString()
    sids.add((JSON.parse(claims) as { sid: string }).sid)
  }
  receivers.onArrival((instance, arrival) => {
    if (!sids.has(arrival.sid)) return
    told.set(instance, arrival.atMs)
    onTold(told.size)
  })
  const asked = new URLSearchParams({ id_token_hint: hint, post_logout_redirect_uri: REDIRECT })
  const address = `${peer.url}${peer.paths.logout}?${asked}`
  // The user waits from the answer to the question, as at the broker.
  const question = peer.confirms ? (await agent.get(address)).text : undefined
  const out = async (): Promise<void> => {
    const to =
      question === undefined
        ? (await agent.get(address, REDIRECT)).left?.href
        : (await agent.submit(question, { logout: 'yes' })).headers.get('location')
    if (!to?.startsWith(REDIRECT)) throw new Error(`A sign-out led to ${to}.`)
  }
  return { told, out }
}

async function signOuts({ rounds, deaf = 0, ...parts }: Parts & { rounds: number; deaf?: number }) {
  const [waited, lastTold]: [number[], number[]] = [[], []]
  for (let round = 0; round < rounds; round++) {
    const { told, out } = await signedIn(parts)
    const from = preciseMs()
    await out()
    waited.push(preciseMs() - from)
    await waitFor('every instance to be told', () => told.size >= INSTANCES - deaf, 60)
    lastTold.push(Math.max(...told.values()) - from)
  }
  return { waited: spread(waited), lastTold: spread(lastTold) }
}

const pinned = cores()
const core = pinned?.[0]
// Postgres and its processes inherit the core of the servers.
if (core !== undefined) pinAll(process.pid, core)
const port = await freePort()
process.env.PGPORT = String(port)
const postgres = await startPostgres({ ...SYNCED, listen_addresses: '127.0.0.1' })
const dir = mkdtempSync(join(tmpdir(), 'cmb-bench-peers-'))
console.log(
  `Postgres, synchronous_commit=on, fsync on; ${CONNECTIONS} connections, ${pinLoader(pinned)}; load of the machine before: ${load1()}.`,
)
const figures: Record<string, object> = {}
try {
  if (kc !== undefined) figures.keycloak = await measure(await openKeycloak(kc))
  if (hydra !== undefined) figures.hydra = await measure(await openHydra(resolve(hydra)))
  if (provider) figures.provider = await measure(await openProvider())
} finally {
  await postgres.stop()
  rmSync(dir, { recursive: true, force: true })
}
console.log(`load of the machine after: ${load1()}`)
console.log(JSON.stringify(figures))
