import { randomBytes } from 'node:crypto'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { createGuard, type Guard } from '@case-manager/guard'
import { round } from '../machine/machine.ts'
import { Pair } from '../servers/pair.ts'
import { QueueProcess } from '../servers/queue.ts'
import { freePort, openStage, waitFor, type Stage } from '../servers/stage.ts'

/**
 * Guards with leases of 1, 5 and 30 s side by side, each asked about a token 20 times a second, while
 * something happens to the broker. It counts what they answer with 503, and leases that ran out.
 */

export const LENGTHS = [1, 5, 30] as const
export const FAULTS = [
  'nothing',
  'the broker restarts',
  'its machine reboots (25 s)',
  'one broker of two is killed',
  'Postgres fails over (20 s)',
] as const
type Fault = (typeof FAULTS)[number]

interface Outage {
  leaseSeconds: number
  /** The seconds during which an instance answered 503: of 10 instances the mean and the most. */
  seconds: number
  most: number
  ranOut: number
}

const GUARDS = 10
const EVERY_MS = 50
/** The time that is watched after the fault is over. */
const AFTER_MS = 15_000
const QUIET_MS = Number(process.env['BENCH_SECONDS'] ?? 60) * 1000
const REBOOT_MS = 25_000
/** The time after which a failover tool promotes the standby. */
const FAILOVER_MS = 20_000

/** Brokers on one Postgres with a standby, at one address that leads to one that answers. */
interface Site {
  issuer: string
  start(n: number): Promise<Stage>
  stages: Stage[]
  failOver(): Promise<void>
}

export async function measureFault(fault: Fault): Promise<Outage[]> {
  const closing: (() => unknown)[] = []
  try {
    const site = await openSite(fault === 'one broker of two is killed' ? 2 : 1, closing)
    const [stage] = site.stages
    if (stage === undefined) throw new Error('There is no broker.')
    const watched = await Promise.all(
      LENGTHS.map((leaseSeconds) =>
        openInstances({ stage, issuer: site.issuer }, leaseSeconds, closing),
      ),
    )
    await sleep(2_000)
    const stop = watched.map((instances) => ask(instances))
    await happen(fault, site)
    return await Promise.all(stop.map((end) => end()))
  } finally {
    for (const close of closing.reverse()) await close()
  }
}

async function happen(fault: Fault, { failOver, stages, start }: Site): Promise<void> {
  const [stage] = stages
  if (fault === 'nothing') return sleep(QUIET_MS)
  if (fault === 'the broker restarts' || fault === 'its machine reboots (25 s)') {
    await stage?.stop()
    if (fault !== 'the broker restarts') await sleep(REBOOT_MS)
    await start(0)
  } else if (fault === 'one broker of two is killed') process.kill(stage?.pid ?? 0, 'SIGKILL')
  else await failOver()
  await sleep(AFTER_MS)
}

interface Instances {
  leaseSeconds: number
  guards: Guard[]
  token: string
}

async function openInstances(
  { stage, issuer }: { stage: Stage; issuer: string },
  leaseSeconds: number,
  closing: (() => unknown)[],
): Promise<Instances> {
  const clientId = `lease-${leaseSeconds}`
  const more = { guard_lease_seconds: leaseSeconds }
  await stage.register([{ clientId, alg: 'ES256', more }])
  const tid = '88888888-8888-4888-8888-888888888888'
  const [tokens] = await stage.signIn({ count: 1, clientId, tid })
  const token = tokens?.access_token ?? ''
  const guards = Array.from({ length: GUARDS }, (_, n) =>
    createGuard({
      issuer,
      clientId,
      clientSecret: stage.secret(clientId),
      audience: `urn:bench:${clientId}`,
      guardId: `g${n}`,
      hooks: { problem: () => {} },
    }),
  )
  closing.push(() => Promise.all(guards.map((guard) => guard.stop())))
  await Promise.all(guards.map((guard) => guard.start()))
  return { leaseSeconds, guards, token }
}

/** Asks each guard again and again. Returns a function that ends it and says what was answered. */
function ask({ guards, leaseSeconds, token }: Instances): () => Promise<Outage> {
  const withoutMs = guards.map(() => 0)
  const ranOut = (): number =>
    guards.reduce((sum, ms) => sum + ms.status().counters.leasesRunOut, 0)
  const before = ranOut()
  let lastMs = performance.now()
  const look = async (): Promise<void> => {
    const passedMs = performance.now() - lastMs
    lastMs += passedMs
    for (const [n, guard] of guards.entries()) {
      const answer = await guard.check(token)
      if (!answer.ok && answer.status === 503) withoutMs[n] = (withoutMs[n] ?? 0) + passedMs
      else if (!answer.ok) throw new Error(`A guard answered ${answer.status}: ${answer.why}`)
    }
  }
  const timer = setInterval(() => void look(), EVERY_MS)
  return async () => {
    clearInterval(timer)
    await waitFor('every guard to accept again', async () =>
      (await Promise.all(guards.map((guard) => guard.check(token)))).every(({ ok }) => ok),
    )
    return {
      leaseSeconds,
      seconds: round(withoutMs.reduce((sum, ms) => sum + ms, 0) / guards.length / 1000),
      most: round(Math.max(...withoutMs) / 1000),
      ranOut: ranOut() - before,
    }
  }
}

async function openSite(brokers: number, closing: (() => unknown)[]): Promise<Site> {
  const { server: pair, url } = await Pair.open()
  closing.push(() => pair.stop())
  const queue = await QueueProcess.open(await freePort())
  closing.push(() => queue.close())
  const ports = await Promise.all(Array.from({ length: brokers }, () => freePort()))
  const front = await openFront(ports)
  closing.push(() => front.close())
  const issuer = `http://localhost:${(front.address() as AddressInfo).port}`
  const settings = {
    BROKER_ISSUER: issuer,
    BROKER_SECRET: randomBytes(32).toString('hex'),
    BROKER_DATABASE_URL: url,
    BROKER_DATABASE_STANDBY: 'required',
    BROKER_QUEUE_URL: queue.url,
  }
  const stages: Stage[] = []
  const start = async (n: number): Promise<Stage> => {
    const stage = await openStage(undefined, settings, ports[n])
    stages[n] = stage
    closing.push(() => stage.stop().catch(() => {}))
    return stage
  }
  for (const n of ports.keys()) await start(n)
  const failOver = (): Promise<void> =>
    pair.promote({ former: 'killed', afterMs: FAILOVER_MS, ms: 0, moved: async () => {} })
  return { issuer, start, stages, failOver }
}

/** A load balancer: it connects to the first broker that accepts, as HAProxy does by its checks. */
function openFront(ports: readonly number[]): Promise<Server> {
  const relay = (client: Socket, [port, ...others]: readonly number[]): void => {
    if (port === undefined) return void client.destroy()
    const broker = connect(port, '127.0.0.1')
    let isOpen = false
    broker.once('connect', () => {
      isOpen = true
      client.pipe(broker).pipe(client)
    })
    broker.on('error', () => {})
    client.on('error', () => {})
    broker.once('close', () => (isOpen ? client.destroy() : relay(client, others)))
    client.once('close', () => isOpen && broker.destroy())
  }
  const server = createServer((client) => relay(client, ports))
  return new Promise((ready) => server.listen(0, '127.0.0.1', () => ready(server)))
}
