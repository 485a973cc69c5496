import { describe, expect, test } from 'vitest'
import { createRig, ISSUER, START } from '../rig.ts'
import { claimsOf, outcome, tokensOf } from './tokens.ts'

const GRANTS = { grants: ['client_credentials' as const], redirectUris: [] }
const ADMIN = `${ISSUER}/admin/v1`

describe('the client credentials grant (RFC 6749 §4.4)', () => {
  const ask = async (changes: Record<string, unknown>, form: Record<string, string> = {}) => {
    const rig = await createRig()
    const client = await rig.register('Sydney', {
      ...GRANTS,
      scopes: ['openid', 'cases:read', 'cases:write'],
      ...changes,
    })
    return rig.post(
      '/token',
      { grant_type: 'client_credentials', ...form },
      { authorization: client.basic },
    )
  }

  test('gives a token of the client itself: sub is the client (RFC 9068 §2.2), no sid, no refresh token, no ID token', async () => {
    const tokens = await tokensOf(ask({}))
    expect(Object.keys(tokens).toSorted()).toEqual([
      'access_token',
      'expires_in',
      'scope',
      'token_type',
    ])
    expect(claimsOf(tokens.access_token)).toEqual({
      iss: ISSUER,
      sub: 'sydney',
      client_id: 'sydney',
      aud: 'https://sydney.case-manager.example',
      iat: START,
      exp: START + 300,
      jti: expect.any(String),
      rev: 0,
      scope: 'cases:read cases:write',
    })
  })

  test('a client that was removed while it authenticated gets none: it would be newer than the client’s own end', async () => {
    const rig = await createRig()
    const client = await rig.register('Sydney', { ...GRANTS, scopes: ['cases:read'] })
    // The registry of this process does not know of the removal yet.
    await rig.store.removeClient({
      clientId: 'sydney',
      source: 'any',
      actor: { kind: 'operator', id: 'olga' },
      now: START,
    })
    expect(
      await outcome(
        rig.post('/token', { grant_type: 'client_credentials' }, { authorization: client.basic }),
      ),
    ).toEqual([401, 'invalid_client'])
  })

  test('a scope it is not registered for, or one that is about users, is invalid_scope', async () => {
    expect(claimsOf((await tokensOf(ask({}, { scope: 'cases:read' }))).access_token).scope).toBe(
      'cases:read',
    )
    for (const scope of ['cases:delete', 'openid', 'cases:read offline_access'])
      expect(await outcome(ask({}, { scope }))).toEqual([400, 'invalid_scope'])
  })

  test('another instance’s audience only where the client is registered for it (RFC 8707)', async () => {
    const resource = 'https://melbourne.case-manager.example'
    expect(await outcome(ask({}, { resource }))).toEqual([400, 'invalid_target'])
    expect(
      claimsOf((await tokensOf(ask({ resources: [resource] }, { resource }))).access_token).aud,
    ).toBe(resource)
  })

  test('broker:* scopes are for the admin API alone, for every client and request', async () => {
    const changes = { scopes: ['cases:read', 'broker:operate', 'broker:administer'] }
    expect(
      claimsOf((await tokensOf(ask(changes, { scope: 'broker:operate' }))).access_token),
    ).toMatchObject({ aud: ADMIN, scope: 'broker:operate' })
    expect(
      claimsOf((await tokensOf(ask(changes, { resource: ADMIN }))).access_token),
    ).toMatchObject({
      aud: ADMIN,
      scope: 'broker:operate broker:administer',
    })
    expect(claimsOf((await tokensOf(ask(changes))).access_token)).toMatchObject({
      aud: 'https://sydney.case-manager.example',
      scope: 'cases:read',
    })
    expect(await outcome(ask(changes, { scope: 'broker:operate cases:read' }))).toEqual([
      400,
      'invalid_scope',
    ])
    expect(
      await outcome(
        ask(changes, { scope: 'broker:operate', resource: 'https://sydney.case-manager.example' }),
      ),
    ).toEqual([400, 'invalid_target'])
    expect(await outcome(ask(changes, { scope: 'cases:read', resource: ADMIN }))).toEqual([
      400,
      'invalid_target',
    ])
    expect(await outcome(ask({}, { scope: 'broker:operate' }))).toEqual([400, 'invalid_scope'])
    expect(await outcome(ask({}, { resource: ADMIN }))).toEqual([400, 'invalid_target'])
  })

  test('a client without a credential has none', async () => {
    const rig = await createRig()
    await rig.register('App', { ...GRANTS, authMethod: 'none' })
    expect(
      await outcome(rig.post('/token', { grant_type: 'client_credentials', client_id: 'app' })),
    ).toEqual([400, 'unauthorized_client'])
  })

  test('when the client is revoked its tokens are no longer active, those it gets afterwards are', async () => {
    const rig = await createRig()
    const client = await rig.register('Sydney', { ...GRANTS, scopes: ['cases:read'] })
    const get = async () =>
      (
        await tokensOf(
          rig.post('/token', { grant_type: 'client_credentials' }, { authorization: client.basic }),
        )
      ).access_token
    const active = async (token: string) =>
      (
        (await (
          await rig.post('/introspect', { token }, { authorization: client.basic })
        ).json()) as { active: boolean }
      ).active
    const before = await get()
    expect(await active(before)).toBe(true)
    await rig.store.revoke({
      selector: { kind: 'client', clientId: 'sydney' },
      reason: 'administrator',
      actor: { kind: 'operator', id: 'test' },
      now: START,
    })
    expect(await active(before)).toBe(false)
    expect(await active(await get())).toBe(true)
  })
})
