import type { ServerResponse } from 'node:http'
import { describe, expect, test } from 'vitest'
import {
  makeKey,
  eventually,
  startBroker,
  startGuard,
  TestClock,
  why,
  type Broker,
} from './stand-in.ts'

/**
 * A broker, or something in its place, whose answers do not end: each costs 5 s at most, and a
 * bounded memory.
 */

const begin = (response: ServerResponse): ServerResponse =>
  response.writeHead(200, { 'content-type': 'application/json' })

/** The head of an answer and the beginning of its body, and then nothing. */
const stalled = (response: ServerResponse): void => void begin(response).write('{"epoch":')

/** A body without an end, sent as fast as it is read. @returns how many bytes were sent so far */
function endless(broker: Broker, path: string): () => number {
  let sent = 0
  broker.instead[path] = (response) => {
    const piece = 'x'.repeat(64 * 1024)
    const more = (): void => {
      while (!response.destroyed) {
        sent += piece.length
        if (!response.write(piece)) return void response.once('drain', more)
      }
    }
    begin(response).write('{"epoch":"')
    more()
  }
  return () => sent
}

async function stand(options: Parameters<typeof startGuard>[1] = {}) {
  const clock = new TestClock('turned')
  const broker = await startBroker(clock)
  // A guard that polls does so every 5 s.
  if (options.poll === true) broker.leaseSeconds = 20
  const heads: string[] = []
  const counting: typeof fetch = async (input, init) => {
    const response = await fetch(input, init)
    heads.push(new URL(input as string).pathname)
    return response
  }
  const problems: string[] = []
  const problem = (error: Error): void =>
    void problems.push(
      `${error.message} ${error.cause instanceof Error ? error.cause.message : ''}`,
    )
  const guard = await startGuard(broker, { fetch: counting, hooks: { problem }, ...options })
  /** Resolves with the next head of an answer at this path. */
  const head = (path: string): (() => Promise<void>) => {
    const before = heads.filter((each) => each === path).length
    return () =>
      eventually(() => expect(heads.filter((each) => each === path).length).toBeGreaterThan(before))
  }
  return { broker, clock, guard, head, problems }
}

describe('an answer that does not end', () => {
  test('to a poll: it fails after 5 s, and the check goes by what is known', async () => {
    const { broker, clock, guard, head, problems } = await stand({ poll: true })
    const token = await broker.token()
    expect(await why(guard, token)).toBe('good')
    broker.instead['/revocations'] = stalled
    clock.advance(6)
    const begun = head('/revocations')
    const checked = why(guard, token)
    await begun()
    clock.advance(5)
    expect(await checked).toBe('good')
    expect(problems.at(-1)).toContain('no answer within 5000 ms')
    broker.instead = {}
    broker.revoke({ kind: 'session', sid: 's_1' })
    clock.advance(5)
    expect(await why(guard, token)).toBe('revoked')
  })

  test('to an introspection: 503 after 2 s', async () => {
    const { broker, clock, guard, head } = await stand({ withoutLease: 'introspect' })
    const token = await broker.token()
    broker.broken['/revocations'] = 503
    broker.cut()
    clock.advance(31)
    broker.instead['/introspect'] = stalled
    const begun = head('/introspect')
    const checked = why(guard, token)
    await begun()
    clock.advance(2)
    expect(await checked).toBe('no_lease')
  })

  test('of the discovery document: the guard starts without it', async () => {
    const { broker, clock, guard, head } = await stand({ start: false })
    broker.instead['/.well-known/openid-configuration'] = stalled
    const begun = head('/.well-known/openid-configuration')
    const started = guard.start()
    await begun()
    clock.advance(5)
    await started
    expect(await why(guard, await broker.token())).toBe('good')
  })

  test('to a poll, and is sent fast: no more of it is read than an answer can have', async () => {
    const { broker, clock, guard, problems } = await stand({ poll: true })
    const token = await broker.token()
    expect(await why(guard, token)).toBe('good')
    const sent = endless(broker, '/revocations')
    clock.advance(6)
    expect(await why(guard, token)).toBe('good')
    expect(problems.at(-1)).toContain('more than 4194304 bytes')
    // The buffers of two sockets hold some of it too.
    expect(sent()).toBeLessThan(32 * 1024 * 1024)
  })

  test('of the JWKS, and is sent fast: the keys cannot be read, and 503', async () => {
    const { broker, clock, guard, problems } = await stand()
    expect(await why(guard, await broker.token())).toBe('good')
    const sent = endless(broker, '/jwks')
    clock.advance(6)
    broker.heartbeat()
    const key = await makeKey('es-9')
    expect(await guard.check(await broker.token({}, {}, key))).toMatchObject({ ok: false })
    expect(problems.at(-1)).toContain('it is too large')
    expect(sent()).toBeLessThan(32 * 1024 * 1024)
  })
})
