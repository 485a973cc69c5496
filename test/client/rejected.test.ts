import { describe, expect, test } from 'vitest'
import { createRig, ISSUER, type Rig } from '../rig.ts'

/** What the log says of a client that is rejected: the cause, and never a secret. */

const lines = (rig: Rig, event: string) => rig.lines.map((line) => JSON.parse(line) as Record<string, unknown>).filter((line) => line.event === event)
const basic = (id: string, secret: string) => `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`

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
      answers.add(await (await rig.post('/token', { grant_type: 'client_credentials' }, { authorization })).text())
    await rig.post('/token', {
      grant_type: 'client_credentials',
      client_assertion: 'a.b.c',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    })
    expect(answers.size).toBe(1)
    expect(lines(rig, 'client_rejected').map(({ why, client_id: id }) => [why, id])).toEqual([
      ['wrong_secret', 'sydney'],
      ['unknown_client', 'nowhere'],
      ['other_method', 'app'],
      ['unknown_client', ''],
      ['not_named', undefined],
      ['bad_assertion', undefined],
    ])
    expect(new Set(lines(rig, 'client_rejected').map(({ problem }) => problem)).size).toBe(5)
  })

  test('is never logged with a secret, not even one that was sent as the client_id', async () => {
    const rig = await createRig()
    const { secret } = await rig.register('Sydney')
    for (const authorization of [basic('sydney', `${secret}x`), basic(secret, 'sydney'), basic('nowhere', secret)])
      expect((await rig.post('/token', {}, { authorization })).status).toBe(401)
    expect(lines(rig, 'client_rejected')).toHaveLength(3)
    expect(rig.lines.join('\n')).not.toContain(secret)
  })

  test('does not decide how much is written to the log', async () => {
    const rig = await createRig()
    await rig.register('Sydney')
    for (let i = 0; i < 200; i++) await rig.post('/token', {}, { authorization: basic('sydney', String(i)) })
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
    expect(found.map(({ client_id: id, error }) => [id, error])).toEqual([
      [undefined, 'invalid_request'],
      ['sydney', 'invalid_request'],
      ['sydney', 'unsupported_response_type'],
    ])
    expect(new Set(found.map(({ problem }) => problem)).size).toBe(3)
  })
})
