import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { describe, expect, test } from 'vitest'
import { JWT_BEARER_ASSERTION } from '../../src/protocol/names.ts'
import { createRig, ISSUER, type Rig } from '../rig.ts'

/** The log names the cause for which a client is rejected, and never a secret. */

const lines = (rig: Rig, event: string) =>
  rig.lines
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter((line) => line.event === event)
const basic = (id: string, secret: string) =>
  `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`

describe('a client that is rejected', () => {
  test('is logged with the cause, while its answer has one text for all', async () => {
    const rig = await createRig()
    const sydney = await rig.register('Sydney')
    await rig.register('App', { authMethod: 'none' })
    const answers = new Set<string>()
    for (const authorization of [
      basic('sydney', `${sydney.secret}x`),
      basic('nowhere', sydney.secret),
      basic('app', 'a-secret'),
      basic('', 'x'),
      'Basic ???',
    ])
      answers.add(
        await (
          await rig.post('/token', { grant_type: 'client_credentials' }, { authorization })
        ).text(),
      )
    await rig.post('/token', {
      grant_type: 'client_credentials',
      client_assertion: 'a.b.c',
      client_assertion_type: JWT_BEARER_ASSERTION,
    })
    expect(answers.size).toBe(1)
    expect(lines(rig, 'client_rejected').map(({ why, client_id: id }) => [why, id])).toEqual([
      ['wrong_secret', 'sydney'],
      ['unknown_client', 'nowhere'],
      ['other_method', 'app'],
      ['unknown_client', ''],
      ['not_named', undefined],
      ['unreadable_assertion', undefined],
    ])
    expect(new Set(lines(rig, 'client_rejected').map(({ problem }) => problem)).size).toBe(5)
  })

  test('by its assertion is logged with the key that was looked for, and its answer tells no stranger of it', async () => {
    const rig = await createRig()
    const now = rig.clock.now()
    const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
    await rig.register('Sydney', {
      authMethod: 'private_key_jwt',
      jwks: { keys: [{ ...(await exportJWK(publicKey)), kid: 'registered' }] },
    })
    await rig.register('Melbourne')
    const foreign = (await generateKeyPair('ES256')).privateKey
    const answers: string[] = []
    for (const [iss, kid, key] of [
      ['nowhere', 'registered', foreign],
      ['melbourne', 'registered', foreign],
      ['sydney', 'other', foreign],
      ['sydney', 'registered', foreign],
      ['sydney', 'registered', privateKey],
    ] as const) {
      const assertion = new SignJWT({ iss, sub: iss, jti: kid, exp: now + 60 })
        .setProtectedHeader({ alg: 'ES256', kid })
        .sign(key)
      const form = {
        client_assertion: await assertion,
        client_assertion_type: JWT_BEARER_ASSERTION,
      }
      answers.push(await (await rig.post('/token', form)).text())
    }
    expect(
      lines(rig, 'client_rejected').map(({ why, client_id: id, problem }) => [why, id, problem]),
    ).toEqual([
      ['unknown_client', undefined, expect.stringContaining('nowhere')],
      ['other_method', 'melbourne', expect.any(String)],
      ['unknown_key', 'sydney', expect.stringContaining('kid other')],
      ['wrong_signature', 'sydney', expect.stringContaining('kid registered')],
      ['wrong_claim', 'sydney', expect.stringContaining('aud is missing')],
    ])
    expect(new Set(answers.slice(0, 4)).size).toBe(1)
    expect(answers[4]).toContain('aud is missing')
  })

  test('is never logged with a secret, not even one that was sent as the client_id', async () => {
    const rig = await createRig()
    const { secret } = await rig.register('Sydney')
    for (const authorization of [
      basic('sydney', `${secret}x`),
      basic(secret, 'sydney'),
      basic('nowhere', secret),
    ])
      expect((await rig.post('/token', {}, { authorization })).status).toBe(401)
    expect(lines(rig, 'client_rejected')).toHaveLength(3)
    expect(rig.lines.join('\n')).not.toContain(secret)
  })

  test('cannot fill the log', async () => {
    const rig = await createRig()
    await rig.register('Sydney')
    for (let i = 0; i < 200; i++)
      await rig.post('/token', {}, { authorization: basic('sydney', String(i)) })
    expect(rig.lines.length).toBeLessThan(30)
  })
})

describe('an authorization request that is rejected', () => {
  test('is logged with the cause, whether its answer is a page or goes to the instance', async () => {
    const rig = await createRig()
    await rig.register('Sydney')
    const redirect = 'https://sydney.case-manager.example/oidc/callback'
    for (const query of [
      { client_id: 'nowhere', redirect_uri: redirect },
      { client_id: 'sydney', redirect_uri: `${redirect}/x` },
      { client_id: 'sydney', redirect_uri: redirect, response_type: 'token' },
    ])
      await rig.app.request(`${ISSUER}/authorize?${new URLSearchParams(query)}`)
    const found = lines(rig, 'authorize_rejected')
    expect(found.map(({ client_id: id, error, redirect_uri: sent }) => [id, error, sent])).toEqual([
      [undefined, 'invalid_request', redirect],
      ['sydney', 'invalid_request', `${redirect}/x`],
      ['sydney', 'unsupported_response_type', redirect],
    ])
    expect(new Set(found.map(({ problem }) => problem)).size).toBe(3)
  })
})
