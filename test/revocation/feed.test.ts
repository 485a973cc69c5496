import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { guardsNow, GUARD_VERSION } from '../../src/operations/acts/guards.ts'
import type { Reason, Selector } from '../../src/protocol/revocation.ts'
import { createChecks } from '../../src/operations/checks/checks.ts'
import { clientChecks } from '../../src/operations/checks/clients.ts'
import { announce } from '../../src/revocation/announce.ts'
import { requestRevocation } from '../../src/revocation/revoke.ts'
import { createRig, type RigOptions, OTHER_TENANT, TENANT, type Rig } from '../rig.ts'
import { follow } from './event-stream.ts'

const OLIVIA = { kind: 'operator', id: 'olivia' } as const

async function broker(options: RigOptions = {}) {
  const rig = await createRig(options)
  const client = await rig.register('Sydney')
  const url = await rig.serve()
  const feed = (query = '', headers: Record<string, string> = {}, basic = client.basic) =>
    follow(`${url}/revocations${query}`, { authorization: basic, ...headers })
  const snapshot = async (query = '', basic = client.basic) => {
    const response = await fetch(`${url}/revocations${query}`, {
      headers: { authorization: basic, accept: 'application/json' },
    })
    return { response, body: (await response.json()) as Record<string, unknown> }
  }
  const enforced = (report: unknown, basic = client.basic) =>
    fetch(`${url}/revocations/enforced`, {
      method: 'POST',
      headers: { authorization: basic, 'content-type': 'application/json' },
      body: JSON.stringify(report),
    })
  return { rig, client, url, feed, snapshot, enforced }
}

async function end(
  rig: Rig,
  selector?: Selector,
  reason: Reason = 'administrator',
): Promise<{ seq: number; sid: string }> {
  const sid = selector === undefined ? (await rig.openSession()).session.sid : ''
  const answer = await requestRevocation(rig.deps, {
    selector: selector ?? { kind: 'session', sid },
    reason,
    actor: OLIVIA,
    now: rig.clock.now(),
  })
  if (answer.outcome !== 'revoked') throw new Error(answer.outcome)
  return { seq: answer.committed.revocation.seq, sid }
}

describe('clients that may follow the feed', () => {
  test.each(['/revocations', '/revocations/enforced'])(
    '%s: a registered client alone',
    async (path) => {
      const { url } = await broker()
      for (const authorization of [undefined, 'Basic c3lkbmV5Ondyb25n', 'Bearer x']) {
        const response = await fetch(url + path, {
          method: path.endsWith('enforced') ? 'POST' : 'GET',
          headers: authorization === undefined ? {} : { authorization },
        })
        expect(response.status).toBe(401)
        await response.body?.cancel()
      }
    },
  )
})

describe('a public client', () => {
  test('follows nothing, reports nothing, and leaves no row', async () => {
    const { rig, url } = await broker()
    await rig.register('App', { authMethod: 'none' })
    const { epoch } = await rig.store.head()
    const headers = { accept: 'application/json' }
    const form = new URLSearchParams({ client_id: 'app', nonce: 'n'.repeat(16) })
    const ask = async (
      path: string,
      init: Omit<RequestInit, 'headers'> & { headers?: Record<string, string> },
    ): Promise<unknown[]> => {
      const answer = await fetch(url + path, { ...init, headers: { ...headers, ...init.headers } })
      return [answer.status, ((await answer.json()) as { error: string }).error]
    }
    const rejected = [401, 'invalid_client']
    for (const path of ['/revocations', '/revocations/clock']) {
      expect(await ask(`${path}?${String(form)}`, {})).toEqual(rejected)
      expect(await ask(path, { method: 'POST', body: form })).toEqual(rejected)
    }
    const stream = { accept: 'text/event-stream', 'last-event-id': `${epoch}.9` }
    expect(await ask('/revocations?client_id=app', { headers: stream })).toEqual(rejected)
    expect(
      await ask('/revocations/enforced', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ client_id: 'app', epoch, seq: 9, guard: 'web-1' }),
      }),
    ).toEqual(rejected)
    expect(await rig.store.openGuardLeases()).toEqual([])
    expect(await rig.metrics.registry.metrics()).not.toContain('ahead_of_log_total{client="app"}')
  })
})

describe('reports beyond the log', () => {
  test('of a seq that no log can have issued prove nothing and raise no alert', async () => {
    const { rig, enforced, snapshot, feed } = await broker()
    const { epoch } = await rig.deps.store.head()
    const seq = 999_999_999_999_999
    expect((await enforced({ epoch, seq, guard: 'web-1' })).status).toBe(409)
    expect((await snapshot(`?after=${seq}&epoch=${epoch}`)).body).toMatchObject({ reset: true })
    await (await feed('', { 'last-event-id': `${epoch}.${seq}` })).until('live')
    expect(await rig.metrics.registry.metrics()).not.toContain(
      'broker_guard_ahead_of_log_total{client="sydney"}',
    )
    expect(rig.lines.join('\n')).toMatch(/"guard_seq_never_issued".*"client_id":"sydney"/)
  })

  test('are each counted, and do not fill the broker’s log', async () => {
    const { rig, enforced } = await broker()
    const { epoch } = await rig.deps.store.head()
    for (let seq = 1; seq <= 100; seq++)
      expect((await enforced({ epoch, seq, guard: 'web-1' })).status).toBe(409)
    expect(await rig.metrics.registry.metrics()).toContain(
      'broker_guard_ahead_of_log_total{client="sydney"} 100',
    )
    expect(rig.lines.filter((line) => line.includes('guard_ahead_of_log'))).toHaveLength(20)
  })
})

describe('a client whose polls never send their name', () => {
  test('opens four rows for each stream that it may hold; a poller that sends its name goes on', async () => {
    const { rig, snapshot } = await broker({ env: { BROKER_FEED_STREAMS_OF_CLIENT: '2' } })
    const other = await rig.register('Oslo')
    const first = (await snapshot()).body['stream'] as string
    for (let i = 1; i < 8; i++) expect((await snapshot()).response.status).toBe(200)
    const { response, body } = await snapshot()
    expect(response.status).toBe(429)
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(body['error_description']).toContain('Send with each poll the stream')
    expect((await snapshot(`?stream=${first}`)).body['stream']).toBe(first)
    expect((await snapshot('', other.basic)).response.status).toBe(200)
    expect(await rig.store.openGuardLeases()).toHaveLength(9)
    // The leases of all but the first poller are over: each leaves room for one more.
    const beganMs = rig.clock.elapsedMs()
    const elapsedMs = vi.spyOn(rig.clock, 'elapsedMs').mockReturnValue(beganMs + 40_000)
    await snapshot(`?stream=${first}`)
    elapsedMs.mockReturnValue(beganMs + 80_000)
    await rig.feed.leases.tend()
    for (let i = 1; i < 8; i++) expect((await snapshot()).response.status).toBe(200)
    expect((await snapshot()).response.status).toBe(429)
  })
})

describe('a request for the headers alone', () => {
  test('opens no stream that stays (HEAD, RFC 9110 §9.3.2)', async () => {
    const { rig, client, url } = await broker()
    const headers = { authorization: client.basic, accept: 'text/event-stream' }
    const answers = [
      await fetch(`${url}/revocations?guard=one`, { method: 'HEAD', headers }),
      await rig.app.request('/revocations?guard=two', { method: 'HEAD', headers }),
    ]
    for (const answer of answers)
      expect([answer.status, answer.headers.get('content-type'), await answer.text()]).toEqual([
        200,
        'text/event-stream; charset=utf-8',
        '',
      ])
    expect(rig.deps.feed.streams()).toEqual([])
  })
})

describe('the snapshot', () => {
  test('holds what is revoked, with selector, seq, expiry and the class of the reason alone', async () => {
    const { rig, snapshot } = await broker()
    const { seq, sid } = await end(rig, undefined, 'reported_by_user')
    const { response, body } = await snapshot()
    expect(response.headers.get('cache-control')).toBe('no-store, no-transform')
    const { epoch } = await rig.deps.store.head()
    expect(body).toEqual({
      epoch,
      seq,
      entries: [
        {
          seq,
          selector: { kind: 'session', sid },
          exp: rig.clock.now() + 3_660,
          reason_class: 'ended_elsewhere',
        },
      ],
      retired_kids: [],
      reset: false,
      more: false,
      stream: expect.any(String) as string,
      lease: {
        clock: rig.feed.clock,
        seconds: 30,
        at_ms: expect.any(Number) as number,
        known_ms: expect.any(Number) as number,
      },
    })
    expect(JSON.stringify(body)).not.toContain('reported')
  })

  test('goes on after a seq, resets for a foreign epoch, and forgets what covers no token any more', async () => {
    const { rig, snapshot } = await broker()
    const first = await end(rig)
    const second = await end(rig)
    const { epoch } = await rig.deps.store.head()
    expect((await snapshot(`?after=${first.seq}&epoch=${epoch}`)).body).toMatchObject({
      seq: second.seq,
      reset: false,
      entries: [{ seq: second.seq }],
    })
    expect((await snapshot(`?after=${first.seq}&epoch=another`)).body).toMatchObject({
      reset: true,
      entries: [{ seq: first.seq }, { seq: second.seq }],
    })
    expect((await snapshot(`?after=999999&epoch=${epoch}`)).body).toMatchObject({ reset: true })
    rig.clock.advance(3_700)
    expect((await snapshot()).body).toMatchObject({ seq: second.seq, entries: [] })
  })

  test('has every kind of selector in its wire form', async () => {
    const { rig, client, snapshot } = await broker()
    const { session } = await rig.openSession()
    await rig.signInAt(session.sid, client)
    const selectors: Selector[] = [
      { kind: 'grant', sid: session.sid, clientId: 'sydney' },
      { kind: 'subject', sub: session.sub },
      { kind: 'client', clientId: 'sydney' },
      { kind: 'tenant', tid: TENANT },
      { kind: 'everything' },
    ]
    for (const selector of selectors) await end(rig, selector)
    expect(
      ((await snapshot()).body['entries'] as { selector: unknown }[]).map(
        ({ selector }) => selector,
      ),
    ).toEqual([
      { kind: 'grant', sid: session.sid, client_id: 'sydney' },
      { kind: 'subject', sub: session.sub },
      { kind: 'client', client_id: 'sydney' },
      { kind: 'tenant', tid: TENANT },
      { kind: 'everything' },
    ])
  })

  test('of more than a thousand comes in parts', async () => {
    const { rig, snapshot } = await broker()
    for (let i = 0; i < 105; i++)
      await Promise.all(Array.from({ length: 10 }, () => end(rig, { kind: 'tenant', tid: TENANT })))
    const { body } = await snapshot()
    expect(body).toMatchObject({ more: true, seq: 1_000 })
    expect((await snapshot(`?after=1000&epoch=${String(body['epoch'])}`)).body).toMatchObject({
      more: false,
      seq: 1_050,
    })
  })

  test.each(['?after=1', '?epoch=x', '?after=-1&epoch=x', '?after=x&epoch=x'])(
    '%s is rejected',
    async (query) => {
      const { snapshot } = await broker()
      expect((await snapshot(query)).response.status).toBe(400)
    },
  )
})

describe('the stream', () => {
  test('begins at once with its headers, and with a snapshot and live, though nothing was ever revoked', async () => {
    const { feed } = await broker()
    const guard = await feed()
    expect(Object.fromEntries(guard.response.headers)).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store, no-transform',
      'x-accel-buffering': 'no',
    })
    await guard.until('live')
    expect(guard.names()).toEqual(['snapshot', 'live'])
    expect(guard.comments).toEqual([])
  })

  test('tells of a revocation as it happens', async () => {
    const { rig, feed } = await broker()
    const guard = await feed('?guard=web-1')
    await guard.until('live')
    const { seq, sid } = await end(rig)
    const { epoch } = await rig.deps.store.head()
    expect(await guard.until('revocation')).toEqual({
      event: 'revocation',
      id: `${epoch}.${seq}`,
      data: {
        seq,
        selector: { kind: 'session', sid },
        exp: rig.clock.now() + 3_660,
        reason_class: 'administrator',
      },
    })
    expect(rig.feed.streams()).toEqual([{ clientId: 'sydney', guardId: 'web-1' }])
  })

  test.each(['header', 'query'])(
    'resumes where it left off (by %s), without what it had',
    async (by) => {
      const { rig, feed } = await broker()
      const had = await end(rig)
      const missed = await end(rig)
      const { epoch } = await rig.deps.store.head()
      const id = `${epoch}.${had.seq}`
      const guard = await (by === 'header'
        ? feed('', { 'last-event-id': id })
        : feed(`?last_event_id=${id}`))
      const live = await guard.until('live')
      expect(live).toMatchObject({ id: `${epoch}.${missed.seq}`, data: { epoch, seq: missed.seq } })
      expect(guard.names()).toEqual(['snapshot', 'keys', 'live'])
      expect(guard.events[0]?.data['entries']).toMatchObject([{ seq: missed.seq }])
    },
  )

  test('that missed nothing goes live at once', async () => {
    const { rig, feed } = await broker()
    const { seq } = await end(rig)
    const guard = await feed('', {
      'last-event-id': `${(await rig.deps.store.head()).epoch}.${seq}`,
    })
    await guard.until('live')
    expect(guard.names()).toEqual(['keys', 'live'])
  })

  test.each(['another.5', 'nonsense', 'x.y', '.'])(
    'with %j as its last id is reset',
    async (id) => {
      const { rig, feed } = await broker()
      const { seq } = await end(rig)
      const guard = await feed('', { 'last-event-id': id })
      await guard.until('live')
      expect(guard.names()).toEqual(['reset', 'snapshot', 'live'])
      expect(guard.events[1]?.data['entries']).toMatchObject([{ seq }])
    },
  )

  test('with a seq that this log has not reached is reset, and said: a part of the log was lost', async () => {
    const { rig, feed, snapshot, enforced } = await broker()
    const { epoch } = await rig.deps.store.head()
    const guard = await feed('?guard=web-1', { 'last-event-id': `${epoch}.999` })
    await guard.until('live')
    expect(guard.names()).toEqual(['reset', 'snapshot', 'live'])
    const ahead = 'broker_guard_ahead_of_log_total{client="sydney"}'
    expect(await rig.metrics.registry.metrics()).toContain(`${ahead} 1`)
    expect(rig.lines.join('\n')).toMatch(
      /"event":"guard_ahead_of_log".*"client_id":"sydney","guard":"web-1","seq":999,"head":0/,
    )
    // A report and a poll say the same; a position of another epoch is an ordinary restore.
    expect((await enforced({ epoch, seq: 999, guard: 'web-1' })).status).toBe(409)
    expect((await snapshot(`?after=999&epoch=${epoch}`)).body).toMatchObject({ reset: true })
    expect((await enforced({ epoch: 'another', seq: 999, guard: 'web-1' })).status).toBe(409)
    await (await feed('', { 'last-event-id': 'another.999' })).until('live')
    expect(await rig.metrics.registry.metrics()).toContain(`${ahead} 3`)
  })

  test('with a seq that this process has not heard of, and the store has, resumes', async () => {
    const { rig, feed } = await broker()
    await (await feed()).until('live')
    const { session } = await rig.openSession()
    await rig.deps.store.revoke({
      selector: { kind: 'session', sid: session.sid },
      reason: 'idle',
      actor: OLIVIA,
      now: rig.clock.now(),
    })
    const guard = await feed('', { 'last-event-id': `${(await rig.deps.store.head()).epoch}.1` })
    await guard.until('live')
    expect(guard.names()).toEqual(['keys', 'live'])
  })

  test('of a client of certain tenants holds those alone, and says how far it is all the same', async () => {
    const { rig, feed, snapshot } = await broker()
    const adelaide = await rig.register('Adelaide', { tenants: [OTHER_TENANT] })
    const guard = await feed('', {}, adelaide.basic)
    await guard.until('live')
    const foreign = await end(rig)
    const own = await end(rig, { kind: 'tenant', tid: OTHER_TENANT })
    const all = await end(rig, { kind: 'everything' })
    await guard.until('revocation', 2)
    expect(guard.events.slice(2).map(({ event, data }) => [event, data['seq']])).toEqual([
      ['head', foreign.seq],
      ['revocation', own.seq],
      ['revocation', all.seq],
    ])
    expect((await snapshot('', adelaide.basic)).body['entries']).toMatchObject([
      { seq: own.seq },
      { seq: all.seq },
    ])
  })

  const narrowings: [string, string[] | undefined][] = [
    ['two tenants', [TENANT, OTHER_TENANT]],
    ['every tenant', undefined],
  ]
  test.each(narrowings)(
    'of a client narrowed from %s to one shows the former ones’ revocations while their tokens may live, in stream and snapshot',
    async (_what, before) => {
      const { rig, client, feed, snapshot } = await broker()
      const put = async (tenants: string[] | undefined) => {
        const { tenants: _none, ...metadata } = client.metadata
        await rig.store.putClient({
          clientId: 'sydney',
          source: 'command',
          metadata: { ...metadata, ...(tenants && { tenants }) },
          now: rig.clock.now(),
        })
        await rig.clients.reload()
      }
      await put(before)
      const stream = await feed()
      await stream.until('live')
      await put([TENANT])
      rig.clock.advance(60)
      const seqs = async () =>
        ((await snapshot()).body.entries as { seq: number }[]).map(({ seq }) => seq)
      const seen = await end(rig, { kind: 'tenant', tid: OTHER_TENANT })
      expect((await stream.until('revocation')).data).toMatchObject({
        seq: seen.seq,
        selector: { kind: 'tenant', tid: OTHER_TENANT },
      })
      expect(await seqs()).toEqual([seen.seq])
      // Another change in the meantime loses no revocation.
      await put([TENANT, '44444444-4444-4444-8444-444444444444'])
      const still = await end(rig, { kind: 'tenant', tid: OTHER_TENANT })
      expect(await seqs()).toEqual([seen.seq, still.seq])
      rig.clock.advance(3601)
      const hidden = await end(rig, { kind: 'tenant', tid: OTHER_TENANT })
      expect(await seqs()).not.toContain(hidden.seq)
      expect((await snapshot()).body.seq).toBe(hidden.seq)
    },
  )

  test('has no gap and no repetition while revocations go on as it opens', async () => {
    const { rig, feed } = await broker()
    const enough = new AbortController()
    const revoking = (async () => {
      while (!enough.signal.aborted) await Promise.all(Array.from({ length: 5 }, () => end(rig)))
    })()
    const guards = []
    for (let i = 0; i < 5; i++) guards.push(await feed(`?guard=g${i}`))
    for (const guard of guards) await guard.until('live')
    enough.abort()
    await revoking
    const { seq } = await rig.deps.store.head()
    for (const guard of guards) {
      await vi.waitFor(() => expect(guard.events.at(-1)?.id?.endsWith(`.${seq}`)).toBe(true), {
        timeout: 60_000,
      })
      const seqs = guard.events.flatMap(({ event, data }) =>
        event === 'snapshot'
          ? (data['entries'] as { seq: number }[]).map((entry) => entry.seq)
          : event === 'revocation'
            ? [data['seq'] as number]
            : [],
      )
      expect(seqs).toEqual(Array.from({ length: seq }, (_, i) => i + 1))
    }
  })

  test('does not repeat what its catching up had read before it was announced', async () => {
    const { rig, feed } = await broker({ unannounced: true })
    const first = await feed()
    await first.until('live')
    const revokeOne = async () => {
      const { sid } = (await rig.openSession()).session
      const now = rig.clock.now()
      const answer = await rig.deps.store.revoke({
        selector: { kind: 'session', sid },
        reason: 'idle',
        actor: OLIVIA,
        now,
      })
      return answer.outcome === 'revoked' ? answer.committed : expect.unreachable()
    }
    const before = await revokeOne()
    const guard = await feed()
    await guard.until('live')
    announce(rig.deps, [before])
    await first.until('revocation')
    announce(rig.deps, [await revokeOne()])
    await guard.until('revocation')
    expect(guard.events.map(({ event, data }) => [event, data['seq']])).toEqual([
      ['snapshot', 1],
      ['live', 1],
      ['revocation', 2],
    ])
  })

  test('brings announcements that came out of order in order, and what was never announced with the next', async () => {
    const { rig, feed } = await broker({ unannounced: true })
    const guard = await feed()
    await guard.until('live')
    const committed = []
    for (let i = 0; i < 4; i++) {
      const answer = await rig.deps.store.revoke({
        selector: { kind: 'session', sid: (await rig.openSession()).session.sid },
        reason: 'idle',
        actor: OLIVIA,
        now: rig.clock.now(),
      })
      if (answer.outcome === 'revoked') committed.push(answer.committed)
    }
    const [first, , third, fourth] = committed
    announce(rig.deps, [fourth!, third!, first!])
    await guard.until('revocation', 4)
    expect(guard.events.slice(2).map(({ data }) => data['seq'])).toEqual(
      committed.map(({ revocation }) => revocation.seq),
    )
  })

  test('tells of changed keys, and names the retired ones to guards that connect later', async () => {
    const { rig, feed } = await broker()
    const guard = await feed()
    await guard.until('live')
    const before = rig.keys.jwks().keys.length
    expect(before).toBeGreaterThan(0)
    await rig.keys.rotate('ES256', 'emergency', rig.clock.now())
    const retired = rig.keys.retiredKids()
    rig.feed.publishKeys(retired)
    expect((await guard.until('keys')).data).toEqual({ jwks: 'changed', retired_kids: retired })
    const later = await feed()
    expect((await later.until('snapshot')).data['retired_kids']).toEqual(retired)
  })

  test('ends when its client is removed, which then gets nothing more', async () => {
    const { rig, feed, url, client } = await broker()
    const guard = await feed()
    await guard.until('live')
    await rig.deps.store.removeClient({
      clientId: 'sydney',
      source: 'any',
      actor: OLIVIA,
      now: rig.clock.now(),
    })
    await rig.clients.reload()
    expect((await guard.until('end')).data).toEqual({ why: 'client_removed' })
    await expect.poll(() => guard.ended()).toBe(true)
    expect(rig.feed.streams()).toEqual([])
    expect(
      (await fetch(`${url}/revocations`, { headers: { authorization: client.basic } })).status,
    ).toBe(401)
  })

  test('is forgotten when its reader goes', async () => {
    const { rig, feed } = await broker()
    const guard = await feed()
    await guard.until('live')
    guard.close()
    await vi.waitFor(() => expect(rig.feed.streams()).toEqual([]), { timeout: 60_000 })
  })

  test('without a reader is dropped, and delays no other', async () => {
    const { rig, feed, url, client } = await broker()
    const slow = connect(Number(new URL(url).port), '127.0.0.1')
    onTestFinished(() => void slow.destroy())
    slow.on('error', () => {})
    slow.write(
      `GET /revocations?guard=slow HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nAuthorization: ${client.basic}\r\n\r\n`,
    )
    await expect.poll(() => rig.feed.streams()).toHaveLength(1)
    slow.pause()
    const guard = await feed('?guard=quick')
    await guard.until('live')
    // The stream gets what the sockets of both ends hold, and a megabyte more. The quick reader has
    // read each event before the next.
    const kids = Array.from({ length: 500 }, (_, i) => `kid-${i}-${'x'.repeat(400)}`)
    for (let sent = 1; rig.feed.streams().some(({ guardId }) => guardId === 'slow'); sent++) {
      rig.feed.publishKeys(kids)
      await guard.until('keys', sent)
    }
    expect(rig.feed.streams().map(({ guardId }) => guardId)).toEqual(['quick'])
    const { seq } = await end(rig)
    expect((await guard.until('revocation')).data['seq']).toBe(seq)
  })

  test('a malformed guard name is rejected', async () => {
    const { url, client } = await broker()
    const response = await fetch(`${url}/revocations?guard=${encodeURIComponent('a b')}`, {
      headers: { authorization: client.basic, accept: 'text/event-stream' },
    })
    expect(response.status).toBe(400)
  })

  test('ends with the broker', async () => {
    const { rig, feed } = await broker()
    const guard = await feed()
    await guard.until('live')
    rig.feed.close()
    expect((await guard.until('end')).data).toEqual({ why: 'shutdown' })
  })
})

describe('a report of a guard', () => {
  test('is the proof that it enforces: kept, shown, and measured', async () => {
    const { rig, feed, enforced } = await broker()
    const guard = await feed('?guard=web-1')
    await guard.until('live')
    const { seq } = await end(rig)
    await guard.until('revocation')
    const { epoch } = await rig.deps.store.head()
    // The first report says where the guard begins.
    expect((await enforced({ epoch, seq: 0, guard: 'web-1' })).status).toBe(204)
    rig.clock.advance(0.04)
    expect((await enforced({ epoch, seq, guard: 'web-1' })).status).toBe(204)
    expect(await rig.deps.store.guardReports()).toMatchObject([
      { clientId: 'sydney', guardId: 'web-1', epoch, enforcedSeq: seq },
    ])
    const metrics = await rig.metrics.registry.metrics()
    expect(metrics).toContain('broker_revoked_to_enforced_seconds_count{client="sydney"} 1')
    expect(metrics).toContain('broker_revoked_to_enforced_seconds_sum{client="sydney"} 0.04')
  })

  test('of another epoch, or beyond the log, is a conflict', async () => {
    const { rig, enforced } = await broker()
    const { epoch } = await rig.deps.store.head()
    expect((await enforced({ epoch: 'another', seq: 0, guard: 'g' })).status).toBe(409)
    expect((await enforced({ epoch, seq: 5, guard: 'g' })).status).toBe(409)
  })

  test('is kept with what the guard says of itself: version, policy without the broker, clock', async () => {
    const { rig, feed, enforced } = await broker()
    const { epoch } = await rig.deps.store.head()
    const guard = await feed('?guard=web-1')
    await guard.until('live')
    const said = { without_lease: 'introspect', lease_ran_out: { count: 2 } }
    expect(
      (
        await enforced({
          epoch,
          seq: 0,
          guard: 'web-1',
          version: '0.0.9',
          ...said,
          clock_offset_seconds: -7,
          clock_drift_ppm: -1500,
          later: 'member',
        })
      ).status,
    ).toBe(204)
    expect((await enforced({ epoch, seq: 0, guard: 'web-2' })).status).toBe(204)
    expect(
      (
        await enforced({
          epoch,
          seq: 0,
          guard: 'web-3',
          version: 'acme/1.0',
          without_lease: 'reject',
        })
      ).status,
    ).toBe(204)
    const { guards } = await guardsNow(rig.deps)
    expect(guards).toMatchObject([
      {
        guardId: 'web-1',
        silent: false,
        connected: true,
        outdated: true,
        withoutLease: 'introspect',
        leaseRanOutAtMs: rig.clock.nowMs(),
        clockOffsetSeconds: -7,
        clockDriftPpm: -1500,
      },
      {
        guardId: 'web-2',
        connected: false,
        outdated: true,
        version: undefined,
      },
      { guardId: 'web-3', outdated: false, leaseRanOutAtMs: undefined },
    ])
    expect(await rig.metrics.registry.metrics()).toContain(
      'broker_guard_leases_run_out_total{client="sydney"} 2',
    )
    const looks = createChecks(rig.deps, clientChecks)
    const look = () => looks.look({ which: ({ id }) => id === 'guard-leases' })
    expect((await look()).filter(({ state }) => state === 'warning')).toMatchObject([
      { about: 'client sydney', found: 'Leases ran out within the last hour: web-1.' },
      {
        about: 'client sydney',
        found: expect.stringMatching(/Clocks differ in speed.*: web-1\.$/) as string,
      },
    ])
    // /readyz needs no authentication.
    expect(await (await rig.opsApp.request('/readyz')).text()).not.toMatch(/sydney|web-1/)
    rig.clock.advance(3_601)
    expect((await look()).filter(({ state }) => state === 'warning')).toEqual([])
    expect(
      JSON.parse(readFileSync(new URL('../../guard/package.json', import.meta.url), 'utf8')),
    ).toMatchObject({ version: GUARD_VERSION })
  })

  test('that says nothing new writes only when the guard was heard, and a silent guard is a problem', async () => {
    const { rig, feed, enforced } = await broker()
    const { epoch } = await rig.deps.store.head()
    const guard = await feed('?guard=web-1')
    await guard.until('live')
    const report = {
      epoch,
      seq: 0,
      guard: 'web-1',
      without_lease: 'reject',
      every_seconds: 15,
    }
    const checks = createChecks(rig.deps, clientChecks)
    const problems = async () =>
      (await checks.look({ which: ({ id }) => id === 'guards' })).filter(
        ({ state }) => state === 'failed' || state === 'warning',
      )
    expect((await enforced(report)).status).toBe(204)
    const record = vi.spyOn(rig.store, 'recordEnforced')
    rig.clock.advance(60)
    expect(await problems()).toMatchObject([
      {
        state: 'failed',
        about: 'client sydney',
        found: expect.stringMatching(
          /has no guard that is heard\. Not heard: web-1 since .*\. Without a lease each of them rejects every token\.$/,
        ) as string,
      },
    ])
    expect((await enforced(report)).status).toBe(204)
    await vi.waitFor(async () => expect(await problems()).toEqual([]), 10_000)
    expect(record).not.toHaveBeenCalled()
    expect((await enforced({ ...report, lease_ran_out: { count: 1 } })).status).toBe(204)
    expect(record).toHaveBeenCalledOnce()
    rig.clock.advance(31)
    await feed('?guard=web-2')
    expect((await enforced({ ...report, guard: 'web-2' })).status).toBe(204)
    expect(await problems()).toMatchObject([
      { state: 'warning', found: expect.stringContaining('Not heard: web-1 since') as string },
    ])
  })

  test('is awaited for a minute after the start of a broker that knew guards, and not where it knew none', async () => {
    const { rig, enforced } = await broker()
    const checks = createChecks(rig.deps, clientChecks)
    const states = async () =>
      (await checks.look({ which: ({ id }) => id === 'guards' })).map(({ state }) => state)
    expect(await states()).toEqual(['ok'])
    const { epoch } = await rig.deps.store.head()
    await enforced({ epoch, seq: 0, guard: 'web-1' })
    expect(await states()).toEqual(['unknown'])
  })

  test('of a guard that is started again within a minute is no problem, later it is', async () => {
    const { rig, enforced } = await broker()
    const { epoch } = await rig.deps.store.head()
    const checks = createChecks(rig.deps, clientChecks)
    const states = async () =>
      (await checks.look({ which: ({ id }) => id === 'guards' })).map(({ state }) => state)
    rig.clock.advance(60)
    await enforced({ epoch, seq: 0, guard: 'web-1', every_seconds: 15 })
    rig.clock.advance(59)
    expect(await states()).toEqual(['ok'])
    rig.clock.advance(2)
    expect(await states()).toEqual(['failed', 'ok'])
  })

  test('of a guard that was replaced leaves the list after 10 minutes, the last one stays', async () => {
    const { rig, feed, enforced } = await broker()
    const { epoch } = await rig.deps.store.head()
    const names = async () => (await guardsNow(rig.deps)).guards.map(({ guardId }) => guardId)
    for (const guard of ['old-1', 'old-2']) {
      await enforced({ epoch, seq: 0, guard })
      rig.clock.advance(601)
    }
    expect(await names()).toEqual(['old-2'])
    const guard = await feed('?guard=new-1')
    await guard.until('live')
    expect(await names()).toEqual(['new-1'])
  })

  test('of many guards at once is written at once, and each is answered', async () => {
    const { rig, enforced } = await broker()
    const { epoch } = await rig.deps.store.head()
    const record = vi.spyOn(rig.store, 'recordEnforced')
    const begunMs = performance.now()
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) => enforced({ epoch, seq: 0, guard: `g-${i}` })),
    )
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([204]))
    // The store is written once in 50 ms, however long a busy machine takes for the requests.
    // Timers are exact to a millisecond.
    expect(record.mock.calls.length).toBeLessThanOrEqual(1 + (performance.now() - begunMs) / 49)
    expect(await rig.deps.store.guardReports()).toHaveLength(50)
  })

  test.each([
    ['version', { version: 'a b' }],
    ['without_lease', { without_lease: 'accept' }],
    ['clock_offset_seconds', { clock_offset_seconds: 1.5 }],
  ])('with a wrong %s is rejected, and it is named', async (name, more) => {
    const { rig, enforced } = await broker()
    const { epoch } = await rig.deps.store.head()
    const response = await enforced({ epoch, seq: 0, guard: 'g', ...more })
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({
      error_description: expect.stringContaining(`Wrong: ${name}.`) as string,
    })
  })

  test.each([
    [{}],
    [{ epoch: 'e', seq: 1.5, guard: 'g' }],
    [{ epoch: 'e', seq: 1, guard: 'a b' }],
    [[]],
    ['x'],
  ])('%j is rejected', async (report) => {
    const { enforced } = await broker()
    expect((await enforced(report)).status).toBe(400)
  })

  test('in more than 4 KiB is rejected', async () => {
    const { enforced } = await broker()
    expect((await enforced({ epoch: 'x'.repeat(5_000), seq: 1, guard: 'g' })).status).toBe(413)
  })
})
