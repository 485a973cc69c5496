import { setTimeout as sleep } from 'node:timers/promises'
import { Agent } from './clients/agent.ts'
import { load, type Target } from './clients/loader.ts'
import { load1, ms, quantile, spread, type Spread } from './machine/machine.ts'
import { follow } from './clients/streams.ts'
import { startChild } from './servers/child.ts'
import {
  basicOf,
  openWorld,
  residentMb,
  type Site,
  startSite,
  USERS,
  type World,
} from './servers/site.ts'
import { readOptions } from './machine/options.ts'

/**
 * `npm run bench memory`: what a broker needs to start, and its resident memory when it has
 * started, after a minute of refreshes at full speed, and with a million sessions and a thousand
 * streams. Beside it, in the same run, the composed limit and node-oidc-provider. Also how long
 * the first sign-ins and refreshes after a start take.
 */

const USAGE = `npm run bench memory -- [options]
  --starts N      starts; medians are printed (default 5)
  --seconds S     how long each server refreshes (default 60)
  --sessions N    rows of the large store (default 1000000; 0: leave it out)
  --help          prints this`
const { values } = readOptions(USAGE, {
  starts: { type: 'string', default: '5' },
  seconds: { type: 'string', default: '60' },
  sessions: { type: 'string', default: '1000000' },
})
const CONNECTIONS = 32
const FIRST = 20
const STREAMS = 1_000
/** Streams of one client: there is a limit to what one may have. */
const OF_ONE = 10
/** The time after `ready` in which the check of the store runs. */
const SETTLED_MS = 10_000
const AIMS = { readyMs: 800, cpu: 0.9, started: 150, refreshed: 220, large: 280 }

interface Start {
  readyMs: number
  cpuSeconds: number
  startedMb: number
  signIns: Spread
  refreshes: Spread
}

/** Prints the progress, because a run takes minutes. */
const say = (line: string): void =>
  console.error(`${(performance.now() / 1_000).toFixed(0)} s: ${line}`)

async function timed<T>(act: () => Promise<T>, times: number[]): Promise<T> {
  const begun = performance.now()
  const value = await act()
  times.push(performance.now() - begun)
  return value
}

/** Measures two starts: one without requests, and one at which users sign in at once. */
async function start(world: World): Promise<Start> {
  const idle = await startSite(world)
  await sleep(SETTLED_MS)
  const startedMb = residentMb(idle.pid)
  await idle.stop()
  const site = await startSite(world)
  const [signIns, refreshes]: [number[], number[]] = [[], []]
  const instance = first(site)
  for (let n = 0; n < FIRST; n++) {
    const agent = new Agent(site.url)
    const user = USERS[n % USERS.length] ?? ''
    const tokens = await timed(() => agent.signIn(instance, user), signIns)
    await timed(() => agent.refresh(instance, tokens), refreshes)
  }
  await site.stop()
  const { readyMs, readyCpuSeconds: cpuSeconds } = idle
  return {
    readyMs,
    cpuSeconds,
    startedMb,
    signIns: spread(signIns),
    refreshes: spread(refreshes),
  }
}

const first = ({ instances: [instance] }: Site) => instance ?? nothing('client')

function nothing(what: string): never {
  throw new Error(`The bench has no ${what}.`)
}

/** The most that it had, of a look each second. */
async function mostWhile(pid: number, act: Promise<unknown>): Promise<number> {
  let most = 0
  const timer = setInterval(() => (most = Math.max(most, residentMb(pid))), 1_000)
  await act.finally(() => clearInterval(timer))
  return Math.max(most, residentMb(pid))
}

const SECONDS = Number(values.seconds)
const SESSIONS = Number(values.sessions)

async function refreshed(world: World): Promise<number> {
  const site = await startSite(world)
  try {
    const refreshTokens: string[] = []
    for (let n = 0; n < CONNECTIONS; n++)
      refreshTokens.push(
        (await new Agent(site.url).signIn(first(site), USERS[0] ?? '')).refreshToken,
      )
    const target = { url: site.url, authorization: basicOf(first(site)), refreshTokens }
    return await mostWhile(site.pid, load(target, CONNECTIONS, SECONDS))
  } finally {
    await site.stop()
  }
}

/** A server of the bench `token`, by itself. */
async function other(name: 'limit' | 'peer'): Promise<{ startedMb: number; refreshedMb: number }> {
  const { pid, ready, stop } = await startChild(
    undefined,
    `token/${name}-server`,
    String(CONNECTIONS),
  )
  try {
    await sleep(SETTLED_MS)
    const startedMb = residentMb(pid)
    const target = ready as unknown as Target
    return { startedMb, refreshedMb: await mostWhile(pid, load(target, CONNECTIONS, SECONDS)) }
  } finally {
    await stop()
  }
}

async function large(world: World, sessions: number): Promise<number> {
  const size = { sessions, revocations: 1_000, deliveries: 1_000, audit: 1_000 }
  const site = await startSite(world, { size, clients: STREAMS / OF_ONE, say })
  try {
    say(`started on ${sessions} sessions, ${mb(residentMb(site.pid))}`)
    const sockets = []
    for (let n = 0; n < STREAMS; n++) {
      const instance = site.instances[Math.floor(n / OF_ONE)] ?? nothing('client')
      sockets.push(await follow(site.url, { authorization: basicOf(instance), guard: `g${n}` }))
    }
    say(`${sockets.length} streams, ${mb(residentMb(site.pid))}`)
    const most = await mostWhile(site.pid, sleep(3 * SETTLED_MS))
    for (const socket of sockets) socket.destroy()
    return most
  } finally {
    await site.stop()
  }
}

async function broker(): Promise<object> {
  const world = await openWorld()
  try {
    const starts: Start[] = []
    for (let n = 0; n < Number(values.starts); n++) {
      starts.push(await start(world))
      say('started twice')
    }
    const of = (figure: (start: Start) => number): number =>
      Number(quantile(starts.map(figure), 0.5).toFixed(2))
    const both = (act: 'signIns' | 'refreshes'): Spread => ({
      p50: of((start) => start[act].p50),
      p99: of((start) => start[act].p99),
    })
    const [signIns, refreshes] = [both('signIns'), both('refreshes')]
    const figures = {
      readyMs: of(({ readyMs }) => readyMs),
      cpu: of(({ cpuSeconds }) => cpuSeconds),
      started: of(({ startedMb }) => startedMb),
      refreshed: await refreshed(world),
      large: SESSIONS > 0 ? await large(world, SESSIONS) : undefined,
    }
    console.log(
      `broker: ready after ${figures.readyMs.toFixed(0)} ms, ${figures.cpu.toFixed(2)} s of CPU; started ${mb(figures.started)}, refreshing ${mb(figures.refreshed)}, large ${mb(figures.large)}; first ${FIRST} sign-ins ${ms(signIns)}, refreshes ${ms(refreshes)}; load ${load1()}`,
    )
    return { ...figures, signIns, refreshes }
  } finally {
    await world.close()
  }
}

async function main(): Promise<void> {
  const all: Record<string, object> = { broker: await broker() }
  for (const name of ['limit', 'peer'] as const) {
    const { startedMb, refreshedMb } = await other(name)
    all[name] = { started: startedMb, refreshed: refreshedMb }
    console.log(`${name}: started ${mb(startedMb)}, refreshing ${mb(refreshedMb)}`)
  }
  const [{ readyMs, cpu, ...memory }] = [AIMS]
  console.log(`Aims: ready ${readyMs} ms, ${cpu} s; ${Object.values(memory).map(mb).join(', ')}`)
  console.log(JSON.stringify(all))
}

const mb = (value: number | undefined): string =>
  value === undefined ? '–' : `${value.toFixed(0)} MB`

await main()
process.exit()
