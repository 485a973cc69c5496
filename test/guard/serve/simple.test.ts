import fc from 'fast-check'
import { createServer, type Server } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import { describe, expect, onTestFinished, test } from 'vitest'
import { completeClock } from '../../../guard/src/clock.ts'
import { Answer, type Decide } from '../../../guard/src/serve/answer.ts'
import { answering, createCheckServer, type CheckServer } from '../../../guard/src/serve/check-server.ts'
import { temporary } from './rig.ts'

/** Requests of the simple form are answered without node:http (decision 0052), and exactly as node:http answers them. */

const OPTIONS = { keepAliveTimeout: 0, maxHeaderSize: 64 * 1024, requestTimeout: 30_000 }
const CLOCK = completeClock(undefined)

/** Answers with what it saw of the request, at once or a moment later. */
const echo: Decide = ({ method, rawHeaders, url }) => {
  const answer = new Answer(200, ['X-Saw', encodeURIComponent(JSON.stringify([method, url, rawHeaders]))])
  return rawHeaders.includes('X-Later') ? new Promise((resolve) => setImmediate(() => resolve(answer))) : answer
}

async function listening(server: Server, where: { path: string } | { port: number; host: string }): Promise<string> {
  await new Promise<void>((done) => server.listen(where, done))
  onTestFinished(() => {
    server.close().closeAllConnections()
  })
  return 'path' in where ? where.path : `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function simple(decide: Decide = echo, { firstRequestMs = 30_000, tcp = false } = {}): Promise<CheckServer & { address: string }> {
  const opened = createCheckServer(decide, { ...OPTIONS, clock: CLOCK, firstRequestMs })
  onTestFinished(() => opened.simple.destroy())
  const address = await listening(opened.server, tcp ? { port: 0, host: '127.0.0.1' } : { path: join(temporary(), 'check.sock') })
  return { ...opened, address }
}

const dial = (address: string): Socket => {
  const socket = address.startsWith('/') ? connect(address) : connect(Number(new URL(address).port), '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  return socket.on('error', () => {})
}

/** What the server says, until it closes the connection or has answered as often as is asked for. */
class Client {
  readonly socket: Socket
  text = ''
  closed = false
  #look: () => void = () => {}

  constructor(address: string) {
    this.socket = dial(address)
    this.socket.setEncoding('latin1')
    this.socket.on('data', (piece: string) => {
      this.text += piece
      this.#look()
    })
    this.socket.on('close', () => {
      this.closed = true
      this.#look()
    })
  }

  get answers(): string[] {
    return this.text.split('\r\n\r\n').slice(0, -1)
  }

  send(...pieces: string[]): this {
    for (const piece of pieces) this.socket.write(piece, 'latin1')
    return this
  }

  until(holds: () => boolean): Promise<void> {
    return new Promise((done) => {
      this.#look = () => {
        if (holds()) done()
      }
      this.#look()
    })
  }

  async answered(count: number): Promise<string[]> {
    await this.until(() => this.closed || this.answers.length >= count)
    return this.answers
  }
}

const turn = (): Promise<void> => new Promise((done) => setImmediate(done))

/** Without what node:http says of its own, and without the time. */
const comparable = (answer: string): string => answer.replaceAll(/^(?:Date|Connection|Keep-Alive): .*(?:\r\n|$)/gm, '').trimEnd()

const GET = (url: string, ...lines: string[]): string => ['GET ' + url + ' HTTP/1.1', 'Host: guard', ...lines, '', ''].join('\r\n')
const isSimple = (answer: string | undefined): boolean => answer !== undefined && !/^Connection:/m.test(answer)
/** A length of a body may swallow several of them: what remains of one is no request, and ends the connection. */
const LAST = Array.from({ length: 8 }, () => GET('/last', 'Connection: close'))

const usual = <T>(often: T, ...others: T[]): fc.Arbitrary<T> =>
  fc.oneof({ weight: 12, arbitrary: fc.constant(often) }, { weight: 1, arbitrary: fc.constantFrom(...others) })

const HEADERS = [
  'Authorization: Bearer abc.def',
  'authorization: Bearer other',
  'X-Forwarded-Uri: /api/cases?x=1',
  'Cookie:a=b; c="d"',
  'Accept: \t text/html \t',
  'Empty:',
  'X_Guard_Sub: mallory',
  'Connection: keep-alive',
  'connection: Keep-Alive',
  'Content-Length: 0',
  'Keep-Alive: timeout=5',
  'TE: trailers',
]
const ODD_HEADERS = [
  'Host: other',
  'Connection: close',
  'Connection: keep-alive, x-guard-sub',
  'Connection: upgrade',
  'Proxy-Connection: close',
  'Upgrade: h2c',
  'Expect: 100-continue',
  'Expect: nothing',
  'Content-Length: 5',
  'content-length: 300',
  'Content-Length: 0, 0',
  'Content-Length: +0',
  'Content-Length: -1',
  'Content-Length: 00',
  'Content-Length:',
  'Transfer-Encoding: chunked',
  'transfer-encoding: identity',
  'Transfer-Encoding: gzip, chunked',
  'Transfer_Encoding: chunked',
  'Trailer: X-Guard-Sub',
  ' folded',
  '\tfolded: too',
  'Space : before',
  'No colon',
  ': no name',
  'N\u00e4me: x',
  'Value: caf\u00e9',
  'Value: a\u0000b',
  'Value: a\u007fb',
  'Value: a\rb',
  'Value: a\nb',
  'Value: a\r\n b',
  `Long: ${'x'.repeat(17_000)}`,
  `Longest: ${'x'.repeat(70_000)}`,
  Array.from({ length: 120 }, (_, n) => `X-${n}: ${n}`).join('\r\n'),
]
const requests = fc
  .record({
    before: usual('', '\r\n', ' ', '\n'),
    method: usual('GET', 'HEAD', 'POST', 'OPTIONS', 'get', 'G T', ''),
    target: usual('/', '/api/cases?page=2', '//', '/%2f;x', '/a b', '/a"b', '/a#b', '/caf\u00e9', 'http://guard/', '*', 'guard:80', ''),
    version: usual('HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0', 'HTTP/1.10', 'http/1.1', ''),
    host: usual('Host: guard', 'host:guard', 'Host:', 'Hos: t'),
    headers: fc.array(fc.oneof({ weight: 12, arbitrary: fc.constantFrom(...HEADERS) }, { weight: 1, arbitrary: fc.constantFrom(...ODD_HEADERS) }), {
      maxLength: 6,
    }),
    line: usual('\r\n', '\n', '\r', '\r\r\n'),
    end: usual('\r\n', '\n', '', '\r\n\r\n'),
    body: usual('', 'hello', '0\r\n\r\n', '5\r\nhello\r\n0\r\n\r\n'),
  })
  .map(({ before, body, end, headers, host, line, method, target, version }) => {
    const lines = [`${method} ${target} ${version}`, host, ...headers].map((each) => each + '\r\n')
    // One of them ends in another way.
    const at = headers.length
    if (line !== '\r\n') lines[at] = `${lines[at]?.slice(0, -2)}${line}`
    return before + lines.join('') + end + body
  })
const wellFormed = fc
  .record({ method: fc.constantFrom('GET', 'GET', 'HEAD', 'POST'), headers: fc.array(fc.constantFrom(...HEADERS, 'X-Later: 1'), { maxLength: 6 }) })
  .map(({ headers, method }) => {
    const once = headers.filter((header, at) => !header.startsWith('Content-Length') || headers.indexOf(header) === at)
    return method === 'POST' ? 'POST / HTTP/1.1\r\nHost: guard\r\nContent-Length: 5\r\n\r\nhello' : GET('/', ...once).replace('GET', method)
  })
const cuts = fc.array(fc.nat({ max: 600 }), { maxLength: 3 })
const pieces = (text: string, at: readonly number[]): string[] => {
  const found: string[] = []
  let rest = text
  for (const cut of at) {
    found.push(rest.slice(0, cut))
    rest = rest.slice(cut)
  }
  return [...found, rest].filter((piece) => piece !== '')
}

/** Nothing on a wire takes time: what has not happened by then does not happen. */
const MOST_TURNS = 20

/** A connection without a socket: what is pushed into it is read piece by piece, and what is written after its end is lost, on every machine. */
class Wire extends Duplex {
  text = ''
  /** When what was written is taken; at once, unless a test says otherwise. */
  accepts: (done: () => void) => void = (done) => done()
  override _read(): void {}
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString('latin1')
    this.accepts(done)
  }
  setTimeout(): this {
    return this
  }
  destroySoon(): void {
    this.end(() => this.destroy())
  }
}

/** @returns what is said to these pieces, and last whether the connection was closed */
async function saidOn(server: Server, sent: readonly string[]): Promise<string[]> {
  const wire = new Wire()
  server.emit('connection', wire)
  for (const piece of sent) {
    if (!wire.destroyed) wire.push(Buffer.from(piece, 'latin1'))
    await turn()
  }
  for (let turns = 0; turns < MOST_TURNS && !wire.closed; turns++) await turn()
  const said = [...wire.text.split('\r\n\r\n'), wire.closed ? 'closed' : 'open']
  wire.destroy()
  return said
}

describe('a request is answered as node:http answers it', () => {
  test('odd and hostile ones, one by one or pipelined, in any pieces: the same answers, and the same end of the connection (property)', async () => {
    const { server } = createCheckServer(echo, { ...OPTIONS, clock: CLOCK, firstRequestMs: 0 })
    const plain = createServer(OPTIONS, answering(echo))
    plain.maxHeadersCount = 0
    let withoutHttp = 0
    const conversation = fc.tuple(fc.array(requests, { minLength: 1, maxLength: 4 }), cuts, fc.boolean())
    const property = fc.asyncProperty(conversation, async ([messages, at, pipelined]) => {
      const sent = pipelined ? pieces(messages.join(''), at) : messages.flatMap((message) => pieces(message, at))
      const [ours, theirs] = await Promise.all([saidOn(server, [...sent, ...LAST]), saidOn(plain, [...sent, ...LAST])])
      expect(ours.map(comparable)).toEqual(theirs.map(comparable))
      withoutHttp += ours.filter((answer) => answer.startsWith('HTTP/1.1 200') && isSimple(answer)).length
    })
    await fc.assert(property, { numRuns: 1000 })
    expect(withoutHttp).toBeGreaterThan(100)
  })

  test('well formed ones on real sockets, pipelined and cut at random, answered at once or later: the same answers in the same order (property)', async () => {
    const { address } = await simple()
    const plain = await listening(createServer(OPTIONS, answering(echo)), { path: join(temporary(), 'plain.sock') })
    const said = async (where: string, sent: readonly string[]): Promise<string[]> => {
      const client = new Client(where)
      for (const piece of sent) {
        client.send(piece)
        await turn()
      }
      await client.until(() => client.closed)
      return client.answers
    }
    const property = fc.asyncProperty(fc.array(wellFormed, { maxLength: 5 }), cuts, async (messages, at) => {
      const sent = pieces(messages.join('') + GET('/last', 'Connection: close'), at)
      const [ours, theirs] = await Promise.all([said(address, sent), said(plain, sent)])
      expect(ours.map(comparable)).toEqual(theirs.map(comparable))
      expect(ours).toHaveLength(messages.length + 1)
    })
    await fc.assert(property, { numRuns: 200 })
  })

  test('no request is answered as another’s: many connections, pipelined and not, at once and later (property)', async () => {
    const { address } = await simple(echo, { tcp: true })
    const waits = fc.array(fc.record({ later: fc.boolean(), pipelined: fc.boolean(), cut: fc.option(fc.nat({ max: 80 })) }), { maxLength: 8 })
    const talk = async (name: string, steps: { later: boolean; pipelined: boolean; cut: number | null }[]): Promise<void> => {
      const client = new Client(address)
      for (const [at, { cut, later, pipelined }] of steps.entries()) {
        const text = GET(`/${name}/${at}`, ...(later ? ['X-Later: 1'] : []))
        client.send(...(cut === null ? [text] : [text.slice(0, cut), text.slice(cut)]))
        if (!pipelined) await client.answered(at + 1)
      }
      const answers = await client.answered(steps.length)
      const urls = answers.map((answer) => (JSON.parse(decodeURIComponent(/^X-Saw: (.*)$/m.exec(answer)?.[1] ?? '')) as unknown[])[1])
      expect(urls).toEqual(steps.map((_, at) => `/${name}/${at}`))
      client.socket.destroy()
    }
    await fc.assert(
      fc.asyncProperty(fc.array(waits, { minLength: 1, maxLength: 8 }), async (all) => {
        await Promise.all(all.map((steps, n) => talk(`c${n}`, steps)))
      }),
      { numRuns: 60 },
    )
  })
})

describe('what is of the simple form', () => {
  test.each([
    ['a request', GET('/')],
    ['HEAD', GET('/').replace('GET', 'HEAD')],
    ['Connection: keep-alive', GET('/', 'connection: Keep-Alive')],
    ['Content-Length: 0', GET('/', 'Content-Length: 0')],
    ['a header twice', GET('/', 'Cookie: a=b', 'Cookie: c=d')],
  ])('%s is answered without node:http, and keeps its connection so', async (_what, request) => {
    const client = new Client((await simple()).address)
    expect((await client.send(request).answered(1)).map(isSimple)).toEqual([true])
    expect((await client.send(GET('/2')).answered(2)).map(isSimple)).toEqual([true, true])
    expect(client.answers[0]).toMatch(/^HTTP\/1\.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 0\r\nX-Saw: .*\r\nDate: \w{3}, \d\d .* GMT$/)
  })

  test.each([
    ['two at once', GET('/1') + GET('/2'), 2],
    ['another method', GET('/').replace('GET', 'OPTIONS'), 1],
    ['a body', `${GET('/', 'Content-Length: 5')}hello`, 1],
    ['a length twice', GET('/', 'Content-Length: 0', 'Content-Length: 0'), 1],
    ['a chunked body', `${GET('/', 'Transfer-Encoding: chunked')}0\r\n\r\n`, 1],
    ['no host', GET('/').replace('Host', 'Hos'), 1],
    ['a host twice', GET('/', 'host: guard'), 1],
    ['Connection: close', GET('/', 'Connection: close'), 1],
    ['Connection naming a header', GET('/', 'Connection: keep-alive, x-a'), 1],
    ['Upgrade', GET('/', 'Upgrade: websocket'), 1],
    ['Expect', GET('/', 'Expect: 100-continue'), 2],
    ['HTTP/1.0', GET('/').replace('1.1', '1.0'), 1],
    ['a folded line', GET('/', 'X: a\r\n b'), 1],
    ['a line feed alone', GET('/', 'X: a\nY: b'), 1],
    ['a character beyond ASCII', GET('/', 'X: caf\u00e9'), 1],
    ['an absolute target', GET('http://guard/'), 1],
    ['more than 100 headers', GET('/', ...Array.from({ length: 101 }, (_, n) => `X-${n}: 1`)), 1],
    ['more than 16 kB', GET('/', `X: ${'x'.repeat(16_384)}`), 1],
  ])('%s is left to node:http, with its connection', async (_what, request, answers) => {
    const client = new Client((await simple()).address)
    expect((await client.send(GET('/')).answered(1)).map(isSimple)).toEqual([true])
    const [, ...later] = await client.send(request).answered(1 + answers)
    const said = later.filter((answer) => /^HTTP\/1\.1 (?!100)/.test(answer))
    expect(said.length).toBeGreaterThan(0)
    expect(said.map(isSimple)).toEqual(said.map(() => false))
  })

  test('its first piece leaves a request to node:http, whose limits of time and size are for it', async () => {
    const { address, simple: connections } = await simple()
    const client = new Client(address)
    await client.send(GET('/1')).answered(1)
    expect(connections.size).toBe(1)
    client.send('GET /2 HTTP/1.1\r\nHost: gu')
    await expect.poll(() => connections.size).toBe(0)
    expect((await client.send('ard\r\n\r\n').answered(2)).map(isSimple)).toEqual([true, false])
    expect(client.answers[1]).toContain(encodeURIComponent('["GET","/2",["Host","guard"]]'))
  })
})

describe('a connection', () => {
  test('on which nothing comes is closed after a while; one that has sent a request may stay idle', async () => {
    const { address } = await simple(echo, { firstRequestMs: 30 })
    const silent = new Client(address)
    await silent.until(() => silent.closed)
    expect(silent.text).toBe('')
    const patient = await simple()
    const accepted = new Promise<Socket>((done) => patient.server.once('connection', done))
    const used = new Client(patient.address)
    const socket = await accepted
    expect(socket.timeout).toBe(30_000)
    await used.send(GET('/1')).answered(1)
    expect(socket.timeout).toBe(0)
  })

  test('whose client has said its last word is closed after the answer', async () => {
    const client = new Client((await simple()).address)
    client.socket.end(GET('/', 'X-Later: 1'))
    await client.until(() => client.closed)
    expect(client.answers).toHaveLength(1)
  })

  test('whose client reads no answers is not read any more, until it does', async () => {
    const big = 'x'.repeat(100_000)
    const { server } = createCheckServer(({ url }) => new Answer(200, ['X-Big', big, 'X-Url', url]), { ...OPTIONS, clock: CLOCK, firstRequestMs: 0 })
    const wire = new Wire()
    const taken: (() => void)[] = []
    wire.accepts = (done) => taken.push(done)
    server.emit('connection', wire)
    for (const url of ['/1', '/2']) {
      wire.push(GET(url))
      await turn()
    }
    expect([wire.isPaused(), taken.length]).toEqual([true, 1])
    wire.accepts = (done) => done()
    taken[0]?.()
    await expect.poll(() => [...wire.text.matchAll(/^X-Url: (.*)$/gm)].map(([, url]) => url)).toEqual(['/1', '/2'])
    wire.destroy()
  })

  test('is not read while its check is under way, and what came meanwhile is answered after it', async () => {
    const waiting: (() => void)[] = []
    const seen: string[] = []
    const { address } = await simple(({ url }) => {
      seen.push(url)
      const answer = new Answer(200, ['X-Url', url])
      return url === '/slow' ? new Promise((resolve) => waiting.push(() => resolve(answer))) : answer
    })
    const client = new Client(address).send(GET('/slow'))
    await expect.poll(() => waiting.length).toBe(1)
    client.send(GET('/next'))
    await turn()
    expect(seen).toEqual(['/slow'])
    waiting[0]?.()
    expect((await client.answered(2)).map((answer) => /^X-Url: (.*)$/m.exec(answer)?.[1])).toEqual(['/slow', '/next'])
  })

  test('that broke off while its check was under way takes nothing with it', async () => {
    const waiting: (() => void)[] = []
    const { address, simple: connections } = await simple(
      ({ url }) => (url === '/slow' ? new Promise((resolve) => waiting.push(() => resolve(new Answer(200, [])))) : new Answer(200, [])),
      { tcp: true },
    )
    const gone = new Client(address).send(GET('/slow'))
    await expect.poll(() => waiting.length).toBe(1)
    gone.socket.resetAndDestroy()
    waiting[0]?.()
    expect(await new Client(address).send(GET('/')).answered(1)).toHaveLength(1)
    await expect.poll(() => connections.size).toBe(1)
  })

  test('at the end: idle ones are closed, and one under way has its answer with Connection: close', async () => {
    const waiting: (() => void)[] = []
    const {
      address,
      server,
      simple: connections,
    } = await simple(({ url }) =>
      url === '/slow' ? new Promise((resolve) => waiting.push(() => resolve(new Answer(200, [])))) : new Answer(200, []),
    )
    const [idle, busy] = [new Client(address), new Client(address)]
    await idle.send(GET('/')).answered(1)
    busy.send(GET('/slow'))
    await expect.poll(() => waiting.length).toBe(1)
    const closed = new Promise<void>((done) => server.close(() => done()))
    connections.drain()
    await idle.until(() => idle.closed)
    expect(busy.closed).toBe(false)
    waiting[0]?.()
    await busy.until(() => busy.closed)
    expect(busy.answers.map((answer) => /^Connection: close$/m.test(answer))).toEqual([true])
    await closed
  })
})
