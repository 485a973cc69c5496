import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import { BenchLine } from './line.ts'
import { Pair } from '../servers/pair.ts'
import { QueueProcess } from '../servers/queue.ts'
import type { Asked } from '../servers/broker.ts'
import { freePort, openStage, type Stage } from '../servers/stage.ts'

/** The brokers of a run: one on SQLite, or two on Postgres with a standby. */

/** The clients of the guards: those of the first judge tokens alone, the others sessions too. */
export const TOKENS_ALONE = 'guarded'
export const WITH_SESSIONS = 'judging'
export const CLIENTS = [TOKENS_ALONE, WITH_SESSIONS] as const
export type ClientId = (typeof CLIENTS)[number]

/** A broker that can be killed, stopped and given a wrong clock. */
export class BoundBroker {
  readonly port: number
  readonly #settings: Record<string, string>
  /** Its line to Postgres. */
  readonly database: BenchLine | undefined
  #stage: Stage | undefined

  constructor(port: number, settings: Record<string, string>, database: BenchLine | undefined) {
    this.port = port
    this.#settings = settings
    this.database = database
  }
  get isUp(): boolean {
    return this.#stage !== undefined
  }
  /** Returns the running broker. @throws Error while it is down */
  get stage(): Stage {
    if (this.#stage === undefined) throw new Error('The broker is down.')
    return this.#stage
  }
  async askForReceipt(seq: number): Promise<Asked['receipt']['out']> {
    return this.stage.ask('receipt', { seq })
  }
  /** Starts it. Its wall clock is wrong by `stepMs`. */
  async start(stepMs = 0): Promise<void> {
    const settings = { ...this.#settings, BENCH_STEP_MS: String(stepMs) }
    // One that does not reach Postgres in time ends, and is started again.
    for (let left = 5; this.#stage === undefined; left--)
      this.#stage = await openStage(undefined, settings, this.port).catch((error: unknown) => {
        if (left === 0) throw error
        return undefined
      })
  }
  async kill(): Promise<void> {
    const { stage } = this
    this.#stage = undefined
    process.kill(stage.pid, 'SIGKILL')
    await stage.stop()
  }
  async pause(ms: number): Promise<void> {
    await stopped([this.stage.pid], ms)
  }
  async suspend(ms: number): Promise<void> {
    const { stage } = this
    await stage.ask('suspend', { ms })
    await stopped([stage.pid], ms)
  }
  async stop(): Promise<void> {
    await this.#stage?.stop()
  }
}

export interface Site {
  issuer: string
  brokers: BoundBroker[]
  /** Set on Postgres. */
  pair: Pair | undefined
  close(): Promise<void>
}

/** Starts the brokers. `rate` returns the speed of the clock of each. */
export async function openSite(name: 'sqlite' | 'postgres', rate: () => number): Promise<Site> {
  const closing: (() => unknown)[] = []
  const close = async (): Promise<void> => {
    for (const stop of closing.splice(0).reverse()) await stop()
  }
  try {
    const dir = mkdtempSync(join(tmpdir(), 'cmb-bound-'))
    closing.push(() => rmSync(dir, { recursive: true, force: true }))
    const queue = await QueueProcess.open(await freePort())
    closing.push(() => queue.close())
    const pair = name === 'postgres' ? (await Pair.open()).server : undefined
    closing.push(() => pair?.stop())
    const ports = [await keptPort(), ...(pair === undefined ? [] : [await keptPort()])]
    const issuer = `http://localhost:${ports[0]}`
    const shared = {
      BROKER_ISSUER: issuer,
      BROKER_SECRET: randomBytes(32).toString('hex'),
      BROKER_QUEUE_URL: queue.url,
    }
    const brokers: BoundBroker[] = []
    for (const port of ports) {
      const database =
        pair && (await BenchLine.open(() => ({ path: join(pair.dir, '.s.PGSQL.5432') })))
      if (database !== undefined) closing.push(() => database.close())
      const onPostgres = database && {
        BROKER_DATABASE_URL: `postgres://postgres@127.0.0.1:${database.port}/broker`,
        BROKER_DATABASE_STANDBY: 'required',
      }
      const own = { BROKER_DATA_DIR: join(dir, String(port)), BENCH_RATE: String(rate()) }
      const broker = new BoundBroker(port, { ...shared, ...own, ...onPostgres }, database)
      await broker.start()
      closing.push(() => broker.stop())
      brokers.push(broker)
    }
    return { issuer, brokers, pair, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Returns a port that no connection of this machine gets while the broker is down. */
async function keptPort(): Promise<number> {
  for (;;) {
    const port = 15_000 + Math.floor(Math.random() * 15_000)
    const server = createServer()
    const isFree = await new Promise<boolean>((done) =>
      server.once('error', () => done(false)).listen(port, '127.0.0.1', () => done(true)),
    )
    if (isFree) return new Promise((done) => server.close(() => done(port)))
  }
}

/** Stops processes for a while. */
export async function stopped(pids: readonly number[], ms: number): Promise<void> {
  const send = (signal: NodeJS.Signals): void => {
    // 0 and 1 would be other processes.
    for (const pid of pids.filter((candidate) => candidate > 1))
      try {
        process.kill(pid, signal)
      } catch {
        // It has ended.
      }
  }
  send('SIGSTOP')
  await sleep(ms)
  send('SIGCONT')
}

/** A session, and what each client got for it: a token, and the claims of an ID token. */
export interface Issued {
  sid: string
  sub: string
  tid: string
  of: Record<ClientId, Evidence>
}
export interface Evidence {
  token: string
  session: object
}

/** Registers the clients of the guards, and opens sessions with tokens that live for an hour. */
export async function openSessions(
  stage: Stage,
  { leaseSeconds, count }: { leaseSeconds: number; count: number },
): Promise<Issued[]> {
  const seconds = { guard_lease_seconds: leaseSeconds, access_token_seconds: 3_600 }
  const more = { ...seconds, own_sessions: 'guard' }
  await stage.register(CLIENTS.map((clientId) => ({ clientId, alg: 'ES256' as const, more })))
  const issued: Issued[] = []
  for (let left = count; left > 0; left -= 25)
    issued.push(
      ...(await Promise.all(Array.from({ length: Math.min(25, left) }, () => signIn(stage)))),
    )
  return issued
}

/** Signs a user of a tenant of their own in to both clients. */
async function signIn(stage: Stage): Promise<Issued> {
  const tid = randomUUID()
  const clients = [...CLIENTS]
  const { sessions } = await stage.ask('sessions', { count: 1, clients, tid, codes: true })
  const [session] = sessions
  if (session === undefined) throw new Error('The broker opened no session.')
  const { sid, sub } = session
  const evidence = async (clientId: ClientId, code: string): Promise<Evidence> => {
    const { access_token: token, id_token } = await stage.exchange({ code }, clientId)
    const claims = Buffer.from(id_token.split('.')[1] ?? '', 'base64url').toString()
    return { token, session: JSON.parse(claims) as object }
  }
  const { code } = await stage.ask('code', { sid, clientId: WITH_SESSIONS })
  return {
    sid,
    sub,
    tid,
    of: {
      [TOKENS_ALONE]: await evidence(TOKENS_ALONE, session.code),
      [WITH_SESSIONS]: await evidence(WITH_SESSIONS, code),
    },
  }
}

/**
 * Revokes the session of a token with the default lifetime. Returns for how many seconds after the
 * acknowledgment a server accepts it that checks signature and times alone.
 */
export async function acceptedWithoutGuard(stage: Stage): Promise<number> {
  await stage.register([{ clientId: 'unguarded', alg: 'ES256' }])
  const tid = randomUUID()
  const [tokens] = await stage.signIn({ count: 1, clientId: 'unguarded', tid })
  const token = tokens?.access_token ?? ''
  await stage.ask('revoke', { selector: { kind: 'tenant', tid } })
  const acknowledgedMs = Date.now()
  const keys = createLocalJWKSet((await (await fetch(`${stage.url}/jwks`)).json()) as JSONWebKeySet)
  const accepts = (seconds: number): Promise<boolean> =>
    jwtVerify(token, keys, { currentDate: new Date(acknowledgedMs + seconds * 1_000) }).then(
      () => true,
      () => false,
    )
  let seconds = 0
  while (await accepts(seconds)) seconds++
  return seconds
}
