import type { Guard } from '@case-manager/guard'
import { type BrokerProcess, until } from '../broker-process.ts'
import { startGuards } from '../guards.ts'
import { ALICE, type TestInstance } from '../world.ts'
import { type Cluster, openCluster } from './cluster.ts'
import { type Load, startLoad } from './load.ts'

/**
 * Restarts brokers and workers one after another while users work: no request may fail, and every
 * sign-out must reach its instance.
 */

export interface RestartsOptions {
  users: number
  /** New rounds of restarts begin until this time has passed. */
  seconds: number
  say(words: string): void
}

export interface RestartsReport {
  seconds: number
  rounds: number
  restarts: number
  requests: number
  failed: number
  failures: readonly string[]
  /** The last lines of the proxy's log and the brokers' warnings, where a request failed. */
  logs: readonly string[]
  longestMs: number
  signOuts: number
  /** Sign-outs without a logout token at the instance in the end. */
  undelivered: number
  /** Guards that were not live in the end. */
  guardsLost: number
}

const GUARDS = 4

export async function runRestarts({
  users,
  seconds,
  say,
}: RestartsOptions): Promise<RestartsReport> {
  const cluster = await openCluster()
  const { world } = cluster
  world.as(ALICE)
  const guards = await startGuards(world, world.instances[0] as TestInstance, {
    count: GUARDS,
    name: 'web',
  })
  try {
    const begun = performance.now()
    const load = startLoad(world, users)
    await until('requests are answered', () => load.requests > 20)
    let [rounds, restarts] = [0, 0]
    for (; rounds === 0 || performance.now() - begun < seconds * 1000; rounds++) {
      for (const broker of [...cluster.brokers, ...cluster.workers]) {
        await restart(broker, cluster)
        restarts++
      }
      say(
        `round ${rounds + 1}: ${restarts} restarts, ${load.requests} requests, ${load.failures.length} failed ${load.failures.slice(-3).join('; ')}`.trim(),
      )
    }
    await load.stop()
    return {
      seconds: Math.round((performance.now() - begun) / 1000),
      rounds,
      restarts,
      ...(await judge(cluster, load, guards)),
    }
  } finally {
    for (const guard of guards) await guard.stop()
    await cluster.close()
  }
}

type Watched = Pick<Cluster, 'proxyLog' | 'brokers'>

/** Judges the run after the last request. */
export async function judge(cluster: Watched, load: Load, guards: readonly Guard[]) {
  const undelivered = () =>
    load.signedOut.filter(
      ({ sid, instance }) =>
        !instance.receiver.delivered.some(({ claims }) => claims['sid'] === sid),
    ).length
  await until('every sign-out reaches its instance', () => undelivered() === 0, 30).catch(
    () => undefined,
  )
  const lost = () =>
    guards.filter((guard) => !guard.status().connected || guard.status().leaseMs === 0).length
  await until('every guard is live', () => lost() === 0, 10).catch(() => undefined)
  return {
    requests: load.requests,
    failed: load.failures.length,
    failures: load.failures.slice(0, 20),
    logs: load.failures.length === 0 ? [] : logsOf(cluster),
    longestMs: load.longestMs,
    signOuts: load.signedOut.length,
    undelivered: undelivered(),
    guardsLost: lost(),
  }
}

const logsOf = ({ proxyLog, brokers }: Watched): string[] => [
  ...proxyLog.slice(-100),
  ...brokers.flatMap(({ output }) =>
    output
      .split('\n')
      .filter((line) => !line.includes('"level":"info"'))
      .slice(-100),
  ),
]

/**
 * Restarts a process as docs/scale-out.md says: SIGTERM, start, and the next only when the proxy
 * sends requests to it again.
 */
export async function restart(process: BrokerProcess, { brokers }: Cluster): Promise<void> {
  const code = await process.end('SIGTERM')
  if (code !== 0) throw new Error(`The process ended with ${code}:\n${process.output.slice(-2000)}`)
  await process.start()
  if (brokers.includes(process))
    await until('the proxy sends it requests', async () => (await answered(process)) > 0)
}

/** Returns how many token requests it has answered since its start. */
async function answered({ ops }: BrokerProcess): Promise<number> {
  const metrics = await (await fetch(`${ops}/metrics`)).text()
  return Number(
    /^broker_http_request_seconds_count\{[^}]*route="token"[^}]*\} (\d+)/m.exec(metrics)?.[1] ?? 0,
  )
}
