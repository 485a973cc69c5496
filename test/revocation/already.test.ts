import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { requestRevocation } from '../../src/revocation/revoke.ts'
import { createRig } from '../rig.ts'

/**
 * After an end that was asked for, what was asked for is in force, whether the answer is `revoked`
 * or `already`.
 */

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange' as const

/** Notes signs in for Api, which exchanges its tokens for Archive. */
async function world() {
  const rig = await createRig()
  const api = await rig.register('Api', {
    logoutUris: [],
    grants: ['authorization_code', 'refresh_token', EXCHANGE],
  })
  const notes = await rig.register('Notes', {
    logoutUris: [],
    resources: [api.metadata.audience],
  })
  const archive = await rig.register('Archive', { exchangeFrom: ['api'], logoutUris: [] })
  const { session } = await rig.openSession()
  const { sid } = session
  const json = async (answer: Response | Promise<Response>) =>
    (await (await answer).json()) as {
      access_token: string
      refresh_token: string
      active: boolean
    }
  const { form } = await rig.issueCode(sid, notes, { audience: api.metadata.audience })
  let source = await json(rig.post('/token', form, { authorization: notes.basic }))
  /** Everything that Api was issued for this user. */
  const issued: { token: string; audience: string }[] = []
  const isActive = async ({ token, audience }: { token: string; audience: string }) => {
    const { basic } = audience === 'archive' ? archive : api
    return (await json(rig.post('/introspect', { token }, { authorization: basic }))).active
  }
  const gets = {
    async exchange() {
      source = await json(
        rig.post(
          '/token',
          { grant_type: 'refresh_token', refresh_token: source.refresh_token },
          { authorization: notes.basic },
        ),
      )
      const { access_token: token } = await json(
        rig.post(
          '/token',
          {
            grant_type: EXCHANGE,
            subject_token: source.access_token,
            subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
            audience: 'archive',
          },
          { authorization: api.basic },
        ),
      )
      issued.push({ token, audience: 'archive' })
    },
    async code() {
      const tokens = await rig.signInAt(sid, api)
      issued.push({ token: tokens.access_token, audience: 'api' })
      issued.push({ token: tokens.refresh_token ?? '', audience: 'api' })
    },
  }
  const operator = { kind: 'operator', id: 'olivia' } as const
  const ends = {
    operator: () =>
      requestRevocation(rig.deps, {
        selector: { kind: 'grant', sid, clientId: 'api' },
        reason: 'administrator',
        actor: operator,
        now: rig.clock.now(),
      }),
    // The client ends its newest token, and with it the grant.
    client: () =>
      rig.post('/revoke', { token: issued.at(-1)?.token ?? 'none' }, { authorization: api.basic }),
  }
  const seq = async () => (await rig.store.head()).seq
  return { rig, api, gets, ends, issued, isActive, seq }
}

describe('the end of a client’s access to a session', () => {
  test('is in force after each answer, however the client got its access before', async () => {
    const step = fc.constantFrom('exchange', 'code', 'operator', 'client')
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 8 }), async (steps) => {
        const { gets, ends, issued, isActive } = await world()
        for (const name of steps) {
          if (name === 'exchange' || name === 'code') {
            await gets[name]()
            expect(await isActive(issued.at(-1) ?? expect.unreachable())).toBe(true)
          } else {
            await ends[name]()
            for (const each of issued) expect(await isActive(each)).toBe(false)
          }
        }
      }),
      {
        numRuns: 6,
        examples: [[['exchange', 'operator', 'exchange', 'operator', 'code', 'client', 'client']]],
      },
    )
  })

  test('that a client asks for again by the same token appends nothing', async () => {
    const { rig, api, gets, ends, issued, seq } = await world()
    await gets.code()
    const [access, refresh] = issued.map(({ token }) => token)
    await ends.client()
    const ended = await seq()
    await gets.code()
    for (const token of [access ?? '', refresh ?? '', access ?? ''])
      expect((await rig.post('/revoke', { token }, { authorization: api.basic })).status).toBe(200)
    expect(await seq()).toBe(ended)
  })
})
