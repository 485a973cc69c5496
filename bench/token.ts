/**
 * `npm run bench:token`: refreshes a second of the broker beside a composed limit, in one run. Each server has one core to itself, the loader
 * another; rounds alternate, so that a machine that slows down slows both. The last line is JSON: {"broker","limit","ratio"}.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { load } from './loader.ts'
import type { Round, Target } from './loader.ts'
import { cores, cpuSeconds, pinLoader, sameProgram } from './machine.ts'

const CONNECTIONS = 32
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5)
const SECONDS = Number(process.env.BENCH_SECONDS ?? 4)
const WARM_UP_SECONDS = 2

type Name = 'broker' | 'limit'
interface Server extends Target {
  name: Name
  pid: number
  stop(): Promise<void>
}

const role = process.argv[2]
if (role === 'broker') await (await import('./broker-server.ts')).serveBroker(dataDir(), CONNECTIONS)
else if (role === 'limit') await (await import('./limit-server.ts')).serveLimit(dataDir(), CONNECTIONS)
else await compare()

function dataDir(): string {
  const dir = process.argv[3]
  if (dir === undefined) throw new Error('The servers of this bench are started by it: npm run bench:token')
  return dir
}

function start(name: Name, core: string | undefined): Promise<Server> {
  const dir = mkdtempSync(join(tmpdir(), `cmb-bench-${name}-`))
  const [program, ...args] = sameProgram(core, name, dir)
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const stop = async (): Promise<void> => {
    if (child.exitCode === null) await new Promise<void>((done) => child.once('exit', () => done()).kill('SIGTERM'))
    rmSync(dir, { recursive: true, force: true })
  }
  return new Promise((ready, failed) => {
    child.once('exit', (code) => failed(new Error(`The ${name} server of this bench ended (${code}).`)))
    createInterface(child.stdout).once('line', (line) => ready({ name, pid: child.pid ?? 0, ...(JSON.parse(line) as Target), stop }))
  })
}

async function compare(): Promise<void> {
  const pinned = cores()
  const where = pinLoader(pinned)
  console.log(`Node ${process.version}, ${CONNECTIONS} connections, synchronous=FULL, ${where}; ${ROUNDS} rounds of ${SECONDS} s each, alternating.`)
  const servers = await Promise.all([start('limit', pinned?.[0]), start('broker', pinned?.[0])])
  const rounds: Record<Name, Round[]> = { limit: [], broker: [] }
  try {
    for (const server of servers) await load(server, CONNECTIONS, WARM_UP_SECONDS)
    for (let index = 1; index <= ROUNDS; index++) {
      for (const server of index % 2 ? servers : servers.toReversed()) {
        const before = cpuSeconds(server.pid)
        const round = await load(server, CONNECTIONS, SECONDS)
        rounds[server.name].push(round)
        console.log(describe(index, server, round, cpuSeconds(server.pid) - before))
      }
    }
  } finally {
    for (const server of servers) await server.stop()
  }
  const [broker, limit] = [median(rounds.broker), median(rounds.limit)]
  console.log(JSON.stringify({ broker, limit, ratio: Number((broker / limit).toFixed(3)) }))
}

/** Time on the core per refresh says more than the rate where other programs want the core too. */
function describe(index: number, server: Server, round: Round, cpu: number): string {
  const perRefresh = Number.isNaN(cpu) ? '' : `   ${((cpu / round.refreshes) * 1e6).toFixed(0)} µs on the core each`
  return `round ${index}  ${server.name.padEnd(6)}  ${Math.round(round.perSecond).toString().padStart(6)}/s   p50 ${round.p50.toFixed(1)} ms   p99 ${round.p99.toFixed(1)} ms${perRefresh}`
}

function median(rounds: Round[]): number {
  const sorted = rounds.map((round) => round.perSecond).toSorted((a, b) => a - b)
  return Math.round(sorted[Math.floor(sorted.length / 2)] ?? 0)
}
