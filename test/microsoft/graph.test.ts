import { describe, expect, test } from 'vitest'
import { createMicrosoft } from '../../src/microsoft/microsoft.ts'

/**
 * Graph's answers about a user, read: an answer that is not Graph's own ends no session and settles
 * no work.
 */

const TENANT = '11111111-1111-4111-8111-111111111111'
const OID = '44444444-4444-4444-8444-444444444444'
const LOGIN = 'https://login.microsoftonline.com'

function graphThatAnswers(
  status: number,
  body: unknown,
  seen: { headers?: Record<string, string>; asked?: number; now?: number } = {},
) {
  const json = (value: unknown, code = 200) =>
    new Response(JSON.stringify(value), {
      status: code,
      headers: { 'content-type': 'application/json', ...seen.headers },
    })
  const fetch = async (url: string): Promise<Response> => {
    if (url.startsWith('https://graph.microsoft.com/')) {
      seen.asked = (seen.asked ?? 0) + 1
      return json(body, status)
    }
    if (url.endsWith('/token'))
      return json({ token_type: 'Bearer', access_token: 'app-token', expires_in: 3600 })
    return json({
      issuer: `${LOGIN}/${TENANT}/v2.0`,
      authorization_endpoint: `${LOGIN}/${TENANT}/oauth2/v2.0/authorize`,
      token_endpoint: `${LOGIN}/${TENANT}/oauth2/v2.0/token`,
      end_session_endpoint: `${LOGIN}/${TENANT}/oauth2/v2.0/logout`,
      jwks_uri: `${LOGIN}/${TENANT}/discovery/v2.0/keys`,
    })
  }
  const entra = {
    tenants: [TENANT],
    clientId: '33333333-3333-4333-8333-333333333333',
    credential: { kind: 'secret' as const, secret: 'the-secret' },
    authority: LOGIN,
    simulated: false,
  }
  const clock = { now: () => seen.now ?? Math.floor(Date.now() / 1000), nowMs: () => Date.now() }
  const log = { info: () => {}, warn: () => {}, error: () => {} }
  return createMicrosoft({ config: { issuer: 'https://login.example', entra }, clock, log, fetch })
    .graph
}

test('a user whom Graph reports as missing is gone', async () => {
  const graph = graphThatAnswers(404, {
    error: { code: 'Request_ResourceNotFound', message: 'Resource does not exist.' },
  })
  expect(await graph.user(TENANT, OID)).toEqual({ state: 'gone' })
  expect(await graph.revokeSessions(TENANT, OID)).toBe('gone')
})

test.each([
  ['a wrong address of ours, or a proxy’s', {}],
  [
    'another error of Graph’s',
    { error: { code: 'ResourceNotFound', message: 'Resource not found for the segment' } },
  ],
])(
  '404 for another reason says nothing about a user, and no work is done by it: %s',
  async (_words, body) => {
    const graph = graphThatAnswers(404, body)
    await expect(graph.user(TENANT, OID)).rejects.toMatchObject({
      name: 'GraphProblem',
      kind: 'rejected',
    })
    await expect(graph.revokeSessions(TENANT, OID)).rejects.toMatchObject({
      name: 'GraphProblem',
      kind: 'rejected',
    })
  },
)

test('an answer about another user is not an answer', async () => {
  const graph = graphThatAnswers(200, {
    id: '55555555-5555-4555-8555-555555555555',
    accountEnabled: false,
  })
  await expect(graph.user(TENANT, OID)).rejects.toMatchObject({
    name: 'GraphProblem',
    kind: 'rejected',
  })
  expect(
    await graphThatAnswers(200, { id: OID.toUpperCase(), accountEnabled: false }).user(TENANT, OID),
  ).toMatchObject({ enabled: false })
})

describe('the risk of a user (Identity Protection, riskyUsers)', () => {
  const entry = {
    id: OID,
    riskLevel: 'high',
    riskState: 'atRisk',
    riskLastUpdatedDateTime: '2026-11-27T12:00:00Z',
  }
  const SINCE = Date.parse(entry.riskLastUpdatedDateTime) / 1000

  test.each([
    ['high', 'atRisk', SINCE],
    ['none', 'confirmedCompromised', SINCE],
    ['medium', 'atRisk', undefined],
    ['low', 'atRisk', undefined],
    ['hidden', 'atRisk', undefined],
    ['high', 'remediated', undefined],
    ['high', 'dismissed', undefined],
    ['high', 'confirmedSafe', undefined],
    ['high', 'unknownFutureValue', undefined],
    [undefined, undefined, undefined],
  ])('level %s, state %s', async (riskLevel, riskState, since) => {
    expect(
      await graphThatAnswers(200, { ...entry, riskLevel, riskState }).riskSince(TENANT, OID),
    ).toBe(since)
  })

  test('a user without an entry, or an entry without a date, is at no risk that ends a session', async () => {
    expect(
      await graphThatAnswers(404, { error: { code: 'ResourceNotFound' } }).riskSince(TENANT, OID),
    ).toBeUndefined()
    expect(
      await graphThatAnswers(200, { ...entry, riskLastUpdatedDateTime: null }).riskSince(
        TENANT,
        OID,
      ),
    ).toBeUndefined()
  })

  test.each([
    [
      'somebody else',
      200,
      { ...entry, id: '55555555-5555-4555-8555-555555555555' },
      'rejected',
      60,
    ],
    ['403', 403, { error: { code: 'Authorization_RequestDenied' } }, 'forbidden', 60],
    ['429 with Retry-After', 429, {}, 'throttled', 120],
    ['503 with Retry-After', 503, {}, 'throttled', 120],
  ])(
    '%s is a problem of ours; the tenant is not asked again until the pause is over',
    async (_what, status, body, kind, seconds) => {
      const seen = {
        headers: status >= 429 ? { 'retry-after': '120' } : {},
        asked: 0,
        now: 1_800_000_000,
      }
      const graph = graphThatAnswers(status, body, seen)
      await expect(graph.riskSince(TENANT, OID)).rejects.toMatchObject({
        name: 'GraphProblem',
        kind,
      })
      seen.now += seconds - 1
      expect(await graph.riskSince(TENANT, OID)).toBe('paused')
      expect(seen.asked).toBe(1)
      seen.now += 1
      await expect(graph.riskSince(TENANT, OID)).rejects.toMatchObject({ kind })
      expect(seen.asked).toBe(2)
    },
  )
})

test.each([
  ['disabled', 'ignored'],
  ['nativeSupport', 'asked'],
  ['translateToFreshPasswordAuthentication', 'asked'],
  ['unknownFutureValue', 'unknown'],
  [undefined, 'unknown'],
])(
  'a federated domain with promptLoginBehavior %s: prompt=login is %s',
  async (promptLoginBehavior, promptLogin) => {
    const graph = graphThatAnswers(200, {
      value: [{ id: 'contoso.example', authenticationType: 'Federated', promptLoginBehavior }],
    })
    expect(await graph.federatedDomains(TENANT)).toEqual([
      { domain: 'contoso.example', promptLogin },
    ])
  },
)
