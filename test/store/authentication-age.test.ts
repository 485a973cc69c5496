import Database from 'better-sqlite3'
import { describe, expect, test, vi } from 'vitest'
import {
  type Bench,
  bench,
  benches,
  codeFor,
  expectOutcome,
  family,
  redemptionOf,
  type SignedIn,
  signedIn,
  STORES,
  T0,
  TENANT,
} from './fixture.ts'

const HOUR = 3600

/** Signs in at a client that accepts an authentication of at most that age. */
async function exchangeWithin(
  b: Bench,
  sid: string,
  clientId: string,
  maxAuthenticationSeconds: number,
) {
  const code = codeFor(clientId, b.now)
  await b.store.issueCode({ sid, code, now: b.now })
  return b.store.redeemAuthorizationCode({ ...redemptionOf(code, b.now), maxAuthenticationSeconds })
}

const expireGrants = async (b: Bench) =>
  (await b.store.expireGrants({ now: b.now, limit: 25 })).committed.map(
    ({ revocation }) => revocation,
  )

async function applyAll(
  b: Bench,
  limit: Omit<Parameters<Bench['store']['applyAuthenticationAge']>[0], 'rows'>,
): Promise<number> {
  for (let pages = 1; ; pages++)
    if (!(await b.store.applyAuthenticationAge({ ...limit, rows: 250 }))) return pages
}

describe.each(STORES)('the age of an authentication, on %s', (_name, make) => {
  const open = benches(make)

  test('a client’s grant is rejected from the second at which the authentication is too old; the session and its other grants stay', async () => {
    const b = await open()
    const session = await signedIn(b)
    b.now += 600
    const limited = family(
      expectOutcome(await exchangeWithin(b, session.sid, 'sydney', HOUR), 'redeemed').family,
    )
    const other = family((await b.exchange(session.sid, 'melbourne')).family)
    b.now = T0 + HOUR - 1
    const last = expectOutcome(await b.refresh(limited), 'rotated').family
    b.now = T0 + HOUR
    expect(await b.refresh(last)).toEqual({ outcome: 'rejected', why: 'not_fresh' })
    expectOutcome(await b.refresh(other), 'rotated')
    expect(await exchangeWithin(b, session.sid, 'sydney', HOUR)).toEqual({
      outcome: 'rejected',
      why: 'not_fresh',
    })
    expect(await b.store.statusBySid(session.sid, b.now)).toMatchObject({ state: 'live' })
  })

  test('the sweep revokes such a grant once, as expired, and its client alone gets a logout token', async () => {
    const b = await open()
    const { sid } = await signedIn(b)
    await exchangeWithin(b, sid, 'sydney', HOUR)
    await b.exchange(sid, 'melbourne')
    b.now = T0 + HOUR - 1
    expect(await expireGrants(b)).toEqual([])
    b.now = T0 + HOUR
    const both = await Promise.all([expireGrants(b), expireGrants(b)])
    expect(both.flat()).toMatchObject([
      {
        selector: { kind: 'grant', sid, clientId: 'sydney' },
        reason: 'expired',
        actor: { id: 'sweep-expired' },
      },
    ])
    expect(await b.due(b.now * 1000)).toHaveLength(1)
    expect(await expireGrants(b)).toEqual([])
    expect(await b.store.statusBySid(sid, b.now)).toMatchObject({ state: 'live' })
  })

  test('a newer authentication in the same session prolongs its grants, and a grant that has ended stays ended', async () => {
    const b = await open()
    await b.client('sydney')
    const { session, cookie } = await b.signIn('alice')
    const limited = family(
      expectOutcome(await exchangeWithin(b, session.sid, 'sydney', HOUR), 'redeemed').family,
    )
    b.now = T0 + 1800
    const renewed = await b.signIn('alice', { browser: cookie })
    b.now = T0 + HOUR + 60
    const next = expectOutcome(await b.refresh(limited), 'rotated').family
    expect(await expireGrants(b)).toEqual([])
    b.now = T0 + 1800 + HOUR
    expect(await b.refresh(next)).toEqual({ outcome: 'rejected', why: 'not_fresh' })
    expect(await expireGrants(b)).toHaveLength(1)
    await b.signIn('alice', { browser: renewed.cookie })
    expect(await b.refresh(next)).toEqual({ outcome: 'rejected', why: 'revoked' })
  })

  test('a grant of a session that has ended is not revoked again', async () => {
    const b = await open()
    const session = await signedIn(b)
    await exchangeWithin(b, session.sid, 'sydney', HOUR)
    await b.revoke({ kind: 'subject', sub: session.sub })
    b.now = T0 + HOUR
    expect(await expireGrants(b)).toEqual([])
  })

  test('a tenant’s new limit ends sessions that are open already by their authentication, page by page, and leaves other tenants alone', async () => {
    const b = await open()
    const opened: SignedIn[] = []
    for (let i = 0; i < 260; i++)
      opened.push(await b.signIn(`user-${i}`, { session: { authTime: T0 - i * 60 } }))
    const unknown = await b.signIn('unknown', { session: { authTime: 0 } })
    const elsewhere = await b.signIn('elsewhere', {
      tid: '99999999-2222-4333-8444-555555555555',
      session: { authTime: T0 - 24 * HOUR },
    })
    const limit = { kind: 'tenant', key: TENANT, seconds: 2 * HOUR } as const
    expect(await applyAll(b, limit)).toBe(2)
    expect(await applyAll(b, limit)).toBe(1)
    for (const [i, { session }] of opened.entries()) {
      const end = T0 - i * 60 + 2 * HOUR
      const status = await b.store.statusBySid(session.sid, T0)
      expect(status).toMatchObject(
        end > T0
          ? { state: 'live', session: { absoluteAt: end } }
          : { state: 'ended', why: 'expired' },
      )
    }
    expect(await b.store.statusBySid(unknown.session.sid, T0)).toMatchObject({
      state: 'live',
      session: { absoluteAt: T0 + 2 * HOUR },
    })
    expect(await b.store.statusBySid(elsewhere.session.sid, T0)).toMatchObject({
      session: { absoluteAt: T0 + 43_200 },
    })
    const ended = await b.store.expireSessions({ now: T0, limit: 500 })
    expect(ended).toHaveLength(140)
    expect(new Set(ended.map(({ revocation }) => revocation.reason))).toEqual(new Set(['expired']))
  })

  test('the dry run of a tenant’s limit counts the live sessions that it ends at once, and what is delivered to each', async () => {
    const b = await open()
    await b.client('sydney')
    await b.client('melbourne', { logoutBy: 'sub' })
    const old = await b.signIn('alice', { session: { authTime: T0 - HOUR } })
    const older = await b.signIn('alice', { session: { authTime: T0 - 3 * HOUR } })
    await b.signIn('bob', { session: { authTime: T0 - HOUR + 1 } })
    await b.signIn('elsewhere', {
      tid: '99999999-2222-4333-8444-555555555555',
      session: { authTime: T0 - 24 * HOUR },
    })
    const gone = await b.signIn('carol', { session: { authTime: T0 - 2 * HOUR } })
    await b.revoke({ kind: 'session', sid: gone.session.sid })
    for (const { session } of [old, older])
      for (const client of ['sydney', 'melbourne']) await b.exchange(session.sid, client)
    const preview = (seconds: number) =>
      b.store.previewRevocation({ kind: 'tenant', tid: TENANT }, b.now, {
        authenticatedUntil: b.now - seconds,
      })
    expect(await preview(HOUR)).toMatchObject({
      sessions: 2,
      subjects: 1,
      clients: 2,
      deliveries: 4,
      firstSubjects: [old.session.sub],
    })
    expect(await preview(HOUR + 1)).toMatchObject({
      sessions: 1,
      subjects: 1,
      deliveries: 2,
      withoutFreshSignIn: 0,
    })
    expect(await preview(4 * HOUR)).toMatchObject({ sessions: 0, subjects: 0, deliveries: 0 })
    await applyAll(b, { kind: 'tenant', key: TENANT, seconds: HOUR })
    expect(await b.store.expireSessions({ now: b.now, limit: 50 })).toHaveLength(2)
    expect(await preview(HOUR)).toMatchObject({ sessions: 0 })
  })

  test('the dry run of a client’s limit counts the grants that it ends at once, and none that has ended', async () => {
    const b = await open()
    await b.client('sydney')
    await b.client('melbourne')
    const old = await b.signIn('alice', { session: { authTime: T0 - 2 * HOUR } })
    const young = await b.signIn('bob')
    const revoked = await b.signIn('carol', { session: { authTime: T0 - 2 * HOUR } })
    const other = await b.signIn('dave', { session: { authTime: T0 - 2 * HOUR } })
    for (const { session } of [old, young, revoked]) await b.exchange(session.sid, 'sydney')
    for (const { session } of [old, other]) await b.exchange(session.sid, 'melbourne')
    await b.revoke({ kind: 'grant', sid: revoked.session.sid, clientId: 'sydney' })
    const preview = () =>
      b.store.previewRevocation({ kind: 'client', clientId: 'sydney' }, b.now, {
        authenticatedUntil: b.now - HOUR,
      })
    expect(await preview()).toMatchObject({
      sessions: 1,
      subjects: 1,
      clients: 1,
      deliveries: 1,
      firstSubjects: [old.session.sub],
    })
    await applyAll(b, { kind: 'client', key: 'sydney', seconds: HOUR })
    expect(await expireGrants(b)).toHaveLength(1)
    expect(await preview()).toMatchObject({ sessions: 0 })
  })

  test('a higher limit, or none, never makes an open session last longer; the next sign-in does', async () => {
    const b = await open()
    const { session } = await b.signIn('alice')
    await applyAll(b, { kind: 'tenant', key: TENANT, seconds: HOUR })
    await applyAll(b, { kind: 'tenant', key: TENANT, seconds: 10 * HOUR })
    await applyAll(b, { kind: 'tenant', key: TENANT, seconds: undefined })
    expect(await b.store.statusBySid(session.sid, T0)).toMatchObject({
      session: { absoluteAt: T0 + HOUR },
    })
    expect((await b.signIn('alice')).session.absoluteAt).toBe(T0 + 43_200)
  })

  test('a client’s new limit counts for grants that are there, and a lifted one no longer does', async () => {
    const b = await open()
    const session = await signedIn(b)
    const grant = family((await b.exchange(session.sid, 'sydney')).family)
    const other = family((await b.exchange(session.sid, 'melbourne')).family)
    await applyAll(b, { kind: 'client', key: 'sydney', seconds: HOUR })
    b.now = T0 + HOUR
    expect(await b.refresh(grant)).toEqual({ outcome: 'rejected', why: 'not_fresh' })
    expectOutcome(await b.refresh(other), 'rotated')
    await applyAll(b, { kind: 'client', key: 'sydney', seconds: undefined })
    expectOutcome(await b.refresh(grant), 'rotated')
    expect(await expireGrants(b)).toEqual([])
  })
})

test('neither a limit nor an open lock adds a statement to a refresh: it runs two, and two more where it counts as activity', async () => {
  const statement: object = Object.getPrototypeOf(
    new Database(':memory:').prepare('SELECT 1'),
  ) as object
  const [, make] = STORES[0] ?? expect.unreachable()
  const under = make()
  const b: Bench = await bench(under)
  const session = await signedIn(b)
  const first = family(
    expectOutcome(await exchangeWithin(b, session.sid, 'sydney', HOUR), 'redeemed').family,
  )
  const counted = async (refresh: () => ReturnType<Bench['refresh']>) => {
    const spies = (['get', 'all', 'run'] as const).map((name) =>
      vi.spyOn(statement as Database.Statement, name),
    )
    const { family: next } = expectOutcome(await refresh(), 'rotated')
    const run = spies
      .flatMap(({ mock }) => mock.contexts as Database.Statement[])
      .map(({ source }) => source)
    for (const spy of spies) spy.mockRestore()
    return {
      next,
      calls: run.filter((sql) => /families|sessions|participants|subjects|clients|locks/.test(sql))
        .length,
    }
  }
  const target = { kind: 'client', clientId: 'melbourne' } as const
  await b.store.lock({
    target,
    actor: { kind: 'operator', id: 'test' },
    may: 'administer',
    operatorTenant: undefined,
    now: b.now,
  })
  const quiet = await counted(() => b.refresh(first))
  b.now += 600
  const active = await counted(() => b.refresh(quiet.next))
  expect([quiet.calls, active.calls]).toEqual([2, 4])
  await b.close()
  await under.remove()
})
