import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Clock } from '../clock.ts'
import type { BrokerState } from './shapes.ts'
import { assertionId, CLIENT, publicJwk, type Keys } from './sign.ts'

/** The broker of the kit. It serves a log as docs/feed.md says, and fails as the case says. */

export const HEARTBEAT_MS = 400
/** The age of an answer to another request. */
const REPLAYED_MS = 60_000

export interface LogEntry {
  seq: number
  selector: unknown
  exp: number
  [member: string]: unknown
}
export interface Connection {
  lastEventId: string | undefined
  atMs: number
}

export class FakeBroker {
  issuer = ''
  entries: LogEntry[] = []
  readonly connections: Connection[] = []
  /** The names of the streams and pollers so far. */
  readonly streams: string[] = []
  readonly reports: (Record<string, unknown> & { answered: number })[] = []
  /** The number of requests by path. */
  readonly requests = new Map<string, number>()
  /** The client's registered authentication: a secret or a key. */
  clientBy: 'secret' | 'key' = 'secret'
  /** The name of the broker's clock, and the length of the leases that the kit asks for. */
  readonly #lease: { clock: string; seconds: number }
  /** The milliseconds by which the clocks of the broker were moved. */
  #movedMs = 0
  /** The newest `seq` that the streams have been sent. */
  #sentSeq = 0
  /** Requests with other credentials than the client's. */
  unauthenticated = 0
  readonly state: BrokerState = {
    epoch: 'epoch-a',
    seq: 100,
    page: 1000,
    retired_kids: [],
    jwks: ['es-1', 'rs-1', 'es-384'],
    down: false,
    silent: false,
    report_status: 0,
    hold_live: false,
    clock_ahead_seconds: 0,
    issuer: '',
    hangs: '',
    moved: '',
    buffered: false,
    type: 'text/event-stream',
    known_ago_ms: 0,
    late: false,
    lease_clock: '',
    lease_seconds: 0,
    retry_after: 0,
    no_lease: false,
    clock_answers: '',
    replays: false,
    tenants: [],
    last_page_fails: false,
    complete_from: 0,
    inactive_sids: [],
  }
  readonly #clock: Clock
  readonly #keys: Keys
  readonly #server: Server
  readonly #streams = new Set<ServerResponse>()
  /** True if the guard asked for what concerns sessions when it opened its stream. */
  #judges = false
  /** The streams on which nothing more is sent. */
  readonly #hushed = new Set<ServerResponse>()
  /** The `jti` of each assertion, so that it is accepted once. */
  readonly #used = new Set<string>()
  #stopHeartbeat: () => void = () => {}

  constructor(keys: Keys, clock: Clock, leaseSeconds: number) {
    this.#keys = keys
    this.#lease = { clock: crypto.randomUUID(), seconds: leaseSeconds }
    this.#clock = clock
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch(() => response.destroy())
    })
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    this.issuer = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
    this.state.issuer = this.issuer
    this.#beat()
  }

  async stop(): Promise<void> {
    this.#stopHeartbeat()
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }

  /** Epoch seconds by the broker's own clock. */
  get now(): number {
    return Math.floor((this.#clock.nowMs() + this.#movedMs) / 1000) + this.state.clock_ahead_seconds
  }
  /** Milliseconds of the broker's own clock. */
  get #elapsedMs(): number {
    return this.#clock.elapsedMs() + this.#movedMs
  }
  get #leaseSeconds(): number {
    return this.state.lease_seconds || this.#lease.seconds
  }

  /** Moves the clocks of the broker, and sends the heartbeat that is due by then. */
  pass(ms: number): void {
    this.#movedMs += ms
    this.#grant()
  }

  set(changes: Partial<BrokerState>): void {
    Object.assign(this.state, changes)
    if (changes.epoch !== undefined) this.entries = []
    if (changes.seq !== undefined)
      this.entries = this.entries.filter(({ seq }) => seq <= this.state.seq)
    if (changes.hangs === '') this.#server.closeAllConnections()
    // A stream that was opened in the meantime did not get its snapshot.
    if (changes.down === true || changes.silent === false) this.cut()
  }

  append(entry: LogEntry, { send }: { send: boolean }): void {
    this.entries.push(entry)
    this.state.seq = Math.max(this.state.seq, entry.seq)
    if (!send) return
    const id = `${this.state.epoch}.${entry.seq}`
    const sent = this.#judges ? entry : withoutSessions(entry)
    if (this.#isVisible(entry)) this.send('revocation', sent, id)
    else this.send('head', { seq: entry.seq }, id)
    this.#sentSeq = this.state.seq
  }
  send(event: string, data: unknown, id?: string): void {
    this.raw(frame(event, data, id))
  }
  raw(text: string): void {
    if (this.state.silent) return
    for (const stream of this.#streams) if (!this.#hushed.has(stream)) stream.write(text)
  }
  /**
   * Sends an event in pieces. It sends no heartbeat between them, because that would be in the
   * middle of the event.
   */
  async rawInPieces(pieces: readonly string[], pauseBetween: () => Promise<void>): Promise<void> {
    this.#stopHeartbeat()
    for (const piece of pieces) {
      this.raw(piece)
      await pauseBetween()
    }
    this.#beat()
  }

  #isVisible({ tid }: LogEntry): boolean {
    const { tenants } = this.state
    return tenants.length === 0 || tid === undefined || tenants.some((each) => each === tid)
  }
  #live(epoch: string, seq: number): Record<string, unknown> {
    const complete = this.#judges && { complete_from: this.state.complete_from }
    return { epoch, seq, tenants: this.#tenants, ...complete }
  }
  get #tenants(): string[] | undefined {
    return this.state.tenants.length === 0 ? undefined : this.state.tenants
  }

  cut(): void {
    for (const stream of this.#streams) stream.destroy()
  }
  hush(begins: boolean): void {
    if (begins) for (const stream of this.#streams) this.#hushed.add(stream)
    else this.#hushed.clear()
  }
  live(): void {
    this.state.hold_live = false
    const { epoch, seq } = this.state
    this.#sentSeq = seq
    this.send('live', this.#live(epoch, seq), `${epoch}.${seq}`)
    this.#grant()
  }

  /** Sends a lease, unless the case allows none. */
  #grant(): void {
    if (!this.state.no_lease) this.raw(this.#leaseFrame())
  }

  #leaseFrame(): string {
    const clock = this.state.lease_clock || this.#lease.clock
    return frame('lease', { clock, ...this.#granted(), seq: this.#sentSeq })
  }

  get #lateMs(): number {
    return this.state.late ? 1250 * this.#leaseSeconds : 0
  }

  #granted(): { known_ms: number; seconds: number } {
    const { known_ago_ms, replays } = this.state
    const known_ms = this.#elapsedMs - known_ago_ms - this.#lateMs - (replays ? REPLAYED_MS : 0)
    return { known_ms, seconds: this.#leaseSeconds }
  }

  #anchor(): { clock: string; at_ms: number } {
    return { clock: this.#lease.clock, at_ms: this.#elapsedMs }
  }

  /** Returns the name of a new stream or poller. */
  #named(): string {
    const name = crypto.randomUUID()
    this.streams.push(name)
    return name
  }

  #beat(): void {
    this.#stopHeartbeat = this.#clock.after(HEARTBEAT_MS, () => {
      this.#grant()
      this.#beat()
    })
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await read(request)
    const { pathname: asked, search, searchParams } = new URL(request.url ?? '/', this.issuer)
    const pathname = asked.replace(/^\/moved(?=\/)/, '')
    this.requests.set(asked, (this.requests.get(asked) ?? 0) + 1)
    if (asked === this.state.hangs) return
    if (asked === this.state.moved)
      return void response.writeHead(307, { location: `/moved${asked}${search}` }).end()
    const params =
      request.method === 'POST' && pathname !== '/revocations/enforced'
        ? new URLSearchParams(body)
        : searchParams
    response.setHeader('date', new Date(this.now * 1000).toUTCString())
    const { down, retry_after } = this.state
    if (down && retry_after > 0) response.setHeader('retry-after', String(retry_after))
    if (down) return void response.writeHead(503).end()
    if (pathname === '/jwks')
      return json(response, { keys: this.state.jwks.map((name) => publicJwk(this.#key(name))) })
    if (pathname === '/.well-known/openid-configuration')
      return json(response, { issuer: this.state.issuer, jwks_uri: `${this.issuer}/jwks` })
    if (
      !this.#isClient(
        request,
        pathname === '/revocations/enforced' ? membersOf(body) : inForm(request, params),
      )
    ) {
      this.unauthenticated++
      return void response.writeHead(401, { 'www-authenticate': 'Basic' }).end()
    }
    if (pathname === '/revocations' && request.headers.accept === 'text/event-stream')
      return this.#stream(
        header(request, 'last-event-id') ?? params.get('last_event_id') ?? undefined,
        params,
        response,
      )
    if (
      pathname === '/revocations' &&
      this.state.last_page_fails &&
      params.get('epoch') === this.state.epoch
    )
      return void response.writeHead(503).end()
    if (pathname === '/revocations') return json(response, this.#page(params))
    if (pathname === '/revocations/clock')
      return json(response, this.#clockAnswer(params.get('nonce')))
    if (pathname === '/revocations/session') return json(response, this.#sessionAnswer(params))
    if (pathname === '/introspect')
      return json(response, { active: this.#isActive(new URLSearchParams(body).get('token')) })
    if (pathname === '/revocations/enforced') return this.#report(body, response)
    response.writeHead(404).end()
  }

  #isClient(request: IncomingMessage, given: (name: string) => unknown): boolean {
    if (this.clientBy === 'secret') return request.headers.authorization === BASIC
    const jti = assertionId(given, { keys: this.#keys, issuer: this.issuer, now: this.now })
    if (jti === undefined || this.#used.has(jti)) return false
    this.#used.add(jti)
    return true
  }

  /**
   * Returns the answer to a request for an anchor. A wrong answer is a minute older, so that a
   * guard that accepts it holds its lease a minute longer.
   */
  #clockAnswer(nonce: string | null): Record<string, unknown> {
    const wrong = this.state.clock_answers
    if (wrong !== 'another clock') return this.#anchorFor(nonce, wrong === 'another nonce')
    return { clock: 'another', at_ms: this.#anchor().at_ms - REPLAYED_MS, nonce }
  }

  /** Returns an anchor for a request. As a replay it is a minute older, and of another request. */
  #anchorFor(nonce: string | null, isReplay = this.state.replays) {
    const { clock, at_ms } = this.#anchor()
    return isReplay
      ? { clock, at_ms: at_ms - REPLAYED_MS, nonce: 'an-answer-before-this-one' }
      : { clock, at_ms, nonce }
  }

  /** Returns whether no entry covers a token of this broker. */
  #isActive(token: string | null): boolean {
    const claims = JSON.parse(
      Buffer.from((token ?? '').split('.')[1] ?? '', 'base64url').toString(),
    ) as Record<string, unknown>
    return !this.entries.some(({ selector, seq }) => {
      const { kind: _, ...names } = selector as Record<string, unknown>
      return (
        seq > Number(claims['rev']) &&
        Object.entries(names).every(([name, value]) => claims[name] === value)
      )
    })
  }

  /** Answers the question about a session. */
  #sessionAnswer(form: URLSearchParams): Record<string, unknown> {
    const [sid, sub, rev] = [form.get('sid'), form.get('sub'), form.get('rev')]
    const names: Record<string, unknown> = { sid, sub, client_id: CLIENT.client_id, tid: 't_1' }
    const isRevoked = this.entries.some(({ selector, seq }) => {
      const { kind: _, ...covered } = selector as Record<string, unknown>
      const isCovered = Object.entries(covered).every(([name, value]) => names[name] === value)
      return isCovered && seq > Number(rev ?? OPENED_SEQ)
    })
    return isRevoked || this.state.inactive_sids.includes(sid ?? '')
      ? { active: false }
      : { active: true, rev: this.state.seq, session_expiry: this.now + 43_200 }
  }

  #key(name: string): Keys[string] {
    const key = this.#keys[name]
    if (key === undefined) throw new Error(`keys.json has no key ${name}`)
    return key
  }

  #report(body: string, response: ServerResponse): void {
    const report = JSON.parse(body) as FakeBroker['reports'][number]
    const known = report.epoch === this.state.epoch && Number(report.seq) <= this.state.seq
    const answered = this.state.report_status || (!isReport(report) ? 400 : known ? 204 : 409)
    this.reports.push({ ...report, answered })
    response.writeHead(answered).end()
  }

  /**
   * Returns the entries after a position of this log, or every entry if the position is not in it.
   */
  #since(position: { epoch: string; seq: number } | undefined): {
    reset: boolean
    resumes: boolean
    entries: LogEntry[]
  } {
    const { epoch, seq } = this.state
    const resumes = position !== undefined && position.epoch === epoch && position.seq <= seq
    const entries = this.entries.filter(
      (entry) => (!resumes || entry.seq > position.seq) && this.#isVisible(entry),
    )
    return {
      resumes,
      reset: position !== undefined && !resumes,
      entries: entries.sort((a, b) => a.seq - b.seq),
    }
  }

  #page(params: URLSearchParams): Record<string, unknown> {
    const given = params.get('epoch')
    const { entries, reset } = this.#since(
      given === null ? undefined : { epoch: given, seq: Number(params.get('after')) },
    )
    const page = entries.slice(0, this.state.page)
    const more = page.length < entries.length
    const seq = more ? page.at(-1)?.seq : this.state.seq
    const { nonce, ...anchor } = this.#anchorFor(params.get('nonce'))
    const judges = params.get('sessions') === '1'
    return {
      epoch: this.state.epoch,
      seq,
      entries: judges ? page : page.map(withoutSessions),
      ...(judges && { complete_from: this.state.complete_from }),
      tenants: this.#tenants,
      retired_kids: this.state.retired_kids,
      reset,
      more,
      stream: params.get('stream') ?? this.#named(),
      nonce,
      ...(!more && !this.state.no_lease && { lease: { ...anchor, ...this.#granted() } }),
    }
  }

  #stream(
    lastEventId: string | undefined,
    params: URLSearchParams,
    response: ServerResponse,
  ): void {
    const [nonce, judges] = [params.get('nonce'), params.get('sessions') === '1']
    this.#judges = judges
    this.connections.push({ lastEventId, atMs: this.#clock.monotonicMs() })
    const { epoch, hold_live, page, retired_kids, seq } = this.state
    const [, given = '', after] = /^(.*)\.(\d+)$/.exec(lastEventId ?? '') ?? []
    const { entries, reset, resumes } = this.#since(
      lastEventId === undefined ? undefined : { epoch: given, seq: Number(after) },
    )
    response.writeHead(200, {
      'content-type': this.state.type,
      'cache-control': 'no-store, no-transform',
    })
    response.on('close', () => this.#streams.delete(response))
    if (this.state.buffered || this.state.silent) {
      response.flushHeaders()
      this.#hushed.add(response)
      this.#streams.add(response)
      return
    }
    this.#sentSeq = seq
    const anchor = { ...this.#anchorFor(nonce), stream: this.#named() }
    const held = [`retry: 1000\n\n${frame('anchor', anchor)}`]
    if (reset) held.push(frame('reset', { epoch }))
    const atLeast = resumes ? 0 : 1
    for (let at = 0; at < Math.max(entries.length, atLeast); at += page) {
      const part = entries.slice(at, at + page)
      const reached = at + page >= entries.length ? seq : (part.at(-1)?.seq ?? seq)
      held.push(
        frame(
          'snapshot',
          {
            ...{ epoch, seq: reached, retired_kids },
            entries: judges ? part : part.map(withoutSessions),
          },
          `${epoch}.${reached}`,
        ),
      )
    }
    if (resumes) held.push(frame('keys', { jwks: 'changed', retired_kids }))
    if (!hold_live)
      held.push(
        frame('live', this.#live(epoch, seq), `${epoch}.${seq}`) +
          (this.state.no_lease ? '' : this.#leaseFrame()),
      )
    if (!this.state.late) return this.#begin(response, held)
    this.#clock.after(this.#lateMs, () => this.#begin(response, held))
  }

  #begin(response: ServerResponse, held: readonly string[]): void {
    response.write(held.join(''))
    this.#streams.add(response)
  }
}

/** The `seq` at which the sessions of the kit were opened. */
const OPENED_SEQ = 95
function withoutSessions(entry: LogEntry): LogEntry {
  const { session_exp: _, ...ofTokens } = entry
  return ofTokens
}

const encoded = (text: string): string =>
  new URLSearchParams({ text }).toString().slice('text='.length)
/** The header of the client (RFC 6749 §2.3.1). Each part is form-encoded first. */
const BASIC = `Basic ${Buffer.from(`${encoded(CLIENT.client_id)}:${encoded(CLIENT.client_secret)}`).toString('base64')}`

/**
 * Returns a reader of the form's members. An assertion in an address is ignored, because addresses
 * are logged.
 */
const inForm =
  ({ method }: IncomingMessage, params: URLSearchParams) =>
  (name: string): unknown =>
    method === 'POST' ? params.get(name) : undefined

/** Returns whether the report is valid, as the broker checks it (docs/feed.md, "Report"). */
function isReport({
  clock_offset_seconds: offset,
  epoch,
  guard,
  seq,
  version,
  without_lease: without,
}: Record<string, unknown>): boolean {
  return (
    typeof epoch === 'string' &&
    isWhole(seq) &&
    matches(guard, /^[\w.-]{1,64}$/) &&
    (version === undefined || matches(version, /^[\w./+-]{1,64}$/)) &&
    (without === undefined || matches(without, /^(?:reject|introspect)$/)) &&
    (offset === undefined || Number.isSafeInteger(offset))
  )
}
const isWhole = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0
const matches = (value: unknown, pattern: RegExp): boolean =>
  typeof value === 'string' && pattern.test(value)

const membersOf = (body: string): ((name: string) => unknown) => {
  const members = JSON.parse(body) as Record<string, unknown>
  return (name) => members[name]
}

const frame = (event: string, data: unknown, id?: string): string =>
  `event: ${event}\n${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`

const header = (request: IncomingMessage, name: string): string | undefined =>
  [request.headers[name] ?? []].flat()[0]

const json = (response: ServerResponse, body: unknown): void =>
  void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))

async function read(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of request) pieces.push(piece as Buffer)
  return Buffer.concat(pieces).toString()
}
