import { setImmediate as otherWork } from 'node:timers/promises'
import { describe, expect, test, vi } from 'vitest'
import { FeedOfThisProcess } from '../../src/revocation/feed.ts'
import { feedEndpoints } from '../../src/revocation/feed-endpoints.ts'
import { createChecks } from '../../src/operations/checks/checks.ts'
import { clientChecks } from '../../src/operations/checks/clients.ts'
import type { Revocation } from '../../db/types.ts'
import { FeedStream, type FeedLog } from '../../src/revocation/feed-stream.ts'
import { ENTRY_SECONDS, PAGE } from '../../src/revocation/feed-wire.ts'
import { requestRevocation } from '../../src/revocation/revoke.ts'
import { FairLimiter } from '../../src/runtime/concurrency.ts'
import { cityMetadata, createRig, OTHER_TENANT, TENANT, type Rig } from '../rig.ts'
import { follow } from './event-stream.ts'

/**
 * Properties of a stream that must hold not only when it is opened, but for the days that it lasts.
 */

async function endOf(rig: Rig, tid: string): Promise<number> {
  const { session } = await rig.openSession({
    user: { tid, oid: '00000000-0000-4000-8000-000000000b0b' },
  })
  const answer = await requestRevocation(rig.deps, {
    selector: { kind: 'session', sid: session.sid },
    reason: 'administrator',
    actor: { kind: 'operator', id: 'olivia' },
    now: rig.clock.now(),
  })
  if (answer.outcome !== 'revoked') throw new Error(answer.outcome)
  return answer.committed.revocation.seq
}

async function change(rig: Rig, tenants: string[]): Promise<void> {
  await rig.store.putClient({
    clientId: 'sydney',
    source: 'command',
    metadata: cityMetadata('Sydney', { tenants }),
    now: rig.clock.now(),
  })
  await rig.clients.reload()
}

/** The rig's feed with a heart that beats quickly, at an address of its own. */
async function quickFeed(feedStreams?: Rig['config']['feedStreams']) {
  const rig = await createRig(feedStreams && { config: { feedStreams } })
  const client = await rig.register('Sydney')
  const feed = new FeedOfThisProcess(rig.deps, 20)
  const url = await rig.serve(feedEndpoints({ ...rig.deps, feed }))
  return { rig, client, feed, url }
}

describe('a stream of the feed that lasts', () => {
  test('says which tenants it covers, and ends when they are others: a lost one is covered for as long as its tokens may live', async () => {
    const rig = await createRig()
    const client = await rig.register('Sydney', { tenants: [TENANT] })
    const address = `${await rig.serve()}/revocations`
    const open = async () => {
      const guard = await follow(address, { authorization: client.basic })
      const { tenants } = (await guard.until('live')).data
      return { guard, tenants }
    }
    const first = await open()
    expect(first.tenants).toEqual([TENANT])
    await change(rig, [OTHER_TENANT])
    const granted = first.guard.grants.length
    expect((await first.guard.until('end')).data).toEqual({ why: 'tenants' })
    expect(first.guard.grants).toHaveLength(granted)
    const second = await open()
    expect(second.tenants).toEqual([OTHER_TENANT, TENANT])
    await endOf(rig, OTHER_TENANT)
    await endOf(rig, TENANT)
    await second.guard.until('revocation', 2)
    rig.clock.advance(ENTRY_SECONDS + 1)
    expect((await second.guard.until('end')).data).toEqual({ why: 'tenants' })
    const third = await open()
    expect(third.tenants).toEqual([OTHER_TENANT])
    const later = await endOf(rig, TENANT)
    expect((await third.guard.until('head')).data['seq']).toBe(later)
    const poll = await fetch(address, {
      headers: { authorization: client.basic, accept: 'application/json' },
    })
    expect(await poll.json()).toMatchObject({ tenants: [OTHER_TENANT] })
  })

  test('ends when the secret that opened it is taken away, and not when another is added', async () => {
    const { rig, client, url, feed } = await quickFeed()
    const guard = await follow(`${url}/revocations`, { authorization: client.basic })
    await guard.until('live')
    const [secret] = rig.clients.find('sydney')?.secrets ?? []
    await rig.store.addClientSecret({
      clientId: 'sydney',
      secret: { id: 'second', hash: 'x'.repeat(43), createdAt: rig.clock.now() },
      now: rig.clock.now(),
    })
    await rig.clients.reload()
    const beats = guard.grants.length
    await vi.waitFor(() => expect(guard.grants.length).toBeGreaterThan(beats + 1), {
      timeout: 60_000,
    })
    expect(feed.streams()).toHaveLength(1)
    await rig.store.removeClientSecret({ clientId: 'sydney', secretId: secret?.id ?? '' })
    await rig.clients.reload()
    expect((await guard.until('end')).data).toEqual({ why: 'credential' })
    expect(feed.streams()).toEqual([])
    feed.close()
  })

  test('has a place among its client’s alone: one client that opens 10,000 gets 503 past its own, and 100 guards of others keep theirs', async () => {
    const rig = await createRig()
    const client = await rig.register('Sydney')
    const { feed } = rig
    const url = await rig.serve()
    const open = (clientId: string, guardId: string) =>
      feed.open({ client: rig.clients.find(clientId)!, guardId, retiredKids: [] })
    for (let city = 0; city < 10; city++) {
      const { clientId } = await rig.register(`City${city}`)
      for (let i = 0; i < 10; i++) open(clientId, `g-${i}`)
    }
    const first = open('sydney', 's-0')
    let rejected = 0
    for (let i = 1; i < 10_000; i++) {
      // A broker that does nothing else for a second does not confirm its log: all streams end.
      if (i % 100 === 0) await otherWork()
      try {
        open('sydney', `s-${i}`)
      } catch {
        rejected++
      }
    }
    const { ofClient } = rig.config.feedStreams
    expect(rejected).toBe(10_000 - ofClient)
    const ask = { headers: { authorization: client.basic, accept: 'text/event-stream' } }
    const response = await fetch(`${url}/revocations?guard=one-more`, ask)
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '10'])
    expect(await rig.metrics.registry.metrics()).toContain(
      `broker_feed_streams_rejected_total{client="sydney"} ${rejected + 1}`,
    )
    expect(feed.streams().filter(({ clientId }) => clientId !== 'sydney')).toHaveLength(100)
    expect(
      await createChecks(rig.deps, clientChecks).look({ which: ({ id }) => id === 'feed-streams' }),
    ).toMatchObject([
      {
        state: 'warning',
        about: 'client sydney',
        found: expect.stringContaining(`${ofClient} of at most ${ofClient}`) as string,
      },
      { state: 'ok' },
    ])
    await first.cancel()
    await (
      await follow(`${url}/revocations?guard=one-more`, { authorization: client.basic })
    ).until('live')
  })

  test('has a place among all: a client’s next one gets 503 although it has few', async () => {
    const { rig, feed } = await quickFeed({ ofClient: 3, inAll: 4 })
    await rig.register('Perth')
    const open = (clientId: string, guardId: string) =>
      feed.open({ client: rig.clients.find(clientId)!, guardId, retiredKids: [] })
    for (let i = 0; i < 3; i++) open('sydney', `s-${i}`)
    open('perth', 'p-0')
    expect(() => open('perth', 'p-1')).toThrow(
      expect.objectContaining({ code: 'temporarily_unavailable' }) as Error,
    )
    expect(
      await createChecks({ ...rig.deps, feed }, clientChecks).look({
        which: ({ id }) => id === 'feed-streams',
      }),
    ).toMatchObject([
      { state: 'warning', about: 'client sydney' },
      { state: 'warning', found: '4 of at most 4 feed streams are open at this broker.' },
    ])
    feed.close()
  })

  test('gives way, where all places are taken, to the next one of the same guard: its connection broke unnoticed', async () => {
    const { rig, client, feed, url } = await quickFeed({ ofClient: 3, inAll: 9 })
    for (let i = 0; i < 3; i++)
      feed.open({ client: rig.clients.find('sydney')!, guardId: `s-${i}`, retiredKids: [] })
    const again = await follow(`${url}/revocations?guard=s-1`, { authorization: client.basic })
    await again.until('live')
    expect(feed.streams()).toHaveLength(3)
    feed.close()
  })

  test('is rejected once the feed is closed: 503, to be opened again in a moment', async () => {
    const rig = await createRig()
    const client = await rig.register('Sydney')
    rig.feed.close()
    const response = await fetch(`${await rig.serve()}/revocations`, {
      headers: { authorization: client.basic, accept: 'text/event-stream' },
    })
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1'])
    await response.body?.cancel()
  })
})

describe('many that come at once', () => {
  test('read the log a few at a time, the others wait; each hears everything, and a slow reader keeps no other waiting', async () => {
    const rig = await createRig()
    await rig.register('Sydney')
    await rig.register('Perth')
    for (let i = 0; i < 3; i++) await endOf(rig, TENANT)
    let reading = 0
    let most = 0
    const store = {
      ...rig.store,
      async revocationsAfter(input: Parameters<typeof rig.store.revocationsAfter>[0]) {
        most = Math.max(most, ++reading)
        try {
          return await rig.store.revocationsAfter(input)
        } finally {
          reading--
        }
      },
    }
    const feed = new FeedOfThisProcess({ ...rig.deps, store })
    const bodies = ['sydney', 'perth'].flatMap((clientId) =>
      Array.from({ length: 50 }, (_, i) =>
        feed.open({ client: rig.clients.find(clientId)!, guardId: `g-${i}`, retiredKids: [] }),
      ),
    )
    const heard = await Promise.all(bodies.map(untilLive))
    for (const text of heard) expect(text.match(/"seq":\d+,"selector"/g)).toHaveLength(3)
    expect(most).toBeGreaterThan(1)
    expect(most).toBeLessThanOrEqual(4)
    feed.close()
  })

  test('each client has its turn, in the order in which they came', async () => {
    const turns = new FairLimiter(1, 2)
    const begun: string[] = []
    const ends: (() => void)[] = []
    const take = (name: string) =>
      turns.take(name[0] ?? '').then((end) => {
        begun.push(name)
        ends.push(end)
      })
    const all = ['a1', 'a2', 'a3', 'b1', 'b2', 'c1'].map(take)
    await expect.poll(() => begun).toEqual(['a1', 'b1'])
    for (let next = 0; next < 6; next++) {
      await expect.poll(() => ends.length).toBeGreaterThan(next)
      ends[next]?.()
      // The second call for the same end frees no second place.
      ends[next]?.()
    }
    await Promise.all(all)
    expect(begun).toEqual(['a1', 'b1', 'a2', 'b2', 'c1', 'a3'])
  })
})

describe('a registration that changes', () => {
  /** A stream of a client of some tenants, which a test changes. */
  async function streamOf(tenants: string[], duringRead: () => void = () => undefined) {
    const rig = await createRig()
    const client = await rig.register('Sydney')
    const registered = { tenants }
    const at = { epoch: 'e', seq: 1 }
    const log: FeedLog = {
      store: {
        head: async () => at,
        sessionsKnownFrom: async () => 0,
        wasLost: () => false,
      },
      after: async () => (duringRead(), []),
      now: () => 0,
      head: () => at,
      lease: () => new Uint8Array(),
      tenantsOf: () => registered.tenants,
      turn: async () => () => undefined,
      ahead: () => undefined,
      closed: () => undefined,
    }
    const opening = new Uint8Array(1)
    const guard = { client: rig.clients.find(client.clientId)!, guardId: 'a', name: 'a-1' }
    return { registered, stream: new FeedStream(log, { ...guard, opening }) }
  }
  const revocationOf = (tid: string, seq: number): Revocation => ({
    seq,
    tid,
    at: 1,
    selector: { kind: 'tenant', tid },
    reason: 'administrator' as const,
    fanOut: 'complete' as const,
    sessions: 1,
    actor: { kind: 'operator', id: 'olivia' },
  })

  test('shows the revocations of a gained and of a lost tenant, until the stream ends', async () => {
    const { registered, stream } = await streamOf([TENANT])
    await stream.catchUp(undefined, [])
    registered.tenants = [OTHER_TENANT]
    expect(stream.hasOtherTenants).toBe(true)
    const [seen, passed] = [Buffer.from('seen '), Buffer.from('passed ')]
    const frames = { ends: seen, seen, passed }
    const third = '44444444-4444-4444-8444-444444444444'
    for (const [n, tid] of [TENANT, OTHER_TENANT, third].entries())
      stream.sendRevocation(revocationOf(tid, n + 2), frames)
    stream.end('tenants')
    expect(await new Response(stream.body).text()).toContain('seen seen passed event: end')
  })

  test('while the stream reads the log ends it before it is live', async () => {
    const { registered, stream } = await streamOf([TENANT], () => {
      registered.tenants = [TENANT, OTHER_TENANT]
    })
    await stream.catchUp(undefined, [])
    const text = await new Response(stream.body).text()
    expect(text).toContain('data: {"why":"tenants"}')
    expect(text).not.toContain('event: live')
  })
})

describe('a reader that is slow', () => {
  /**
   * The log of a stream: pages without end, which fill its buffer. `filled` is called when it is
   * full.
   */
  const endless = (filled: () => void): FeedLog => ({
    store: {
      head: async () => ({ epoch: 'e', seq: 1e9 }),
      sessionsKnownFrom: async () => 0,
      wasLost: () => false,
    },
    after: async ({ after }) =>
      Array.from({ length: PAGE }, (_, i) => ({
        seq: after + i + 1,
        at: 0,
        selector: { kind: 'everything' },
        reason: 'administrator',
        actor: { kind: 'operator', id: 'olivia' },
      })) as Revocation[],
    now: () => 0,
    head: () => ({ epoch: 'e', seq: 1e9 }),
    lease: () => new Uint8Array(),
    tenantsOf: () => undefined,
    turn: async () => filled,
    ahead: () => undefined,
    closed: () => undefined,
  })

  test('of the log that it missed keeps its stream at each heartbeat; one that reads nothing from review to review is cut', async () => {
    const rig = await createRig()
    await rig.register('Sydney')
    let filled = 0
    const stream = new FeedStream(
      endless(() => void filled++),
      {
        client: rig.clients.find('sydney')!,
        guardId: 'slow',
        name: 'slow-1',
        opening: new Uint8Array(1),
      },
    )
    const caughtUp = stream.catchUp(undefined, [])
    const reader = stream.body.getReader()
    const bytes = async () => (await reader.read()).value?.length ?? 0
    await bytes()
    for (let times = 1; times <= 3; times++) {
      await expect.poll(() => filled).toBeGreaterThanOrEqual(times)
      stream.beat(new Uint8Array(1))
      stream.review()
      expect(stream.open).toBe(true)
      expect(await bytes()).toBeGreaterThan(1)
    }
    await expect
      .poll(() => {
        stream.review()
        return stream.open
      })
      .toBe(false)
    await caughtUp
  })
})

async function untilLive(body: ReadableStream<Uint8Array>): Promise<string> {
  let text = ''
  const decoder = new TextDecoder()
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true })
    if (text.includes('event: live')) break
  }
  return text
}

describe('a report of what was applied', () => {
  test('without a length is read no further than 4 KiB', async () => {
    const rig = await createRig()
    const client = await rig.register('Sydney')
    let pulled = 0
    const endless = new ReadableStream<Uint8Array>({
      pull(out) {
        pulled++
        if (pulled > 1000) out.close()
        else out.enqueue(new Uint8Array(1024).fill(32))
      },
    })
    const response = await rig.app.request('/revocations/enforced', {
      method: 'POST',
      headers: { authorization: client.basic, 'content-type': 'application/json' },
      body: endless,
      duplex: 'half',
    } as RequestInit)
    expect(response.status).toBe(413)
    expect(pulled).toBeLessThan(100)
  })
})
