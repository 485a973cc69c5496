import type { IncomingMessage, ServerResponse } from 'node:http'
import { describe, expect, test } from 'vitest'
import { brokerChecks } from '../../src/operations/checks/broker.ts'
import { createChecks } from '../../src/operations/checks/checks.ts'
import { createSealer } from '../../src/keys/sealer.ts'
import { addressRanges } from '../../src/runtime/remote-address.ts'
import { requestsOf } from '../../src/runtime/requests.ts'
import { createRig, type Rig } from '../rig.ts'

/** Checks of the broker's own parts: the queue's server and BROKER_SECRET. */

const look = (deps: Rig['deps'], check: string) =>
  createChecks(deps, brokerChecks).look({ which: ({ id }) => id === check })

describe('queue', () => {
  test.each([
    [
      'NOAUTH Authentication required.',
      /Put the password of the queue server into BROKER_QUEUE_URL/,
    ],
    ["OOM command not allowed when used memory > 'maxmemory'.", /Raise maxmemory/],
    ['connect ECONNREFUSED 127.0.0.1:6379', /Start the queue server that BROKER_QUEUE_URL names/],
  ])(
    'down by “%s” has failed, says that revocations go on, and what to do about that cause',
    async (problem, fix) => {
      const rig = await createRig()
      expect(await look(rig.deps, 'queue')).toMatchObject([{ state: 'ok', engine: 'valkey' }])
      rig.queue.up = false
      rig.queue.problem = problem
      const [found, ...more] = await look(rig.deps, 'queue')
      expect(found).toMatchObject({
        state: 'failed',
        found: expect.stringMatching(/Revocations are effective at once/) as string,
      })
      expect(found?.found).toContain(problem.replace(/\.$/, ''))
      expect([found?.fix, more]).toEqual([expect.stringMatching(fix), []])
    },
  )

  test('down beside a database that cannot commit does not say that revocations are effective', async () => {
    const rig = await createRig()
    rig.queue.up = false
    const store = { ...rig.store, probe: () => Promise.reject(new Error('disk is full')) }
    const [found] = await look({ ...rig.deps, store }, 'queue')
    expect(found?.found).toMatch(/Nothing is delivered meanwhile, because the database cannot/)
    expect(found?.found).not.toContain('effective')
  })

  test('on the embedded Postgres is a warning: it is for trying', async () => {
    const rig = await createRig()
    const queue = {
      ...rig.deps.queue,
      health: async () => ({ up: true, engine: 'postgres' as const }),
    }
    expect(await look({ ...rig.deps, queue }, 'queue')).toMatchObject([
      {
        state: 'warning',
        engine: 'postgres',
        fix: expect.stringContaining('BROKER_QUEUE_URL') as string,
      },
    ])
  })
})

describe('client-addresses', () => {
  const request = (
    listener: 'public' | 'operators',
    rig: Rig,
    peer: string,
    forwardedFor: string,
  ) => {
    const observe = requestsOf(rig.deps, listener, (_request, answer) => answer())
    const incoming = {
      headers: { 'x-forwarded-for': forwardedFor },
      socket: { remoteAddress: peer },
    } as unknown as IncomingMessage
    void observe(incoming, () => new Response(), {
      setHeader: () => undefined,
    } as unknown as ServerResponse)
  }

  test.each([
    ['a proxy that is not named', '172.18.0.1', '198.51.100.7', '172.18.0.1'],
    ['a proxy on this machine that is not named', '::ffff:127.0.0.1', '198.51.100.7', '127.0.0.1'],
    ['one before the proxy that is named', '10.0.0.2', '198.51.100.7, 192.168.1.9', '192.168.1.9'],
  ])(
    'warns of %s, with what to set, until one client’s address arrives',
    async (_, peer, header, shown) => {
      const rig = await createRig({ config: { trustedProxies: addressRanges(['10.0.0.0/8']) } })
      for (let n = 0; n < 4; n++) request('public', rig, peer, header)
      for (let n = 0; n < 9; n++) request('operators', rig, peer, header)
      expect(await look(rig.deps, 'client-addresses')).toMatchObject([{ state: 'ok' }])
      request('public', rig, peer, header)
      const fix = expect.stringContaining(`If ${shown} is your proxy`) as string
      expect(await look(rig.deps, 'client-addresses')).toMatchObject([
        { state: 'warning', found: expect.stringContaining(`The last 5 requests`) as string, fix },
      ])
      request('public', rig, '10.0.0.2', '198.51.100.8')
      expect(await look(rig.deps, 'client-addresses')).toMatchObject([{ state: 'ok' }])
    },
  )

  test.each([
    ['a client that forges the header at the proxy', '10.0.0.2', '203.0.114.1, 198.41.0.4'],
    ['a client without a proxy', '198.41.0.4', '203.0.114.1'],
    ['a client of the own network behind the proxy', '10.0.0.2', '192.168.1.9'],
  ])('does not warn of %s', async (_, peer, header) => {
    const rig = await createRig({ config: { trustedProxies: addressRanges(['10.0.0.0/8']) } })
    for (let n = 0; n < 9; n++) request('public', rig, peer, header)
    expect(await look(rig.deps, 'client-addresses')).toMatchObject([{ state: 'ok' }])
  })
})

describe('queue-durability', () => {
  test.each([
    [{ appendOnly: true, evictionPolicy: 'noeviction' }, [['ok', undefined]]],
    [
      { appendOnly: true, evictionPolicy: 'allkeys-lru' },
      [['warning', 'Set maxmemory-policy noeviction on the queue server.']],
    ],
    [
      { appendOnly: false, evictionPolicy: 'noeviction' },
      [['warning', 'Set appendonly yes on the queue server.']],
    ],
    [
      { appendOnly: false, evictionPolicy: 'volatile-ttl' },
      [
        ['warning', 'Set maxmemory-policy noeviction on the queue server.'],
        ['warning', 'Set appendonly yes on the queue server.'],
      ],
    ],
    // The broker's own queue server is started as it has to be.
    [undefined, []],
  ])('of %j', async (kept, expected) => {
    const rig = await createRig()
    rig.queue.kept = kept
    expect(
      (await look(rig.deps, 'queue-durability')).map(({ state, fix }) => [state, fix]),
    ).toEqual(expected)
  })
})

describe('secrets', () => {
  const NEW = Buffer.alloc(32, 'a new secret of this test')

  /** The same database under other secrets. */
  const under = (rig: Rig, secrets: Rig['config']['secrets']): Rig['deps'] => ({
    ...rig.deps,
    config: { ...rig.config, secrets },
    sealer: createSealer(secrets),
  })

  test('one secret is fine; an old one is needed while keys are sealed under it, then while sessions may live, and then it can go', async () => {
    const rig = await createRig()
    const [old] = rig.config.secrets
    if (old === undefined) return expect.unreachable()
    expect(await look(rig.deps, 'secrets')).toMatchObject([{ state: 'ok' }])

    const both = under(rig, [NEW, old])
    expect(await look(both, 'secrets')).toMatchObject([
      {
        state: 'warning',
        found: expect.stringMatching(/still seals signing keys: \S+, \S+\.$/) as string,
      },
    ])

    for (const { kid } of await rig.store.listKeys())
      await rig.store.retireKey({ kid, now: rig.clock.now() })
    expect(await look(both, 'secrets')).toMatchObject([
      { state: 'warning', fix: 'Keep it until then.' },
    ])

    rig.clock.advance(31 * 86_400)
    expect(await look(both, 'secrets')).toMatchObject([
      { state: 'warning', fix: expect.stringMatching(/^Remove all but the first value/) as string },
    ])
  })

  test('an old one that was removed while sessions need it has failed, until those sessions have ended', async () => {
    const rig = await createRig()
    await look(rig.deps, 'secrets')
    const alone = under(rig, [NEW])
    const [found] = await look(alone, 'secrets')
    expect(found).toMatchObject({
      state: 'failed',
      fix: expect.stringMatching(/^Set BROKER_SECRET=new,old again/) as string,
    })
    rig.clock.advance(31 * 86_400)
    expect(await look(alone, 'secrets')).toMatchObject([{ state: 'ok' }])
  })
})
