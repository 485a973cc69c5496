import { decodeJwt } from 'jose'
import { describe, expect, test } from 'vitest'
import { CONTOSO } from '../../demo/entra/users.ts'
import { control, entra, refresh, refreshTokenOf, signedIn } from './relying-party.ts'

describe('refresh tokens', () => {
  test('a refresh re-reads roles, keeps auth_time, acrs and sid', async () => {
    const at = await entra()
    const token = refreshTokenOf(await signedIn(at))
    const before = decodeJwt((await refresh(at, token)).body.id_token!)
    await control(at, 'users/alice@contoso.example', { roles: ['CaseManager.Lead'] })
    const after = decodeJwt((await refresh(at, token)).body.id_token!)
    expect(after).toMatchObject({
      roles: ['CaseManager.Lead'],
      auth_time: before['auth_time'],
      acrs: ['c1'],
      sid: before['sid'],
    })
  })

  test.each([
    ['revoked by user or administrator', { revokeSessions: true }, 50173],
    ['account disabled', { accountEnabled: false }, 50057],
    ['account deleted', { deleted: true }, 50034],
    ['password reset by an administrator', { password: 'new', by: 'admin' }, 50173],
    ['no longer assigned to the application', { assigned: false }, 50105],
  ])('die when: %s', async (_cause, patch, code) => {
    const at = await entra()
    const token = refreshTokenOf(await signedIn(at))
    const bystander = refreshTokenOf(await signedIn(at, 'bob@contoso.example'))
    await control(at, 'users/alice@contoso.example', patch)
    const { status, body } = await refresh(at, token)
    expect(status).toBe(400)
    expect(body.error_codes).toEqual([code])
    expect(body.error_description).toMatch(
      new RegExp(`^AADSTS${code}: .* Trace ID: .* Correlation ID: .* Timestamp: `),
    )
    expect(Object.keys(body)).toEqual(
      expect.arrayContaining(['trace_id', 'correlation_id', 'timestamp']),
    )
    expect((await refresh(at, bystander)).status).toBe(200)
  })

  test('disabling a user revokes them: once enabled again, the user needs a fresh sign-in', async () => {
    const at = await entra()
    const token = refreshTokenOf(await signedIn(at))
    await control(at, 'users/alice@contoso.example', { accountEnabled: false })
    await control(at, 'users/alice@contoso.example', { accountEnabled: true })
    expect((await refresh(at, token)).body.error_codes).toEqual([50173])
    expect((await refresh(at, refreshTokenOf(await signedIn(at)))).status).toBe(200)
  })

  test('a policy that came later wants MFA: invalid_grant 50076 or 50079, with a claims challenge', async () => {
    const at = await entra()
    at.world.switches.boundContexts = []
    const token = refreshTokenOf(await signedIn(at, 'mia@contoso.example'))
    await control(at, 'switches', { requireMfa: 'everybody' })
    const { body } = await refresh(at, token)
    expect(body).toMatchObject({
      error: 'invalid_grant',
      error_codes: [50079],
      suberror: 'basic_action',
      claims: expect.stringContaining('access_token'),
    })
  })

  test('consent taken back: 65001; the application gone or disabled in the tenant: 700016, 7000112', async () => {
    const at = await entra()
    const token = refreshTokenOf(await signedIn(at))
    at.world.personalConsent.clear()
    await control(at, 'switches', { consent: { [CONTOSO.tid]: 'admin' } })
    expect((await refresh(at, token)).body).toMatchObject({
      error: 'invalid_grant',
      error_codes: [65001],
      suberror: 'consent_required',
    })
    await control(at, 'switches', { consent: {}, appMissingIn: [CONTOSO.tid] })
    expect((await refresh(at, token)).body.error_codes).toEqual([700016])
    await control(at, 'switches', { appMissingIn: [], appDisabledIn: [CONTOSO.tid] })
    expect((await refresh(at, token)).body.error_codes).toEqual([7000112])
  })
})
