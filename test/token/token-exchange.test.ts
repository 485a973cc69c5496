import { describe, expect, test } from 'vitest'
import type { ClientMetadata } from '../../src/protocol/client-metadata.ts'
import { createRig, OTHER_TENANT, START, type RegisteredClient, type Rig } from '../rig.ts'
import { claimsOf, outcome, refreshForm, tokensOf } from './tokens.ts'

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange' as const
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'
const GRANTS = ['authorization_code' as const, 'refresh_token' as const, EXCHANGE]

const exchange = (
  rig: Rig,
  client: RegisteredClient,
  token: string,
  target: string | undefined,
  more: Record<string, string> = {},
) =>
  rig.post(
    '/token',
    {
      grant_type: EXCHANGE,
      subject_token: token,
      subject_token_type: ACCESS_TOKEN,
      ...(target !== undefined && { audience: target }),
      ...more,
    },
    { authorization: client.basic },
  )

async function instances(changes: Record<string, unknown> = {}) {
  const rig = await createRig()
  const sydney = await rig.register('Sydney', { grants: GRANTS })
  const melbourne = await rig.register('Melbourne', {
    grants: GRANTS,
    exchangeFrom: ['sydney'],
    ...changes,
  })
  const { session } = await rig.openSession()
  const tokens = await rig.signInAt(session.sid, sydney)
  return { rig, sydney, melbourne, session, tokens }
}

describe('token exchange (RFC 8693)', () => {
  test('an instance gets a token for another on the user’s behalf: same sid and rev, no refresh token, and act says who acts (§4.1)', async () => {
    const { rig, sydney, melbourne, session, tokens } = await instances()
    rig.clock.advance(60)
    const answer = await tokensOf(exchange(rig, sydney, tokens.access_token, 'melbourne'))
    expect(answer).toEqual({
      access_token: expect.any(String),
      issued_token_type: ACCESS_TOKEN,
      token_type: 'Bearer',
      expires_in: 240,
      scope: 'openid profile email',
    })
    const [source, claims] = [claimsOf(tokens.access_token), claimsOf(answer.access_token)]
    expect(claims).toMatchObject({
      aud: melbourne.metadata.audience,
      client_id: 'sydney',
      sub: session.sub,
      sid: session.sid,
      rev: source.rev,
      exp: source.exp,
      act: { sub: 'sydney' },
      auth_time: source.auth_time,
      tid: source.tid,
      oid: source.oid,
      roles: source.roles,
    })
    expect(claims.jti).not.toBe(source.jti)
  })

  const rules: [Partial<ClientMetadata>, string][] = [
    [{ tenants: [OTHER_TENANT] }, 'invalid_target'],
    [{ appRole: 'CaseManager.Lead' }, 'invalid_target'],
    [{ maxAuthAgeSeconds: 60 }, 'interaction_required'],
  ]
  test.each(rules)(
    'an audience that two instances share asks both of them: %j',
    async (rule, error) => {
      const { rig, sydney, melbourne, tokens } = await instances()
      rig.clock.advance(100)
      await rig.register('Perth', { audience: melbourne.metadata.audience, ...rule })
      expect(await outcome(exchange(rig, sydney, tokens.access_token, 'melbourne'))).toEqual([
        400,
        error,
      ])
    },
  )

  test('a client that exchanges another client’s token becomes a participant too: it can revoke what it got (RFC 7009) and gets a logout token', async () => {
    const { rig, melbourne, session } = await instances()
    await rig.register('Hobart', { grants: GRANTS, exchangeFrom: ['melbourne'] })
    const perth = await rig.register('Perth', { resources: [melbourne.metadata.audience] })
    const { form } = await rig.issueCode(session.sid, perth, {
      audience: melbourne.metadata.audience,
    })
    const brought = await tokensOf(rig.post('/token', form, { authorization: perth.basic }))
    const { access_token: token } = await tokensOf(
      exchange(rig, melbourne, brought.access_token, 'hobart'),
    )
    const active = async () =>
      (
        (await (
          await rig.post('/introspect', { token }, { authorization: melbourne.basic })
        ).json()) as { active: boolean }
      ).active
    expect(await active()).toBe(true)
    expect((await rig.post('/revoke', { token }, { authorization: melbourne.basic })).status).toBe(
      200,
    )
    expect(await active()).toBe(false)
    expect((await rig.store.participants(session.sid)).map((each) => each.clientId)).toContain(
      'melbourne',
    )
  })

  test('the target becomes a participant, and gets a logout token when the user signs out', async () => {
    const { rig, sydney, session, tokens } = await instances()
    await tokensOf(exchange(rig, sydney, tokens.access_token, 'melbourne'))
    expect(
      (await rig.store.participants(session.sid)).map((each) => each.clientId).toSorted(),
    ).toEqual(['melbourne', 'sydney'])
    await rig.store.revoke({
      selector: { kind: 'session', sid: session.sid },
      reason: 'signed_out',
      actor: { kind: 'user', id: session.sub },
      now: START,
    })
    expect(
      (await rig.store.listDeliveries({ limit: 10 })).map((each) => each.clientId).toSorted(),
    ).toEqual(['melbourne', 'sydney'])
  })

  test('the target is named by client id, by audience or by resource, and once', async () => {
    const { rig, sydney, melbourne, tokens } = await instances()
    const { audience } = melbourne.metadata
    const aud = async (target: string | undefined, more = {}) =>
      claimsOf(
        (await tokensOf(exchange(rig, sydney, tokens.access_token, target, more))).access_token,
      ).aud
    expect(await aud('melbourne')).toBe(audience)
    expect(await aud(audience)).toBe(audience)
    expect(await aud(undefined, { resource: audience })).toBe(audience)
    expect(await aud('melbourne', { resource: audience })).toBe(audience)
    expect(
      await outcome(
        exchange(rig, sydney, tokens.access_token, 'melbourne', {
          resource: sydney.metadata.audience,
        }),
      ),
    ).toEqual([400, 'invalid_target'])
    expect(await outcome(exchange(rig, sydney, tokens.access_token, undefined))).toEqual([
      400,
      'invalid_request',
    ])
    expect(await outcome(exchange(rig, sydney, tokens.access_token, 'nobody'))).toEqual([
      400,
      'invalid_target',
    ])
  })

  test('a target that does not list the caller is invalid_target', async () => {
    const { rig, sydney, tokens } = await instances({ exchangeFrom: ['perth'] })
    expect(await outcome(exchange(rig, sydney, tokens.access_token, 'melbourne'))).toEqual([
      400,
      'invalid_target',
    ])
  })

  test('only the audience of a token can exchange it', async () => {
    const { rig, melbourne, tokens } = await instances()
    await rig.register('Perth', { exchangeFrom: ['melbourne'] })
    expect(await outcome(exchange(rig, melbourne, tokens.access_token, 'perth'))).toEqual([
      400,
      'invalid_request',
    ])
  })

  test('scope can be narrowed, never widened', async () => {
    const { rig, sydney, tokens } = await instances()
    expect(
      (await tokensOf(exchange(rig, sydney, tokens.access_token, 'melbourne', { scope: 'openid' })))
        .scope,
    ).toBe('openid')
    for (const scope of ['openid cases:read', 'offline_access'])
      expect(
        await outcome(exchange(rig, sydney, tokens.access_token, 'melbourne', { scope })),
      ).toEqual([400, 'invalid_scope'])
  })

  test('expired, forged, ended, of a client alone, of another kind: invalid_request (§2.2.2)', async () => {
    const { rig, sydney, session, tokens } = await instances()
    const forged = `${tokens.access_token.slice(0, -6)}AAAAAA`
    for (const token of [forged, tokens.id_token ?? '', tokens.refresh_token ?? '', 'x'])
      expect(await outcome(exchange(rig, sydney, token, 'melbourne'))).toEqual([
        400,
        'invalid_request',
      ])
    expect(
      await outcome(
        exchange(rig, sydney, tokens.access_token, 'melbourne', {
          subject_token_type: 'urn:ietf:params:oauth:token-type:refresh_token',
        }),
      ),
    ).toEqual([400, 'invalid_request'])
    expect(
      await outcome(
        exchange(rig, sydney, tokens.access_token, 'melbourne', {
          requested_token_type: 'urn:ietf:params:oauth:token-type:saml2',
        }),
      ),
    ).toEqual([400, 'invalid_request'])
    expect(
      await outcome(
        exchange(rig, sydney, tokens.access_token, 'melbourne', {
          actor_token: 'x',
          actor_token_type: ACCESS_TOKEN,
        }),
      ),
    ).toEqual([400, 'invalid_request'])
    await rig.store.revoke({
      selector: { kind: 'subject', sub: session.sub },
      reason: 'signed_out_everywhere',
      actor: { kind: 'user', id: session.sub },
      now: START,
    })
    expect(await outcome(exchange(rig, sydney, tokens.access_token, 'melbourne'))).toEqual([
      400,
      'invalid_request',
    ])
    expect((await rig.store.participants(session.sid)).map((each) => each.clientId)).toEqual([
      'sydney',
    ])
    rig.clock.advance(300)
    expect(await outcome(exchange(rig, sydney, tokens.access_token, 'melbourne'))).toEqual([
      400,
      'invalid_request',
    ])
  })

  test('a user whom the target does not take, or whose authentication is too old for it, is rejected, and no client becomes a participant', async () => {
    for (const [changes, error] of [
      [{ tenants: [OTHER_TENANT] }, 'invalid_target'],
      [{ appRole: 'CaseManager.Lead' }, 'invalid_target'],
      [{ maxAuthAgeSeconds: 30 }, 'interaction_required'],
    ] as const) {
      const { rig, sydney, session, tokens } = await instances(changes)
      rig.clock.advance(31)
      expect(await outcome(exchange(rig, sydney, tokens.access_token, 'melbourne'))).toEqual([
        400,
        error,
      ])
      expect((await rig.store.participants(session.sid)).map((each) => each.clientId)).toEqual([
        'sydney',
      ])
    }
  })

  test('three in a row and no more; act holds the whole chain', async () => {
    const rig = await createRig()
    const names = ['Sydney', 'Melbourne', 'Perth', 'Hobart', 'Darwin']
    const clients: RegisteredClient[] = []
    for (const [index, name] of names.entries())
      clients.push(
        await rig.register(name, {
          grants: GRANTS,
          exchangeFrom: index === 0 ? [] : [names[index - 1]!.toLowerCase()],
        }),
      )
    const { session } = await rig.openSession()
    let token = (await rig.signInAt(session.sid, clients[0]!)).access_token
    for (let hop = 0; hop < 3; hop++)
      token = (await tokensOf(exchange(rig, clients[hop]!, token, clients[hop + 1]!.clientId)))
        .access_token
    expect(claimsOf(token).act).toEqual({
      sub: 'perth',
      act: { sub: 'melbourne', act: { sub: 'sydney' } },
    })
    expect(await outcome(exchange(rig, clients[3]!, token, 'darwin'))).toEqual([
      400,
      'invalid_request',
    ])
  })

  test('after the session has ended the exchanged token is not active, and the source client refreshes no more', async () => {
    const { rig, sydney, melbourne, session, tokens } = await instances()
    const { access_token } = await tokensOf(exchange(rig, sydney, tokens.access_token, 'melbourne'))
    const active = async () =>
      (
        (await (
          await rig.post('/introspect', { token: access_token }, { authorization: melbourne.basic })
        ).json()) as { active: boolean }
      ).active
    expect(await active()).toBe(true)
    await rig.store.revoke({
      selector: { kind: 'session', sid: session.sid },
      reason: 'signed_out',
      actor: { kind: 'user', id: session.sub },
      now: START,
    })
    expect(await active()).toBe(false)
    expect(
      await outcome(
        rig.post('/token', refreshForm(tokens.refresh_token), { authorization: sydney.basic }),
      ),
    ).toEqual([400, 'invalid_grant'])
  })
})
