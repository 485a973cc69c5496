import { describe, expect, test, vi } from 'vitest'
import { STREAM_EVENT } from '../../src/protocol/stream-event.ts'
import { tendSignalStreams } from '../../workers/tend-signal-streams.ts'
import { managed } from './managed-world.ts'

/**
 * A stream that the broker creates at a transmitter, and verifies. The transmitter is another
 * broker, over HTTP. Sections are of SSF 1.0.
 */

const ALICE = '00000000-0000-4000-8000-00000000a11c'
const BOB = '00000000-0000-4000-8000-00000000b0b0'

describe('a stream at a transmitter (§8.1.1)', () => {
  test('is created with push to this broker, and verified with a state; a revocation there ends the session here', async () => {
    const { here, stream, tend, pushAll, advance, state, signIn, problems, secret } =
      await managed('push')
    // The first attempt may take two minutes.
    advance(119)
    expect(await state()).toBe('unknown')
    advance(1)
    expect(await state()).toBe('failed')
    await tend()
    expect(await stream()).toMatchObject({
      method: 'push',
      endpointUrl: `${here.config.issuer}/signal/events`,
      status: 'enabled',
    })
    expect(await pushAll()).toEqual(['delivered', 'delivered'])
    expect(await state()).toBe('ok')
    const [alice, bob] = [await signIn(ALICE), await signIn(BOB)]
    await alice.revokeThere()
    expect(await pushAll()).toEqual(['delivered'])
    expect([await alice.stateHere(), await bob.stateHere()]).toEqual(['ended', 'live'])
    expect(problems()).toEqual([])
    expect(here.lines.join('\n')).not.toContain(secret)
  })

  test('is the same stream afterwards: verified again twice in each interval, changed where the settings differ, never created twice', async () => {
    const { there, stream, tend, pushAll, advance, requests, state } = await managed('push')
    await tend()
    const first = await stream()
    await pushAll()
    const count = requests.length
    await tend()
    expect(requests.length).toBe(count)
    advance(300)
    await there.store.changeStream({
      id: first?.id ?? '',
      change: { eventsRequested: [] },
      now: there.clock.now(),
    })
    await tend()
    expect(requests.slice(count).map(({ method }) => method)).toContain('PATCH')
    expect(await stream()).toMatchObject({ id: first?.id, eventsRequested: first?.eventsRequested })
    expect(await pushAll()).toEqual(['delivered'])
    advance(599)
    expect(await state()).toBe('ok')
    advance(601)
    expect(await state()).toBe('failed')
  })

  test('of another receiver is left alone: the fault is logged, and retried after a minute', async () => {
    const { there, stream, tend, advance, problems, signIn } = await managed('push')
    const other = {
      id: 'st_other',
      clientId: 'gateway',
      method: 'poll',
      eventsRequested: [],
      status: 'enabled',
      statusBy: 'receiver',
    } as const
    const now = there.clock.now()
    await there.store.addStream({
      ...other,
      eventsRequested: [],
      endpointUrl: undefined,
      authorizationSealed: undefined,
      description: 'of another system',
      createdAt: now,
      updatedAt: now,
    })
    const alice = await signIn(ALICE)
    await tend()
    await tend()
    expect(problems()).toEqual([
      expect.objectContaining({ problem: expect.stringContaining('answered 409') as string }),
    ])
    advance(60)
    await tend()
    expect(problems()).toHaveLength(2)
    expect(await stream()).toMatchObject({
      id: 'st_other',
      method: 'poll',
      description: 'of another system',
    })
    expect(await alice.stateHere()).toBe('live')
  })

  test('is tended by one broker of several', async () => {
    const { there, tend, another, requests } = await managed('push')
    await Promise.all([tend(), tend(another()), tend(another())])
    expect(
      requests.filter(
        ({ method, url }) => method === 'POST' && url === `${there.config.issuer}/ssf/streams`,
      ),
    ).toHaveLength(1)
  })

  test('is not used where its audience is another than the operator’s', async () => {
    const { tend, problems, there } = await managed('push', {
      audience: 'https://elsewhere.example',
    })
    await tend()
    expect(problems()).toEqual([
      expect.objectContaining({
        problem: `The aud of its stream is "${there.config.issuer}/ssf/receivers/gateway".`,
      }),
    ])
  })
})

describe('a stream whose settings were changed (§8.1.1, §8.1.2)', () => {
  const sentTo = (requests: readonly { method: string; url: string }[], path: string): string[] =>
    requests
      .filter(({ method, url }) => method !== 'GET' && new URL(url).pathname === path)
      .map(({ method }) => method)

  test('is replaced as a whole where its delivery is another one (§8.1.1.4)', async () => {
    const { stream, tend, tendWith, requests, advance } = await managed('push')
    await tend()
    const first = await stream()
    advance(60)
    await tendWith({ delivery: 'poll' })
    expect(sentTo(requests, '/ssf/streams')).toEqual(['POST', 'PUT'])
    expect(await stream()).toMatchObject({
      id: first?.id,
      method: 'poll',
      eventsRequested: first?.eventsRequested,
      description: first?.description,
    })
  })

  test('is taken over where it was created by hand with this broker’s address; then read by its id, and created again where it is gone', async () => {
    const { there, here, stream, tend, requests, advance } = await managed('push')
    const now = there.clock.now()
    await there.store.addStream({
      id: 'st_by_hand',
      clientId: 'gateway',
      method: 'push',
      eventsRequested: [STREAM_EVENT.sessionRevoked],
      status: 'enabled',
      statusBy: 'receiver',
      endpointUrl: `${here.config.issuer}/signal/events`,
      authorizationSealed: undefined,
      description: 'by hand',
      createdAt: now,
      updatedAt: now,
    })
    await tend()
    expect(await stream()).toMatchObject({
      id: 'st_by_hand',
      description: `Case Manager Identity Broker ${here.config.issuer}`,
    })
    advance(300)
    await tend()
    expect(requests.at(-3)).toMatchObject({
      method: 'GET',
      url: `${there.config.issuer}/ssf/streams?stream_id=st_by_hand`,
    })
    await there.store.removeStream('st_by_hand')
    advance(300)
    await tend()
    expect(sentTo(requests, '/ssf/streams')).toEqual(['PUT', 'POST'])
    expect(await stream()).toMatchObject({ method: 'push', status: 'enabled' })
  })

  test('is deleted and created again at a transmitter that changes no stream (CAEP Interoperability Profile 1.0 §2.3.8)', async () => {
    const { stream, tend, tendWith, requests, network, advance, problems } = await managed('push')
    await tend()
    const first = await stream()
    for (const [method, status, events] of [
      ['PATCH', 405, [STREAM_EVENT.sessionRevoked]],
      ['PUT', 501, undefined],
    ] as const) {
      network.fault = (_url, init) => (init.method === method ? { status } : undefined)
      advance(60)
      await (method === 'PATCH'
        ? tendWith({ events: [...events] })
        : tendWith({ delivery: 'poll' }))
    }
    expect(sentTo(requests, '/ssf/streams')).toEqual([
      'POST',
      'PATCH',
      'DELETE',
      'POST',
      'PUT',
      'DELETE',
      'POST',
    ])
    expect(await stream()).toMatchObject({
      method: 'poll',
      eventsRequested: first?.eventsRequested,
    })
    expect((await stream())?.id).not.toBe(first?.id)
    expect(problems()).toEqual([])
  })

  test('is deleted where the settings want none, and not created again; a stream of another receiver stays (§8.1.1.5)', async () => {
    const { there, stream, tend, tendWith, requests, advance, problems } = await managed('push')
    await tend()
    advance(60)
    await tendWith({ delivery: 'none' })
    expect(await stream()).toBeUndefined()
    const now = there.clock.now()
    await there.store.addStream({
      id: 'st_other',
      clientId: 'gateway',
      method: 'poll',
      eventsRequested: [],
      status: 'enabled',
      statusBy: 'receiver',
      endpointUrl: undefined,
      authorizationSealed: undefined,
      description: 'of another system',
      createdAt: now,
      updatedAt: now,
    })
    advance(600)
    await tendWith({ delivery: 'none' })
    expect(sentTo(requests, '/ssf/streams')).toEqual(['POST', 'DELETE'])
    expect(await stream()).toMatchObject({ id: 'st_other' })
    expect(problems()).toEqual([])
  })

  test('is not watched where the settings want none', async () => {
    const { state, stream, tend } = await managed('none')
    await tend()
    expect(await stream()).toBeUndefined()
    // The check has no finding about it.
    expect(await state()).toBeUndefined()
  })

  test('gets the status of the settings (§8.1.2.2), and keeps its own where they name none: a fault that is logged', async () => {
    const { stream, tend, tendWith, requests, advance, problems, pushAll } = await managed('push')
    await tend()
    await pushAll()
    advance(60)
    await tendWith({ status: 'paused' })
    expect(await stream()).toMatchObject({ status: 'paused' })
    expect(problems()).toEqual([])
    advance(600)
    await tend()
    expect(await stream()).toMatchObject({ status: 'paused' })
    expect(problems()).toEqual([
      expect.objectContaining({ problem: 'The status of its stream is paused.' }),
    ])
    advance(600)
    await tendWith({ status: 'enabled' })
    expect(await stream()).toMatchObject({ status: 'enabled' })
    expect(sentTo(requests, '/ssf/status')).toEqual(['POST', 'POST'])
    expect(problems()).toHaveLength(1)
  })
})

test('at the end of the process a request that the transmitter does not answer is broken off, without a fault', async () => {
  const { deps, network, problems } = await managed('push')
  const seen: (AbortSignal | undefined)[] = []
  network.fault = (_url, { signal }) => {
    seen.push(signal)
    return 'hangs'
  }
  const running = tendSignalStreams(deps)
  for (const loop of running) loop.wake()
  await vi.waitUntil(() => seen.length > 0, { timeout: 60_000 })
  await Promise.all(running.map((loop) => loop.stop()))
  expect(seen.map((signal) => signal?.aborted)).toEqual([true])
  expect(problems()).toEqual([])
})

describe('authorization at a transmitter', () => {
  test('a token that it no longer accepts is asked for once more; a rejected one is a fault without the token', async () => {
    const { there, tend, network, problems, requests, secret, advance, here } =
      await managed('push')
    const url = `${there.config.issuer}/ssf/streams`
    let rejected = 0
    network.fault = (to, { method }) =>
      to === url && method === 'GET' && rejected++ === 0 ? { status: 401 } : undefined
    await tend()
    expect(problems()).toEqual([])
    expect(
      requests.filter((request) => request.url === `${there.config.issuer}/token`),
    ).toHaveLength(2)
    network.fault = (to) =>
      to === url
        ? {
            status: 401,
            body: JSON.stringify({ error: 'invalid_token', error_description: secret }),
          }
        : undefined
    advance(300)
    await tend()
    expect(problems()).toEqual([
      expect.objectContaining({ problem: `GET ${url} answered 401 invalid_token.` }),
    ])
    expect(here.lines.join('\n')).not.toContain(secret)
  })

  test('is asked for once, by requests at the same time too', async () => {
    const { there, another, requests } = await managed('poll')
    const transmitter = another()
    await Promise.all([transmitter.find(), transmitter.find()])
    expect(requests.filter(({ url }) => url === `${there.config.issuer}/token`)).toHaveLength(1)
  })

  test('is sent to no configuration of another issuer (§7.2.3), and along no redirect', async () => {
    const { there, tend, network, problems, requests, advance } = await managed('push')
    network.fault = (url) =>
      url.endsWith('/ssf-configuration')
        ? {
            status: 200,
            body: JSON.stringify({
              issuer: 'https://evil.example',
              configuration_endpoint: 'https://evil.example/streams',
            }),
          }
        : undefined
    await tend()
    expect(requests.map(({ url }) => url)).toEqual([
      `${there.config.issuer}/.well-known/ssf-configuration`,
    ])
    network.fault = (url) => (url.endsWith('/ssf/streams') ? { status: 307, body: '' } : undefined)
    advance(60)
    await tend()
    const [first, second] = problems()
    expect([first?.problem, second?.problem]).toEqual([
      expect.stringContaining('another issuer'),
      expect.stringContaining('answered 307'),
    ])
  })
})

describe('verification (§8.1.4)', () => {
  test('a verification event whose state is not the broker’s own is rejected as invalid_state, and counts as no sign of life', async () => {
    const { there, here, stream, tend, pushAll, state } = await managed('push', {})
    await tend()
    await pushAll()
    const { id } = (await stream()) ?? expect.unreachable()
    here.clock.advance(1200)
    there.clock.advance(1200)
    expect(await state()).toBe('failed')
    for (const foreign of [
      'chosen by another',
      here.deps.sealer.seal('signal-verification/https://elsewhere.example', '1'),
    ]) {
      there.clock.advance(60)
      await there.store.verifyStream({
        id,
        state: foreign,
        notBefore: there.clock.now(),
        now: there.clock.now(),
      })
      expect(await pushAll()).toEqual(['rejected'])
    }
    expect(await state()).toBe('failed')
  })
})
