import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Clock } from '../clock.ts'
import type { BrokerState } from './shapes.ts'
import { assertionId, CLIENT, publicJwk, type Keys } from './sign.ts'

/**
 * The broker of the kit: a log that a case scripts, served as docs/feed.md says, and what went
 * wrong as the case says.
 */

export const HEARTBEAT_MS = 400

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
  readonly reports: { epoch?: unknown; seq?: unknown; guard?: unknown; answered: number }[] = []
  /** How the client is registered. */
  clientBy: 'secret' | 'key' = 'secret'
  /** The name of its clock, and the length of the leases that it grants. */
  readonly #lease: { clock: string; seconds: number }
  /** Up to where its streams have been sent its log. */
  #sentSeq = 0
  /** Requests with other credentials than the client's. */
  unauthenticated = 0
  readonly state: BrokerState = {
    epoch: 'epoch-a',
    seq: 100,
    page: 1000,
    retired_kids: [],
    jwks: ['es-1', 'rs-1'],
    down: false,
    silent: false,
    report_status: 0,
    hold_live: false,
    clock_ahead_seconds: 0,
    issuer: '',
  }
  readonly #clock: Clock
  readonly #keys: Keys
  readonly #server: Server
  readonly #streams = new Set<ServerResponse>()
  /** The `jti` of each assertion: it is accepted once. */
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

  /** Epoch seconds by its own clock. */
  get now(): number {
    return Math.floor(this.#clock.nowMs() / 1000) + this.state.clock_ahead_seconds
  }

  set(changes: Partial<BrokerState>): void {
    Object.assign(this.state, changes)
    if (changes.epoch !== undefined) this.entries = []
    if (changes.seq !== undefined)
      this.entries = this.entries.filter(({ seq }) => seq <= this.state.seq)
    if (changes.down === true) this.cut()
  }

  append(entry: LogEntry, { send }: { send: boolean }): void {
    this.entries.push(entry)
    this.state.seq = Math.max(this.state.seq, entry.seq)
    if (!send) return
    this.send('revocation', entry, `${this.state.epoch}.${entry.seq}`)
    this.#sentSeq = this.state.seq
  }
  send(event: string, data: unknown, id?: string): void {
    this.raw(frame(event, data, id))
  }
  raw(text: string): void {
    if (!this.state.silent) for (const stream of this.#streams) stream.write(text)
  }
  /**
   * An event in pieces. No heartbeat comes between them: it would be in the middle of the event.
   */
  async rawInPieces(pieces: readonly string[], pauseBetween: () => Promise<void>): Promise<void> {
    this.#stopHeartbeat()
    for (const piece of pieces) {
      this.raw(piece)
      await pauseBetween()
    }
    this.#beat()
  }
  cut(): void {
    for (const stream of this.#streams) stream.destroy()
  }
  live(): void {
    this.state.hold_live = false
    const { epoch, seq } = this.state
    this.#sentSeq = seq
    this.send('live', { epoch, seq }, `${epoch}.${seq}`)
    this.#grant()
  }

  /** It has sent all that it knows. */
  #grant(): void {
    this.raw(this.#leaseFrame())
  }

  #leaseFrame(): string {
    const knownMs = this.#clock.elapsedMs()
    return frame('lease', { ...this.#lease, known_ms: knownMs, seq: this.#sentSeq })
  }

  #anchor(): { clock: string; at_ms: number } {
    return { clock: this.#lease.clock, at_ms: this.#clock.elapsedMs() }
  }

  #beat(): void {
    this.#stopHeartbeat = this.#clock.after(HEARTBEAT_MS, () => {
      this.#grant()
      this.#beat()
    })
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await read(request)
    const { pathname, searchParams } = new URL(request.url ?? '/', this.issuer)
    const params =
      request.method === 'POST' && pathname !== '/revocations/enforced'
        ? new URLSearchParams(body)
        : searchParams
    response.setHeader('date', new Date(this.now * 1000).toUTCString())
    if (this.state.down) return void response.writeHead(503).end()
    if (pathname === '/jwks')
      return json(response, { keys: this.state.jwks.map((name) => publicJwk(this.#key(name))) })
    if (pathname === '/.well-known/openid-configuration')
      return json(response, { issuer: this.state.issuer, jwks_uri: `${this.issuer}/jwks` })
    if (
      !this.#isClient(
        request,
        pathname === '/revocations/enforced' ? membersOf(body) : (name) => params.get(name),
      )
    ) {
      this.unauthenticated++
      return void response.writeHead(401, { 'www-authenticate': 'Basic' }).end()
    }
    if (pathname === '/revocations' && request.headers.accept === 'text/event-stream')
      return this.#stream(
        header(request, 'last-event-id') ?? params.get('last_event_id') ?? undefined,
        response,
      )
    if (pathname === '/revocations') return json(response, this.#page(params))
    if (pathname === '/revocations/clock')
      return json(response, { ...this.#anchor(), nonce: params.get('nonce') })
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

  #key(name: string): Keys[string] {
    const key = this.#keys[name]
    if (key === undefined) throw new Error(`keys.json has no key ${name}`)
    return key
  }

  #report(body: string, response: ServerResponse): void {
    const report = JSON.parse(body) as FakeBroker['reports'][number]
    const known = report.epoch === this.state.epoch && Number(report.seq) <= this.state.seq
    const answered = this.state.report_status || (known ? 204 : 409)
    this.reports.push({ ...report, answered })
    response.writeHead(answered).end()
  }

  /** What was missed after a position of this log, or all. */
  #since(position: { epoch: string; seq: number } | undefined): {
    reset: boolean
    resumes: boolean
    entries: LogEntry[]
  } {
    const { epoch, seq } = this.state
    const resumes = position !== undefined && position.epoch === epoch && position.seq <= seq
    const entries = this.entries.filter((entry) => !resumes || entry.seq > position.seq)
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
    return {
      epoch: this.state.epoch,
      seq,
      entries: page,
      retired_kids: this.state.retired_kids,
      reset,
      more,
      ...(!more && {
        lease: { ...this.#lease, ...this.#anchor(), known_ms: this.#clock.elapsedMs() },
      }),
    }
  }

  #stream(lastEventId: string | undefined, response: ServerResponse): void {
    this.connections.push({ lastEventId, atMs: this.#clock.monotonicMs() })
    const { epoch, hold_live, page, retired_kids, seq } = this.state
    const [, given = '', after] = /^(.*)\.(\d+)$/.exec(lastEventId ?? '') ?? []
    const { entries, reset, resumes } = this.#since(
      lastEventId === undefined ? undefined : { epoch: given, seq: Number(after) },
    )
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store, no-transform',
    })
    response.flushHeaders()
    if (this.state.silent) return
    this.#sentSeq = seq
    response.write(`retry: 1000\n\n${frame('anchor', this.#anchor())}`)
    if (reset) response.write(frame('reset', { epoch }))
    const atLeast = resumes ? 0 : 1
    for (let at = 0; at < Math.max(entries.length, atLeast); at += page) {
      const part = entries.slice(at, at + page)
      const reached = at + page >= entries.length ? seq : (part.at(-1)?.seq ?? seq)
      response.write(
        frame(
          'snapshot',
          { epoch, seq: reached, entries: part, retired_kids },
          `${epoch}.${reached}`,
        ),
      )
    }
    if (resumes) response.write(frame('keys', { jwks: 'changed', retired_kids }))
    if (!hold_live)
      response.write(frame('live', { epoch, seq }, `${epoch}.${seq}`) + this.#leaseFrame())
    this.#streams.add(response)
    response.on('close', () => this.#streams.delete(response))
  }
}

const encoded = (text: string): string =>
  new URLSearchParams({ text }).toString().slice('text='.length)
/** RFC 6749 §2.3.1: each part is form-encoded first. */
const BASIC = `Basic ${Buffer.from(`${encoded(CLIENT.client_id)}:${encoded(CLIENT.client_secret)}`).toString('base64')}`

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
