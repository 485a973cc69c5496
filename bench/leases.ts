/**
 * `npm run bench leases`: what a lease of 1, 5 and 30 s costs. `--only cpu` measures the broker with
 * 1,000 streams; `--only FAULT` one fault of bench/leases/faults.ts. The last line is JSON.
 */
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { FAULTS, measureFault, LENGTHS } from './leases/faults.ts'
import { cores, cpuSeconds, load1, pinLoader, round } from './machine/machine.ts'
import { readOptions, usageError } from './machine/options.ts'
import { basic, openStage, type Stage } from './servers/stage.ts'
import { follow } from './clients/streams.ts'

const STREAMS = 1_000
/** The number of guards of one client. */
const OF_ONE = 10
const SECONDS = Number(process.env['BENCH_SECONDS'] ?? 20)
/** The lengths of a lease after which a guard asks for a new anchor (docs/feed.md, "The lease"). */
const ANCHOR_LENGTHS = 20
/** The least seconds between two signs of life of a guard (docs/feed.md, R3). */
const SIGN_SECONDS = 10

const USAGE = `npm run bench leases -- [options]
  --only PART       cpu, or one of ${FAULTS.join(', ')} (default: all; six minutes)
  --help            prints this
  BENCH_SECONDS=S   how long the CPU of 1,000 streams is measured (default 20)`

const { values } = readOptions(USAGE, { only: { type: 'string' } })
await measure()

async function measure(): Promise<void> {
  const { only } = values
  if (only !== undefined && ![...FAULTS, 'cpu'].some((fault) => fault === only))
    usageError(USAGE, `--only ${only}: use cpu, ${FAULTS.join(', ')}.`)
  console.log(`Node ${process.version}; load of the machine before: ${load1()}.`)
  const figures: Record<string, unknown> = {}
  for (const fault of FAULTS)
    if (only === undefined || only === fault) {
      figures[fault] = await measureFault(fault)
      console.log(`${fault}: ${JSON.stringify(figures[fault])}; load ${load1()}`)
    }
  // The loader stays on its core from here on.
  if (only === undefined || only === 'cpu') figures['cpu'] = await cpuOfStreams()
  console.log(`load of the machine after: ${load1()}`)
  console.log(JSON.stringify(figures))
}

/** The share of a core that a broker uses, in percent. */
interface Cpu {
  leaseSeconds: number
  streams: number
  /** The same, with guards that take new anchors as often as they have to. */
  withAnchors: number
  /** The same as `streams`, with guards that give signs of life as often as they have to. */
  withSigns: number
}

async function cpuOfStreams(): Promise<{ idle: number; at: Cpu[] }> {
  const pinned = cores()
  const stage = await openStage(pinned?.[0])
  console.log(pinLoader(pinned))
  try {
    await sleep(3_000)
    const idle = await shareOf(stage)
    console.log(`A broker without streams: ${idle} % of its core`)
    const at: Cpu[] = []
    for (const leaseSeconds of LENGTHS) {
      const cpu = await cpuAt(stage, leaseSeconds)
      console.log(
        `${STREAMS} streams at ${leaseSeconds} s: ${cpu.streams} %, with new anchors ${cpu.withAnchors} %, with signs of life ${cpu.withSigns} %; load ${load1()}`,
      )
      at.push(cpu)
    }
    return { idle, at }
  } finally {
    await stage.stop()
  }
}

async function cpuAt(stage: Stage, leaseSeconds: number): Promise<Cpu> {
  const clients = Array.from({ length: STREAMS / OF_ONE }, (_, n) => `l${leaseSeconds}-${n}`)
  await stage.register(
    clients.map((clientId) => ({
      clientId,
      alg: 'ES256' as const,
      more: { guard_lease_seconds: leaseSeconds },
    })),
  )
  const sockets: Socket[] = []
  for (const clientId of clients)
    for (let n = 0; n < OF_ONE; n++) {
      const authorization = basic(clientId, stage.secret(clientId))
      sockets.push(await follow(stage.url, { authorization, guard: `g${n}` }))
    }
  await sleep(2_000)
  const streams = await shareOf(stage)
  const withAnchors = await shareWith(
    stage,
    STREAMS / (ANCHOR_LENGTHS * leaseSeconds),
    takeAnchor(stage, clients),
  )
  const withSigns = await shareWith(
    stage,
    STREAMS / Math.max(SIGN_SECONDS, leaseSeconds / 2),
    await giveSign(stage, clients),
  )
  for (const socket of sockets) socket.destroy()
  await sleep(1_000)
  return { leaseSeconds, streams, withAnchors, withSigns }
}

function takeAnchor(stage: Stage, clients: readonly string[]): (n: number) => Promise<void> {
  return async (n) => {
    const clientId = clients[n % clients.length] ?? ''
    const answer = await stage.pool.request({
      path: `/revocations/clock?nonce=${crypto.randomUUID()}`,
      method: 'GET',
      headers: { authorization: basic(clientId, stage.secret(clientId)) },
    })
    await answer.body.dump()
    if (answer.statusCode !== 200) throw new Error(`An anchor: ${answer.statusCode}`)
  }
}

/** Returns a function that sends the next guard's report that says nothing new. */
async function giveSign(
  stage: Stage,
  clients: readonly string[],
): Promise<(n: number) => Promise<void>> {
  const authorizationOf = (clientId: string): string => basic(clientId, stage.secret(clientId))
  const poll = await stage.pool.request({
    path: '/revocations',
    method: 'GET',
    headers: { authorization: authorizationOf(clients[0] ?? ''), accept: 'application/json' },
  })
  const { epoch, seq } = (await poll.body.json()) as { epoch: string; seq: number }
  return async (n) => {
    const clientId = clients[n % clients.length] ?? ''
    const guard = `g${Math.floor(n / clients.length) % OF_ONE}`
    const answer = await stage.pool.request({
      path: '/revocations/enforced',
      method: 'POST',
      headers: {
        authorization: authorizationOf(clientId),
        'content-type': 'application/json',
      },
      body: JSON.stringify({ epoch, seq, guard, without_lease: 'reject' }),
    })
    await answer.body.dump()
    if (answer.statusCode !== 204) throw new Error(`A sign of life: ${answer.statusCode}`)
  }
}

/** Measures the broker while requests are sent as often as that in a second. */
async function shareWith(
  stage: Stage,
  perSecond: number,
  send: (n: number) => Promise<void>,
): Promise<number> {
  let sent = 0
  const begun = performance.now()
  const running = new Set<Promise<void>>()
  const timer = setInterval(() => {
    while (sent < ((performance.now() - begun) / 1000) * perSecond) {
      const request = send(sent++).finally(() => running.delete(request))
      running.add(request)
    }
  }, 50)
  const share = await shareOf(stage)
  clearInterval(timer)
  await Promise.all(running)
  return share
}

async function shareOf({ pid }: Stage): Promise<number> {
  const [begun, before] = [performance.now(), cpuSeconds(pid)]
  await sleep(SECONDS * 1000)
  return round((100 * 1000 * (cpuSeconds(pid) - before)) / (performance.now() - begun))
}
