import { describe, expect, test, vi } from 'vitest'
import { createFeed, feedEndpoints, MOST_STREAMS } from '../../src/revocation/feed.ts'
import { revoke } from '../../src/revocation/revoke.ts'
import { cityMetadata, createRig, OTHER_TENANT, TENANT, type Rig } from '../rig.ts'
import { follow } from './event-stream.ts'

/** What holds of a stream not only when it is opened, but for the days that it lasts. */

async function endOf(rig: Rig, tid: string): Promise<number> {
  const { session } = await rig.openSession({ user: { tid, oid: '00000000-0000-4000-8000-000000000b0b' } })
  const answer = await revoke(rig.deps, {
    selector: { kind: 'session', sid: session.sid },
    reason: 'administrator',
    actor: { kind: 'operator', id: 'olivia' },
    now: rig.clock.now(),
  })
  if (answer.outcome !== 'revoked') throw new Error(answer.outcome)
  return answer.committed.revocation.seq
}

async function change(rig: Rig, tenants: string[]): Promise<void> {
  await rig.store.putClient({ clientId: 'sydney', source: 'command', metadata: cityMetadata('Sydney', { tenants }), now: rig.clock.now() })
  await rig.clients.reload()
}

/** The rig's feed with a heart that beats quickly, at an address of its own. */
async function quickFeed() {
  const rig = await createRig()
  const client = await rig.register('Sydney')
  const feed = createFeed(rig.deps, { heartbeatMs: 20 })
  const url = await rig.serve(feedEndpoints({ ...rig.deps, feed }))
  return { rig, client, feed, url }
}

describe('a stream of the feed that lasts', () => {
  test('goes by the registration as it is: a tenant that its client has since is told of, one that it has lost is not', async () => {
    const rig = await createRig()
    const client = await rig.register('Sydney', { tenants: [TENANT] })
    const guard = await follow(`${await rig.serve()}/revocations`, { authorization: client.basic })
    await guard.until('live')
    await change(rig, [OTHER_TENANT])
    const gained = await endOf(rig, OTHER_TENANT)
    expect((await guard.until('revocation')).data['seq']).toBe(gained)
    const lost = await endOf(rig, TENANT)
    expect((await guard.until('head')).data['seq']).toBe(lost)
    expect(guard.names().filter((name) => name === 'revocation')).toHaveLength(1)
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
    const beats = guard.comments.length
    await vi.waitFor(() => expect(guard.comments.length).toBeGreaterThan(beats + 1), { timeout: 10_000 })
    expect(feed.streams()).toHaveLength(1)
    await rig.store.removeClientSecret({ clientId: 'sydney', secretId: secret?.id ?? '' })
    await rig.clients.reload()
    expect((await guard.until('end')).data).toEqual({ why: 'credential' })
    expect(feed.streams()).toEqual([])
    feed.close()
  })

  test('is one of a bounded number: past it a client’s oldest gives way, and nobody else’s', async () => {
    const { rig, feed } = await quickFeed()
    await rig.register('Perth')
    const open = (clientId: string, guardId: string) => {
      const client = rig.clients.find(clientId)
      if (client === undefined) throw new Error(`${clientId} is not registered.`)
      return feed.open({ client, guardId, retiredKids: [] })
    }
    open('perth', 'p-0')
    for (let i = 0; i <= MOST_STREAMS; i++) open('sydney', `s-${i}`)
    const names = feed.streams().map(({ guardId }) => guardId)
    expect(names).toHaveLength(MOST_STREAMS + 1)
    expect(names).toContain('p-0')
    expect(names).not.toContain('s-0')
    expect(names).toContain(`s-${MOST_STREAMS}`)
    feed.close()
  })
})

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
    const response = await rig.app.request('/revocations/applied', {
      method: 'POST',
      headers: { authorization: client.basic, 'content-type': 'application/json' },
      body: endless,
      duplex: 'half',
    } as RequestInit)
    expect(response.status).toBe(413)
    expect(pulled).toBeLessThan(100)
  })
})
