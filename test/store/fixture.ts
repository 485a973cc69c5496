import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { Client } from 'pg'
import { afterEach, vi } from 'vitest'
import { openPostgresStore } from '../../db/postgres/store.ts'
import { openSqliteStore } from '../../db/sqlite/store.ts'
import { placeDataFile } from '../data-file.ts'
import { borrowDatabase } from '../emptied-database.ts'
import { readHere } from '../reads-here.ts'
import { HAS_POSTGRES, type Database } from '../postgres.ts'
import type { Store } from '../../db/store.ts'
import type {
  Committed,
  DeliveryRef,
  NewCode,
  NewSession,
  Session,
  SessionLimit,
  SignInFrom,
  TokenFamily,
} from '../../db/types.ts'
import type { ClientMetadata } from '../../src/protocol/client-metadata.ts'
import type { Reason, Selector } from '../../src/protocol/revocation.ts'

/**
 * The conformance suite's access to a store. Each test in `test/store` uses the store's interface
 * and runs for every store in `STORES`. Only tests of SQLite itself (the file, the lock, a full
 * disk) are in `sqlite.test.ts`.
 */
export interface StoreUnderTest {
  open(nowMs: () => number, isCertain?: () => boolean): Promise<Store>
  remove(): void | Promise<void>
  /** Reads the registry's version without the store's interface, as another broker does. */
  registryVersion?(): Promise<number>
  /** Runs SQL that a broker of an older version runs, without the store's interface. */
  run?(sql: string): Promise<void>
}

export const STORES: [name: string, make: () => StoreUnderTest][] = [
  [
    'sqlite',
    () => {
      const dir = mkdtempSync(join(tmpdir(), 'broker-store-'))
      const file = join(dir, 'data', 'broker.db')
      placeDataFile(file)
      return {
        open: (nowMs, isCertain) =>
          openSqliteStore({ file, nowMs, isCertain, startReader: readHere }),
        remove: () => rmSync(dir, { recursive: true, force: true }),
        async registryVersion() {
          const reader = new Sqlite(file, { readonly: true })
          const version = reader.prepare<[], number>('SELECT version FROM registry').pluck().get()
          reader.close()
          return version ?? 0
        },
        async run(sql) {
          const writer = new Sqlite(file)
          writer.exec(`BEGIN IMMEDIATE; ${sql}; COMMIT`)
          writer.close()
        },
      }
    },
  ],
  ...(!HAS_POSTGRES ? [] : [['postgres', onPostgres] as [string, () => StoreUnderTest]]),
]

function onPostgres(): StoreUnderTest {
  let database: Promise<Database> | undefined
  let reader: Promise<Client> | undefined
  const read = async () => {
    const client = new Client({ connectionString: (await database)?.url })
    await client.connect()
    return client
  }
  return {
    async open(nowMs, isCertain) {
      database ??= borrowDatabase()
      return openPostgresStore({ url: (await database).url, nowMs, isCertain })
    },
    async remove() {
      await (await reader)?.end()
      await (await database)?.drop()
    },
    async registryVersion() {
      const { rows } = await (
        await (reader ??= read())
      ).query<{ version: string }>('SELECT version FROM broker.registry')
      return Number(rows[0]?.version ?? 0)
    },
    async run(sql) {
      const client = await (reader ??= read())
      try {
        await client.query(`BEGIN; SET LOCAL search_path TO broker; ${sql}; COMMIT`)
      } catch (error) {
        await client.query('ROLLBACK')
        throw error
      }
    },
  }
}

export const T0 = 1_800_000_000
export const TENANT = '11111111-2222-4333-8444-555555555555'

export interface Bench {
  store: Store
  /** Epoch seconds; the store's milliseconds follow it. */
  now: number
  client(clientId: string, metadata?: Partial<ClientMetadata>): Promise<string>
  signIn(who?: string, options?: SignInOptions): Promise<SignedIn>
  /** Returns the input of a sign-in for the store. */
  signInOf(who?: string, options?: SignInOptions, cookie?: string): Parameters<Store['signIn']>[0]
  /** Signs in where the store may reject it. */
  tryToSignIn(
    who?: string,
    options?: SignInOptions,
  ): Promise<Awaited<ReturnType<Store['signIn']>> & { cookie: string }>
  /** Signs in at a client by single sign-on, and exchanges its code. */
  exchange(
    sid: string,
    clientId: string,
    scope?: string,
  ): Promise<{ family: TokenFamily | undefined; rev: number }>
  refresh(
    family: TokenFamily,
    generation?: number,
    replayWindowSeconds?: number,
  ): ReturnType<Store['rotateRefreshToken']>
  revoke(selector: Selector): ReturnType<Store['revoke']>
  /**
   * Marks a session as a probe does when Microsoft demands a new sign-in. The session has `PROBED`.
   */
  mark(sid: string, markAt: number, reason: Reason): Promise<void>
  /** Returns what is due to every target. */
  due(nowMs: number): Promise<DeliveryRef[]>
  /** Fans out until nothing is pending. */
  fanOutAll(limit?: number): Promise<number>
  /** The version by which another broker finds that its copies in memory have changed. */
  registryVersion(): Promise<number>
  /** Runs SQL as a broker of an older version does. */
  run(sql: string): Promise<void>
  close(): Promise<void>
}

/** The fields of a session that the probe checks at Microsoft. */
export const PROBED = { microsoftCacheSealed: 'tokens' }

export interface SignInOptions {
  browser?: string | undefined
  tid?: string
  session?: Partial<NewSession>
  code?: NewCode
  /** The default is a completely fresh sign-in. */
  provenSeq?: number
  limit?: SessionLimit | undefined
  newDevice?: boolean
  from?: SignInFrom
}

export interface SignedIn {
  session: Session
  cookie: string
  renewed: boolean
  committed: Committed[]
}

const random = (prefix = '') => `${prefix}${randomBytes(16).toString('base64url')}`
export const sha = (value: string) => createHash('sha256').update(value).digest('base64url')

export const metadataOf = (
  clientId: string,
  changed: Partial<ClientMetadata> = {},
): ClientMetadata => ({
  name: clientId,
  redirectUris: [`https://${clientId}.example/callback`],
  postLogoutRedirectUris: [],
  logoutUris: [`https://${clientId}.example/backchannel`],
  logoutBy: 'sid',
  authMethod: 'client_secret_basic',
  grants: ['authorization_code', 'refresh_token'],
  scopes: ['openid', 'offline_access'],
  audience: `https://${clientId}.example`,
  resources: [],
  exchangeFrom: [],
  requirePkce: true,
  requirePar: false,
  idTokenAlg: 'RS256',
  accessTokenSeconds: 300,
  guardLeaseSeconds: 30,
  consentRequired: false,
  allowedOrigins: [],
  ...changed,
})

/**
 * Signs the heads as the worker does every hour, because retention cuts a log only at a signed
 * head.
 */
export async function signHeads(store: Store, at = T0): Promise<void> {
  for (const log of ['revocations', 'audit'] as const) {
    const { number, hash } = await store.chainHead(log)
    await store.addSignedHead({ log, number, hash, at, signature: 'a signature' })
  }
}

/** A verifier and its challenge (RFC 7636 §4.2). */
export const VERIFIER = 'a-verifier-of-at-least-forty-three-characters-long'
export const CHALLENGE = sha(VERIFIER)

export function codeFor(clientId: string, now: number, changed: Partial<NewCode> = {}): NewCode {
  return {
    codeHash: random(),
    clientId,
    redirectUri: `https://${clientId}.example/callback`,
    scope: 'openid offline_access',
    audience: `https://${clientId}.example`,
    codeChallenge: CHALLENGE,
    expiresAt: now + 60,
    ...changed,
  }
}

export const redemptionOf = (code: NewCode, now: number) => ({
  codeHash: code.codeHash,
  clientId: code.clientId,
  redirectUri: code.redirectUri,
  verifier: VERIFIER,
  familyId: random(),
  now,
})

const newSession = (who: string, tid: string, cookie: string, now: number): NewSession => ({
  user: { tid, oid: `oid-${who}`, name: who, username: `${who}@contoso.example` },
  authTime: now,
  visitStartedAt: now,
  idleSeconds: 28_800,
  absoluteAt: now + 43_200,
  roles: ['Case.Worker'],
  staySignedIn: false,
  device: 'Firefox on Windows',
  cookieHash: sha(cookie),
})

export async function bench(under: StoreUnderTest): Promise<Bench> {
  const b: Bench = {
    now: T0,
    store: undefined as unknown as Store,
    async client(clientId, metadata) {
      await b.store.putClient({
        clientId,
        source: 'command',
        metadata: metadataOf(clientId, metadata),
        now: b.now,
      })
      return clientId
    },
    signInOf: (
      who = 'alice',
      { browser, tid = TENANT, session, code, provenSeq = Number.MAX_SAFE_INTEGER, ...more } = {},
      cookie = random(),
    ) => ({
      session: { ...newSession(who, tid, cookie, b.now), ...session },
      code,
      browserCookieHash: browser === undefined ? undefined : sha(browser),
      provenSeq,
      ...more,
      ids: { sub: random('u_'), sid: random('s_') },
      now: b.now,
    }),
    async tryToSignIn(who, options) {
      const cookie = random()
      return { ...(await b.store.signIn(b.signInOf(who, options, cookie))), cookie }
    },
    signIn: async (who, options) => expectOutcome(await b.tryToSignIn(who, options), 'signed_in'),
    async exchange(sid, clientId, scope = 'openid offline_access') {
      const code = codeFor(clientId, b.now, { scope })
      const status = await b.store.issueCode({ sid, code, now: b.now })
      if (status.state !== 'live') throw new Error(`No code: the session is ${status.state}.`)
      const done = await b.store.redeemAuthorizationCode(redemptionOf(code, b.now))
      if (done.outcome !== 'redeemed')
        throw new Error(`The code was not redeemed: ${JSON.stringify(done)}`)
      return { family: done.family, rev: done.rev }
    },
    refresh: (family, generation = family.generation, replayWindowSeconds) =>
      b.store.rotateRefreshToken({
        familyId: family.familyId,
        clientId: family.clientId,
        generation,
        replayWindowSeconds,
        now: b.now,
      }),
    revoke: (selector) =>
      b.store.revoke({
        selector,
        reason: 'administrator',
        actor: { kind: 'operator', id: 'test' },
        now: b.now,
      }),
    async mark(sid, markAt, reason) {
      const finding = { outcome: 'mark', markAt, reason } as const
      expectOutcome(
        await b.store.recordProbe({
          sid,
          cacheWas: PROBED.microsoftCacheSealed,
          finding,
          now: b.now,
        }),
        'recorded',
      )
    },
    async due(nowMs) {
      const pages = (await b.store.pendingTargetIds()).map((targetId) =>
        b.store.dueDeliveries({ targetId, nowMs, limit: 100 }),
      )
      return (await Promise.all(pages)).flatMap(({ refs }) => refs)
    },
    async fanOutAll(limit = 100) {
      let pending = 0
      for (;;) {
        const batch = await b.store.fanOutPending({ limit })
        pending += batch.pending.length
        if (!batch.more) return pending
      }
    },
    registryVersion: () =>
      under.registryVersion?.() ??
      Promise.reject(new Error('Only the stores of STORES answer this.')),
    run: (sql) =>
      under.run?.(sql) ?? Promise.reject(new Error('Only the stores of STORES do this.')),
    close: () => b.store.close(),
  }
  b.store = await under.open(() => b.now * 1000)
  return b
}

/** Makes a new store for each test, with its clock. It is closed and removed after the test. */
export function benches(make: () => StoreUnderTest): () => Promise<Bench> {
  const open: { bench: Bench; under: StoreUnderTest }[] = []
  afterEach(async () => {
    for (const { bench: opened, under } of open.splice(0)) {
      await opened.close()
      await under.remove()
    }
  })
  return async () => {
    const under = make()
    const opened = await bench(under)
    open.push({ bench: opened, under })
    return opened
  }
}

export const family = (given: TokenFamily | undefined): TokenFamily => {
  if (given === undefined) throw new Error('No token family was opened.')
  return given
}

type With<R, O> = R extends { outcome: infer A } ? (O extends A ? R : never) : never

/** Returns a result with the expected outcome, so that its other fields are typed. */
export function expectOutcome<R extends { outcome: string }, O extends R['outcome']>(
  result: R,
  outcome: O,
): With<R, O> {
  if (result.outcome !== outcome)
    throw new Error(`Expected ${outcome}, got ${JSON.stringify(result)}`)
  return result as With<R, O>
}

/** Returns Alice’s session, with two clients at which she can sign in. */
export async function signedIn(b: Bench, session: Partial<NewSession> = {}) {
  await b.client('sydney')
  await b.client('melbourne')
  return (await b.signIn('alice', { session })).session
}

/**
 * Returns how many statements the embedded store runs for `act`, without those that a timer runs
 * (the log's head, the length of the write-ahead log).
 */
export async function statementsOf(act: () => Promise<unknown>): Promise<number> {
  const statement = Object.getPrototypeOf(
    new Sqlite(':memory:').prepare('SELECT 1'),
  ) as Sqlite.Statement
  const spies = (['get', 'all', 'run'] as const).map((name) => vi.spyOn(statement, name))
  await act()
  const run = spies
    .flatMap(({ mock }) => mock.contexts as Sqlite.Statement[])
    .map(({ source }) => source)
  for (const spy of spies) spy.mockRestore()
  return run.filter((sql) => !/^PRAGMA wal_checkpoint|^SELECT "log_head"\."seq"/.test(sql)).length
}
