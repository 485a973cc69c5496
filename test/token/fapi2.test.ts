import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { expect, test } from 'vitest'
import { parseClientMetadata } from '../../src/clients/metadata.ts'
import { JWT_BEARER_ASSERTION } from '../../src/protocol/names.ts'
import { createRig, ISSUER, SYDNEY } from '../rig.ts'
import { createProver } from './proofs.ts'
import { claimsOf, headerOf, isLive, outcome, refreshForm, tokensOf } from './tokens.ts'

/** A client that is registered with profile fapi2, and has an RSA key and an EC key. */
async function registered() {
  const rig = await createRig()
  const signers = await Promise.all(
    (['ES256', 'PS256'] as const).map(async (alg) => {
      const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
      return { jwk: { ...(await exportJWK(publicKey)), kid: alg.slice(0, 2) }, privateKey }
    }),
  )
  const parsed = parseClientMetadata({
    client_id: 'sydney',
    client_name: SYDNEY.name,
    redirect_uris: SYDNEY.redirectUris,
    profile: 'fapi2',
    jwks: { keys: signers.map(({ jwk }) => jwk) },
  })
  if (!parsed.ok) throw new Error(parsed.problems.join('\n'))
  const client = await rig.register('Sydney', parsed.metadata)
  const assertion = async (alg = 'ES256', claims: Record<string, unknown> = {}) => {
    const [ec, rsa] = signers
    const signer = alg === 'ES256' ? ec : rsa
    if (signer === undefined) throw new Error('no key')
    const key =
      alg === 'RS256'
        ? await crypto.subtle.importKey(
            'pkcs8',
            await crypto.subtle.exportKey('pkcs8', signer.privateKey),
            { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
            false,
            ['sign'],
          )
        : signer.privateKey
    const now = rig.clock.now()
    const [iss, jti] = [client.clientId, crypto.randomUUID()]
    return {
      client_assertion_type: JWT_BEARER_ASSERTION,
      client_assertion: await new SignJWT({
        iss,
        sub: iss,
        aud: ISSUER,
        jti,
        exp: now + 60,
        ...claims,
      })
        .setProtectedHeader({ alg, kid: signer.jwk.kid })
        .sign(key),
    }
  }
  const key = await createProver(rig.clock)
  const ask = async (form: Record<string, string>) => {
    const dpop = await key.prove('POST /token')
    return rig.post('/token', { ...form, ...(await assertion()) }, { dpop })
  }
  const { session } = await rig.openSession()
  const { form } = await rig.issueCode(session.sid, client)
  return { rig, session, assertion, key, ask, tokens: await tokensOf(ask(form)) }
}

test('a client with profile fapi2 gets bound tokens and an ID token by ES256, and none without a proof (FAPI 2.0 §5.3.2.1, §5.4.1)', async () => {
  const { rig, key, assertion, tokens } = await registered()
  expect([tokens.token_type, claimsOf(tokens.access_token).cnf]).toEqual(['DPoP', { jkt: key.jkt }])
  expect(headerOf(tokens.id_token ?? '').alg).toBe('ES256')
  const form = { ...refreshForm(tokens.refresh_token), ...(await assertion()) }
  expect(await outcome(rig.post('/token', form))).toEqual([400, 'invalid_dpop_proof'])
})

test.each([
  ['PS256', {}, [200, 'ok']],
  ['RS256', {}, [401, 'invalid_client']],
  ['ES256', { aud: `${ISSUER}/token` }, [401, 'invalid_client']],
  ['ES256', { aud: [ISSUER] }, [401, 'invalid_client']],
] as const)('its assertion by %s with %j is answered %j', async (alg, claims, answer) => {
  const { rig, key, assertion, tokens } = await registered()
  const form = { ...refreshForm(tokens.refresh_token), ...(await assertion(alg, claims)) }
  const dpop = await key.prove('POST /token')
  expect(await outcome(rig.post('/token', form, { dpop }))).toEqual(answer)
})

test('its refresh token stays the same, at once and after hours, until the session ends', async () => {
  const { rig, session, ask, tokens } = await registered()
  const form = refreshForm(tokens.refresh_token)
  for (const answer of [await ask(form), ...(await Promise.all([ask(form), ask(form)]))])
    expect((await tokensOf(answer)).refresh_token).toBe(tokens.refresh_token)
  rig.clock.advance(7200)
  expect((await tokensOf(ask(form))).refresh_token).toBe(tokens.refresh_token)
  expect(await isLive(rig, session.sid)).toBe(true)
  // Each refresh counts as activity, so the session is still there after eight idle hours.
  rig.clock.advance(27_000)
  expect((await ask(form)).status).toBe(200)
  rig.clock.advance(28_801)
  expect(await outcome(ask(form))).toEqual([400, 'invalid_grant'])
})
