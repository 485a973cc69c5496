import { readFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createGuard, type ClientKey, type Guard, type GuardClock } from '@case-manager/guard'
import { completeClock } from '../../../guard/src/clock.ts'
import type { Adapter, Message } from '../../../guard/src/conformance/adapter.ts'
import { conformance } from '../../../guard/src/conformance/command.ts'
import { HEARTBEAT_MS } from '../../../guard/src/conformance/fake-broker.ts'
import { runKit, type Result } from '../../../guard/src/conformance/kit.ts'
import { serveAdapter } from './serve-adapter.ts'

/**
 * The conformance kit (guard/conformance) against the guard of this project, and against guards
 * that are wrong.
 */

const { feedFile, readmeFile, tokensFile, wrongRules } = (await import(
  new URL('../../../scripts/conformance-vectors.mjs', import.meta.url).href
)) as Record<'feedFile' | 'readmeFile' | 'tokensFile', () => string> & { wrongRules(): string[] }

const { movableClock } = (await import(
  new URL('../../../guard/conformance/movable-clock.mjs', import.meta.url).href
)) as { movableClock(): GuardClock & { move(by: object): void } }

const clock = completeClock(undefined)
/** Above what a busy machine delays a heartbeat of the fake broker. */
const leaseSeconds = 3

function nodeAdapter(): Adapter {
  let guard: Guard | undefined
  let clocks: ReturnType<typeof movableClock> | undefined
  return {
    async ask(message) {
      if (message.do === 'start') {
        clocks = movableClock()
        const { audience, client_id: clientId, guard: guardId, issuer } = message
        const credentials = {
          clientId,
          clientSecret: message.client_secret,
          clientKey: message.client_key as ClientKey | undefined,
        }
        guard = createGuard({
          issuer,
          ...credentials,
          audience,
          clock: clocks,
          guardId,
          poll: message.poll,
          publicAddress: message.public_address,
          withoutLease: message.without_lease,
          onLogout: () => {},
          hooks: { problem: () => {} },
        })
        if (message.sessions === true) guard.judgeSessions()
        void guard.start()
      } else if (message.do === 'check') {
        const { acr, max_age: maxAgeSeconds, request, token } = message
        if (request !== undefined) {
          const { method, path, proofs, scheme } = request
          const headers = new Headers({ authorization: `${scheme} ${token}` })
          for (const proof of proofs) headers.append('dpop', proof)
          const authorized = await guard!.authorize({ method, url: path, headers })
          return { status: authorized.ok ? 200 : authorized.response.status }
        }
        const result = await guard!.check(token)
        if (!result.ok) return { status: result.status }
        return { status: guard!.stepUp(result.claims, { acr, maxAgeSeconds }) ? 401 : 200 }
      } else if (message.do === 'session') {
        const { state } = await guard!.checkSession(message.session)
        return { status: { live: 200, ended: 401, unknown: 503 }[state] }
      } else if (message.do === 'logout') {
        const body = new URLSearchParams({ logout_token: message.logout_token })
        return {
          status: (
            await guard!.receiveLogout(new Request('http://localhost/', { method: 'POST', body }))
          ).status,
        }
      } else if (message.do === 'clock') clocks?.move(message)
      else await guard?.stop()
      return {}
    },
    async close() {},
  }
}

const several = (open: () => Adapter): Adapter[] => Array.from({ length: 8 }, open)

/** Answers the same to whatever it is asked. */
const always = (status: number): Adapter => ({
  ask: async () => ({ status }),
  close: async () => {},
})

const problems = (results: Result[], outcome: Result['outcome']): string[] =>
  results
    .filter((result) => result.outcome === outcome)
    .map(({ name, problem }) => `${name}: ${problem}`)

const { possible } = (await import(
  new URL('../../../scripts/guard-mutations.mjs', import.meta.url).href
)) as { possible(): number }

describe('npm run mutations', () => {
  test('each fault can be put into the guard as it is now', () => {
    expect(possible()).toBeGreaterThan(100)
  })
})

describe('the conformance kit', () => {
  test.concurrent('the Node guard passes every case', async () => {
    const results = await runKit({ adapters: several(nodeAdapter), clock, leaseSeconds })
    expect([...problems(results, 'fail'), ...problems(results, 'left out')]).toEqual([])
    expect(results.length).toBeGreaterThan(130)
  }, 120_000)

  test.concurrent('guard serve passes every case but those of what it has not', async () => {
    const results = await runKit({
      adapters: several(serveAdapter),
      clock,
      leaseSeconds,
      without: ['logout', 'polling', 'clock', 'timers'],
    })
    expect(problems(results, 'fail')).toEqual([])
    expect(
      problems(results, 'left out').every((line) =>
        /the guard has no (?:logout|polling|clock|timers)$/.test(line),
      ),
    ).toBe(true)
  }, 120_000)

  test('no heartbeat comes into the middle of an event, however often one is sent', async () => {
    const hurried = {
      ...clock,
      after: (ms: number, run: () => void) => clock.after(ms === HEARTBEAT_MS ? 3 : ms, run),
    }
    const results = await runKit({
      adapters: [nodeAdapter()],
      clock: hurried,
      leaseSeconds,
      only: ['feed/a stream in pieces'],
    })
    expect(results).toMatchObject([{ outcome: 'pass' }])
  })

  test('a guard that accepts everything fails, and the problem names the rule', async () => {
    const results = await runKit({
      adapters: [always(200)],
      clock,
      leaseSeconds,
      only: ['access-token/'],
    })
    expect(problems(results, 'pass').map((line) => line.split(':')[0])).toEqual([
      'access-token/valid',
      'access-token/typ in full',
      'access-token/typ in capitals',
      'access-token/several audiences',
      'access-token/unknown claim',
      'access-token/of a service',
      'access-token/expired a moment ago',
    ])
    expect(problems(results, 'fail').join('\n')).toContain(
      'access-token/ID token: step 1 (check): expected reject, and the guard answered accept. A token of another kind must not pass',
    )
    const [alias] = await runKit({
      adapters: [always(200)],
      clock,
      leaseSeconds,
      only: ['feed/another issuer'],
    })
    expect(alias?.problem).toContain(
      'step 3 (expect_requests): expected at least 1 requests to /.well-known/openid-configuration',
    )
  })

  test('the committed vectors are those that the script writes', () => {
    const committed = (name: string): string =>
      readFileSync(new URL(`../../../guard/conformance/${name}`, import.meta.url), 'utf8')
    expect(tokensFile()).toBe(committed('tokens.json'))
    expect(feedFile()).toBe(committed('feed.json'))
    expect(readmeFile()).toBe(committed('README.md'))
  })

  test('each rule of docs/feed.md has a case, or the reason why none can test it', () => {
    expect(wrongRules()).toEqual([])
  })
})

describe('guard conformance', () => {
  async function run(...args: string[]): Promise<{ status: number; out: string; err: string }> {
    const said = { out: '', err: '' }
    const status = await conformance(args, {
      clock,
      out: (text) => void (said.out += text),
      err: (text) => void (said.err += text),
    })
    return { status, ...said }
  }
  /** A guard in 3 lines that rejects whatever comes. */
  const REJECTS = `node -e "require('readline').createInterface({ input: process.stdin }).on('line', () => console.log(JSON.stringify({ status: 401 })))"`

  test('drives a process by JSON lines, prints each case, and fails where one failed', async () => {
    const { out, status } = await run('--adapter', REJECTS, '--only', 'access-token/')
    expect(status).toBe(1)
    expect(out).toMatch(/^pass {6}access-token\/ID token \(\d+ ms\)$/m)
    expect(out).toContain('A valid token must be accepted.')
    expect(out).toMatch(/\n\d+ passed, 9 failed, 0 left out\.\n$/)
    const json = await run('--adapter', REJECTS, '--only', 'without rev', '--json')
    expect(json.status).toBe(0)
    expect(JSON.parse(json.out)).toMatchObject({
      results: [{ name: 'access-token/without rev', outcome: 'pass' }],
    })
  })

  test('drives a guard over HTTP, and says what an adapter answers that it must not', async () => {
    const adapter = nodeAdapter()
    let broken: ((response: ServerResponse) => void) | undefined
    const asked: string[] = []
    const server = createServer((request, response) => {
      void (async () => {
        asked.push(`${request.method} ${request.headers['content-type']}`)
        const answer = await adapter.ask((await json(request)) as Message)
        if (broken !== undefined) return broken(response)
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
      })()
    })
    await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
    onTestFinished(() => server.close().closeAllConnections())
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    const { out, status } = await run(
      '--adapter',
      address,
      '--only',
      'feed/covers a',
      '--lease',
      String(leaseSeconds),
    )
    expect([status, out]).toEqual([
      0,
      expect.stringMatching(/\n6 passed, 0 failed, 0 left out\.\n$/),
    ])
    expect(new Set(asked)).toEqual(new Set(['POST application/json']))

    broken = (response) => void response.writeHead(500).end('{}')
    expect((await run('--adapter', address, '--only', 'without rev')).out).toContain(
      'The adapter answered 500 to check; expected is 200',
    )
    broken = (response) => void response.writeHead(200).end('<html>')
    expect(await run('--adapter', address, '--only', 'without rev')).toMatchObject({
      status: 1,
      out: expect.stringContaining('JSON') as string,
    })
    broken = (response) => void response.destroy()
    expect(await run('--adapter', address, '--only', 'without rev')).toMatchObject({
      status: 1,
      out: expect.stringContaining('fail') as string,
    })
    await adapter.ask({ do: 'stop' })
  }, 120_000)

  test.each([
    ['exit 3', 'The adapter ended with status 3. Its own messages are above.'],
    ['http://127.0.0.1:2/', 'No adapter listens at http://127.0.0.1:2/.'],
  ])('the kit stops where the adapter %s has ended, and says so', async (adapter, problem) => {
    expect(await run('--adapter', adapter)).toEqual({
      status: 1,
      out: '',
      err: `${problem} The kit stops: no further case can be run.\n`,
    })
  })

  test('an adapter that dies fails its own case, and is started again for the next', async () => {
    const answers = 'console.log(JSON.stringify({ status: 401 }))'
    const dies = `node -e "require('readline').createInterface({ input: process.stdin }).on('line', (line) => line.includes('check') && line.length < 40 ? process.exit(4) : ${answers})"`
    const { out, status } = await run('--adapter', dies, '--only', 'access-token/')
    expect(status).toBe(1)
    // The one vector that is not a JWT is short.
    expect(out).toContain('The adapter ended with status 4. Its own messages are above.')
    expect(out).toMatch(/^fail {6}access-token\/not a JWT /m)
    expect(out).toMatch(/^pass {6}access-token\/alg none /m)
  })

  test.each([
    [[], '--adapter is missing'],
    [
      ['--adapter', 'x', '--without', 'tea'],
      '--without tea: the values are logout, stream, private_key_jwt, polling, introspection, sessions, strength, dpop, clock, timers.',
    ],
    [['--adapter', 'x', '--lease', '0.5'], '--lease 0.5: expected is a number from 1 to 60.'],
    [['--adapter', 'x', '--only', 'no such'], '--only no such: no case has this in its name.'],
    [['--fast'], "Unknown option '--fast'"],
  ])('says what is wrong with %j', async (args, expected) => {
    const { err, status } = await run(...args)
    expect(status).toBe(2)
    expect(err).toContain(expected)
  })

  test('--help names each option; --list each case', async () => {
    expect((await run('--help')).out).toContain('--lease SECONDS')
    expect((await run('--list')).out).toContain('feed/an older entry after a newer one\n')
  })
})
