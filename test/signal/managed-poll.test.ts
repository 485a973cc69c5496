import { describe, expect, test, vi } from 'vitest'
import { tendSignalStreams } from '../../workers/tend-signal-streams.ts'
import { managed } from './managed-world.ts'

/**
 * The broker's own stream at a transmitter, polled (RFC 8936). The transmitter is another broker,
 * over HTTP.
 */

const ALICE = '00000000-0000-4000-8000-00000000a11c'
const BOB = '00000000-0000-4000-8000-00000000b0b0'

/** Makes a world with a verified stream and no pending events. */
async function polled() {
  const world = await managed('poll')
  const { there, tend, polling, requests } = world
  await tend()
  const { id } = (await world.stream()) ?? expect.unreachable()
  const waiting = async () =>
    (await there.store.pollStream({ id, limit: 100 })).deliveries.map((delivery) => delivery.id)
  const { turn } = polling()
  await turn()
  const asked = () =>
    requests
      .filter(({ url }) => url.endsWith(`/ssf/poll/${id}`))
      .map(({ body = '' }) => JSON.parse(body) as Record<string, unknown>)
  return { ...world, id, waiting, turn, asked }
}

describe('a stream that is polled', () => {
  test('is created and verified; a revocation there ends the session here, and is acknowledged after that', async () => {
    const { there, here, turn, waiting, asked, state, signIn, problems } = await polled()
    expect([await state(), await waiting()]).toEqual(['ok', []])
    const [alice, bob] = [await signIn(ALICE), await signIn(BOB)]
    await alice.revokeThere()
    const [jti = ''] = await waiting()
    await turn()
    expect([await alice.stateHere(), await bob.stateHere()]).toEqual(['ended', 'live'])
    expect(asked().slice(-2)).toEqual([
      { maxEvents: 25, returnImmediately: false },
      { maxEvents: 0, returnImmediately: true, ack: [jti], setErrs: {} },
    ])
    expect((await there.store.findDelivery(jti))?.state).toBe('delivered')
    expect((await here.store.findRevocation((await here.store.head()).seq))?.reason).toBe(
      'security_event',
    )
    expect(problems()).toEqual([])
  })

  test('a lost answer comes again, one event at a time; a lost acknowledgment is made once more, and ends nothing twice', async () => {
    const { here, turn, waiting, network, signIn, advance, problems, asked } = await polled()
    const alice = await signIn(ALICE)
    await alice.revokeThere()
    network.fault = (url) =>
      url.includes('/ssf/poll/') ? { status: 200, body: '{"sets":{"cut off' } : undefined
    await turn()
    expect(await alice.stateHere()).toBe('live')
    advance(2)
    network.fault = (_url, { body = '' }) => (body.includes('"ack"') ? { status: 503 } : undefined)
    await turn()
    expect(asked().at(-2)).toEqual({ maxEvents: 1, returnImmediately: true })
    const head = await here.store.head()
    expect([await alice.stateHere(), (await waiting()).length]).toEqual(['ended', 1])
    advance(4)
    network.fault = () => undefined
    await turn()
    expect([await here.store.head(), await waiting()]).toEqual([head, []])
    expect(problems()).toHaveLength(2)
  })

  test('after a fault it waits, longer each time and a minute at most', async () => {
    const { turn, network, advance, asked, problems } = await polled()
    network.fault = (url) => (url.includes('/ssf/poll/') ? { status: 500 } : undefined)
    const before = asked().length
    for (let second = 0; second < 200; second++) {
      await turn()
      advance(1)
    }
    // At 0, 2, 6, 14, 30, 62, 122 and 182 s.
    expect(asked().length - before).toBe(8)
    expect(problems()).toHaveLength(8)
  })

  test('what is rejected is reported (§2.5): a state that is not the broker’s own', async () => {
    const { there, id, turn, waiting } = await polled()
    there.clock.advance(60)
    await there.store.verifyStream({
      id,
      state: 'of another',
      notBefore: there.clock.now(),
      now: there.clock.now(),
    })
    const [jti = ''] = await waiting()
    await turn()
    expect(await there.store.findDelivery(jti)).toMatchObject({ state: 'rejected' })
    const [last] = await there.store.attemptsOf(jti)
    expect(last?.error).toBe('invalid_state')
  })

  test('nothing is acknowledged whose keys cannot be read', async () => {
    const { there, polling, stream, network, signIn, problems, advance, tend } =
      await managed('poll')
    await tend()
    const { id } = (await stream()) ?? expect.unreachable()
    const waiting = async () => (await there.store.pollStream({ id, limit: 100 })).deliveries.length
    const { turn } = polling()
    network.fault = (url) => (url.endsWith('/jwks') ? { status: 500 } : undefined)
    const alice = await signIn(ALICE)
    await alice.revokeThere()
    await turn()
    expect([await waiting(), await alice.stateHere()]).toEqual([2, 'live'])
    expect(problems()).toEqual([
      expect.objectContaining({ problem: 'Its keys cannot be read, so its events wait.' }),
    ])
    network.fault = () => undefined
    advance(60)
    await turn()
    expect([await waiting(), await alice.stateHere()]).toEqual([0, 'ended'])
  })

  test('one broker of several polls, and another goes on where it ends', async () => {
    const { turn, polling, asked, signIn, advance } = await polled()
    const beside = polling()
    const alice = await signIn(ALICE)
    await alice.revokeThere()
    const before = asked().length
    await beside.turn()
    expect([asked().length, await alice.stateHere()]).toEqual([before, 'live'])
    advance(30)
    await beside.turn()
    expect(await alice.stateHere()).toBe('ended')
    const after = asked().length
    await turn()
    expect(asked().length).toBe(after)
  })

  test('a clock that is set back does not stop the polling', async () => {
    const { here, turn, advance, signIn } = await polled()
    const [alice, bob] = [await signIn(ALICE), await signIn(BOB)]
    // Something waits, so that the request is not held open.
    await bob.revokeThere()
    advance(30)
    await turn()
    here.clock.step(-30)
    await alice.revokeThere()
    await turn()
    expect(await alice.stateHere()).toBe('ended')
  })

  test('a request that is held open is broken off at the end of the process, without a fault', async () => {
    const { deps, advance, network, problems, signIn } = await polled()
    let held: AbortSignal | undefined
    network.fault = (url, { signal }) => {
      if (url.includes('/ssf/poll/')) held = signal
      return undefined
    }
    advance(30)
    const running = tendSignalStreams(deps)
    for (const loop of running) loop.wake()
    await vi.waitUntil(() => held !== undefined, { timeout: 60_000 })
    await Promise.all(running.map((loop) => loop.stop()))
    expect([running.length, held?.aborted]).toEqual([2, true])
    expect(problems()).toEqual([])
    expect(await (await signIn(ALICE)).stateHere()).toBe('live')
  })
})
