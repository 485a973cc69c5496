import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { Agent, type IncomingMessage, request, type RequestOptions } from 'node:http'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { json } from 'node:stream/consumers'
import { createGuard } from '@case-manager/guard'
import { BenchClock, sharedMs } from './clock.ts'
import type { ClientId, Evidence } from './site.ts'
import type { Subject } from './tally.ts'
import { countsFromReceipt } from './wrong.ts'

/**
 * A process with guards, each behind a line of its own. They check tokens and sessions without a
 * pause, and the process notes when the latest request was sent that each guard accepted.
 */

export interface GuardSpec {
  name: string
  kind: 'node' | 'guard serve' | 'python'
  polls: boolean
  introspects: boolean
  client: ClientId
  judgesSessions: boolean
  /** A clock that counts suspension; without it the guard adds up the time between readings. */
  hasBootClock: boolean
  /**
   * A run must find it. `lease`: counts its lease from the receipt of each heartbeat. `sessions`:
   * says that it judges sessions, and accepts each that it was given.
   */
  wrong: 'lease' | 'sessions' | undefined
  /** The port of its line. */
  port: number
  /** The port of a proxy that may buffer; for the table. */
  isBuffered: boolean
  /** The speed of its clock, by `faketime` where it is a process of its own. */
  rate: number
}

export interface GuardsAsked {
  open: {
    in: { issuer: string; secrets: Record<ClientId, string>; guards: GuardSpec[] }
    /** 0: the guard runs in the host's own process. */
    out: { pids: number[] }
  }
  watch: { in: { id: number; of: Record<ClientId, Evidence>; leaseMs: number }; out: object }
  acknowledged: { in: { id: number; atMs: number }; out: object }
  /**
   * Ends the watch of a session and its tokens. Returns when each guard's latest accepted request was
   * sent, and when and why each first called the session ended.
   */
  done: { in: { id: number }; out: Watch }
  /** Returns when each guard accepted any token last. */
  accepted: { in: object; out: { acceptedMs: number[] } }
  step: { in: { guard: number; ms: number }; out: object }
  /** The clock that counts suspension jumps. */
  jump: { in: { guard: number; ms: number }; out: object }
  suspend: { in: { ms: number }; out: object }
}

interface Watch {
  lastMs: Record<Subject, number[]>
  ended: ({ atMs: number; why: string } | undefined)[]
}
type Verdict = { state: 'live' | 'unknown' } | { state: 'ended'; why: string }

interface Target {
  accepts(token: string): Promise<boolean>
  /** Judges a session. Undefined: it judges tokens alone. */
  judges?: ((session: object) => Promise<Verdict>) | undefined
  child?: ChildProcess
  /** Each check may be a request, so that it checks every third token only. */
  isSlow: boolean
  clock?: BenchClock
  close?: () => unknown
}

interface Watched extends Watch {
  of: Record<ClientId, Evidence>
  leaseMs: number
  acknowledgedMs: number | undefined
  nextMs: number
  underWay: Record<Subject, number[]>
}

const TICK_MS = 10
/** Near the end of the lease a token is checked with each tick, otherwise more rarely. */
const NEAR_MS = 150
const AFTER_MS = 1_000
const RARE_MS = 1_000
const MOST_UNDER_WAY = { fast: 8, slow: 3 }
const SHARE_OF_SLOW = 3

function serveGuards(dir: string): void {
  let targets: (Target & { client: ClientId })[] = []
  let clocks: BenchClock[] = []
  let acceptedMs: number[] = []
  const watched = new Map<number, Watched>()
  const look = (): void => {
    const nowMs = sharedMs()
    for (const [id, guard] of watched) if (guard.nextMs <= nowMs) check(id, guard, nowMs)
  }
  const check = (id: number, guard: Watched, nowMs: number): void => {
    const { acknowledgedMs, ended, leaseMs, of, lastMs } = guard
    const sinceMs = acknowledgedMs === undefined ? -1 : nowMs - acknowledgedMs
    guard.nextMs = nowMs + periodMs(sinceMs, leaseMs)
    targets.forEach(({ accepts, client, isSlow, judges }, n) => {
      if (isSlow && id % SHARE_OF_SLOW !== 0) return
      const most = MOST_UNDER_WAY[isSlow ? 'slow' : 'fast']
      const send = (subject: Subject, request: () => Promise<boolean>): void => {
        const underWay = guard.underWay[subject]
        const running = underWay[n] ?? 0
        if (running >= most) return
        underWay[n] = running + 1
        // The request is sent now.
        const sentMs = sharedMs()
        void request().then(
          (ok) => {
            underWay[n] = (underWay[n] ?? 1) - 1
            if (!ok) return
            lastMs[subject][n] = Math.max(lastMs[subject][n] ?? 0, sentMs)
            acceptedMs[n] = Math.max(acceptedMs[n] ?? 0, sentMs)
          },
          () => (underWay[n] = (underWay[n] ?? 1) - 1),
        )
      }
      send('token', () => accepts(of[client].token))
      if (judges !== undefined)
        send('session', async () => {
          const verdict = await judges(of[client].session)
          if (verdict.state === 'ended') ended[n] ??= { atMs: sharedMs(), why: verdict.why }
          return verdict.state === 'live'
        })
    })
  }
  const answers: { [N in keyof GuardsAsked]: (input: never) => Promise<GuardsAsked[N]['out']> } = {
    async open(input: GuardsAsked['open']['in']) {
      targets = input.guards.map((guard) => ({
        ...openTarget(dir, guard, partsOf(guard, input)),
        client: guard.client,
      }))
      acceptedMs = targets.map(() => 0)
      clocks = targets.flatMap(({ clock }) => clock ?? [])
      setInterval(look, TICK_MS)
      return { pids: targets.map(({ child }) => child?.pid ?? 0) }
    },
    async watch({ id, of, leaseMs }: GuardsAsked['watch']['in']) {
      const perSubject = (): Record<Subject, number[]> => ({ token: [], session: [] })
      const empty = { acknowledgedMs: undefined, nextMs: 0, ended: [] }
      const lists = { lastMs: perSubject(), underWay: perSubject() }
      watched.set(id, { of, leaseMs, ...empty, ...lists })
      return {}
    },
    async acknowledged({ id, atMs }: GuardsAsked['acknowledged']['in']) {
      const guard = watched.get(id)
      if (guard !== undefined) guard.acknowledgedMs = atMs
      return {}
    },
    async done({ id }: GuardsAsked['done']['in']) {
      const found = watched.get(id)
      watched.delete(id)
      const last = (subject: Subject): number[] =>
        targets.map((_, n) => found?.lastMs[subject][n] ?? 0)
      return {
        lastMs: { token: last('token'), session: last('session') },
        ended: targets.map((_, n) => found?.ended[n]),
      }
    },
    async accepted() {
      return { acceptedMs }
    },
    async step({ guard, ms }: GuardsAsked['step']['in']) {
      const clock = targets[guard]?.clock
      if (clock !== undefined) clock.stepMs = ms
      return {}
    },
    async jump({ guard, ms }: GuardsAsked['jump']['in']) {
      const clock = targets[guard]?.clock
      if (clock !== undefined) clock.jumpMs = ms
      return {}
    },
    async suspend({ ms }: GuardsAsked['suspend']['in']) {
      for (const clock of clocks) clock.suspend(ms)
      return {}
    },
  }
  process.on(
    'message',
    (message: { id: number; name: keyof GuardsAsked; input: never }) =>
      void answers[message.name](message.input).then((output) =>
        process.send?.({ id: message.id, output }, () => {}),
      ),
  )
  const end = (): void => {
    for (const { child, close } of targets) void (child?.kill('SIGKILL') ?? close?.())
    process.exit(0)
  }
  process.once('SIGTERM', end).once('disconnect', end)
  process.send?.({ ready: true })
}

function periodMs(sinceMs: number, leaseMs: number): number {
  if (Math.abs(sinceMs - leaseMs) < NEAR_MS) return 0
  return sinceMs > leaseMs + AFTER_MS ? RARE_MS : leaseMs > 5_000 ? 100 : 50
}

interface ClientParts {
  issuer: string
  clientId: string
  secret: string
  audience: string
}

const partsOf = (
  { client }: GuardSpec,
  { issuer, secrets }: GuardsAsked['open']['in'],
): ClientParts => ({
  issuer,
  clientId: client,
  secret: secrets[client],
  audience: `urn:bench:${client}`,
})

function openTarget(dir: string, spec: GuardSpec, client: ClientParts): Target {
  if (spec.kind === 'guard serve') return openGuardServe(dir, spec, client)
  if (spec.kind === 'python') return openPython(spec, client)
  const clock = new BenchClock(spec.rate)
  // The guard gives each address as text.
  const through: typeof fetch = (input, init) =>
    fetch((input as string).replace(client.issuer, `http://127.0.0.1:${spec.port}`), init)
  const guard = createGuard({
    issuer: client.issuer,
    clientId: client.clientId,
    clientSecret: client.secret,
    audience: client.audience,
    guardId: spec.name,
    withoutLease: spec.introspects ? 'introspect' : 'reject',
    poll: spec.polls,
    clock: clock.forGuard(spec.hasBootClock),
    fetch: spec.wrong === 'lease' ? countsFromReceipt(through, clock) : through,
    hooks: { problem: () => {} },
  })
  if (spec.judgesSessions) guard.judgeSessions()
  void guard.start()
  const judges = async (session: object): Promise<Verdict> =>
    spec.wrong === 'sessions' ? { state: 'live' } : guard.checkSession(session)
  return {
    accepts: async (token) => (await guard.check(token)).ok,
    judges: spec.judgesSessions ? judges : undefined,
    clock,
    isSlow: spec.introspects,
    close: () => guard.stop(),
  }
}

/** Starts `guard serve`, whose requests to the issuer go through its line. */
function openGuardServe(dir: string, spec: GuardSpec, client: ClientParts): Target {
  const [socketPath, local] = [join(dir, `${spec.name}.sock`), join(dir, `${spec.name}-local.sock`)]
  const rules = join(dir, 'rules.json')
  writeFileSync(rules, '{ "rules": [{ "path": "/*", "scope": "openid" }] }')
  const line = `const own = fetch; globalThis.fetch = (to, init) => own(String(to).replace(${JSON.stringify(client.issuer)}, 'http://127.0.0.1:${spec.port}'), init)`
  const flags = {
    issuer: client.issuer,
    'client-id': client.clientId,
    audience: client.audience,
    rules,
    listen: `unix:${socketPath}`,
    'local-listen': `unix:${local}`,
    sessions: spec.judgesSessions ? 'yes' : 'no',
  }
  const child = spawn(
    process.execPath,
    [
      '--import',
      `data:text/javascript,${encodeURIComponent(line)}`,
      new URL('../../../guard/dist/serve/bin.js', import.meta.url).pathname,
      'serve',
      ...Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value]),
    ],
    {
      stdio: 'ignore',
      env: { ...process.env, GUARD_CLIENT_SECRET: client.secret, GUARD_ID: spec.name },
    },
  )
  const agent = new Agent({ keepAlive: true })
  const forwarded = { 'x-forwarded-method': 'GET', 'x-forwarded-host': 'a', 'x-forwarded-uri': '/' }
  const send = (options: RequestOptions, body?: string): Promise<IncomingMessage> =>
    new Promise((done, failed) => {
      request({ agent, ...options }, done)
        .once('error', failed)
        .end(body)
    })
  const accepts = async (token: string): Promise<boolean> => {
    const headers = { ...forwarded, authorization: `Bearer ${token}` }
    return (await send({ socketPath, headers })).resume().statusCode === 200
  }
  const judges = async (session: object): Promise<Verdict> => {
    const path = { socketPath: local, path: '/session', method: 'POST' }
    return (await json(await send(path, JSON.stringify(session)))) as Verdict
  }
  return { child, accepts, judges: spec.judgesSessions ? judges : undefined, isSlow: true }
}

/** Starts the Python guard of examples/, whose connections go through its line. */
function openPython(spec: GuardSpec, client: ClientParts): Target {
  const program = new URL('../../../bench/lease-bound/guard.py', import.meta.url).pathname
  const child = spawn(process.env['BENCH_PYTHON'] ?? 'python3', [program, String(spec.port)], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: { ...process.env, ...(spec.rate !== 1 && clockOfRate(spec.rate)) },
  })
  const waiting: ((answer: string) => void)[] = []
  createInterface(child.stdout).on('line', (line) => waiting.shift()?.(line))
  const { issuer, clientId, secret, audience } = client
  child.stdin.on('error', () => {})
  const options = { issuer, client_id: clientId, client_secret: secret, audience }
  const start = { judges: spec.judgesSessions, options: { ...options, guard: spec.name } }
  child.stdin.write(`${JSON.stringify(start)}\n`)
  const answer = (line: string): Promise<string> =>
    new Promise((done) => {
      waiting.push(done)
      child.stdin.write(`${line}\n`)
    })
  return {
    child,
    isSlow: true,
    accepts: async (token) => (await answer(token)) === '200',
    judges: spec.judgesSessions
      ? async (session) => JSON.parse(await answer(JSON.stringify(session))) as Verdict
      : undefined,
  }
}

/** Returns the variables that make the clocks of a process faster or slower. */
function clockOfRate(rate: number): Record<string, string> {
  const speed = `+0 x${rate.toFixed(6)}`
  // `faketime` would be a process in between, which is stopped in place of the guard.
  const args = ['-m', '-f', speed, 'printenv', 'LD_PRELOAD']
  const preload = spawnSync('faketime', args, { encoding: 'utf8' }).stdout
  return preload ? { LD_PRELOAD: preload.trim(), FAKETIME: speed } : {}
}

serveGuards(process.argv[2] ?? '')
