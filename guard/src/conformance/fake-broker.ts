import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Clock } from '../clock.ts'
import { differs } from './pattern.ts'
import type { Answer, BrokerState } from './shapes.ts'
import { assertionId, CLIENT, publicJwk, type Keys } from './sign.ts'

/** The broker of the kit. It serves a log as docs/feed.md says, and fails as the case says. */

export const HEARTBEAT_MS = 400
/** The path of reports. */
export const ENFORCED = '/revocations/enforced'
/** The seconds until an entry expires. */
export const ENTRY_SECONDS = 3660
/** The seconds until a session ends. */
export const SESSION_SECONDS = 43_200
const TRICKLE_MS = 300
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
}
/** A request that the guard has sent. */
export interface Request {
  path: string
  method: string
  headers: Record<string, unknown>
  /** The parameters, from the address or the form. */
  query: Record<string, string>
  /** The JSON of a report. */
  body: Record<string, unknown>
  atMs: number
  /** The status of the answer to a report. */
  answered?: number
}

export class FakeBroker {
  issuer = ''
  entries: LogEntry[] = []
  readonly connections: Connection[] = []
  /** The names of the streams and pollers so far. */
  readonly streams: string[] = []
  readonly requests: Request[] = []
  /** The client's registered authentication: a secret or a key. */
  clientBy: 'secret' | 'key' = 'secret'
  /** The name of the broker's clock, and the length of the leases that the kit asks for. */
  readonly #lease: { clock: string; seconds: number }
  /** The milliseconds by which the clocks of the broker were moved. */
  #movedMs = 0
  /** The newest `seq` that the streams have been sent. */
  #sentSeq = 0
  readonly state: BrokerState = {
    epoch: 'epoch-a',
    seq: 100,
    page: 1000,
    retired_kids: [],
    jwks: ['es-1', 'rs-1', 'es-384'],
    down: false,
    silent: false,
    answers: {},
    events: {},
    beats: 'lease',
    hold_live: false,
    clock_ahead_seconds: 0,
    issuer: '',
    moved: '',
    buffered: false,
    type: 'text/event-stream; charset=utf-8',
    known_ago_ms: 0,
    late: false,
    lease_clock: '',
    lease_seconds: 0,
    no_lease: false,
    clock_answers: '',
    replays: false,
    tenants: [],
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
  /** The answers that are never sent, until the case sets others. */
  #held: ServerResponse[] = []
  /** How often an answer that differs was given. */
  readonly #given = new Map<Answer, number>()
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
    this.#heartbeat()
  }

  set(changes: Partial<BrokerState>): void {
    Object.assign(this.state, changes)
    if (changes.epoch !== undefined) this.entries = []
    if (changes.seq !== undefined)
      this.entries = this.entries.filter(({ seq }) => seq <= this.state.seq)
    if (changes.answers !== undefined)
      for (const response of this.#held.splice(0)) response.destroy()
    // A stream that was opened in the meantime did not get its snapshot.
    if (changes.down === true || changes.silent === false) this.cut()
  }

  append(entry: LogEntry, { send }: { send: boolean }): void {
    this.entries.push(entry)
    this.state.seq = Math.max(this.state.seq, entry.seq)
    if (!send) return
    const id = `${this.state.epoch}.${entry.seq}`
    const sent = this.#judges ? entry : withoutSessions(entry)
    if (this.#isVisible(entry)) this.raw(this.#frame('revocation', sent, id))
    else this.raw(this.#frame('head', { seq: entry.seq }, id))
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
    this.raw(this.#frame('live', this.#live(epoch, seq), `${epoch}.${seq}`))
    this.#grant()
  }

  /** Sends a lease, unless the case allows none. */
  #grant(): void {
    if (!this.state.no_lease) this.raw(this.#leaseFrame())
  }

  #heartbeat(): void {
    const { beats, epoch } = this.state
    const seq = this.#sentSeq
    if (beats === 'lease') this.#grant()
    if (beats === 'comment') this.raw(': still here\n\n')
    if (beats === 'head') this.raw(this.#frame('head', { seq }, `${epoch}.${seq}`))
    if (beats === 'revocation')
      this.append(
        {
          seq: this.state.seq + 1,
          selector: { kind: 'session', sid: 's_beat' },
          exp: this.now + ENTRY_SECONDS,
        },
        { send: true },
      )
  }

  #leaseFrame(): string {
    const clock = this.state.lease_clock || this.#lease.clock
    return this.#frame('lease', { clock, ...this.#granted(), seq: this.#sentSeq })
  }

  /** Returns an event as the case changes it. */
  #frame(event: string, data: object, id?: string): string {
    const { id: givenId = id, ...members } = this.state.events[event] ?? {}
    return frame(event, changed(data, members), givenId as string | null | undefined)
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
      this.#heartbeat()
      this.#beat()
    })
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await read(request)
    const { pathname: path, searchParams } = new URL(request.url ?? '/', this.issuer)
    const isReport = path.endsWith(ENFORCED)
    const isForm = request.method === 'POST' && !isReport
    const params = isForm ? new URLSearchParams(body) : searchParams
    const { headers, method = '' } = request
    const query = Object.fromEntries(params)
    const atMs = this.#clock.monotonicMs()
    const asked: Request = {
      path,
      method,
      headers,
      query,
      body: isReport ? parsed(body) : {},
      atMs,
    }
    this.requests.push(asked)
    const answer = this.#answerTo(asked)
    const reply =
      answer.status === undefined || answer.members !== undefined
        ? {
            ...this.#reply(asked, request, response),
            ...(answer.status && { status: answer.status }),
          }
        : { status: answer.status }
    if (isReport) asked.answered = reply.status
    response.setHeader('date', new Date(this.now * 1000).toUTCString())
    if (answer.hangs) return void this.#held.push(response)
    this.#later(answer.delay_ms, () => this.#send(response, reply, answer))
  }

  /** Returns how the answer to a request differs from the ordinary one. */
  #answerTo(asked: Request): Answer {
    const answer = [this.state.answers[asked.path] ?? []]
      .flat()
      .find(
        (each) =>
          (this.#given.get(each) ?? 0) < (each.times ?? Infinity) &&
          differs(each.to ?? {}, asked) === undefined,
      )
    if (answer === undefined) return {}
    this.#given.set(answer, (this.#given.get(answer) ?? 0) + 1)
    return answer
  }

  #later(ms: number | undefined, run: () => void): void {
    if (ms === undefined) run()
    else this.#clock.after(ms, run)
  }

  #send(response: ServerResponse, reply: Reply, answer: Answer): void {
    const { body_delay_ms, headers, members = {}, padding = 0, text, trickles } = answer
    if (reply.stream !== undefined) return reply.stream()
    const json = reply.json && JSON.stringify(changed(reply.json, members))
    const body = ' '.repeat(padding) + (text ?? json ?? '')
    const type = reply.json && { 'content-type': 'application/json' }
    response.writeHead(reply.status, { ...type, ...reply.headers, ...headers })
    if (trickles === true) return this.#trickle(response)
    if (body_delay_ms !== undefined) response.flushHeaders()
    this.#later(body_delay_ms, () => response.end(body))
  }

  #trickle(response: ServerResponse): void {
    response.write(' ')
    if (!response.destroyed) this.#later(TRICKLE_MS, () => this.#trickle(response))
  }

  /** Returns the ordinary answer. */
  #reply(asked: Request, request: IncomingMessage, response: ServerResponse): Reply {
    const path = asked.path.replace(/^\/moved(?=\/)/, '')
    const { body, query } = asked
    if (asked.path === this.state.moved)
      return { status: 307, headers: { location: `/moved${request.url}` } }
    if (this.state.down) return { status: 503 }
    if (path === '/jwks')
      return ok({ keys: this.state.jwks.map((name) => publicJwk(this.#key(name))) })
    if (path === '/.well-known/openid-configuration')
      return ok({ issuer: this.state.issuer, jwks_uri: `${this.issuer}/jwks` })
    if (!this.#isClient(request, path === ENFORCED ? body : request.method === 'POST' ? query : {}))
      return { status: 401, headers: { 'www-authenticate': 'Basic' } }
    if (path === '/revocations' && request.headers.accept === 'text/event-stream')
      return {
        status: 200,
        stream: this.#stream(header(request, 'last-event-id'), query, response),
      }
    if (path === '/revocations') return ok(this.#page(query))
    if (path === '/revocations/clock') return ok(this.#clockAnswer(query['nonce'] ?? null))
    if (path === '/revocations/session') return ok(this.#sessionAnswer(query))
    if (path === '/introspect') return ok({ active: this.#isActive(query['token'] ?? null) })
    return { status: path === ENFORCED ? this.#statusOf(request, body) : 404 }
  }

  #isClient(request: IncomingMessage, given: Record<string, unknown>): boolean {
    if (this.clientBy === 'secret') return request.headers.authorization === BASIC
    const jti = assertionId((name) => given[name], {
      keys: this.#keys,
      issuer: this.issuer,
      now: this.now,
    })
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
    return !this.#isCovered(claims)
  }

  /** Returns whether an entry covers what has these claims. */
  #isCovered(claims: Record<string, unknown>): boolean {
    return this.entries.some(({ selector, seq }) => {
      const { kind: _, ...names } = selector as Record<string, unknown>
      const isMatch = Object.entries(names).every(([name, value]) => claims[name] === value)
      return isMatch && seq > Number(claims['rev'])
    })
  }

  /** Answers the question about a session. */
  #sessionAnswer({ rev = OPENED_SEQ, sid, sub }: Record<string, string>): Record<string, unknown> {
    const claims = { sid, sub, client_id: CLIENT.client_id, tid: 't_1', rev }
    return this.#isCovered(claims) || this.state.inactive_sids.includes(sid ?? '')
      ? { active: false }
      : { active: true, rev: this.state.seq, session_expiry: this.now + SESSION_SECONDS }
  }

  #key(name: string): Keys[string] {
    const key = this.#keys[name]
    if (key === undefined) throw new Error(`keys.json has no key ${name}`)
    return key
  }

  /** Returns the status of the answer to a report. */
  #statusOf(request: IncomingMessage, report: Record<string, unknown>): number {
    const isJson = header(request, 'content-type')?.startsWith('application/json') === true
    const isKnown = report['epoch'] === this.state.epoch && Number(report['seq']) <= this.state.seq
    return isJson && isReport(report) ? (isKnown ? 204 : 409) : 400
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

  #page({ after, epoch, nonce: asked, sessions, stream }: Record<string, string>): object {
    const { entries, reset } = this.#since(
      epoch === undefined ? undefined : { epoch, seq: Number(after) },
    )
    const page = entries.slice(0, this.state.page)
    const more = page.length < entries.length
    const seq = more ? page.at(-1)?.seq : this.state.seq
    const { nonce, ...anchor } = this.#anchorFor(asked ?? null)
    const judges = sessions === '1'
    return {
      epoch: this.state.epoch,
      seq,
      entries: judges ? page : page.map(withoutSessions),
      ...(judges && { complete_from: this.state.complete_from }),
      tenants: this.#tenants,
      retired_kids: this.state.retired_kids,
      reset,
      more,
      stream: stream ?? this.#named(),
      nonce,
      ...(!more && !this.state.no_lease && { lease: { ...anchor, ...this.#granted() } }),
    }
  }

  /** Opens a stream. Returns what begins it. */
  #stream(
    resumed: string | undefined,
    query: Record<string, string>,
    response: ServerResponse,
  ): () => void {
    const lastEventId = resumed ?? query['last_event_id']
    const judges = query['sessions'] === '1'
    this.#judges = judges
    this.connections.push({ lastEventId })
    const { epoch, hold_live, page, retired_kids, seq } = this.state
    const [, given = '', after] = /^(.*)\.(\d+)$/.exec(lastEventId ?? '') ?? []
    const { entries, reset, resumes } = this.#since(
      lastEventId === undefined ? undefined : { epoch: given, seq: Number(after) },
    )
    const { buffered, silent, type } = this.state
    const open = (): void => {
      response.writeHead(200, { 'content-type': type, 'cache-control': 'no-store, no-transform' })
      response.flushHeaders()
      response.on('close', () => this.#streams.delete(response))
    }
    const add = (): void => void this.#streams.add(response)
    if (buffered || silent) {
      this.#hushed.add(response)
      return () => (open(), add())
    }
    this.#sentSeq = seq
    const anchor = { ...this.#anchorFor(query['nonce'] ?? null), stream: this.#named() }
    const held = [`retry: 1000\n\n${this.#frame('anchor', anchor)}`]
    if (reset) held.push(this.#frame('reset', { epoch }))
    const atLeast = resumes ? 0 : 1
    for (let at = 0; at < Math.max(entries.length, atLeast); at += page) {
      const part = entries.slice(at, at + page)
      const reached = at + page >= entries.length ? seq : (part.at(-1)?.seq ?? seq)
      held.push(
        this.#frame(
          'snapshot',
          {
            epoch,
            seq: reached,
            retired_kids,
            entries: judges ? part : part.map(withoutSessions),
          },
          `${epoch}.${reached}`,
        ),
      )
    }
    if (resumes) held.push(this.#frame('keys', { jwks: 'changed', retired_kids }))
    if (!hold_live)
      held.push(
        this.#frame('live', this.#live(epoch, seq), `${epoch}.${seq}`) +
          (this.state.no_lease ? '' : this.#leaseFrame()),
      )
    const lateMs = this.#lateMs || undefined
    return () => {
      open()
      this.#later(lateMs, () => (response.write(held.join('')), add()))
    }
  }
}

/** An answer: JSON, or what begins a stream. */
interface Reply {
  status: number
  headers?: Record<string, string>
  json?: object
  stream?: () => void
}
const ok = (json: object): Reply => ({ status: 200, json })

/** The `seq` at which the sessions of the kit were opened. */
const OPENED_SEQ = '95'
function withoutSessions(entry: LogEntry): LogEntry {
  const { session_exp: _, ...ofTokens } = entry
  return ofTokens
}

const encoded = (text: string): string =>
  new URLSearchParams({ text }).toString().slice('text='.length)
/** The header of the client (RFC 6749 §2.3.1). Each part is form-encoded first. */
const BASIC = `Basic ${Buffer.from(`${encoded(CLIENT.client_id)}:${encoded(CLIENT.client_secret)}`).toString('base64')}`

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

/** Returns the members of a JSON object, and none of what is not one. */
function parsed(body: string): Record<string, unknown> {
  try {
    return JSON.parse(body) as Record<string, unknown>
  } catch {
    return {}
  }
}

/** Returns an object with other members. Those that are null are left out. */
const changed = (json: object, members: Record<string, unknown>): object =>
  Object.fromEntries(
    Object.entries({ ...json, ...members }).filter(([name]) => members[name] !== null),
  )

const frame = (event: string, data: unknown, id?: string | null): string =>
  `event: ${event}\n${id === undefined || id === null ? '' : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`

const header = (request: IncomingMessage, name: string): string | undefined =>
  [request.headers[name] ?? []].flat()[0]

async function read(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of request) pieces.push(piece as Buffer)
  return Buffer.concat(pieces).toString()
}
