import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { createGuard } from '@case-manager/guard'
import { CLIENT, eventually, startBroker, startGuard, TestClock, why } from './stand-in.ts'

/** Returns the warnings that reach `console.warn` while a test runs. */
function warnings(): string[] {
  const said: string[] = []
  const spy = vi
    .spyOn(console, 'warn')
    .mockImplementation((text: unknown) => void said.push(String(text)))
  onTestFinished(() => spy.mockRestore())
  return said
}

describe('a guard that is set up wrongly says so at once', () => {
  test('a wrong secret: on the console where no hook is given, without the secret, and not at each attempt', async () => {
    const said = warnings()
    const broker = await startBroker()
    const guard = createGuard({
      issuer: broker.issuer,
      clientId: CLIENT.clientId,
      clientSecret: 'hunter2',
      clock: broker.clock,
      random: () => 0,
    })
    onTestFinished(() => guard.stop())
    void guard.start()
    const expected = `${broker.issuer} rejected the client_id or the secret of this guard (401, client_id 'sydney'): use those of the client's registration`
    await eventually(() =>
      expect(said[0]).toBe(
        `@case-manager/guard: The revocation feed broke. Reconnecting in 0.1 s.: ${expected}`,
      ),
    )
    expect(guard.status()).toMatchObject({
      ready: false,
      lastProblem: { atMs: broker.clock.nowMs() },
    })
    expect(guard.status().lastProblem?.message).toContain(expected)
    await eventually(() => expect(broker.count('/revocations')).toBeGreaterThan(3))
    expect(said).toHaveLength(1)
    expect(said.join()).not.toContain('hunter2')
  })

  test('https for a broker that speaks http', async () => {
    const said = warnings()
    const broker = await startBroker()
    const { clientId, clientSecret } = CLIENT
    const guard = createGuard({
      issuer: broker.issuer.replace('http:', 'https:'),
      clientId,
      clientSecret,
      clock: broker.clock,
      random: () => 0,
    })
    onTestFinished(() => guard.stop())
    void guard.start()
    await eventually(() => expect(said[0]).toMatch(/: it answers http, not https$/))
  })

  test('an alias of the issuer: nothing is accepted, and both names are said', async () => {
    const problems: string[] = []
    const broker = await startBroker()
    broker.calledItself = 'https://sign-in.example'
    const guard = await startGuard(broker, {
      start: false,
      hooks: { problem: ({ cause }) => problems.push((cause as Error).message) },
    })
    void guard.start()
    await eventually(() =>
      expect(problems[0]).toBe(
        `issuer is set to '${broker.issuer}', but the broker there is 'https://sign-in.example': set issuer to exactly that`,
      ),
    )
    expect(await why(guard, await broker.token())).toBe('starting')
    expect(broker.count('/revocations')).toBe(0)
    // The operator gives the broker the name that the guard expects.
    broker.calledItself = undefined
    await eventually(() => expect(guard.status().ready).toBe(true))
  })

  test.each([404, 500])(
    'a discovery document that cannot be read (%i) keeps nothing back',
    async (status) => {
      const broker = await startBroker()
      broker.broken['/.well-known/openid-configuration'] = status
      const guard = await startGuard(broker)
      expect(guard.status().ready).toBe(true)
    },
  )

  test.each([
    [302, 'answered the feed with a redirect'],
    [404, 'has no feed (404)'],
    [200, `answered the feed with 200 '', expected 200 "text/event-stream"`],
  ])('an address that answers %i is not the broker', async (status, text) => {
    const broker = await startBroker(new TestClock())
    broker.broken['/revocations'] = status
    const guard = await startGuard(broker, { start: false })
    void guard.start()
    await eventually(() =>
      expect(guard.status().lastProblem?.message).toContain(`${broker.issuer} ${text}`),
    )
  })
})

describe('fetch', () => {
  test('is called as a function of its own, and with nothing that Workers do not know', async () => {
    const broker = await startBroker()
    const inits: RequestInit[] = []
    const strict = function (
      this: unknown,
      input: string | URL | Request,
      init?: RequestInit,
    ): Promise<Response> {
      if (this !== undefined && this !== globalThis) throw new TypeError('Illegal invocation')
      if (init?.redirect === 'error')
        throw new TypeError('Invalid redirect value, must be one of "follow" or "manual"')
      if (init !== undefined && 'cache' in init)
        throw new Error("The 'cache' field on 'RequestInitializerDict' is not implemented.")
      inits.push(init ?? {})
      return globalThis.fetch(input, init)
    }
    const guard = await startGuard(broker, { fetch: strict, withoutLease: 'introspect' })
    const token = await broker.token()
    expect(await why(guard, token)).toBe('good')
    await eventually(() => expect(guard.status().reportedSeq).toBe(100))
    broker.broken['/revocations'] = 503
    broker.cut()
    broker.clock.advance(31)
    await eventually(async () => expect(await guard.check(token)).toMatchObject({ ok: true }))
    expect(guard.status().counters.introspections).toBeGreaterThan(0)
    expect(inits.length).toBeGreaterThan(4)
  })
})
