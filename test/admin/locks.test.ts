import { beforeEach, describe, expect, test } from 'vitest'
import { liftLocks } from '../../workers/expiry.ts'
import { createRig, OTHER_TENANT, START, TENANT, type RegisteredClient, type Rig } from '../rig.ts'

/** The callers of the admin API, and what each of them may lock. */

let rig: Rig
type Who = 'operator' | 'administrator' | 'second'
let robots: Record<'robot' | 'second', RegisteredClient>

beforeEach(async () => {
  rig = await createRig()
  robots = { robot: await robot('Robot'), second: await robot('Second') }
})

const robot = (name: string) =>
  rig.register(name, {
    grants: ['client_credentials'],
    redirectUris: [],
    scopes: ['broker:operate', 'broker:administer'],
  })
const tokenOf = async (who: Who): Promise<string> => {
  const client = who === 'second' ? robots.second : robots.robot
  const scope = who === 'operator' ? 'broker:operate' : 'broker:administer'
  const response = await rig.post(
    '/token',
    { grant_type: 'client_credentials', scope },
    { authorization: client.basic },
  )
  return ((await response.json()) as { access_token: string }).access_token
}

async function call(who: Who | { token: string }, method: string, path: string, body?: unknown) {
  const token = typeof who === 'string' ? await tokenOf(who) : who.token
  const headers = {
    authorization: `Bearer ${token}`,
    ...(body !== undefined && { 'content-type': 'application/json' }),
  }
  const init = { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) }
  const response = await rig.opsApp.request(`http://localhost:7401/admin/v1${path}`, init)
  const answer = (await response.json()) as Record<string, unknown> & { lock: { id: string } }
  return { status: response.status, body: answer }
}

/** A user of the operator tenant who has never signed in there. */
const OID = '00000000-0000-4000-8000-0000000000fe'

const user = (sub: string) => ({ kind: 'user', sub })

describe('locks over the admin API', () => {
  test('an operator locks one user for at most 24 hours, and lifts nothing; an administrator does both', async () => {
    const { session } = await rig.openSession()
    const target = user(session.sub)
    expect((await call('operator', 'POST', '/locks', { target })).status).toBe(403)
    const other = { target, ends_at: START + 60, replaces: 'l_other' }
    expect((await call('operator', 'POST', '/locks', other)).status).toBe(403)
    expect(
      (await call('operator', 'POST', '/locks', { target, ends_at: START + 86_401 })).status,
    ).toBe(403)
    expect(
      (
        await call('operator', 'POST', '/locks', {
          target: { kind: 'client', client_id: 'robot' },
          ends_at: START + 60,
        })
      ).status,
    ).toBe(403)
    const dry = await call('operator', 'POST', '/locks', {
      target,
      ends_at: START + 60,
      dry_run: true,
    })
    expect(dry).toMatchObject({
      status: 200,
      body: { would_end: { sessions: 1, subjects: 1 }, open: null },
    })
    const made = await call('operator', 'POST', '/locks', {
      target,
      ends_at: START + 86_400,
      case_reference: 'INC-7',
    })
    expect(made).toMatchObject({
      status: 201,
      body: {
        outcome: 'locked',
        lock: { actor: { kind: 'client', id: 'robot' }, case_reference: 'INC-7', seq: 1 },
      },
    })
    const { id } = made.body.lock
    expect((await call('operator', 'GET', '/locks')).body).toMatchObject({
      locks: [{ id, target: { kind: 'user', tid: TENANT } }],
      next: null,
    })
    expect((await call('operator', 'POST', `/locks/${id}/lift`, {})).status).toBe(403)
    expect(
      await call('administrator', 'POST', `/locks/${id}/lift`, { comment: 'a mistake' }),
    ).toMatchObject({
      status: 200,
      body: {
        outcome: 'lifted',
        lock: { lifted: { actor: { id: 'robot' }, comment: 'a mistake' } },
      },
    })
    expect((await call('administrator', 'POST', `/locks/${id}/lift`, {})).body).toMatchObject({
      outcome: 'already',
    })
    expect(
      (await rig.store.listAudit({ limit: 9 }))
        .filter(({ act }) => act.startsWith('lock'))
        .map(({ act, ended }) => [act, ended?.outcome]),
    ).toEqual([
      ['lock.lift', 'done'],
      ['lock.lift', 'done'],
      ['lock', 'done'],
    ])
  })

  test('the dry run of a lock or a revocation of a user lists their users in other tenants; of a lock it counts what ends there', async () => {
    const home = { homeId: 'uid.utid' }
    const { session } = await rig.openSession({ user: home })
    const guest = (
      await rig.openSession({
        user: { ...home, tid: '22222222-2222-4333-8444-555555555555', oid: 'guest' },
      })
    ).session
    const { sub } = session
    const asked = { dry_run: true, ends_at: START + 60 }
    const lock = await call('operator', 'POST', '/locks', { target: user(sub), ...asked })
    expect(lock.body).toMatchObject({
      would_end: { sessions: 2, subjects: 2, other_subjects: [guest.sub] },
    })
    const other = await rig.openSession({
      user: { oid: 'guest2', tid: OTHER_TENANT, homeId: `${OID}.${TENANT}` },
    })
    const unknown = await call('operator', 'POST', '/locks', {
      target: { kind: 'user', tid: TENANT, oid: OID },
      ...asked,
    })
    expect(unknown.body).toMatchObject({
      would_end: { sessions: 1, subjects: 1, other_subjects: [other.session.sub] },
    })
    const revocation = await call('administrator', 'POST', '/revocations', {
      selector: { kind: 'subject', sub },
      dry_run: true,
    })
    expect(revocation.body).toMatchObject({
      would_end: { sessions: 1, subjects: 1, other_subjects: [guest.sub] },
    })
  })

  test('a locked client gets no token, and no client gets a token for its audience', async () => {
    const sydney = await rig.register('Sydney')
    const { session } = await rig.openSession()
    const { refresh_token: refreshToken = '', access_token: accessToken } = await rig.signInAt(
      session.sid,
      sydney,
    )
    const target = { kind: 'client', client_id: 'sydney' }
    const dry = await call('administrator', 'POST', '/locks', { target, dry_run: true })
    expect(dry).toMatchObject({
      status: 200,
      body: { would_end: { sessions: 1, subjects: 1, clients: 1 }, open: null },
    })
    const refresh = () =>
      rig.post(
        '/token',
        { grant_type: 'refresh_token', refresh_token: refreshToken },
        { authorization: sydney.basic },
      )
    const done = await call('administrator', 'POST', '/locks', { target })
    expect(done).toMatchObject({
      status: 201,
      body: { outcome: 'locked', lock: { actor: { id: 'robot' }, seq: 1, ends_at: null } },
    })
    const answer = await refresh()
    expect([answer.status, await answer.json()]).toMatchObject([
      400,
      { error: 'invalid_grant', error_description: expect.stringContaining('locked') as string },
    ])
    const inspected = await rig.post(
      '/introspect',
      { token: accessToken },
      { authorization: sydney.basic },
    )
    expect(await inspected.json()).toEqual({ active: false })
    const feed = await rig.app.request('/revocations', { headers: { authorization: sydney.basic } })
    expect([feed.status, await feed.json()]).toMatchObject([
      200,
      { entries: [{ selector: { kind: 'client', client_id: 'sydney' } }] },
    ])
    const silent = await rig.app.request(
      `/authorize?${new URLSearchParams({ client_id: 'sydney', response_type: 'code', redirect_uri: sydney.metadata.redirectUris[0] ?? '', scope: 'openid', prompt: 'none', code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM', code_challenge_method: 'S256' })}`,
      { headers: { cookie: (await rig.openSession()).cookieHeader } },
    )
    expect(new URL(silent.headers.get('location') ?? '').searchParams.get('error')).toBe(
      'access_denied',
    )
  })

  test('an unknown target, an end in the past, and a target that must not be locked are rejected', async () => {
    expect((await call('administrator', 'POST', '/locks', { target: user('u_none') })).status).toBe(
      404,
    )
    expect(
      (
        await call('administrator', 'POST', '/locks', {
          target: { kind: 'client', client_id: 'none' },
        })
      ).status,
    ).toBe(404)
    const { session } = await rig.openSession()
    expect(
      (
        await call('administrator', 'POST', '/locks', {
          target: user(session.sub),
          ends_at: START - 1,
        })
      ).status,
    ).toBe(422)
    expect(
      (await call('administrator', 'POST', '/locks', { target: { kind: 'user' } })).status,
    ).toBe(400)
    expect(
      (
        await call('administrator', 'POST', '/locks', {
          target: user(session.sub),
          replaces: 'l_none',
        })
      ).status,
    ).toBe(409)
    const rejections = [
      [{ kind: 'client', client_id: 'robot' }, 'You cannot lock your own account'],
      [{ kind: 'tenant', tid: rig.config.operatorTenant }, 'The operator tenant cannot be locked'],
    ] as const
    for (const [target, detail] of rejections)
      expect([target, await call('administrator', 'POST', '/locks', { target })]).toMatchObject([
        target,
        { status: 409, body: { detail: expect.stringContaining(detail) as string } },
      ])
    expect(await rig.store.listLocks({ state: 'all', limit: 1 })).toEqual([])
  })

  test('a locked administrator’s token administers nothing', async () => {
    const token = await tokenOf('second')
    expect((await call({ token }, 'GET', '/locks')).status).toBe(200)
    expect(
      (
        await call('administrator', 'POST', '/locks', {
          target: { kind: 'client', client_id: 'second' },
        })
      ).status,
    ).toBe(201)
    expect((await call({ token }, 'GET', '/locks')).status).toBe(401)
  })

  test('a lock with an end is lifted then by the worker; by a wrong clock none is', async () => {
    const { session } = await rig.openSession()
    const locked = await call('administrator', 'POST', '/locks', {
      target: user(session.sub),
      ends_at: START + 7200,
      case_reference: 'HR-1',
    })
    const { id } = locked.body.lock
    const open = async () =>
      (await rig.store.listLocks({ state: 'open', limit: 9 })).map((lock) => lock.id)
    await liftLocks(rig.deps)
    expect(await open()).toEqual([id])
    rig.clock.step(7300)
    await liftLocks(rig.deps)
    expect(await open()).toEqual([id])
    rig.clock.step(-7300)
    rig.clock.advance(7200)
    await liftLocks(rig.deps)
    expect(await rig.store.listLocks({ state: 'all', limit: 9 })).toMatchObject([
      { lifted: { actor: { kind: 'broker', id: 'lift-locks' } } },
    ])
    expect(rig.lines.filter((line) => line.includes('lock_lifted'))).toHaveLength(1)
  })

  test('more locks than one batch are lifted in one turn', async () => {
    for (let index = 0; index < 21; index++) {
      const oid = `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`
      await call('administrator', 'POST', '/locks', {
        target: { kind: 'user', tid: TENANT, oid },
        ends_at: START + 60,
      })
    }
    rig.clock.advance(60)
    await liftLocks(rig.deps)
    expect(await rig.store.listLocks({ state: 'open', limit: 50 })).toEqual([])
  })
})
