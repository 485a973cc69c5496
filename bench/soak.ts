import { setTimeout as sleep } from 'node:timers/promises'
import type { Socket } from 'node:net'
import { Agent } from './clients/agent.ts'
import { load1, quantile } from './machine/machine.ts'
import { follow } from './clients/streams.ts'
import {
  basicOf,
  OPERATOR,
  openWorld,
  residentMb,
  type Site,
  startSite,
  USERS,
} from './servers/site.ts'
import { readOptions } from './machine/options.ts'

/**
 * `npm run bench soak`: whether the broker's memory stays where it is. Mixed load on a store with
 * history: sign-ins, refreshes, sign-outs, guards that come and go, pages of the console. It prints
 * the resident memory of each minute, and compares the last with the fifth.
 */

const USAGE = `npm run bench soak -- [options]
  --minutes N   how long (default 60)
  --help        prints this`
const { values } = readOptions(USAGE, {
  minutes: { type: 'string', default: '60' },
})

const CLIENTS = 10
const HISTORY = { sessions: 100_000, revocations: 100_000, deliveries: 200_000, audit: 100_000 }
const [FROM_MINUTE, MOST_CHANGE] = [5, 0.1]
const PAGES = [
  '',
  '/sessions',
  '/revocations',
  '/deliveries',
  '/audit',
  '/locks',
  '/keys',
  '/search?q=alice',
  '/sessions?tenant=11111111-1111-4111-8111-111111111111',
]

interface Done {
  signIns: number
  refreshes: number
  signOuts: number
  guards: number
  pages: number
  failed: Map<string, number>
}

/** Runs an act again and again, each time after a pause. What fails is counted, and goes on. */
async function again(
  done: Done,
  ending: AbortSignal,
  pauseMs: number,
  act: () => Promise<void>,
): Promise<void> {
  while (!ending.aborted) {
    await act().catch((error: unknown) => {
      const what = String(error instanceof Error ? error.message : error).slice(0, 120)
      done.failed.set(what, (done.failed.get(what) ?? 0) + 1)
    })
    await sleep(pauseMs, undefined, { signal: ending }).catch(() => {})
  }
}

function loadOn(site: Site, operator: Agent, done: Done, ending: AbortSignal): Promise<void>[] {
  const instanceOf = (n: number) => site.instances[n % CLIENTS] ?? missing()
  const user = async (n: number): Promise<void> => {
    const agent = new Agent(site.url)
    const instance = instanceOf(n)
    let tokens = await agent.signIn(instance, USERS[n % USERS.length] ?? '')
    done.signIns++
    for (let round = 0; round < 20 && !ending.aborted; round++) {
      tokens = await agent.refresh(instance, tokens)
      done.refreshes++
      await sleep(20)
    }
    await agent.signOut()
    done.signOuts++
  }
  const guards: Socket[] = []
  ending.addEventListener('abort', () => guards.forEach((socket) => socket.destroy()))
  const guard = async (): Promise<void> => {
    const authorization = basicOf(instanceOf(done.guards))
    guards.push(await follow(site.url, { authorization, guard: `g${done.guards++ % 50}` }))
    if (guards.length > 30) guards.shift()?.destroy()
  }
  let page = PAGES.length
  const look = async (): Promise<void> => {
    if (page === PAGES.length) page = 0
    const at = `${site.ops}/ops${PAGES[page++] ?? ''}`
    const { status } = await operator.get(at)
    if (status !== 200) throw new Error(`${at} answered with ${status}`)
    done.pages++
  }
  return [
    ...Array.from({ length: 4 }, (_, n) => again(done, ending, 100, () => user(n))),
    again(done, ending, 500, guard),
    again(done, ending, 1_000, look),
  ]
}

function missing(): never {
  throw new Error('The bench has no such client.')
}

async function main(): Promise<void> {
  const minutes = Number(values.minutes)
  if (!(minutes > 0)) throw new Error('--minutes takes a number above 0.')
  const world = await openWorld()
  const site = await startSite(world, { clients: CLIENTS, size: HISTORY })
  const ending = new AbortController()
  const done: Done = {
    signIns: 0,
    refreshes: 0,
    signOuts: 0,
    guards: 0,
    pages: 0,
    failed: new Map(),
  }
  const operator = new Agent(site.url)
  world.entra.auto(OPERATOR)
  await operator.get(`${site.ops}/ops/sign-in`)
  world.entra.auto('*')
  const running = loadOn(site, operator, done, ending.signal)
  const perMinute: number[] = []
  try {
    for (let minute = 1; minute <= minutes; minute++) {
      const seen: number[] = []
      for (let second = 0; second < 60; second += 2) {
        await sleep(2_000)
        seen.push(residentMb(site.pid))
      }
      const mb = quantile(seen, 0.5)
      perMinute.push(mb)
      const { failed: _, ...acts } = done
      console.log(
        `minute ${String(minute).padStart(3)}  ${mb.toFixed(1)} MB, at most ${Math.max(...seen).toFixed(1)}  ${JSON.stringify(acts)}  load ${load1()}`,
      )
    }
  } finally {
    ending.abort()
    await Promise.all(running)
    await site.stop()
    await world.close()
  }
  const from = perMinute[Math.min(FROM_MINUTE, perMinute.length) - 1] ?? Number.NaN
  const last = perMinute.at(-1) ?? Number.NaN
  const change = last / from - 1
  for (const [what, times] of done.failed) console.log(`failed ${times} times: ${what}`)
  console.log(
    `Minute ${FROM_MINUTE}: ${from.toFixed(1)} MB. Last: ${last.toFixed(1)} MB, ${(100 * change).toFixed(1)} % more. Aim: within ${100 * MOST_CHANGE} %.`,
  )
  console.log(JSON.stringify({ minutes, perMinute, change }))
  process.exit(Math.abs(change) <= MOST_CHANGE ? 0 : 1)
}

await main()
