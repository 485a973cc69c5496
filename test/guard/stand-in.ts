import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT, type JWK } from 'jose'
import { onTestFinished, vi } from 'vitest'
import {
  createGuard,
  type Guard,
  type GuardClock,
  type GuardOptions,
  type Selector,
} from '@case-manager/guard'

/**
 * A simulated broker as the guard sees it (docs/feed.md), on a real listener, controlled by a test.
 */

/** Tuesday, 2026-11-24 09:00:00 UTC. */
export const START = 1_795_510_800
export const LOGOUT_EVENT = 'http://schemas.openid.net/event/backchannel-logout'
export const CLIENT = { clientId: 'sydney', clientSecret: 'a secret: with / and %' }

/**
 * A clock that only a test moves. Timers are the machine's, unless the clock is made with `turned`
 * timers.
 */
export class TestClock implements GuardClock {
  #ms = START * 1000
  #monotonic = 0
  #timers: { at: number; run: () => void }[] = []
  readonly after?: (ms: number, run: () => void) => () => void

  constructor(timers: 'real' | 'turned' = 'real') {
    if (timers === 'turned') this.after = (ms, run) => this.#after(ms, run)
  }
  nowMs(): number {
    return this.#ms
  }
  monotonicMs(): number {
    return this.#monotonic
  }
  get now(): number {
    return Math.floor(this.#ms / 1000)
  }
  advance(seconds: number): void {
    const until = this.#monotonic + seconds * 1000
    for (;;) {
      const due = this.#timers.filter((timer) => timer.at <= until).sort((a, b) => a.at - b.at)[0]
      if (due === undefined) break
      this.#timers = this.#timers.filter((timer) => timer !== due)
      this.#ms += due.at - this.#monotonic
      this.#monotonic = due.at
      due.run()
    }
    this.#ms += until - this.#monotonic
    this.#monotonic = until
  }
  /** Sets the machine's clock. */
  set(seconds: number): void {
    this.#ms += seconds * 1000
  }
  #after(ms: number, run: () => void): () => void {
    const timer = { at: this.#monotonic + ms, run }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }
}

interface SigningKey {
  kid: string
  alg: 'ES256' | 'RS256'
  key: CryptoKey
  jwk: JWK
}

export async function makeKey(kid: string, alg: 'ES256' | 'RS256' = 'ES256'): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  return {
    kid,
    alg,
    key: privateKey,
    jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' },
  }
}

const firstKeys = Promise.all([makeKey('es-1'), makeKey('rs-1', 'RS256')])

export class Broker {
  readonly clock: TestClock
  readonly requests: { method: string; url: string; headers: IncomingMessage['headers'] }[] = []
  readonly reports: ({ epoch: string; seq: number; guard: string } & Record<string, unknown>)[] = []
  readonly streams = new Set<ServerResponse>()
  issuer = ''
  /** The length of the leases that it grants, and the name of its clock. */
  leaseSeconds = 30
  clockName = 'clock-a'
  epoch = 'epoch-a'
  seq = 100
  entries: { seq: number; selector: Selector; exp: number; session_exp?: number }[] = []
  /** The `seq` from which it knows the ends of sessions. Undefined: it is of an older version. */
  completeFrom: number | undefined = 0
  /** Its answer about a session. Undefined: it is down. */
  sessionAnswer: ((form: URLSearchParams) => object | undefined) | undefined = () => ({
    active: true,
    rev: this.seq,
    session_expiry: this.now + 43_200,
  })
  /** The forms by which guards have asked about sessions. */
  readonly sessionForms: URLSearchParams[] = []
  retiredKids: string[] = []
  /** The tenants whose revocations it sends. Undefined: all. */
  tenants: string[] | undefined
  /** How far the broker's clock is ahead of the guard's. */
  aheadSeconds = 0
  /** The issuer in its discovery document; by default its address. */
  calledItself: string | undefined
  keys: SigningKey[] = []
  /** The answer of /introspect; undefined: it is down. */
  active: boolean | undefined = true
  /** The status of a whole route, instead of its answer. */
  broken: Record<string, number> = {}
  retryAfter: string | undefined
  reportStatus = 204
  /** The number of entries in one answer to a poll. */
  page = 1000
  /** The assertions by which guards have authenticated. */
  readonly assertions: string[] = []
  /** The response of a route, instead of its own answer. */
  instead: Record<string, (response: ServerResponse) => void> = {}
  /** A promise for which answers wait, where a test wants them late: all, or those of a route. */
  hold: Promise<void> | undefined
  readonly holds: Record<string, Promise<void>> = {}

  constructor(clock: TestClock) {
    this.clock = clock
  }

  get count() {
    return (path: string): number =>
      this.requests.filter(({ url }) => url.split('?')[0] === path).length
  }

  /** Appends to the log and sends the entry to every stream. */
  revoke(selector: Selector, reason_class?: string): number {
    const [exp, session_exp] = [this.now + 360, this.now + 43_200]
    const entry = { seq: ++this.seq, selector, exp, session_exp, reason_class }
    this.entries.push(entry)
    for (const stream of this.streams) {
      const data = this.judging.has(stream) ? entry : { ...entry, session_exp: undefined }
      stream.write(
        `event: revocation\nid: ${this.epoch}.${entry.seq}\ndata: ${JSON.stringify(data)}\n\n`,
      )
    }
    return entry.seq
  }
  /** The streams of guards that judge sessions. */
  readonly judging = new WeakSet<ServerResponse>()
  /** The entries that are sent to a guard: for sessions also those that no token needs any more. */
  #sent(sessions: boolean) {
    const { now } = this.clock
    return this.entries.flatMap(({ session_exp, ...entry }) => {
      if (sessions && session_exp !== undefined && session_exp > now)
        return [{ ...entry, session_exp }]
      return entry.exp > now ? [entry] : []
    })
  }
  send(event: string, data: unknown, seq?: number, epoch = this.epoch): void {
    this.raw(
      `event: ${event}\n${seq === undefined ? '' : `id: ${epoch}.${seq}\n`}data: ${JSON.stringify(data)}\n\n`,
    )
  }
  raw(text: string): void {
    for (const stream of this.streams) stream.write(text)
  }
  heartbeat(): void {
    this.send('lease', this.lease())
  }
  /** The number of streams and pollers that it has named. */
  opened = 0
  lease(knownMs = this.clock.monotonicMs()) {
    const { clockName: clock, leaseSeconds: seconds, seq } = this
    return { clock, known_ms: knownMs, seconds, seq }
  }
  #anchor() {
    return { clock: this.clockName, at_ms: this.clock.monotonicMs() }
  }
  /** Breaks every stream, without an event. */
  cut(): void {
    for (const stream of this.streams) stream.destroy()
  }
  /** Restores the database: another log, in which the whole past is revoked. */
  restore(seq = 40): void {
    this.epoch = `epoch-${Math.random()}`
    this.clockName = `clock-${Math.random()}`
    this.seq = seq
    this.entries = []
    this.cut()
  }

  /** Epoch seconds by the broker's own clock. */
  get now(): number {
    return this.clock.now + this.aheadSeconds
  }
  /** Returns an access token signed by ES256. */
  async token(
    claims: Record<string, unknown> = {},
    header: Record<string, unknown> = {},
    key = this.keys[0],
  ): Promise<string> {
    const { issuer, now } = this
    const all = {
      iss: issuer,
      aud: 'https://sydney.example',
      sub: 'u_alice',
      client_id: 'sydney',
      sid: 's_1',
      rev: this.seq,
      jti: `jti-${Math.random()}`,
      iat: now,
      exp: now + 300,
      scope: 'openid profile',
      tid: 'tenant-1',
      roles: ['CaseManager.User'],
      ...claims,
    }
    if (key === undefined) throw new Error('no key')
    return new SignJWT(all)
      .setProtectedHeader({ alg: key.alg, typ: 'at+jwt', kid: key.kid, ...header })
      .sign(key.key)
  }

  /** Returns the claims of an ID token, which an instance keeps with its session. */
  sessionClaims(changes: Record<string, unknown> = {}) {
    return {
      iss: this.issuer,
      aud: 'sydney',
      sub: 'u_alice',
      sid: 's_1',
      tenant: 'tenant-1',
      rev: this.seq,
      iat: this.now,
      session_expiry: this.now + 43_200,
      nonce: 'of the sign-in',
      ...changes,
    }
  }

  /** Returns a logout token signed by RS256, the default for a client. */
  async logoutToken(
    claims: Record<string, unknown> = {},
    header: Record<string, unknown> = {},
    key = this.keys[1],
  ): Promise<string> {
    const all = {
      iss: this.issuer,
      aud: CLIENT.clientId,
      iat: this.now,
      exp: this.now + 120,
      jti: `jti-${Math.random()}`,
      sid: 's_1',
      rev: this.seq,
      events: { [LOGOUT_EVENT]: {} },
      ...claims,
    }
    if (key === undefined) throw new Error('no key')
    return new SignJWT(all)
      .setProtectedHeader({ alg: key.alg, typ: 'logout+jwt', kid: key.kid, ...header })
      .sign(key.key)
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request
    this.requests.push({ method, url, headers })
    const body = await read(request)
    const path = url.split('?')[0] ?? ''
    await (this.holds[path] ?? this.hold)
    response.setHeader('date', new Date(this.now * 1000).toUTCString())
    const status = this.broken[path]
    if (status !== undefined)
      return void response
        .writeHead(status, this.retryAfter === undefined ? {} : { 'retry-after': this.retryAfter })
        .end()
    const send = this.instead[path]
    if (send !== undefined) return send(response)
    if (path === '/jwks') return json(response, 200, { keys: this.keys.map(({ jwk }) => jwk) })
    if (path === '/.well-known/openid-configuration')
      return json(response, 200, { issuer: this.calledItself ?? this.issuer })
    const params = new URLSearchParams(method === 'POST' ? body : url.split('?')[1])
    const assertion = params.get('client_assertion') ?? assertionOf(body)
    if (assertion !== undefined) this.assertions.push(assertion)
    else if (headers.authorization !== basic(CLIENT)) return void response.writeHead(401).end()
    if (path === '/revocations' && headers.accept === 'application/json')
      return json(response, 200, this.#page(params))
    if (path === '/revocations') return this.#feed(headers['last-event-id'], params, response)
    if (path === '/revocations/session') {
      this.sessionForms.push(params)
      const answer = this.sessionAnswer?.(params)
      return void (answer === undefined
        ? response.writeHead(503).end()
        : json(response, 200, answer))
    }
    if (path === '/revocations/clock')
      return json(response, 200, { ...this.#anchor(), nonce: params.get('nonce') })
    if (path === '/revocations/enforced') {
      if (this.reportStatus === 204)
        this.reports.push(JSON.parse(body) as (typeof this.reports)[number])
      return void response.writeHead(this.reportStatus).end()
    }
    if (path === '/introspect')
      return void (this.active === undefined
        ? response.writeHead(503).end()
        : json(response, 200, { active: this.active }))
    response.writeHead(404).end()
  }

  /** Answers a poll (docs/feed.md). */
  #page(params: URLSearchParams) {
    const [after, epoch] = [Number(params.get('after') ?? 0), params.get('epoch')]
    const reset = epoch !== null && (epoch !== this.epoch || after > this.seq)
    const sessions = params.get('sessions') === '1'
    const rest = this.#sent(sessions).filter(({ seq }) => reset || seq > after)
    const entries = rest.slice(0, this.page)
    const more = entries.length < rest.length
    const seq = more ? (entries.at(-1)?.seq ?? 0) : this.seq
    const stream = params.get('stream') ?? `poller-${++this.opened}`
    const nonce = params.get('nonce')
    const page = {
      epoch: this.epoch,
      seq,
      entries,
      retired_kids: this.retiredKids,
      reset,
      more,
      stream,
      tenants: this.tenants,
      nonce,
    }
    const complete_from = sessions ? this.completeFrom : undefined
    return more ? page : { ...page, complete_from, lease: { ...this.lease(), ...this.#anchor() } }
  }

  #feed(
    lastEventId: string | string[] | undefined,
    params: URLSearchParams,
    response: ServerResponse,
  ): void {
    const [nonce, sessions] = [params.get('nonce'), params.get('sessions') === '1']
    if (sessions) this.judging.add(response)
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store, no-transform',
    })
    const event = (name: string, data: unknown, seq?: number): void =>
      void response.write(
        `event: ${name}\n${seq === undefined ? '' : `id: ${this.epoch}.${seq}\n`}data: ${JSON.stringify(data)}\n\n`,
      )
    response.write('retry: 1000\n\n')
    event('anchor', { ...this.#anchor(), stream: `stream-${++this.opened}`, nonce })
    const [, epoch, after] = /^(.*)\.(\d+)$/.exec(String(lastEventId ?? '')) ?? []
    const resumes = epoch === this.epoch && Number(after) <= this.seq
    if (lastEventId !== undefined && !resumes) event('reset', { epoch: this.epoch })
    const missed = this.#sent(sessions).filter(({ seq }) => !resumes || seq > Number(after))
    if (!resumes || missed.length > 0)
      event(
        'snapshot',
        { epoch: this.epoch, seq: this.seq, entries: missed, retired_kids: this.retiredKids },
        this.seq,
      )
    if (resumes) event('keys', { jwks: 'changed', retired_kids: this.retiredKids })
    const complete_from = sessions ? this.completeFrom : undefined
    const { seq, tenants } = this
    event('live', { epoch: this.epoch, seq, tenants, complete_from }, seq)
    event('lease', this.lease())
    this.streams.add(response)
    response.on('close', () => this.streams.delete(response))
  }
}

const json = (response: ServerResponse, status: number, body: unknown): void =>
  void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))

const assertionOf = (body: string): string | undefined =>
  body.startsWith('{')
    ? (JSON.parse(body) as { client_assertion?: string }).client_assertion
    : undefined

const basic = ({ clientId, clientSecret }: typeof CLIENT): string => {
  const encode = (text: string): string => encodeURIComponent(text).replaceAll('%20', '+')
  return `Basic ${Buffer.from(`${encode(clientId)}:${encode(clientSecret)}`).toString('base64')}`
}

async function read(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of request) pieces.push(piece as Buffer)
  return Buffer.concat(pieces).toString()
}

export async function startBroker(clock = new TestClock()): Promise<Broker> {
  const broker = new Broker(clock)
  broker.keys = [...(await firstKeys)]
  const server = createServer((request, response) => {
    broker.answer(request, response).catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  broker.issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  onTestFinished(async () => {
    const closed = new Promise((resolve) => server.close(resolve))
    server.closeAllConnections()
    await closed
  })
  return broker
}

/**
 * Starts a guard and waits until it is ready, unless `start: false`. It reconnects fast after a
 * break.
 */
export async function startGuard(
  broker: Broker,
  options: Partial<GuardOptions> & { start?: boolean } = {},
): Promise<Guard> {
  const { start = true, ...given } = options
  const guard = createGuard({
    issuer: broker.issuer,
    ...CLIENT,
    audience: 'https://sydney.example',
    guardId: 'web-1',
    clock: broker.clock,
    random: () => 0,
    ...given,
    hooks: { problem: () => {}, ...given.hooks },
  })
  onTestFinished(() => guard.stop())
  if (start) await guard.start()
  return guard
}

/** Waits as long as a busy machine may need. */
export const eventually = <T>(what: () => T | Promise<T>): Promise<T> =>
  vi.waitFor(what, { timeout: 60_000, interval: 10 })

export async function why(guard: Guard, token: string): Promise<string> {
  const result = await guard.check(token)
  return result.ok ? 'good' : result.why
}

export const logoutRequest = (token: string | undefined, init: RequestInit = {}): Request =>
  new Request('http://localhost/oidc/backchannel-logout', {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: token === undefined ? '' : new URLSearchParams({ logout_token: token }).toString(),
    ...init,
  })
