import { describe, expect, test } from 'vitest'
import type { RateSettings } from '../../src/runtime/rate-limits.ts'
import { createRig, ISSUER, type Rig, type RigOptions } from '../rig.ts'

/** Rate limits (docs/configuration.md), each over HTTP: 429 with Retry-After (RFC 6585 §4). */

const OFF: RateSettings = {
  clientFailures: undefined,
  authorize: undefined,
  pushedRequests: undefined,
  introspect: undefined,
}
const TWO = { perSecond: 1 / 60, burst: 2 }

const limited = (rates: Partial<RateSettings>, options: RigOptions = {}) =>
  createRig({ ...options, config: { rates: { ...OFF, ...rates } } })

/** A request from that address. */
const send = (
  rig: Rig,
  path: string,
  { from = '203.0.113.7', ...init }: RequestInit & { from?: string } = {},
) => rig.app.request(`${ISSUER}${path}`, init, { incoming: { socket: { remoteAddress: from } } })
const form = (
  rig: Rig,
  path: string,
  fields: Record<string, string>,
  authorization: string | undefined,
  from?: string,
) =>
  send(rig, path, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      ...(authorization !== undefined && { authorization }),
    },
    body: new URLSearchParams(fields).toString(),
    ...(from !== undefined && { from }),
  })
const basic = (id: string, secret: string) =>
  `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`
const counted = async (rig: Rig, limit: string) =>
  (await rig.metrics.rateLimited.get()).values.find(({ labels }) => labels.limit === limit)?.value

test('the description of every limited endpoint has the 429, and of no endpoint that must never be limited', async () => {
  const rig = await limited({})
  const { paths } = (await (await rig.app.request(`${ISSUER}/openapi.json`)).json()) as {
    paths: Record<string, Record<string, { responses?: Record<string, unknown> }>>
  }
  const withLimit = Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).flatMap(([method, operation]) =>
      operation.responses?.['429'] !== undefined ? [`${method} ${path}`] : [],
    ),
  )
  expect(withLimit.toSorted()).toEqual([
    'delete /ssf/streams',
    'get /authorize',
    'get /revocations',
    'get /userinfo',
    'patch /ssf/streams',
    'post /authorize',
    'post /introspect',
    'post /par',
    'post /revocations',
    'post /revocations/session',
    'post /ssf/status',
    'post /ssf/streams',
    'post /ssf/verification',
    'post /token',
    'post /userinfo',
    'put /ssf/streams',
  ])
})

describe('failed client authentication', () => {
  const TOKEN = { grant_type: 'client_credentials' }
  const wrong = basic('sydney', 'wrong')

  test('is limited by client and address: 429 says when to try again, and the metric counts it', async () => {
    const rig = await limited({ clientFailures: TWO })
    await rig.register('Sydney')
    await rig.register('Melbourne')
    const statuses: number[] = []
    for (let i = 0; i < 3; i++) statuses.push((await form(rig, '/token', TOKEN, wrong)).status)
    expect(statuses).toEqual([401, 401, 429])
    const answer = await form(rig, '/introspect', { token: 'x' }, wrong)
    expect([
      answer.status,
      answer.headers.get('retry-after'),
      answer.headers.get('cache-control'),
    ]).toEqual([429, '60', 'no-store'])
    expect(await answer.json()).toMatchObject({ error: 'temporarily_unavailable' })
    expect(await counted(rig, 'clientFailures')).toBe(2)
    expect((await form(rig, '/token', TOKEN, wrong, '203.0.113.8')).status).toBe(401)
    expect((await form(rig, '/token', TOKEN, basic('melbourne', 'wrong'))).status).toBe(401)
    rig.clock.advance(60)
    expect((await form(rig, '/token', TOKEN, wrong)).status).toBe(401)
  })

  test('locks no client out: correct credentials pass, from the same address too', async () => {
    const rig = await limited({ clientFailures: TWO })
    const { basic: right } = await rig.register('Sydney')
    for (let i = 0; i < 50; i++) await form(rig, '/introspect', { token: 'x' }, wrong)
    expect((await form(rig, '/introspect', { token: 'x' }, right)).status).toBe(200)
    expect((await form(rig, '/introspect', { token: 'x' }, wrong)).status).toBe(429)
  })

  test('one address has one limit for all the names that are not registered, and one IPv6 network is one address', async () => {
    const rig = await limited({ clientFailures: TWO })
    const statuses: number[] = []
    for (const [index, from] of [
      '2001:db8:1:2::1',
      '2001:db8:1:2:9::1',
      '2001:db8:1:2:ffff::',
      '2001:db8:1:3::1',
    ].entries())
      statuses.push((await form(rig, '/token', TOKEN, basic(`unknown-${index}`, 'x'), from)).status)
    expect(statuses).toEqual([401, 401, 429, 401])
  })

  test('is never limited where a token is revoked or a guard reports', async () => {
    const rig = await limited({ clientFailures: TWO })
    await rig.register('Sydney')
    for (let i = 0; i < 5; i++) {
      expect((await form(rig, '/revoke', { token: 'x' }, wrong)).status).toBe(401)
      expect((await form(rig, '/revocations/enforced', {}, wrong)).status).toBe(401)
    }
  })
})

describe('a request within its limit', () => {
  test('/introspect: by client', async () => {
    const rig = await limited({ introspect: TWO })
    const [sydney, melbourne] = [await rig.register('Sydney'), await rig.register('Melbourne')]
    const ask = async (authorization: string, from: string) =>
      (await form(rig, '/introspect', { token: 'x' }, authorization, from)).status
    expect([
      await ask(sydney.basic, '203.0.113.1'),
      await ask(sydney.basic, '203.0.113.2'),
      await ask(sydney.basic, '203.0.113.3'),
    ]).toEqual([200, 200, 429])
    expect(await ask(melbourne.basic, '203.0.113.3')).toBe(200)
  })

  test('/authorize: by client and address, as a page', async () => {
    const rig = await limited({ authorize: TWO })
    await rig.register('Sydney')
    const open = (clientId: string, from?: string) =>
      send(rig, `/authorize?client_id=${clientId}`, from === undefined ? {} : { from })
    expect([(await open('sydney')).status, (await open('sydney')).status]).toEqual([400, 400])
    const page = await open('sydney')
    expect([page.status, page.headers.get('retry-after')]).toEqual([429, '60'])
    expect(await page.text()).toContain('Too many requests came from your network.')
    expect((await open('sydney', '203.0.113.9')).status).toBe(400)
  })

  test('/authorize: the default has room for an office behind one address', async () => {
    const rig = await createRig()
    await rig.register('Sydney')
    for (let i = 0; i < 500; i++)
      expect((await send(rig, '/authorize?client_id=sydney')).status).toBe(400)
  })

  const PUSHED = {
    response_type: 'code',
    redirect_uri: 'https://sydney.case-manager.example/oidc/callback',
    scope: 'openid',
    code_challenge: 'x'.repeat(43),
    code_challenge_method: 'S256',
  }

  test('/par of a public client: by client and address', async () => {
    const rig = await limited({ authorize: TWO })
    await rig.register('Sydney', { authMethod: 'none' })
    const push = async (from: string) =>
      (await form(rig, '/par', { ...PUSHED, client_id: 'sydney' }, undefined, from)).status
    expect([
      await push('203.0.113.1'),
      await push('203.0.113.1'),
      await push('203.0.113.1'),
      await push('203.0.113.2'),
    ]).toEqual([201, 201, 429, 201])
  })

  test('/par of a client that authenticates: 1,500 visitors of an application that pushes from one address', async () => {
    const rig = await createRig()
    const { basic: right } = await rig.register('Sydney')
    const statuses = new Set<number>()
    const visit = async (): Promise<void> =>
      void statuses.add((await form(rig, '/par', PUSHED, right)).status)
    // All of them at once would wait for the database for longer than an act may.
    for (let i = 0; i < 15; i++) await Promise.all(Array.from({ length: 100 }, visit))
    expect(statuses).toEqual(new Set([201]))
  })

  test('/par: what is stored for a client is bounded, from however many addresses', async () => {
    const rig = await limited({ pushedRequests: TWO })
    const { basic: right } = await rig.register('Sydney')
    const statuses: number[] = []
    for (let i = 0; i < 4; i++)
      statuses.push((await form(rig, '/par', PUSHED, right, `203.0.113.${i}`)).status)
    expect(statuses).toEqual([201, 201, 429, 429])
  })

  test('/signin/callback: by address', async () => {
    const rig = await limited({ authorize: TWO })
    const statuses: number[] = []
    for (let i = 0; i < 3; i++) statuses.push((await send(rig, '/signin/callback?state=x')).status)
    expect(statuses).toEqual([400, 400, 429])
    expect((await send(rig, '/signin/callback?state=x', { from: '203.0.113.9' })).status).toBe(400)
  })
})
