import { describe, expect, test, vi } from 'vitest'
import { createRig } from '../rig.ts'
import { claimsOf, outcome, refreshForm, tokensOf } from './tokens.ts'

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange' as const
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'
const GRANTS = ['authorization_code' as const, 'refresh_token' as const, EXCHANGE]

/**
 * Sydney and Perth hold tokens of one session; Perth's is for Melbourne, which may be exchanged for
 * Hobart.
 */
async function instances() {
  const rig = await createRig()
  const register = (name: string, more: Parameters<typeof rig.register>[1] = {}) =>
    rig.register(name, { grants: GRANTS, ...more })
  const melbourne = await register('Melbourne')
  const clients = {
    melbourne,
    sydney: await register('Sydney'),
    hobart: await register('Hobart', { exchangeFrom: ['melbourne'] }),
    perth: await register('Perth', { resources: [melbourne.metadata.audience] }),
  }
  const { session } = await rig.openSession()
  const brought = async () => {
    const { form } = await rig.issueCode(session.sid, clients.perth, {
      audience: melbourne.metadata.audience,
    })
    return (await tokensOf(rig.post('/token', form, { authorization: clients.perth.basic })))
      .access_token
  }
  const exchange = (token: string) =>
    rig.post(
      '/token',
      {
        grant_type: EXCHANGE,
        subject_token: token,
        subject_token_type: ACCESS_TOKEN,
        audience: 'hobart',
      },
      { authorization: melbourne.basic },
    )
  /**
   * Removes a client at another broker. This broker's registry does not learn of it, however long
   * the test takes.
   */
  const remove = (clientId: keyof typeof clients) => {
    vi.spyOn(rig.clients, 'reload').mockResolvedValue()
    return rig.store.removeClient({
      clientId,
      source: 'any',
      actor: { kind: 'operator', id: 'olga' },
      now: rig.clock.now(),
    })
  }
  const post = (path: string, client: keyof typeof clients, form: Record<string, string>) =>
    rig.post(path, form, { authorization: clients[client].basic })
  return { rig, clients, session, brought, exchange, remove, post }
}

describe('a client that another broker removed, before this one has read the registry again', () => {
  test('gets nothing for a code, issued before or after it was removed', async () => {
    const { rig, clients, session, remove, post } = await instances()
    const before = await rig.issueCode(session.sid, clients.sydney)
    await remove('sydney')
    const after = await rig.issueCode(session.sid, clients.sydney)
    for (const { form } of [before, after])
      expect(await outcome(post('/token', 'sydney', form))).toEqual([400, 'invalid_grant'])
    expect((await rig.store.participants(session.sid)).map(({ clientId }) => clientId)).toEqual([])
  })

  test('can no longer refresh, and its access token is not accepted anywhere', async () => {
    const { rig, clients, session, remove, post } = await instances()
    const tokens = await rig.signInAt(session.sid, clients.sydney)
    await remove('sydney')
    expect(await outcome(post('/token', 'sydney', refreshForm(tokens.refresh_token)))).toEqual([
      400,
      'invalid_grant',
    ])
    const headers = { authorization: `Bearer ${tokens.access_token}` }
    expect(await outcome(rig.app.request(`${rig.config.issuer}/userinfo`, { headers }))).toEqual([
      401,
      'invalid_token',
    ])
  })

  test('exchanges no token that another client brought, not even a later one, and cannot be exchanged for', async () => {
    for (const removed of ['melbourne', 'hobart'] as const) {
      const { rig, session, brought, exchange, remove } = await instances()
      const before = await brought()
      await remove(removed)
      const after = await brought()
      expect(claimsOf(after).rev).toBe(1)
      for (const token of [before, after])
        expect(await outcome(exchange(token))).toEqual([400, 'invalid_request'])
      const present = (await rig.store.participants(session.sid)).map(({ clientId }) => clientId)
      expect(present).not.toContain(removed)
    }
  })

  test('learns nothing of a token that was issued for it (RFC 7662 §2.2)', async () => {
    const { brought, remove, post } = await instances()
    const active = async (token: string) =>
      ((await (await post('/introspect', 'melbourne', { token })).json()) as { active: boolean })
        .active
    expect(await active(await brought())).toBe(true)
    await remove('melbourne')
    expect(await active(await brought())).toBe(false)
  })

  test('follows the feed no more', async () => {
    const { rig, clients, remove } = await instances()
    const follow = async () =>
      (
        await rig.app.request(`${rig.config.issuer}/revocations`, {
          headers: { authorization: clients.sydney.basic },
        })
      ).status
    expect(await follow()).toBe(200)
    await remove('sydney')
    expect(await follow()).toBe(401)
  })
})
