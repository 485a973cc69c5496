import { describe, expect, test } from 'vitest'
import { createRig, OTHER_TENANT, TENANT, VERIFIER } from '../rig.ts'
import type { ClientMetadata } from '../../src/protocol/client-metadata.ts'
import { claimsOf, outcome, refreshForm, tokensOf } from './tokens.ts'

const MELBOURNE = 'https://melbourne.case-manager.example'

/**
 * Sydney may ask for tokens that Melbourne takes; Alice is of TENANT and has the role
 * CaseManager.User.
 */
async function neighbours(melbourne: Partial<ClientMetadata> = {}) {
  const rig = await createRig()
  const sydney = await rig.register('Sydney', { resources: [MELBOURNE] })
  await rig.register('Melbourne', melbourne)
  const { session } = await rig.openSession()
  const redeem = async (more: Record<string, string> = {}, audience?: string) => {
    const { form } = await rig.issueCode(
      session.sid,
      sydney,
      audience === undefined ? {} : { audience },
    )
    return rig.post(
      '/token',
      { ...form, code_verifier: VERIFIER, ...more },
      { authorization: sydney.basic },
    )
  }
  const refresh = (token: string | undefined, more: Record<string, string> = {}) =>
    rig.post('/token', refreshForm(token, more), { authorization: sydney.basic })
  return { rig, sydney, session, redeem, refresh }
}

describe('a token for another instance by resource (RFC 8707 §2)', () => {
  test('has that instance’s audience, where the user may use it', async () => {
    const { redeem, refresh } = await neighbours({ tenants: [TENANT], appRole: 'CaseManager.User' })
    const tokens = await tokensOf(redeem({ resource: MELBOURNE }))
    expect(claimsOf(tokens.access_token)).toMatchObject({ aud: MELBOURNE, client_id: 'sydney' })
    expect(
      claimsOf(
        (await tokensOf(refresh(tokens.refresh_token, { resource: MELBOURNE }))).access_token,
      ),
    ).toMatchObject({ aud: MELBOURNE })
  })

  test.each<[string, Partial<ClientMetadata>]>([
    ['is of another tenant than those it is for', { tenants: [OTHER_TENANT] }],
    ['has not the app role that it wants', { appRole: 'CaseManager.Lead' }],
  ])(
    'is rejected where the user %s: a token exchange at another instance does not bypass what an instance asks of its own sign-ins',
    async (_, changes) => {
      const { redeem, refresh } = await neighbours(changes)
      expect(await outcome(redeem({ resource: MELBOURNE }))).toEqual([400, 'invalid_target'])
      expect(await outcome(redeem({}, MELBOURNE))).toEqual([400, 'invalid_target'])
      const own = await tokensOf(redeem())
      expect(await outcome(refresh(own.refresh_token, { resource: MELBOURNE }))).toEqual([
        400,
        'invalid_target',
      ])
    },
  )

  test('is rejected where that instance wants a fresher authentication', async () => {
    const { rig, redeem, refresh } = await neighbours({ maxAuthAgeSeconds: 900 })
    const tokens = await tokensOf(redeem({ resource: MELBOURNE }))
    rig.clock.advance(901)
    expect(await outcome(refresh(tokens.refresh_token, { resource: MELBOURNE }))).toEqual([
      400,
      'interaction_required',
    ])
    expect(await outcome(refresh(tokens.refresh_token))).toEqual([200, 'ok'])
  })
})
