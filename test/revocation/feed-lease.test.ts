import { describe, expect, test } from 'vitest'
import { FeedOfThisProcess } from '../../src/revocation/feed.ts'
import { feedEndpoints } from '../../src/revocation/feed-endpoints.ts'
import { requestRevocation } from '../../src/revocation/revoke.ts'
import { createRig, type Rig } from '../rig.ts'
import { follow, type Received } from './event-stream.ts'

/** The leases that the broker grants to guards (docs/feed.md). */

interface Init {
  method?: string
  body?: URLSearchParams
  headers?: Record<string, string>
}

async function world(guardLeaseSeconds = 30) {
  const rig = await createRig()
  const client = await rig.register('Sydney', { guardLeaseSeconds })
  const url = await rig.serve()
  const ask = (path: string, init: Init = {}) =>
    fetch(url + path, { ...init, headers: { authorization: client.basic, ...init.headers } })
  return { rig, client, url, ask }
}

const end = async (rig: Rig): Promise<number> => {
  const { session } = await rig.openSession()
  const answer = await requestRevocation(rig.deps, {
    selector: { kind: 'session', sid: session.sid },
    reason: 'administrator',
    actor: { kind: 'operator', id: 'olivia' },
    now: rig.clock.now(),
  })
  if (answer.outcome !== 'revoked') throw new Error(answer.outcome)
  return answer.committed.revocation.seq
}

const grantsOf = (grants: Received[], event: string) =>
  grants.filter((grant) => grant.event === event).map(({ data }) => data)

describe('a stream', () => {
  test('begins with an anchor, by the clock of this process, read after the request arrived', async () => {
    const { rig, client, url } = await world()
    const beforeMs = rig.clock.elapsedMs()
    const guard = await follow(`${url}/revocations`, { authorization: client.basic })
    await guard.until('live')
    const [first] = guard.grants
    expect(first?.event).toBe('anchor')
    expect(first?.data['clock']).toBe(rig.feed.clock)
    expect(first?.data['at_ms']).toBeGreaterThanOrEqual(beforeMs)
    expect(first?.data['at_ms']).toBeLessThanOrEqual(rig.clock.elapsedMs())
  })

  test('repeats the random value of its request, as a poll does', async () => {
    const { client, url, ask } = await world()
    const nonce = 'n'.repeat(22)
    const guard = await follow(`${url}/revocations?nonce=${nonce}`, { authorization: client.basic })
    await guard.until('live')
    expect(guard.grants[0]?.data).toMatchObject({ nonce })
    const headers = { accept: 'application/json' }
    const poll = await ask(`/revocations?nonce=${nonce}`, { headers })
    expect(await poll.json()).toMatchObject({ nonce, more: false })
    expect((await ask('/revocations?nonce=short', { headers })).status).toBe(400)
  })

  test('is granted its first lease with live, in one write, counted from after its request arrived', async () => {
    const { rig } = await world()
    const feed = new FeedOfThisProcess(rig.deps)
    const seq = await end(rig)
    const beforeMs = rig.clock.elapsedMs()
    const body = feed.open({ client: rig.clients.find('sydney')!, guardId: 'a', retiredKids: [] })
    let live = ''
    for await (const chunk of body) {
      live = new TextDecoder().decode(chunk)
      if (live.includes('event: live')) break
    }
    const [, data = '{}'] = /event: lease\ndata: (.*)\n/.exec(live) ?? []
    const lease = JSON.parse(data) as Record<string, number>
    expect(lease).toMatchObject({ clock: feed.clock, seconds: 30, seq })
    expect(lease['known_ms']).toBeGreaterThanOrEqual(beforeMs)
    feed.close()
  })

  test('is granted another every quarter of its length, each counted from a later time', async () => {
    const { client, url } = await world(1)
    const guard = await follow(`${url}/revocations`, { authorization: client.basic })
    await expect
      .poll(() => grantsOf(guard.grants, 'lease').length, { timeout: 20_000 })
      .toBeGreaterThan(4)
    const times = grantsOf(guard.grants, 'lease').map((lease) => Number(lease['known_ms']))
    expect(grantsOf(guard.grants, 'lease')[0]).toMatchObject({ seconds: 1 })
    expect(times).toEqual(times.toSorted((a, b) => a - b))
    // On Postgres each renewal serves several leases.
    expect(new Set(times).size).toBeGreaterThan(1)
  })

  test('has every revocation that was acknowledged before the time that a lease counts from', async () => {
    const { rig, client, url } = await world(1)
    const guard = await follow(`${url}/revocations`, { authorization: client.basic })
    await guard.until('live')
    const acknowledged: { seq: number; atMs: number }[] = []
    for (let i = 0; i < 40; i++) {
      acknowledged.push({ seq: await end(rig), atMs: rig.clock.elapsedMs() })
      await new Promise((done) => setTimeout(done, 20))
    }
    for (const { known_ms: knownMs, seq } of grantsOf(guard.grants, 'lease'))
      for (const acknowledgment of acknowledged)
        if (acknowledgment.atMs < Number(knownMs))
          expect(Number(seq)).toBeGreaterThanOrEqual(acknowledgment.seq)
    const last = Number(grantsOf(guard.grants, 'lease').at(-1)?.['seq'])
    expect(last).toBeGreaterThan(acknowledged[0]?.seq ?? Infinity)
  })

  test('is granted none while the head cannot be read, though it stays open', async () => {
    const { rig, client } = await world(1)
    let down = false
    const knownHead: Rig['store']['knownHead'] = async (notBeforeMs) => {
      if (down) throw new Error('down')
      return rig.store.knownHead(notBeforeMs)
    }
    const feed = new FeedOfThisProcess({ ...rig.deps, store: { ...rig.store, knownHead } })
    const url = await rig.serve(feedEndpoints({ ...rig.deps, feed }))
    const guard = await follow(`${url}/revocations`, { authorization: client.basic })
    await guard.until('live')
    down = true
    await new Promise((done) => setTimeout(done, 600))
    const { length } = guard.grants
    await new Promise((done) => setTimeout(done, 600))
    expect([guard.grants.length, guard.ended()]).toEqual([length, false])
    down = false
    await expect.poll(() => guard.grants.length, { timeout: 20_000 }).toBeGreaterThan(length)
    feed.close()
  })

  test('is granted none before all is read that other brokers changed in the registry', async () => {
    const { rig, client } = await world(1)
    const read = Promise.withResolvers<void>()
    const followed = { ...rig.deps.followed, read: () => read.promise }
    const feed = new FeedOfThisProcess({ ...rig.deps, followed })
    const url = await rig.serve(feedEndpoints({ ...rig.deps, feed }))
    const guard = await follow(`${url}/revocations`, { authorization: client.basic })
    await expect.poll(() => guard.grants.length).toBe(1)
    await new Promise((done) => setTimeout(done, 300))
    expect([guard.grants.length, guard.names()]).toEqual([1, []])
    read.resolve()
    await guard.until('live')
    feed.close()
  })
})

describe('another anchor', () => {
  const nonce = 'n'.repeat(22)

  test('repeats the random value of its request, and is kept by no cache', async () => {
    const { rig, ask } = await world()
    const beforeMs = rig.clock.elapsedMs()
    const answer = await ask(`/revocations/clock?nonce=${nonce}`)
    expect(answer.headers.get('cache-control')).toBe('no-store, no-transform')
    const { at_ms: atMs, ...rest } = (await answer.json()) as Record<string, unknown>
    expect(rest).toEqual({ clock: rig.feed.clock, nonce })
    expect(Number(atMs)).toBeGreaterThanOrEqual(beforeMs)
    expect(Number(atMs)).toBeLessThanOrEqual(rig.clock.elapsedMs())
  })

  test('is for registered clients, and needs a value that cannot be guessed', async () => {
    const { ask } = await world()
    const status = async (path: string, init?: Init) => (await ask(path, init)).status
    expect(await status('/revocations/clock')).toBe(400)
    expect(await status('/revocations/clock?nonce=short')).toBe(400)
    const headers = { authorization: 'Basic c3lkbmV5Ondyb25n' }
    expect(await status(`/revocations/clock?nonce=${nonce}`, { headers })).toBe(401)
    const body = new URLSearchParams({ nonce })
    expect(await status('/revocations/clock', { method: 'POST', body })).toBe(200)
  })
})

describe('a poll', () => {
  test('has a lease on its last page alone, counted from its own request', async () => {
    const { rig, ask } = await world(5)
    for (let i = 0; i < 3; i++) await end(rig)
    const page = async (after: number) => {
      const { epoch } = await rig.deps.store.head()
      const headers = { accept: 'application/json' }
      const answer = await ask(`/revocations?after=${after}&epoch=${epoch}`, { headers })
      return (await answer.json()) as { more: boolean; lease?: Record<string, number> }
    }
    const beforeMs = rig.clock.elapsedMs()
    const { lease } = await page(0)
    expect(lease).toMatchObject({ clock: rig.feed.clock, seconds: 5 })
    expect(lease?.['at_ms']).toBeGreaterThanOrEqual(beforeMs)
    expect(lease?.['known_ms']).toBeGreaterThanOrEqual(Number(lease?.['at_ms']) - 500)
  })
})
