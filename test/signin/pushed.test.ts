import { describe, expect, test } from 'vitest'
import { CHALLENGE, createRig, ISSUER, type RegisteredClient } from '../rig.ts'
import { atMicrosoft, authorizePath, createBrowser, signedIn, delivered } from './browser.ts'

describe('pushed authorization requests (RFC 9126)', () => {
  const push = async (
    rig: Awaited<ReturnType<typeof createRig>>,
    client: RegisteredClient,
    changes: Record<string, string> = {},
    authorization = client.basic,
  ) =>
    rig.post(
      '/par',
      { ...Object.fromEntries(new URL(authorizePath(client), ISSUER).searchParams), ...changes },
      { authorization },
    )
  const uriOf = async (response: Response) =>
    ((await response.json()) as { request_uri: string }).request_uri
  const path = (client: RegisteredClient, uri: string) =>
    `/authorize?${new URLSearchParams({ client_id: client.clientId, request_uri: uri })}`

  test('are answered with a request_uri for a minute (§2.2), valid once', async () => {
    const { rig, client, browser } = await signedIn({ requirePar: true })
    const response = await push(rig, client)
    expect(response.status).toBe(201)
    expect(response.headers.get('cache-control')).toBe('no-store')
    const body = (await response.json()) as { request_uri: string; expires_in: number }
    expect(body).toEqual({
      request_uri: expect.stringMatching(/^urn:ietf:params:oauth:request_uri:[\w-]{43}$/) as string,
      expires_in: 60,
    })
    expect(delivered(await browser.get(path(client, body.request_uri)))).toMatchObject({
      code: expect.any(String) as string,
      state: 'state-1',
    })
    const second = await browser.get(path(client, body.request_uri))
    expect(second.status).toBe(400)
    expect(second.headers.get('location')).toBeNull()
    const late = await uriOf(await push(rig, client))
    rig.clock.advance(61)
    expect((await browser.get(path(client, late))).status).toBe(400)
  })

  test('hold what a request needs and no more: any caller may push in the name of a public client, and it is kept (§2.3)', async () => {
    const { rig, client } = await signedIn()
    const response = await push(rig, client, { of_nobody: 'x'.repeat(10_000) })
    expect([response.status, ((await response.json()) as { error: string }).error]).toEqual([
      413,
      'invalid_request',
    ])
  })

  test('of two uses at once one gets a code', async () => {
    const { rig, client, browser } = await signedIn()
    const uri = await uriOf(await push(rig, client))
    const answers = await Promise.all([1, 2, 3].map(() => browser.get(path(client, uri))))
    expect(answers.map((answer) => answer.status).sort()).toEqual([303, 400, 400])
  })

  test('may be shown again until the user goes on, and finished after the minute', async () => {
    const rig = await createRig()
    const client = await rig.register('Sydney')
    const browser = createBrowser(rig)
    const uri = await uriOf(await push(rig, client))
    expect((await browser.get(path(client, uri))).status).toBe(200)
    const page = await browser.get(path(client, uri))
    rig.clock.advance(300)
    expect(delivered(await browser.get(await atMicrosoft(rig, browser, page)))).toMatchObject({
      code: expect.any(String) as string,
      state: 'state-1',
    })
    expect((await browser.get(path(client, uri))).status).toBe(400)
  })

  test('are consumed by the sign-in that goes on to Microsoft with them', async () => {
    const rig = await createRig()
    const client = await rig.register('Sydney')
    const browser = createBrowser(rig)
    const uri = await uriOf(await push(rig, client))
    await atMicrosoft(rig, browser, await browser.get(path(client, uri)))
    expect((await browser.get(path(client, uri))).status).toBe(400)
  })

  test('belong to one client, and parameters beside the request_uri do not count (§4)', async () => {
    const { rig, client, other, browser } = await signedIn()
    const uri = await uriOf(await push(rig, client))
    expect((await browser.get(path(other, uri))).status).toBe(400)
    expect(
      delivered(
        await browser.get(`${path(client, uri)}&state=other&redirect_uri=https://evil.example`),
      ),
    ).toMatchObject({ state: 'state-1' })
  })

  test('are checked when they are pushed (§2.1), and answered in JSON', async () => {
    const { rig, client } = await signedIn()
    const rejections: [Record<string, string>, string][] = [
      [{ redirect_uri: 'https://evil.example' }, 'invalid_request'],
      [{ request_uri: 'urn:ietf:params:oauth:request_uri:x' }, 'invalid_request'],
      [{ response_type: 'token' }, 'unsupported_response_type'],
      [{ code_challenge_method: 'plain' }, 'invalid_request'],
      [{ scope: 'payroll' }, 'invalid_scope'],
    ]
    for (const [changes, error] of rejections) {
      const response = await push(rig, client, changes)
      expect(response.status).toBe(400)
      expect(await response.json()).toMatchObject({ error })
    }
    expect((await push(rig, client, {}, 'Basic c3lkbmV5Ondyb25n')).status).toBe(401)
    expect((await rig.app.request('/par')).status).toBe(405)
    expect(
      (
        await rig.app.request('/par', {
          method: 'POST',
          body: '{}',
          headers: { 'content-type': 'application/json' },
        })
      ).status,
    ).toBe(415)
  })

  test('a client that has to push is rejected without (§6)', async () => {
    const { ask } = await signedIn({ requirePar: true })
    expect(delivered(await ask())).toMatchObject({ error: 'invalid_request', state: 'state-1' })
  })

  test('the client’s secret is not kept with what it pushed', async () => {
    const rig = await createRig()
    const client = await rig.register('Sydney')
    const kept: string[] = []
    const { pushRequest } = rig.store
    rig.store.pushRequest = async (input) => {
      kept.push(input.parameters)
      return pushRequest(input)
    }
    const fields = Object.fromEntries(new URL(authorizePath(client), ISSUER).searchParams)
    expect((await rig.post('/par', { ...fields, client_secret: client.secret })).status).toBe(201)
    expect(kept).toHaveLength(1)
    expect(kept[0]).toContain(CHALLENGE)
    expect(kept[0]).not.toContain(client.secret)
  })
})
