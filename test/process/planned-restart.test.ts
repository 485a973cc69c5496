import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Guard } from '@case-manager/guard'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from './broker-process.ts'
import { startGuards } from './guards.ts'
import {
  ALICE,
  basicOf,
  newBrowser,
  openWorld,
  type TestInstance,
  type TestWorld,
} from './world.ts'

/**
 * SIGTERM and start again, as a deployment does it: the built broker in its own process, with
 * guards that follow it and requests under way.
 */

const GUARDS = 20
const REQUESTS = 24
let world: TestWorld
let guards: Guard[] = []
beforeAll(async () => {
  world = await openWorld()
})
afterAll(async () => {
  await Promise.all(guards.map((guard) => guard.stop()))
  await world?.dispose()
})

const sydney = (): TestInstance => world.instances[0] as TestInstance

const followers = (): Promise<Guard[]> =>
  startGuards(world, sydney(), { count: GUARDS, name: 'web' })

/**
 * A request of which the broker has the headers and half of the body. `finish` sends the rest and
 * gives the whole answer.
 */
async function halfSent(token: string): Promise<{ finish(): Promise<string> }> {
  const { port } = new URL(world.broker.issuer)
  const socket: Socket = connect(Number(port), '127.0.0.1')
  await once(socket, 'connect')
  const body = new URLSearchParams({ token }).toString()
  let answer = ''
  let failed: Error | undefined
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString()))
  socket.on('error', (error) => (failed = error))
  socket.write(
    `POST /introspect HTTP/1.1\r\nHost: localhost:${port}\r\nAuthorization: ${basicOf(sydney())}\r\n` +
      `Content-Type: application/x-www-form-urlencoded\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, 20)}`,
  )
  return {
    async finish() {
      const closed = once(socket, 'close')
      socket.write(body.slice(20))
      await closed
      if (failed) throw failed
      return answer
    },
  }
}

/** Sends requests all the time. Returns the longest time without an answer, in milliseconds. */
function watchAnswers(): { stop(): Promise<number> } {
  const enough = new AbortController()
  let longest = 0
  let lastMs = performance.now()
  const running = (async () => {
    while (!enough.signal.aborted) {
      await fetch(`${world.broker.issuer}/healthz`, { headers: { connection: 'close' } })
        .then((response) => response.arrayBuffer())
        .then(() => {
          longest = Math.max(longest, performance.now() - lastMs)
          lastMs = performance.now()
        })
        .catch(() => {})
      await new Promise((tick) => setTimeout(tick, 10))
    }
  })()
  return {
    async stop() {
      const askedMs = performance.now()
      await until('an answer', () => lastMs > askedMs)
      enough.abort()
      await running
      return longest
    },
  }
}

interface Restart {
  /**
   * Milliseconds: from the signal to the end of the process (`stopped`), from then until it serves
   * (`boot`), and the longest time without an answer.
   */
  stopped: number
  boot: number
  unanswered: number
}

/** SIGTERM and start again. @param meanwhile runs while the broker drains */
async function restart(
  meanwhile: () => Promise<void> = async () => {},
): Promise<Restart & { startedMs: number }> {
  await fetch(`${world.broker.issuer}/healthz`)
  const answers = watchAnswers()
  const seen = world.broker.output.length
  const askedMs = performance.now()
  const ended = world.broker.end('SIGTERM')
  await until('it drains', () => world.broker.output.slice(seen).includes('"event":"draining"'))
  await meanwhile()
  expect(await ended).toBe(0)
  const endedMs = performance.now()
  await world.broker.start()
  const startedMs = performance.now()
  const unanswered = await answers.stop()
  return {
    stopped: Math.round(endedMs - askedMs),
    boot: Math.round(startedMs - endedMs),
    unanswered: Math.round(unanswered),
    startedMs,
  }
}

test('with guards connected: no request under way is broken off, no delivery is cut off, and guards are live again and reject what was revoked meanwhile', async () => {
  const { startedMs: _, ...quiet } = await restart()
  world.as(ALICE)
  const { tokens } = await world.signIn(newBrowser(), sydney())
  guards = await followers()
  for (const guard of guards)
    expect(await guard.check(tokens.access_token)).toMatchObject({ ok: true })
  const requests = await Promise.all(
    Array.from({ length: REQUESTS }, () => halfSent(tokens.access_token)),
  )

  const { startedMs, ...restarted } = await restart(async () => {
    const answered = await Promise.all(requests.map((request) => request.finish()))
    for (const answer of answered) {
      expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
      expect(answer).toMatch(/\r\nconnection: close\r\n/i)
      expect(answer).toContain('"active":true')
    }
  })
  // A revocation as soon as the broker is back.
  await fetch(`${world.broker.issuer}/revoke`, {
    method: 'POST',
    headers: { authorization: basicOf(sydney()) },
    body: new URLSearchParams({ token: tokens.refresh_token ?? '' }),
  })
  const returns = await Promise.all(
    guards.map(async (guard) => {
      await until(
        'it follows',
        () =>
          guard.status().connected &&
          guard.status().counters.connects > 1 &&
          guard.status().leaseMs > 0,
      )
      const liveMs = performance.now()
      await until('it rejects', async () => !(await guard.check(tokens.access_token)).ok)
      return { live: liveMs - startedMs, rejected: performance.now() - liveMs }
    }),
  )
  const figures = {
    ...restarted,
    live: Math.round(Math.max(...returns.map(({ live }) => live))),
    rejected: Math.round(Math.max(...returns.map(({ rejected }) => rejected))),
  }
  process.stdout.write(`planned restart, ms: ${JSON.stringify({ ...figures, quiet })}\n`)
  expect(world.broker.output).not.toContain('"event":"deliveries_cut_off"')
})

test('a target that hangs is not waited for at the end, and its logout token is sent again by the next process', async () => {
  world.as(ALICE)
  const melbourne = world.instances[1] as TestInstance
  const browser = newBrowser()
  await world.signIn(browser, melbourne)
  const { receiver } = melbourne
  receiver.answer = () => {}
  await world.signOut(browser, 'device')
  await until('it is called', () => receiver.delivered.length > 0)
  const askedMs = performance.now()
  expect(await world.broker.end('SIGTERM')).toBe(0)
  const stopped = performance.now() - askedMs
  process.stdout.write(`planned restart with a hanging target, ms: ${Math.round(stopped)}\n`)
  // The attempt was under way: without a bound the process would have waited for its end.
  expect(world.broker.output).toContain('"event":"deliveries_cut_off"')
  receiver.answer = (response) => void response.writeHead(200).end()
  const before = receiver.delivered.length
  await world.broker.start()
  await until('it is told', () => receiver.delivered.length > before)
})
