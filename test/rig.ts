import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHash, randomBytes } from 'node:crypto'
import { getRequestListener } from '@hono/node-server'
import type { Hono } from 'hono'
import { expect, onTestFinished } from 'vitest'
import { createApp } from '../src/app.ts'
import { newClientSecret } from '../src/clients/secret.ts'
import { loadConfig, type Config } from '../src/config/config.ts'
import type { Deps } from '../src/deps.ts'
import { createLog } from '../src/runtime/log.ts'
import {
  type Examination,
  type Graph,
  GraphProblem,
  MicrosoftRejection,
  type Microsoft,
  type MicrosoftIdentity,
  type Renewal,
  type StartSignIn,
} from '../src/microsoft/interface.ts'
import type { JobCounts, TargetState } from '../src/outbox/interface.ts'
import { makeSigningKey, type SigningKey } from '../src/keys/signing-key.ts'
import type { ClientMetadata } from '../src/protocol/client-metadata.ts'
import type { SigningAlg } from '../src/protocol/names.ts'
import { sha256 } from '../src/runtime/compare.ts'
import { newSecret, newSid, newSub } from '../src/runtime/ids.ts'
import { openParts } from '../src/parts.ts'
import { SESSION_COOKIE } from '../src/session/cookie.ts'
import { openSqliteStore } from '../db/sqlite/store.ts'
import type { Committed, DeliveryRef, User, Session } from '../db/types.ts'
import { placeDataFile } from './data-file.ts'
import { borrowDatabase } from './emptied-database.ts'
import type { Database } from './postgres.ts'
import { readHere } from './reads-here.ts'

/**
 * The broker as tests use it: the real modules, a real SQLite file and real keys; the clock,
 * Microsoft and (by default) the queue server are simulated. Everything is closed when the test
 * that made it ends. With BROKER_TEST_STORE=postgres it uses a database of Postgres.
 */

export const TENANT = '11111111-1111-4111-8111-111111111111'
export const OTHER_TENANT = '22222222-2222-4222-8222-222222222222'
export const ISSUER = 'http://localhost:7400'
/** Tuesday, 2026-11-24 09:00:00 UTC. */
export const START = 1_795_510_800

export class FakeClock {
  #ms = START * 1000
  #steppedMs = 0
  readonly #real: boolean
  /**
   * Creates a clock.
   * @param real uses the machine's time, for libraries that depend on it; `advance` adds to it
   */
  constructor(real = false) {
    this.#real = real
    if (real) this.#ms = 0
  }
  now(): number {
    return Math.floor(this.nowMs() / 1000)
  }
  nowMs(): number {
    return this.#real ? Date.now() + this.#ms : this.#ms
  }
  steadyMs(): number {
    return this.nowMs() - this.#steppedMs
  }
  /**
   * Real time, in which Postgres answers: a clock that a test advances would end the lease, and
   * with it every stream.
   */
  elapsedMs(): number {
    return performance.now()
  }
  advance(seconds: number): void {
    this.#ms += Math.round(seconds * 1000)
  }
  /** Sets the system's clock forward or back, without a change of the monotonic time. */
  step(seconds: number): void {
    this.#ms += seconds * 1000
    this.#steppedMs += seconds * 1000
  }
}

/** A simulated Microsoft: the test sets what the next sign-in proves, or how it is rejected. */
export class FakeMicrosoft implements Microsoft {
  connected = true
  /** Sign-ins that were begun, newest last. */
  readonly started: StartSignIn[] = []
  next: Partial<MicrosoftIdentity> | MicrosoftRejection = {}
  user: User = {
    tid: TENANT,
    oid: '00000000-0000-4000-8000-00000000a11c',
    name: 'Alice Adams',
    username: 'alice@contoso.example',
    email: 'alice@contoso.example',
  }
  readonly #clock: FakeClock
  constructor(clock: FakeClock) {
    this.#clock = clock
  }

  readiness() {
    return this.connected
      ? { connected: true as const }
      : { connected: false as const, missing: ['BROKER_ENTRA_TENANT'] }
  }
  async authorizeUrl(input: StartSignIn): Promise<string> {
    this.started.push(input)
    return `https://login.microsoftonline.com/${input.tid ?? 'organizations'}/oauth2/v2.0/authorize?${new URLSearchParams({ state: input.state })}`
  }
  async redeemCode(): Promise<MicrosoftIdentity> {
    if (this.next instanceof MicrosoftRejection) throw this.next
    const now = this.#clock.now()
    return {
      user: this.user,
      authTime: now,
      issuedAt: now,
      clockOffsetSeconds: 0,
      acrs: ['c1'],
      amr: undefined,
      roles: ['CaseManager.User'],
      directoryRoles: [],
      sid: `entra-${randomBytes(6).toString('hex')}`,
      loginHint: 'O.hint',
      staySignedIn: undefined,
      cache: '{"RefreshToken":{}}',
      ...this.next,
    }
  }
  /** Returns the answer to a probe, by the token cache that it presents. */
  renewals: (input: {
    cache: string
    user: Pick<User, 'tid' | 'oid'>
  }) => Renewal | MicrosoftRejection | undefined = () => undefined
  async renew(input: {
    cache: string
    user: Pick<User, 'tid' | 'oid'>
  }): Promise<Renewal | undefined> {
    const answer = this.renewals(input)
    if (answer instanceof MicrosoftRejection) throw answer
    return answer
  }
  /** The Graph client: it is down, unless a test sets one here. */
  graph: Graph = new Proxy({} as Graph, {
    get: () => () => Promise.reject(new GraphProblem('outage', 'There is no Graph in this test.')),
  })
  async logoutUrl(input: { tid: string; logoutHint?: string | undefined }): Promise<string> {
    const query = new URLSearchParams({ post_logout_redirect_uri: `${ISSUER}/logout/return` })
    if (input.logoutHint !== undefined) query.set('logout_hint', input.logoutHint)
    return `https://login.microsoftonline.com/${input.tid}/oauth2/v2.0/logout?${query}`
  }
  /** The result of the broker's check whether Microsoft would accept a sign-in. */
  examined: Examination = {
    metadata: { ok: true, skewSeconds: 0 },
    authorize: { ok: true },
    credential: { ok: true, graphRoles: [] },
  }
  async examine(_tid: string): Promise<Examination> {
    return this.examined
  }
  async tryConnection() {
    return this.examined.credential ?? expect.unreachable()
  }
  credentialEndsAt: number | undefined
  async credentialEnd() {
    return this.credentialEndsAt
  }
}

/** A queue that records what it gets, for tests that are not about the queue. */
export class RecordingQueue {
  readonly added: DeliveryRef[] = []
  up = true
  readonly changes: number[] = []
  send(refs: readonly DeliveryRef[]): void {
    this.added.push(...refs)
  }
  changed(seq: number): void {
    this.changes.push(seq)
  }
  states: TargetState[] = []
  targets(): TargetState[] {
    return this.states
  }
  work() {
    return { stop: async () => {} }
  }
  problem: string | undefined
  async health() {
    return { up: this.up, engine: 'valkey' as const, problem: this.problem }
  }
  kept: { appendOnly: boolean; evictionPolicy: string } | undefined
  async job() {
    return undefined
  }
  async jobs(): Promise<JobCounts | undefined> {
    return undefined
  }
  async durability() {
    return this.kept
  }
  async close(): Promise<void> {}
}

export const SYDNEY: ClientMetadata = {
  name: 'Case Manager Sydney',
  uri: 'https://sydney.case-manager.example/',
  redirectUris: ['https://sydney.case-manager.example/oidc/callback'],
  postLogoutRedirectUris: ['https://sydney.case-manager.example/signed-out'],
  logoutUris: ['https://sydney.case-manager.example/oidc/backchannel-logout'],
  logoutBy: 'sid',
  authMethod: 'client_secret_basic',
  grants: ['authorization_code', 'refresh_token'],
  scopes: ['openid', 'profile', 'email', 'offline_access'],
  audience: 'https://sydney.case-manager.example',
  resources: [],
  exchangeFrom: [],
  requirePkce: true,
  requirePar: false,
  idTokenAlg: 'RS256',
  accessTokenSeconds: 300,
  guardLeaseSeconds: 30,
  consentRequired: false,
  allowedOrigins: [],
}

/** Returns Sydney's registration for another city, with its name in every address. */
export const cityMetadata = (
  city: string,
  changes: Partial<ClientMetadata> = {},
): ClientMetadata => ({
  ...(JSON.parse(
    JSON.stringify(SYDNEY).replaceAll('sydney', city.toLowerCase()).replaceAll('Sydney', city),
  ) as ClientMetadata),
  ...changes,
})

export interface RegisteredClient {
  clientId: string
  secret: string
  /** The value of an Authorization header (RFC 6749 §2.3.1). */
  basic: string
  metadata: ClientMetadata
}

export const VERIFIER = 'a-verifier-that-is-long-enough-for-rfc-7636-section-4-1'
export const CHALLENGE = createHash('sha256').update(VERIFIER).digest('base64url')

export type Rig = Awaited<ReturnType<typeof createRig>>

/** The setting that loads the languages of this repository. */
export const LANGUAGES = {
  BROKER_TRANSLATION_FILES: ['de', 'fr', 'es', 'ar']
    .map((language) => join(import.meta.dirname, `../languages/${language}.json`))
    .join(','),
}

export interface RigOptions {
  /** Settings in addition to those of every rig. */
  env?: Record<string, string>
  config?: Partial<Config>
  deps?: Partial<Deps>
  clients?: string[]
  /** Makes the issuer, `config.issuer`, a real listener of this machine, at which `app` answers. */
  listening?: boolean
  /** Uses the machine's own time. */
  realTime?: boolean
  /** False for a broker that has not reached Microsoft yet, so that its clock is not compared. */
  isCompared?: boolean
  /** The test itself announces what a commit revokes, as from another process. */
  unannounced?: boolean
  /** Registers the close function of the rig; by default the test closes it when it ends. */
  onEnd?: (close: () => Promise<void>) => void
  /**
   * A stopped broker that starts again here, with its files, its clock and its Microsoft. It is
   * closed after this one.
   */
  before?: {
    dir: string
    clock: FakeClock
    microsoft: FakeMicrosoft
    database: Database | undefined
  }
}

const quietStore = async (dir: string, clock: FakeClock) => ({
  ...(await openSqliteStore({
    file: join(dir, 'broker.db'),
    nowMs: () => clock.nowMs(),
    startReader: readHere,
  })),
  onRevoked: () => undefined,
})

const drawn: Promise<SigningKey>[] = []
let borrowed = 0

/**
 * Returns a maker of keys. The first RSA key of a rig is one that this worker has made before,
 * because making it costs half of the rig's CPU time. It differs from those of the seven rigs
 * before; further keys are new.
 */
function borrowedKeys(): (alg: SigningAlg) => Promise<SigningKey> {
  let isFirst = true
  return (alg) => {
    if (alg !== 'RS256' || !isFirst) return makeSigningKey(alg)
    isFirst = false
    const place = borrowed++ % 8
    return (drawn[place] ??= makeSigningKey(alg))
  }
}

export async function createRig(options: RigOptions = {}) {
  const { before } = options
  const dir = before?.dir ?? mkdtempSync(join(tmpdir(), 'cmb-'))
  const clock: FakeClock = before?.clock ?? new FakeClock(options.realTime)
  const servers: Server[] = []
  const listen = async (answer: RequestListener): Promise<number> => {
    const server = createServer(answer)
    servers.push(server)
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    return (server.address() as AddressInfo).port
  }
  let answer: RequestListener = (_request, response) => void response.writeHead(503).end()
  const issuer = options.listening
    ? `http://127.0.0.1:${await listen((request, response) => answer(request, response))}`
    : ISSUER
  const config: Config = {
    ...loadConfig({
      BROKER_ISSUER: issuer,
      BROKER_SECRET: Buffer.from('secret of this test rig 01234567').toString('hex'),
      BROKER_DATA_DIR: dir,
      BROKER_LISTEN: '127.0.0.1:0',
      BROKER_ENTRA_TENANT: `${TENANT},${OTHER_TENANT}`,
      BROKER_ENTRA_CLIENT_ID: '33333333-3333-4333-8333-333333333333',
      BROKER_ENTRA_CLIENT_SECRET: 'entra-secret',
      BROKER_MFA_PROOF: 'auth_context:c1',
      BROKER_OPERATOR_TENANT: TENANT,
      BROKER_ALLOW_LOOPBACK_TARGETS: 'yes',
      ...options.env,
    }),
    ...options.config,
  }
  const lines: string[] = []
  const log = createLog(
    (line) => lines.push(line),
    () => clock.nowMs(),
  )
  const queue = new RecordingQueue()
  const microsoft: FakeMicrosoft = before?.microsoft ?? new FakeMicrosoft(clock)
  const ownDatabase =
    process.env.BROKER_TEST_STORE === 'postgres' &&
    config.databaseUrl === undefined &&
    !options.unannounced &&
    !before
      ? await borrowDatabase()
      : undefined
  const database: Database | undefined = before?.database ?? ownDatabase
  if (database !== undefined) config.databaseUrl = database.url
  if (config.databaseUrl === undefined && !before) placeDataFile(join(dir, 'broker.db'))
  const quiet = options.unannounced ? await quietStore(dir, clock) : undefined
  const overrides = {
    clock,
    queue,
    microsoft,
    makeKey: borrowedKeys(),
    startReader: readHere,
    ...(quiet && { store: quiet }),
    ...options.deps,
  }
  const { deps, closing } = await openParts({ config, log }, overrides)
  const { store, keys, clients, metrics, feed, random } = deps
  if (options.isCompared ?? true) deps.clockWatch.comparison()(0)
  const { app, operators, closeConsole } = createApp(deps)
  const { opsApp, tenantApp } = await operators()
  answer = getRequestListener(app.fetch)
  const onEnd = options.onEnd ?? onTestFinished
  const stop = async () => {
    feed.close()
    await closing.run()
  }
  onEnd(async () => {
    feed.close()
    for (const server of servers) {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    }
    await closing.run()
    await quiet?.close()
    if (before !== undefined) return
    await database?.drop()
    rmSync(dir, { recursive: true, force: true })
  })

  const register = async (
    city: string,
    changes: Partial<ClientMetadata> = {},
  ): Promise<RegisteredClient> => {
    const clientId = city.toLowerCase()
    const metadata = cityMetadata(city, changes)
    const { secret, hash } = newClientSecret(random, clock.now())
    const withSecret =
      metadata.authMethod === 'client_secret_basic' || metadata.authMethod === 'client_secret_post'
    await store.putClient({
      clientId,
      source: 'command',
      metadata,
      secrets: withSecret ? [hash] : [],
      now: clock.now(),
    })
    await clients.reload()
    return {
      clientId,
      secret,
      basic: `Basic ${Buffer.from(`${clientId}:${secret}`).toString('base64')}`,
      metadata,
    }
  }

  /** Opens a session as a sign-in at Microsoft does, without the pages. */
  const openSession = async (
    changes: { user?: Partial<User>; device?: string; address?: string } & Partial<
      Omit<Session, 'user' | 'device'>
    > = {},
  ) => {
    const cookie = newSecret(random)
    const now = clock.now()
    const { user, device, address, ...rest } = changes
    const signedIn = await store.signIn({
      session: {
        user: { ...microsoft.user, ...user },
        authTime: now,
        visitStartedAt: now,
        idleSeconds: config.limits.idleSeconds,
        absoluteAt: now + config.limits.absoluteSeconds,
        acr: 'urn:case-manager:acr:mfa',
        roles: ['CaseManager.User'],
        staySignedIn: false,
        device: device ?? 'Firefox on Linux',
        cookieHash: sha256(cookie),
        ...rest,
      },
      provenSeq: Number.MAX_SAFE_INTEGER,
      ids: { sub: newSub(random), sid: newSid(random) },
      from: { address },
      now,
    })
    if (signedIn.outcome !== 'signed_in') throw new Error(`Not signed in: ${signedIn.why}`)
    return { ...signedIn, cookie, cookieHeader: `${SESSION_COOKIE}=${cookie}` }
  }

  /** Issues a code for a live session straight from the store, with the form for /token. */
  const issueCode = async (
    sid: string,
    client: RegisteredClient,
    changes: { scope?: string; nonce?: string; audience?: string; jkt?: string } = {},
  ) => {
    const code = newSecret(random)
    const redirectUri = client.metadata.redirectUris[0] ?? ''
    const status = await store.issueCode({
      sid,
      code: {
        codeHash: sha256(code),
        clientId: client.clientId,
        redirectUri,
        scope: changes.scope ?? 'openid profile email offline_access',
        audience: changes.audience ?? client.metadata.audience,
        nonce: changes.nonce ?? 'nonce-1',
        codeChallenge: CHALLENGE,
        jkt: changes.jkt,
        expiresAt: clock.now() + 60,
      },
      now: clock.now(),
    })
    return {
      status,
      code,
      form: {
        grant_type: 'authorization_code',
        code,
        redirect_uri: redirectUri,
        code_verifier: VERIFIER,
      },
    }
  }

  const post = (path: string, form: Record<string, string>, headers: Record<string, string> = {}) =>
    app.request(`${config.issuer}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
      body: new URLSearchParams(form).toString(),
    })

  /** Signs in a client by code and exchange, and returns the token response. */
  const signInAt = async (sid: string, client: RegisteredClient, scope?: string) => {
    const { form } = await issueCode(sid, client, scope === undefined ? {} : { scope })
    const response = await post('/token', form, { authorization: client.basic })
    return (await response.json()) as {
      access_token: string
      refresh_token?: string
      id_token?: string
      expires_in: number
      scope: string
    }
  }

  /** Serves the app on a real port of this machine. */
  const serve = async (which: Hono = app): Promise<string> =>
    `http://127.0.0.1:${await listen(getRequestListener(which.fetch))}`

  return {
    dir,
    config,
    clock,
    deps,
    store,
    keys,
    clients,
    microsoft,
    queue,
    feed,
    metrics,
    app,
    opsApp,
    tenantApp,
    closeConsole,
    lines,
    register,
    openSession,
    issueCode,
    signInAt,
    post,
    serve,
    database,
    /** Ends the broker as for a restart. The next rig takes it as `before`. */
    stop,
  }
}

/** Returns the reasons of a list of revocations. */
export const reasons = (committed: Committed[]): string[] =>
  committed.map((entry) => entry.revocation.reason)
