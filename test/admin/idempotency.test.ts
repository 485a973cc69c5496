import { describe, expect, test } from 'vitest'
import { StoreUnavailable } from '../../db/types.ts'
import { createRig, type Rig } from '../rig.ts'

/** `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header) on revocations and locks. */

async function world() {
  const rig = await createRig()
  const callers = await Promise.all(
    ['Robot', 'Other'].map(async (name) => {
      const { basic } = await rig.register(name, {
        grants: ['client_credentials'],
        redirectUris: [],
        scopes: ['broker:administer'],
      })
      const answer = await rig.post(
        '/token',
        { grant_type: 'client_credentials', scope: 'broker:administer' },
        { authorization: basic },
      )
      return ((await answer.json()) as { access_token: string }).access_token
    }),
  )
  const post = async (path: string, body: unknown, key?: string, token = callers[0] ?? '') => {
    const headers = {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      ...(key !== undefined && { 'idempotency-key': key }),
    }
    const answer = await rig.opsApp.request(`http://localhost:7401/admin/v1${path}`, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    })
    return {
      status: answer.status,
      replayed: answer.headers.get('idempotent-replayed'),
      body: (await answer.json()) as Record<string, unknown>,
    }
  }
  return { rig, post, other: callers[1] ?? '' }
}
const revocations = async (rig: Rig) => (await rig.store.listRevocations({ limit: 100 })).length
const KEY = '"8e03978e-40d5-43dd-bc93-6894a57f9324"'

describe('a revocation with Idempotency-Key', () => {
  test('is done once, and repeated it gets the first answer, whether the key is quoted or not', async () => {
    const { rig, post } = await world()
    const { session } = await rig.openSession()
    const everything = { selector: { kind: 'subject', sub: session.sub }, case_reference: 'INC-1' }
    const first = await post('/revocations', everything, KEY)
    expect(first).toMatchObject({ status: 201, replayed: null, body: { outcome: 'revoked' } })
    await rig.openSession()
    for (const key of [KEY, KEY.slice(1, -1)])
      expect(await post('/revocations', everything, key)).toEqual({ ...first, replayed: 'true' })
    expect(await revocations(rig)).toBe(1)
    expect(await post('/revocations', everything)).toMatchObject({ status: 201, replayed: null })
    expect(await revocations(rig)).toBe(2)
  })

  test('a key that is sent with another request is rejected (422); the same key of another caller is another key', async () => {
    const { rig, post, other } = await world()
    const { session } = await rig.openSession()
    const { session: second } = await rig.openSession()
    const of = ({ sid }: { sid: string }) => ({ selector: { kind: 'session', sid } })
    await post('/revocations', of(session), KEY)
    for (const [path, body] of [
      ['/revocations', of(second)],
      ['/locks', { target: { kind: 'user', sub: session.sub } }],
    ] as const)
      expect(await post(path, body, KEY)).toMatchObject({
        status: 422,
        body: { title: 'The key was used' },
      })
    expect(await revocations(rig)).toBe(1)
    expect(await post('/revocations', of(second), KEY, other)).toMatchObject({ status: 201 })
  })

  test('is done again while the first is being done: no revocation waits, and the first answer is kept', async () => {
    const { rig, post } = await world()
    const { session } = await rig.openSession()
    const body = { selector: { kind: 'session', sid: session.sid } }
    const { revoke } = rig.store
    const begun = Promise.withResolvers<void>()
    const goOn = Promise.withResolvers<void>()
    rig.store.revoke = async (input) => {
      begun.resolve()
      await goOn.promise
      return revoke(input)
    }
    const first = post('/revocations', body, KEY)
    await begun.promise
    rig.store.revoke = revoke
    const second = await post('/revocations', body, KEY)
    expect(second).toMatchObject({ status: 201, replayed: null })
    goOn.resolve()
    expect(await first).toMatchObject({ replayed: null, body: { outcome: 'already' } })
    expect(await post('/revocations', body, KEY)).toEqual({ ...second, replayed: 'true' })
    expect(await revocations(rig)).toBe(1)
  })

  test.each(['revocations', 'locks'])(
    'of %s leaves its key free at once when it was rejected or failed, also while the store takes nothing',
    async (path) => {
      const { rig, post } = await world()
      const { session } = await rig.openSession()
      const [unknown, body] =
        path === 'locks'
          ? [
              { target: { kind: 'user', sub: 'u_none' } },
              { target: { kind: 'user', sub: session.sub } },
            ]
          : [
              { selector: { kind: 'session', sid: 's_none' } },
              { selector: { kind: 'session', sid: session.sid } },
            ]
      expect(await post(`/${path}`, unknown, KEY)).toMatchObject({ status: 404 })
      const { revoke, lock, keepRepeatable } = rig.store
      const down = () =>
        Promise.reject(new StoreUnavailable('The database did not say whether it has committed.'))
      Object.assign(rig.store, { revoke: down, lock: down, keepRepeatable: down })
      expect(await post(`/${path}`, body, KEY)).toMatchObject({ status: 503 })
      Object.assign(rig.store, { revoke, lock, keepRepeatable })
      expect(await post(`/${path}`, body, KEY)).toMatchObject({ status: 201, replayed: null })
      expect(await post(`/${path}`, body, KEY)).toMatchObject({ status: 201, replayed: 'true' })
    },
  )

  test('a malformed key is rejected', async () => {
    const { rig, post } = await world()
    const { session } = await rig.openSession()
    for (const key of ['', '""', 'a b', '"a', `"${'k'.repeat(256)}"`])
      expect([
        key,
        await post('/revocations', { selector: { kind: 'session', sid: session.sid } }, key),
      ]).toMatchObject([key, { status: 400 }])
    expect(await revocations(rig)).toBe(0)
  })
})

test('locks and lifts take the key too, and /openapi.json says so', async () => {
  const { rig, post } = await world()
  const { session } = await rig.openSession()
  const lock = { target: { kind: 'user', sub: session.sub } }
  const locked = await post('/locks', lock, '"lock"')
  expect(locked).toMatchObject({ status: 201, body: { outcome: 'locked' } })
  const { id } = locked.body.lock as { id: string }
  expect(await post(`/locks/${id}/lift`, {}, '"lift"')).toMatchObject({
    status: 200,
    body: { outcome: 'lifted' },
  })
  // The lock that the key set was lifted meanwhile: the repeated request sets no other one.
  expect(await post('/locks', lock, '"lock"')).toEqual({ ...locked, replayed: 'true' })
  expect(await post(`/locks/${id}/lift`, {}, '"lift"')).toMatchObject({
    status: 200,
    replayed: 'true',
    body: { outcome: 'lifted' },
  })
  expect(await rig.store.listLocks({ state: 'open', limit: 10 })).toEqual([])
  const { paths } = (await (await rig.app.request('/openapi.json')).json()) as {
    paths: Record<string, Record<string, { parameters?: { name: string }[] }>>
  }
  const taking = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, { parameters = [] }]) =>
      parameters.some(({ name }) => name === 'Idempotency-Key') ? `${method} ${path}` : [],
    ),
  )
  expect(taking.toSorted()).toEqual([
    'post /admin/v1/locks',
    'post /admin/v1/locks/{id}/lift',
    'post /admin/v1/revocations',
  ])
})
