import { Hono } from 'hono'
import { describe, expect, test } from 'vitest'
import type { Requirement } from '@case-manager/guard'
import { receiveLogout, requireToken, type GuardVariables } from '@case-manager/guard/hono'
import { startBroker, startGuard, type Broker } from './stand-in.ts'

async function instance(
  requirement?: Requirement,
): Promise<{ app: Hono<GuardVariables>; broker: Broker }> {
  const broker = await startBroker()
  const guard = await startGuard(broker, { onLogout: () => {} })
  const app = new Hono<GuardVariables>()
  app.get('/api/me', requireToken(guard, requirement), (c) => c.json({ sub: c.get('claims').sub }))
  app.post('/oidc/backchannel-logout', receiveLogout(guard))
  return { app, broker }
}

const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })

describe('guarding routes of a Hono app (RFC 6750)', () => {
  test('a valid token passes, with its claims', async () => {
    const { app, broker } = await instance({
      scope: 'openid profile',
      anyRole: ['CaseManager.Admin', 'CaseManager.User'],
    })
    const response = await app.request('/api/me', bearer(await broker.token()))
    expect([response.status, await response.json()]).toEqual([200, { sub: 'u_alice' }])
    expect(
      (
        await app.request('/api/me', {
          headers: { authorization: `bearer   ${await broker.token()}` },
        })
      ).status,
    ).toBe(200)
  })

  test('without one: 401, and no error code (§3.1)', async () => {
    const { app } = await instance()
    for (const headers of [{}, { authorization: 'Basic YTpi' }, { authorization: 'Bearerx' }]) {
      const response = await app.request('/api/me', { headers })
      expect([
        response.status,
        response.headers.get('www-authenticate'),
        response.headers.get('cache-control'),
      ]).toEqual([401, 'Bearer', 'no-store'])
    }
  })

  test('a token in the query or the body is none (§5.3)', async () => {
    const { app, broker } = await instance()
    expect((await app.request(`/api/me?access_token=${await broker.token()}`)).status).toBe(401)
  })

  test('one that is not valid: 401 invalid_token; that is malformed: 400', async () => {
    const { app, broker } = await instance()
    const expired = await app.request('/api/me', bearer(await broker.token({ exp: 1 })))
    expect([expired.status, expired.headers.get('www-authenticate')]).toEqual([
      401,
      'Bearer error="invalid_token", error_description="It has expired at 1970-01-01T00:00:01Z, and here it is 2026-11-24T09:00:00Z."',
    ])
    for (const token of ['', 'a b', '"'])
      expect([400, 401]).toContain((await app.request('/api/me', bearer(token))).status)
    expect((await app.request('/api/me', bearer('a"b'))).status).toBe(400)
  })

  test('one that lacks a scope or a role: 403 insufficient_scope', async () => {
    const scope = await instance({ scope: ['openid', 'cases:write'] })
    const rejected = await scope.app.request('/api/me', bearer(await scope.broker.token()))
    expect(rejected.status).toBe(403)
    expect(rejected.headers.get('www-authenticate')).toContain('error="insufficient_scope"')
    expect(rejected.headers.get('www-authenticate')).toContain(
      'error_description="The token lacks the scope cases:write.", scope="openid cases:write"',
    )
    const role = await instance({ anyRole: ['CaseManager.Admin'] })
    expect((await role.app.request('/api/me', bearer(await role.broker.token()))).status).toBe(403)
    expect(
      (await role.app.request('/api/me', bearer(await role.broker.token({ roles: undefined }))))
        .status,
    ).toBe(403)
  })

  test('while the guard cannot decide: 503, to be retried', async () => {
    const { app, broker } = await instance()
    broker.clock.advance(36)
    const response = await app.request('/api/me', bearer(await broker.token()))
    expect([
      response.status,
      response.headers.get('retry-after'),
      response.headers.get('www-authenticate'),
    ]).toEqual([503, '1', null])
  })

  test('logout tokens are received', async () => {
    const { app, broker } = await instance()
    const post = async (token: string) =>
      (
        await app.request('/oidc/backchannel-logout', {
          method: 'POST',
          headers: { 'content-type': 'application/x-www-form-urlencoded' },
          body: `logout_token=${token}`,
        })
      ).status
    const token = await broker.logoutToken()
    expect([await post(token), await post(token)]).toEqual([200, 400])
  })
})
