import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Hono } from 'hono'
import type { Rig } from '../rig.ts'
import { arm, type Armed, openTargets, type Target } from './armed.ts'
import { Draw } from './draw.ts'
import { generate, type Generated, routesOf, spoil } from './generate.ts'

/**
 * Every endpoint of both listeners, asked what no client would ask. `FUZZ_RUNS` requests (100,000
 * by hand, fewer here), drawn from `FUZZ_SEED`: no 5xx, no stack trace, no secret in an answer or a
 * log line, no browser sent to a stranger's address.
 */

const RUNS = Number(process.env.FUZZ_RUNS ?? 3000)
/** The same each time, so that what fails is what was changed; others by hand. */
const SEED = Number(process.env.FUZZ_SEED ?? 20_261_124)
/**
 * The number of runs after which everything is made again that requests may have used up or ended.
 */
const ROUND = 250

let rig: Rig
let apps: Target[]
let close: (() => Promise<void>) | undefined
beforeAll(async () => {
  ;({ rig, apps } = await openTargets((given) => (close = given)))
})
afterAll(() => close?.())

const STACK = /\n\s+at [^\n]+:\d+:\d+|node_modules\/|\/src\/[\w/-]+\.tsx?:\d+|SqliteError|SQLITE_/
const LOGGED = /eyJ[\w-]{10,}\.[\w-]+\.|cm[rs]_[\w-]{20,}|"bug"|"admin_failed"/

interface Seen {
  status: number
  headers: Headers
  text: string
}

/** An event stream never ends: its first bytes are enough. */
async function seen(response: Response): Promise<Seen> {
  const { status, headers } = response
  if (!(headers.get('content-type') ?? '').startsWith('text/event-stream'))
    return { status, headers, text: await response.text() }
  const reader = response.body?.getReader()
  const first = await reader?.read()
  await reader?.cancel()
  return { status, headers, text: new TextDecoder().decode(first?.value) }
}

/** Returns the fault of an answer, or undefined if it has none. */
function fault(asked: Generated, answer: Seen, armed: Armed, lines: string[]): string | undefined {
  const all = `${answer.text}\n${[...answer.headers].map(([name, value]) => `${name}: ${value}`).join('\n')}`
  // /readyz says 503 where a part is down, which is its task.
  if (answer.status >= 500 && !asked.url.includes('/readyz')) return `status ${answer.status}`
  if (STACK.test(answer.text)) return 'a stack trace in the answer'
  // A link back to the request may hold what is in its address; not what came by a header, a cookie
  // or a body.
  const leaked = armed.secrets.find(
    (secret) => secret !== '' && all.includes(secret) && !asked.url.includes(secret),
  )
  if (leaked !== undefined) return `a secret in the answer: ${leaked.slice(0, 12)}`
  const line = lines.find(
    (candidate) =>
      LOGGED.test(candidate) ||
      armed.secrets.some((secret) => secret !== '' && candidate.includes(secret)),
  )
  if (line !== undefined) return `a log line that should not be: ${line.slice(0, 400)}`
  const location = answer.headers.get('location')
  if (location !== null && !isOurs(location)) return `sent to ${location.slice(0, 100)}`
  const html = (answer.headers.get('content-type') ?? '').startsWith('text/html')
  if (html && answer.text.includes('<script>alert(1)')) return 'script of the request in a page'
  if (html && answer.text !== '' && !answer.headers.has('content-security-policy'))
    return `a page without a policy: ${asked.method}`
  return undefined
}

function isOurs(location: string): boolean {
  if (location.startsWith('/') && !/^\/[/\\]/.test(location)) return true
  const ours = [
    rig.config.issuer,
    rig.config.opsOrigin,
    'https://login.microsoftonline.com',
    'https://sydney.case-manager.example',
    'https://melbourne.case-manager.example',
  ]
  return URL.canParse(location) && ours.includes(new URL(location).origin)
}

describe('random requests', () => {
  test(
    `${RUNS} requests to every endpoint: no 5xx, no stack trace, no leak`,
    { timeout: 60_000 + RUNS * 20 },
    async () => {
      const targets = apps.flatMap((target) =>
        routesOf(target.app).map((route) => ({ ...target, route })),
      )
      expect(targets.length).toBeGreaterThan(60)
      const draw = new Draw(SEED)
      const statuses = new Map<number, number>()
      let armed = await arm(rig)
      rig.lines.splice(0)
      /**
       * Returns the next request: each route in its turn, and as often a valid request with a
       * mistake.
       */
      const next = (run: number): { target: Target; asked: Generated } => {
        const turn = targets[Math.floor(run / 2) % targets.length] ?? draw.of(targets)
        if (run % 2 === 0) return { target: turn, asked: generate(draw, turn.route, armed, turn) }
        const whole = draw.of(armed.whole)
        const target = apps.find((app) => app.of === whole.of) ?? turn
        return { target, asked: spoil(draw, whole, armed, target.origin) }
      }
      for (let run = 0; run < RUNS; run++) {
        if (run % ROUND === ROUND - 1) {
          armed = await arm(rig)
          rig.lines.splice(0)
        }
        const { target, asked } = next(run)
        const answer = await ask(target.app, asked)
        if (answer === undefined) continue
        statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
        const wrong = fault(asked, answer, armed, rig.lines.splice(0))
        if (wrong !== undefined)
          expect.fail(
            `FUZZ_SEED=${SEED}, request ${run}: ${wrong}\n${JSON.stringify(asked).slice(0, 3000)}\n${answer.text.slice(0, 600)}`,
          )
      }
      // No request makes metrics grow.
      expect((await rig.metrics.registry.metrics()).length).toBeLessThan(50_000)
      // Some requests were accepted: a run in which each is rejected at once shows nothing.
      for (const status of [200, 303, 400, 401, 404])
        expect([status, (statuses.get(status) ?? 0) > 0]).toEqual([status, true])
      if (process.env.FUZZ_RUNS !== undefined)
        process.stdout.write(
          `FUZZ_SEED=${SEED} ${JSON.stringify(Object.fromEntries([...statuses].sort()))}\n`,
        )
    },
  )

  test('bytes that are not HTTP, to a real listener: rejected or closed, and it goes on answering', async () => {
    const draw = new Draw(SEED)
    const base = new URL(await rig.serve())
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => raw(Number(base.port), rawRequest(draw))),
    )
    for (const answer of answers) expect(answer).not.toMatch(/^HTTP\/1\.1 5/)
    expect((await fetch(new URL('/healthz', base))).status).toBe(200)
    expect(rig.lines.filter((line) => LOGGED.test(line))).toEqual([])
  })
})

/** Undefined where the request cannot even be made: fetch itself rejects it. */
async function ask(
  app: Hono,
  { url, method, headers, body }: Generated,
): Promise<Seen | undefined> {
  let request: Request
  try {
    request = new Request(url, { method, headers, ...(body !== undefined && { body }) })
  } catch {
    return undefined
  }
  return seen(await app.request(request))
}

function rawRequest(draw: Draw): string {
  const line = `${draw.of(['GET', 'POST', 'G\0T', '', 'OPTIONS'])} ${draw.of(['/token', '/authorize?\0', '/%', '*', 'http://evil.example/token', '//x', draw.junk()])} ${draw.of(['HTTP/1.1', 'HTTP/1.0', 'HTTP/9', ''])}`
  const headers = [
    draw.of(['Host: localhost', 'Host: ', 'Host: a b', 'Host: [::', 'host: x\r\nhost: y', '']),
    draw.of([
      'Content-Length: 5',
      'Content-Length: -1',
      'Transfer-Encoding: chunked',
      'Transfer-Encoding: x',
      'Cookie: \0',
      `X: ${'y'.repeat(20_000)}`,
    ]),
    `X-Junk: ${draw.junk()}`,
  ]
  return `${line}\r\n${headers.filter(Boolean).join('\r\n')}\r\n\r\n${draw.junk()}`
}

/** Returns everything that is received until the other side closes, or sends nothing more. */
const raw = (port: number, bytes: string): Promise<string> =>
  new Promise((done) => {
    let text = ''
    const socket = connect(port, '127.0.0.1', () => socket.end(bytes, 'latin1'))
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
    socket.on('error', () => done(text))
    socket.on('close', () => done(text))
    socket.setTimeout(5000, () => socket.destroy())
  })
