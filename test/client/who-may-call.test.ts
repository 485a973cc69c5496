import type { Hono } from 'hono'
import { beforeAll, describe, expect, test } from 'vitest'
import { methodsAt } from '../../src/protocol/described.ts'
import { GRANT } from '../../src/protocol/names.ts'
import {
  CHALLENGE,
  createRig,
  ISSUER,
  OTHER_TENANT,
  TENANT,
  type RegisteredClient,
  type Rig,
} from '../rig.ts'

/**
 * Each endpoint that authenticates a client, and what it answers to each kind of client. The
 * endpoints are found by asking every route with a wrong credential.
 */

const KINDS = ['confidential', 'public', 'removed', 'locked', 'foreign'] as const
type Kind = (typeof KINDS)[number]

/** A client of one kind, with what it was issued while it was an ordinary client. */
interface Caller {
  kind: Kind
  client: RegisteredClient
  code: Record<string, string>
  sid: string
  sub: string
  access: string
  refresh: string
  /** Its own tokens, for the broker's APIs; none for a public client. */
  ssf: string
  admin: string
}

const EVERY_GRANT = [
  GRANT.authorizationCode,
  GRANT.refreshToken,
  GRANT.clientCredentials,
  GRANT.tokenExchange,
] as const
const SCOPES = ['openid', 'profile', 'email', 'offline_access', 'ssf.read', 'ssf.manage']

async function callerOf(rig: Rig, kind: Kind): Promise<Caller> {
  const name = kind[0]!.toUpperCase() + kind.slice(1)
  const changes = {
    grants: EVERY_GRANT.slice(0, kind === 'public' ? 2 : undefined),
    scopes: [...SCOPES, 'broker:audit'],
    exchangeFrom: [kind],
    ...(kind === 'public' && { authMethod: 'none' as const }),
  }
  const client = await rig.register(name, changes)
  const { session } = await rig.openSession()
  const own = async (form: Record<string, string>) => {
    const answer = await send(rig, client, kind, '/token', form)
    return (await answer.json()) as { access_token?: string; refresh_token?: string }
  }
  const { form } = await rig.issueCode(session.sid, client)
  const tokens = await own(form)
  const credentials = { grant_type: GRANT.clientCredentials }
  const ssf = await own({ ...credentials, scope: 'ssf.read ssf.manage' })
  const admin = await own({ ...credentials, scope: 'broker:audit' })
  const { form: code } = await rig.issueCode(session.sid, client)
  const by = { actor: { kind: 'operator', id: 'olivia' } as const, now: rig.clock.now() }
  if (kind === 'removed') await rig.store.removeClient({ clientId: kind, source: 'any', ...by })
  if (kind === 'locked')
    await rig.store.lock({
      target: { kind: 'client', clientId: kind },
      ...by,
      may: 'administer',
      operatorTenant: TENANT,
    })
  if (kind === 'foreign')
    await rig.store.putClient({
      clientId: kind,
      source: 'command',
      metadata: { ...client.metadata, tenants: [OTHER_TENANT] },
      now: by.now,
    })
  await rig.clients.reload()
  return {
    kind,
    client,
    code,
    sid: session.sid,
    sub: session.sub,
    access: tokens.access_token ?? '',
    refresh: tokens.refresh_token ?? '',
    ssf: ssf.access_token ?? '',
    admin: admin.access_token ?? '',
  }
}

const send = (
  rig: Rig,
  client: RegisteredClient,
  kind: Kind,
  path: string,
  form: Record<string, string>,
) =>
  kind === 'public'
    ? rig.post(path, { ...form, client_id: client.clientId })
    : rig.post(path, form, { authorization: client.basic })

/** A request of a caller: its form, or how it is made otherwise. */
type Call = (rig: Rig, caller: Caller) => Response | Promise<Response>
const byForm =
  (path: string, formOf: (caller: Caller) => Record<string, string>): Call =>
  (rig, caller) =>
    send(rig, caller.client, caller.kind, path, formOf(caller))
const byQuery =
  (path: string, headers: Record<string, string> = {}): Call =>
  (rig, { kind, client }) =>
    rig.app.request(
      `${ISSUER}${path}${path.includes('?') ? '&' : '?'}client_id=${client.clientId}`,
      { headers: { ...headers, ...(kind !== 'public' && { authorization: client.basic }) } },
    )
const byBearer =
  (method: string, path: string, token: (caller: Caller) => string): Call =>
  (rig, caller) => {
    const app = path.startsWith('/admin/') ? rig.opsApp : rig.app
    const headers = { authorization: `Bearer ${token(caller)}`, 'content-type': 'application/json' }
    return app.request(`${ISSUER}${path}`, {
      method,
      headers,
      ...(method !== 'GET' && method !== 'DELETE' && { body: '{}' }),
    })
  }
const NONCE = 'n'.repeat(16)
const SNAPSHOT = { accept: 'application/json' }

/** The request of a client by route. A route of several uses has a row for each. */
const CALLS: Record<string, Call> = {
  'POST /par': byForm('/par', ({ client }) => ({
    response_type: 'code',
    redirect_uri: client.metadata.redirectUris[0] ?? '',
    scope: 'openid',
    code_challenge: CHALLENGE,
    code_challenge_method: 'S256',
  })),
  'POST /token authorization_code': byForm('/token', ({ code }) => code),
  'POST /token refresh_token': byForm('/token', ({ refresh }) => ({
    grant_type: GRANT.refreshToken,
    refresh_token: refresh,
  })),
  'POST /token client_credentials': byForm('/token', () => ({
    grant_type: GRANT.clientCredentials,
    scope: 'ssf.read',
  })),
  'POST /token token-exchange': byForm('/token', ({ access, kind }) => ({
    grant_type: GRANT.tokenExchange,
    subject_token: access,
    subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    audience: kind,
  })),
  'POST /introspect': byForm('/introspect', ({ access }) => ({ token: access })),
  'GET /userinfo': byBearer('GET', '/userinfo', ({ access }) => access),
  'POST /userinfo': byBearer('POST', '/userinfo', ({ access }) => access),
  'GET /revocations': byQuery('/revocations', SNAPSHOT),
  'GET /revocations stream': byQuery('/revocations', { accept: 'text/event-stream' }),
  'POST /revocations': byForm('/revocations', () => ({ guard: 'web-1' })),
  'GET /revocations/clock': byQuery(`/revocations/clock?nonce=${NONCE}`),
  'POST /revocations/clock': byForm('/revocations/clock', () => ({ nonce: NONCE })),
  'POST /revocations/enforced': async (rig, { kind, client }) => {
    const { epoch, seq } = await rig.store.head()
    return rig.app.request(`${ISSUER}/revocations/enforced`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(kind !== 'public' && { authorization: client.basic }),
      },
      body: JSON.stringify({ epoch, seq, guard: 'web-1', client_id: client.clientId }),
    })
  },
  'POST /revocations/session': byForm('/revocations/session', ({ sid, sub }) => ({ sid, sub })),
  'POST /revoke': byForm('/revoke', ({ refresh }) => ({ token: refresh })),
}

const REJECTED = '401 invalid_client'
/** The answers to a confidential client, and where they differ those to other kinds. */
type Answers = { confidential: string } & Partial<Record<Kind, string>>
const feed = (answer: string): Answers => ({
  confidential: answer,
  public: REJECTED,
  removed: REJECTED,
})
const bearer = { removed: '401 invalid_token', locked: '401 invalid_token' }
/**
 * A foreign client is one whose registration has lost the user's tenant: what it was issued before
 * stays valid until it expires, and it gets nothing new for the user. A locked client still follows
 * the feed and revokes, or its guards would accept revoked tokens.
 */
const ANSWERS: Record<string, Answers> = {
  'POST /par': { confidential: '201', removed: REJECTED },
  'POST /token authorization_code': {
    confidential: '200',
    removed: REJECTED,
    locked: '400 invalid_grant',
    foreign: '400 invalid_grant',
  },
  'POST /token refresh_token': {
    confidential: '200',
    removed: REJECTED,
    locked: '400 invalid_grant',
    foreign: '400 invalid_grant',
  },
  'POST /token client_credentials': {
    confidential: '200',
    public: '400 unauthorized_client',
    removed: REJECTED,
    locked: '400 unauthorized_client',
  },
  'POST /token token-exchange': {
    confidential: '200',
    public: '400 unauthorized_client',
    removed: REJECTED,
    locked: '400 invalid_grant',
    foreign: '400 invalid_target',
  },
  'POST /introspect': {
    confidential: '200 active: true',
    public: REJECTED,
    removed: REJECTED,
    locked: '200 active: false',
  },
  'GET /userinfo': { confidential: '200', ...bearer },
  'POST /userinfo': { confidential: '200', ...bearer },
  'GET /revocations': feed('200'),
  'GET /revocations stream': feed('200 stream'),
  'POST /revocations': feed('200'),
  'GET /revocations/clock': feed('200'),
  'POST /revocations/clock': feed('200'),
  'POST /revocations/enforced': feed('204'),
  'POST /revocations/session': {
    ...feed('200 active: true'),
    locked: '200 active: false',
  },
  'POST /revoke': { confidential: '200', removed: REJECTED },
}

const routeOf = (row: string): string => row.split(' ', 2).join(' ')

async function answered(response: Response): Promise<string> {
  if ((response.headers.get('content-type') ?? '').startsWith('text/event-stream')) {
    await response.body?.cancel()
    return `${response.status} stream`
  }
  const text = await response.text()
  const body = (text === '' ? {} : JSON.parse(text)) as { error?: string; active?: boolean }
  return [
    response.status,
    body.error,
    body.active === undefined ? undefined : `active: ${body.active}`,
  ]
    .filter((part) => part !== undefined)
    .join(' ')
}

/** Returns the routes that ask for a credential of a client, by what they answer to a wrong one. */
async function authenticating(app: Hono): Promise<string[]> {
  const found = new Set<string>()
  for (const route of new Set(app.routes.map(({ path }) => path))) {
    const path = route.replaceAll(/:(\w+)(?:\{[^/]*\})?/g, 'x')
    if (path.includes('*')) continue
    for (const method of methodsAt(app, path))
      for (const authorization of ['Basic eDp5', 'Bearer x']) {
        if (method === 'OPTIONS' || method === 'HEAD') continue
        const answer = await app.request(`${ISSUER}${path}`, {
          method,
          headers: { authorization, 'content-type': 'application/x-www-form-urlencoded' },
          ...(method !== 'GET' && { body: 'grant_type=refresh_token' }),
        })
        if (answer.status === 401) found.add(`${method} ${route}`)
        await answer.body?.cancel()
      }
  }
  return [...found]
}

describe('each endpoint that authenticates a client', () => {
  let rig: Rig
  let callers: Caller[]
  beforeAll(async () => {
    let close = async (): Promise<void> => {}
    rig = await createRig({
      onEnd: (end) => (close = end),
      // The test itself sends a wrong credential to each route.
      env: { BROKER_RATE_CLIENT_FAILURES: '1000/s:1000' },
    })
    callers = []
    for (const kind of KINDS) callers.push(await callerOf(rig, kind))
    return () => close()
  })

  test.each(Object.entries(ANSWERS))('%s answers each kind of client', async (row, expected) => {
    const call = CALLS[row] ?? expect.unreachable()
    const answers: Partial<Record<Kind, string>> = {}
    for (const caller of callers) answers[caller.kind] = await answered(await call(rig, caller))
    const { confidential } = expected
    expect(answers).toEqual({
      ...Object.fromEntries(KINDS.map((kind) => [kind, confidential])),
      ...expected,
    })
  })

  test('is in this table, or takes a client’s own token alone', async () => {
    const routes = await authenticating(rig.app)
    const own = routes.filter((route) => route.includes(' /ssf/'))
    expect(own.length).toBeGreaterThan(9)
    expect(routes.filter((route) => !own.includes(route)).toSorted()).toEqual(
      [...new Set(Object.keys(ANSWERS).map(routeOf))].toSorted(),
    )
  })

  test('is one that the description says to need authentication, and the other way round', async () => {
    const document = (await (await rig.app.request(`${ISSUER}/openapi.json`)).json()) as {
      paths: Record<string, Record<string, { security?: unknown[] }>>
    }
    const described = Object.entries(document.paths)
      .filter(([path]) => !path.startsWith('/admin/'))
      .flatMap(([path, item]) =>
        Object.entries(item)
          .filter(([, { security = [] }]) => security.length > 0)
          .map(([method]) => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`),
      )
    expect(described.toSorted()).toEqual((await authenticating(rig.app)).toSorted())
  })

  test('that takes a client’s own token rejects that of a removed or a locked client, and a user’s', async () => {
    const own = [
      ...(await authenticating(rig.app)).filter((route) => route.includes(' /ssf/')),
      ...(await authenticating(rig.opsApp)).filter((route) => route.includes(' /admin/v1/')),
    ]
    expect(own.length).toBeGreaterThan(60)
    for (const route of own) {
      const [method = '', template = ''] = route.split(' ')
      const path = template.replaceAll(/:(\w+)(?:\{[^/]*\})?/g, 'x')
      const tokenOf = (caller: Caller) => (path.startsWith('/admin/') ? caller.admin : caller.ssf)
      for (const caller of callers) {
        const { kind } = caller
        const isRejected = kind === 'public' || kind === 'removed' || kind === 'locked'
        const { status } = await byBearer(method, path, tokenOf)(rig, caller)
        expect([route, kind, status === 401]).toEqual([route, kind, isRejected])
        const byUser = await byBearer(method, path, ({ access }) => access)(rig, caller)
        expect([route, kind, byUser.status]).toEqual([route, kind, 401])
      }
    }
  })
})
