import { beforeEach, describe, expect, test } from 'vitest'
import { adminAudience, TYP } from '../../src/protocol/names.ts'
import { createRig, type RegisteredClient, type Rig, TENANT } from '../rig.ts'

let rig: Rig
let robot: RegisteredClient

beforeEach(async () => {
  rig = await createRig()
  robot = await rig.register('Robot', {
    grants: ['client_credentials'],
    redirectUris: [],
    scopes: ['broker:operate', 'broker:administer'],
  })
})

const tokenFor = async (scope: string, client = robot): Promise<string> => {
  const response = await rig.post(
    '/token',
    { grant_type: 'client_credentials', scope },
    { authorization: client.basic },
  )
  return ((await response.json()) as { access_token: string }).access_token
}

async function call(token: string | undefined, method: string, path: string, body?: unknown) {
  const headers = {
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
  }
  const response = await rig.opsApp.request(`http://localhost:7401/admin/v1${path}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return {
    status: response.status,
    type: response.headers.get('content-type'),
    headers: response.headers,
    body: (await response.json()) as Record<string, unknown>,
  }
}

const METADATA = { client_name: 'Perth', redirect_uris: ['https://perth.example/callback'] }

describe('the admin API over HTTP', () => {
  test('without a token: 401, how to get one, as a problem document (RFC 9457, RFC 6750 §3)', async () => {
    const answer = await call(undefined, 'GET', '/clients')
    expect(answer).toMatchObject({
      status: 401,
      type: 'application/problem+json',
      body: { status: 401, title: expect.any(String) as string },
    })
    expect(answer.headers.get('www-authenticate')).toContain('Bearer')
  })

  test('no operator hides that a part of the broker is down: /readyz goes on saying it', async () => {
    const token = await tokenFor('broker:operate')
    rig.queue.up = false
    const { problems } = (await call(token, 'GET', '/status')).body as {
      problems: { id: string; check: string }[]
    }
    const { id = '' } = problems.find(({ check }) => check === 'queue') ?? {}
    expect(await call(token, 'POST', `/problems/${id}/hide`, {})).toMatchObject({
      status: 409,
      body: { title: 'This cannot be hidden' },
    })
    const ready = await rig.opsApp.request('/readyz')
    expect(await ready.json()).toMatchObject({
      status: 'degraded',
      verdict: '1 thing needs you today',
      checks: expect.arrayContaining([
        expect.objectContaining({ check: 'queue', state: 'failed' }),
      ]) as unknown,
    })
  })

  test('the names of a long page are looked up a few in each turn of the event loop', async () => {
    const token = await tokenFor('broker:operate')
    for (let n = 0; n < 150; n++) {
      const actor = { kind: 'operator', id: `u_${n}` } as const
      await rig.store.appendAudit({ actor, via: 'api', act: 'revoke', target: `subject u_n${n}` })
    }
    const { findSubject } = rig.store
    let [inThisTurn, most, ended] = [0, 0, false]
    const turn = (): void => {
      inThisTurn = 0
      if (!ended) setImmediate(turn)
    }
    turn()
    rig.store.findSubject = (sub) => {
      most = Math.max(most, ++inThisTurn)
      return findSubject(sub)
    }
    const { body } = await call(token, 'GET', '/audit?limit=150')
    ended = true
    expect([(body.entries as unknown[]).length, most > 0, most <= 100]).toEqual([150, true, true])
  })

  test('broker:operate reads and redrives; what changes anything else is rejected', async () => {
    const token = await tokenFor('broker:operate')
    for (const path of [
      '/clients',
      '/sessions',
      '/revocations',
      '/deliveries',
      '/keys',
      '/guards',
      '/tenants',
      '/status',
    ])
      expect([path, (await call(token, 'GET', path)).status]).toEqual([path, 200])
    expect((await call(token, 'POST', '/deliveries/redrive', { all: true })).status).toBe(200)
    expect(
      (await call(token, 'POST', '/revocations', { selector: { kind: 'everything' } })).status,
    ).toBe(403)
    expect(
      (await call(token, 'POST', '/clients', { client_id: 'perth', ...METADATA })).status,
    ).toBe(403)
    expect((await call(token, 'POST', '/keys/rotate', { alg: 'ES256' })).status).toBe(403)
    expect((await rig.store.listRevocations({ limit: 1 })).length).toBe(0)
  })

  test('broker:administer registers, and revokes in the client’s name', async () => {
    const token = await tokenFor('broker:administer')
    const added = await call(token, 'POST', '/clients', { client_id: 'perth', ...METADATA })
    expect(added).toMatchObject({
      status: 201,
      body: {
        client_id: 'perth',
        source: 'api',
        client_secret: expect.stringMatching(/^cms_/) as string,
      },
    })
    expect((await call(token, 'GET', '/clients/perth')).body).not.toHaveProperty('client_secret')
    const { session } = await rig.openSession()
    expect(
      await call(token, 'POST', '/revocations', {
        selector: { kind: 'session', sid: session.sid },
        case_reference: 'INC-1',
      }),
    ).toMatchObject({
      status: 201,
      body: { outcome: 'revoked', actor: { kind: 'client', id: 'robot' }, case_reference: 'INC-1' },
    })
    expect((await rig.store.statusBySid(session.sid, rig.clock.now())).state).toBe('ended')
  })

  test('PATCH keeps what it does not name; null removes', async () => {
    const token = await tokenFor('broker:administer')
    await call(token, 'POST', '/clients', {
      client_id: 'perth',
      ...METADATA,
      app_role: 'CaseManager.User',
    })
    expect(
      (await call(token, 'PATCH', '/clients/perth', { client_name: 'Perth 2' })).body,
    ).toMatchObject({
      client_name: 'Perth 2',
      app_role: 'CaseManager.User',
    })
    expect(
      (await call(token, 'PATCH', '/clients/perth', { app_role: null })).body,
    ).not.toHaveProperty('app_role')
    expect((await call(token, 'PATCH', '/clients/perth', METADATA)).body).toMatchObject({
      client_name: 'Perth',
      secrets: [expect.anything()],
    })
    expect((await call(token, 'PATCH', '/clients/nobody', METADATA)).status).toBe(404)
  })

  test('dry_run of a change says what a lower max_authentication_age ends at once, and changes nothing', async () => {
    const token = await tokenFor('broker:administer')
    const added = await call(token, 'POST', '/clients', { client_id: 'perth', ...METADATA })
    const perth = rig.clients.find('perth') ?? expect.unreachable()
    const basic = `Basic ${Buffer.from(`perth:${String(added.body.client_secret)}`).toString('base64')}`
    const { session } = await rig.openSession({ authTime: rig.clock.now() - 7200 })
    await rig.signInAt(session.sid, { ...perth, secret: String(added.body.client_secret), basic })
    const entries = async () =>
      (await rig.store.listAudit({ limit: 50 })).filter(({ act }) => act.endsWith('.change')).length
    const age = { max_authentication_age: 3600, dry_run: true }
    const preview = {
      status: 200,
      body: { dry_run: true, would_end: { sessions: 1, subjects: 1, clients: 1 } },
    }
    expect(await call(token, 'PATCH', '/clients/perth', age)).toMatchObject(preview)
    expect(await call(token, 'PATCH', `/tenants/${TENANT}`, age)).toMatchObject(preview)
    for (const none of [{ max_authentication_age: 7201 }, { max_authentication_age: null }, {}]) {
      const nothing = { status: 200, body: { would_end: { sessions: 0 } } }
      expect([
        none,
        await call(token, 'PATCH', '/clients/perth', { ...none, dry_run: true }),
      ]).toMatchObject([none, nothing])
      expect([
        none,
        await call(token, 'PATCH', `/tenants/${TENANT}`, { ...none, dry_run: true }),
      ]).toMatchObject([none, nothing])
    }
    expect(rig.clients.find('perth')?.metadata).toEqual(perth.metadata)
    expect([
      (await rig.store.findTenant(TENANT))?.maxAuthenticationSeconds,
      await entries(),
    ]).toEqual([undefined, 0])
    expect(
      (await call(token, 'PATCH', '/clients/perth', { max_authentication_age: 1, dry_run: true }))
        .status,
    ).toBe(422)
    await rig.register('Sydney')
    expect((await call(token, 'PATCH', '/clients/sydney', age)).status).toBe(409)
    expect((await call(token, 'PATCH', '/clients/nobody', age)).status).toBe(404)
    expect(
      (await call(token, 'PATCH', '/tenants/99999999-2222-4333-8444-555555555555', age)).status,
    ).toBe(404)
    expect(
      (await call(await tokenFor('broker:operate'), 'PATCH', '/clients/perth', age)).status,
    ).toBe(403)
    expect(
      (
        await call(token, 'PATCH', '/clients/perth', {
          max_authentication_age: 3600,
          dry_run: false,
        })
      ).body,
    ).toMatchObject({
      client_id: 'perth',
      max_authentication_age: 3600,
    })
    expect(await entries()).toBe(1)
  })

  test('every problem of a request is named', async () => {
    const token = await tokenFor('broker:administer')
    const answer = await call(token, 'POST', '/clients', {
      client_id: 'perth',
      client_name: '',
      redirect_uris: ['http://perth.example/#x'],
      colour: 'red',
    })
    expect(answer.status).toBe(400)
    expect((answer.body.problems as string[]).length).toBeGreaterThanOrEqual(3)
    expect(
      (
        await call(token, 'POST', '/revocations', {
          selector: { kind: 'grant', sid: 's' },
          colour: 'red',
        })
      ).body.problems,
    ).toHaveLength(2)
    expect((await call(token, 'POST', '/deliveries/redrive', {})).status).toBe(400)
    const wrong: [string, unknown, string[]][] = [
      ['/locks', { target: { kind: 'tenant' }, ends_at: 'soon', comment: 7 }, ['target']],
      [
        '/keys/rotate',
        { alg: 'HS256', comment: 'x'.repeat(3000) },
        ['alg: has to be ES256 or RS256', 'comment: has to be at most 2000 characters'],
      ],
      ['/revocations', { selector: { kind: 'planet' } }, ['selector']],
      [
        '/clients',
        { client_id: 'p', client_name: 'P', redirect_uris: 'x', consent_required: 1 },
        ['redirect_uris: has to be a list'],
      ],
    ]
    for (const [path, body, expected] of wrong) {
      const { problems, type } = (await call(token, 'POST', path, body)).body
      for (const each of expected) expect((problems as string[]).join('\n')).toContain(each)
      expect((problems as string[]).join('\n')).not.toMatch(
        /Invalid|expected|received|Too (?:small|big)/,
      )
      expect(type).toMatch(/^urn:case-manager:problem:the-re[a-z-]+$/)
    }
  })

  test('what cmb registered is not the API’s to change (409)', async () => {
    const token = await tokenFor('broker:administer')
    await rig.register('Sydney')
    expect(await call(token, 'PATCH', '/clients/sydney', { client_name: 'Mine' })).toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining('cmb') as string },
    })
    expect((await call(token, 'DELETE', '/clients/sydney')).status).toBe(409)
    expect(rig.clients.find('sydney')?.metadata.name).toBe('Case Manager Sydney')
  })

  test('secrets are listed by id and removed one by one', async () => {
    const token = await tokenFor('broker:administer')
    await call(token, 'POST', '/clients', { client_id: 'perth', ...METADATA })
    const { body } = await call(token, 'POST', '/clients/perth/secrets')
    const [first] = body.secrets as { id: string }[]
    expect(
      (await call(token, 'DELETE', `/clients/perth/secrets/${first?.id}`)).body.secrets,
    ).toHaveLength(1)
    expect((await call(token, 'DELETE', `/clients/perth/secrets/${first?.id}`)).status).toBe(404)
  })

  test('a body that is not JSON, one that is too large, and an unknown id are rejected', async () => {
    const token = await tokenFor('broker:administer')
    const send = (body: string, type: string) =>
      rig.opsApp.request('http://localhost:7401/admin/v1/revocations', {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': type },
        body,
      })
    expect((await send('{}', 'text/plain')).status).toBe(415)
    expect((await send('{', 'application/json')).status).toBe(400)
    expect((await send(`"${'x'.repeat(300_000)}"`, 'application/json')).status).toBe(413)
    expect((await call(token, 'GET', '/nothing')).status).toBe(404)
  })
})

describe('what the admin API rejects, and how', () => {
  let token: string
  beforeEach(async () => (token = await tokenFor('broker:administer')))

  test('an unknown query parameter, an unknown value and a repeated one are 400, and name what there is', async () => {
    for (const path of [
      '/revocations?user=bob',
      '/sessions?user=a&colour=red',
      '/deliveries?state=lost',
      '/revocations?limit=0',
      '/keys?x=1',
    ])
      expect([path, (await call(token, 'GET', path)).status]).toEqual([path, 400])
    const { problems } = (await call(token, 'GET', '/revocations?user=bob')).body
    expect(problems).toEqual([
      'user: there is no such parameter; there are: sub, client_id, case_reference, reason, actor, since, until, before, limit',
    ])
    expect((await call(token, 'GET', '/revocations?limit=5&limit=6')).status).toBe(400)
    expect((await call(token, 'GET', '/revocations/0x10')).status).toBe(400)
    expect(
      (await call(token, 'POST', '/deliveries/redrive?dry_run=true', { all: true })).status,
    ).toBe(400)
  })

  test('a rule beyond the document is 422: a registration that contradicts itself', async () => {
    const body = {
      client_id: 'perth',
      client_name: 'Perth',
      redirect_uris: [],
      grant_types: ['authorization_code'],
    }
    expect(await call(token, 'POST', '/clients', body)).toMatchObject({
      status: 422,
      body: { problems: [expect.stringContaining('redirect_uris') as string] },
    })
  })

  test('another method of a known path is 405 with Allow, with and without a handler for every verb (RFC 9110 §15.5.6)', async () => {
    for (const [method, path, allow] of [
      ['PUT', '/clients', 'GET, HEAD, POST'],
      ['POST', '/clients/perth', 'GET, HEAD, PATCH, DELETE'],
      ['DELETE', '/revocations/4711', 'GET, HEAD'],
      ['GET', '/deliveries/redrive', 'POST'],
    ] as const) {
      const answer = await call(token, method, path)
      expect([path, answer.status, answer.headers.get('allow'), answer.type]).toEqual([
        path,
        405,
        allow,
        'application/problem+json',
      ])
    }
    expect((await call(token, 'GET', '/nothing')).status).toBe(404)
  })

  test('no answer may be stored: what is read, a 201 with a secret, a rejection', async () => {
    const answers = [
      await call(token, 'GET', '/clients'),
      await call(token, 'POST', '/clients', { client_id: 'perth', ...METADATA }),
      await call(token, 'GET', '/nothing'),
      await call(token, 'GET', '/keys?x=1'),
      await call(undefined, 'GET', '/clients'),
    ]
    expect(answers.map(({ status, headers }) => [status, headers.get('cache-control')])).toEqual(
      [200, 201, 404, 400, 401].map((status) => [status, 'no-store']),
    )
  })
})

describe('what the audit log holds (docs/console.md)', () => {
  test('a changed registration: each field before and after, and never a secret', async () => {
    const token = await tokenFor('broker:administer')
    const { body } = await call(token, 'POST', '/clients', { client_id: 'perth', ...METADATA })
    const redirect_uris = ['https://perth.example/callback', 'https://evil.example/callback']
    await call(token, 'PATCH', '/clients/perth', { redirect_uris })
    await call(token, 'DELETE', '/clients/perth')
    const [removed, changed, added] = await rig.store.listAudit({
      target: 'client perth',
      limit: 5,
    })
    expect(changed?.details).toEqual({
      changed: { redirect_uris: { before: METADATA.redirect_uris, after: redirect_uris } },
    })
    expect(added?.details).toMatchObject({ registration: { client_name: 'Perth' } })
    expect(removed?.details).toMatchObject({ registration: { redirect_uris } })
    expect(JSON.stringify([removed, changed, added])).not.toContain(String(body.client_secret))
  })

  test('denied requests, at most one a minute for each address', async () => {
    const token = await tokenFor('broker:operate')
    for (let n = 0; n < 5; n++)
      expect(
        (await call(token, 'POST', '/revocations', { selector: { kind: 'everything' } })).status,
      ).toBe(403)
    expect(await rig.store.listAudit({ act: 'api.denied', limit: 5 })).toMatchObject([
      {
        actor: { kind: 'client', id: 'robot' },
        via: 'api',
        target: 'POST /admin/v1/revocations',
        ended: { outcome: 'rejected' },
      },
    ])
    rig.clock.advance(61)
    const later = await tokenFor('broker:operate')
    await call(later, 'POST', '/revocations', {})
    expect(await rig.store.listAudit({ act: 'api.denied', limit: 5 })).toHaveLength(2)
  })
})

describe('lists have cursors', () => {
  /** Returns every row, read page by page. */
  async function pages(
    token: string,
    path: string,
    name: string,
    limit: number,
  ): Promise<Record<string, unknown>[]> {
    const rows: Record<string, unknown>[] = []
    let next: string | number | null | undefined
    do {
      const cursor = next === undefined ? '' : `&before=${encodeURIComponent(String(next))}`
      const { status, body } = await call(
        token,
        'GET',
        `${path}${path.includes('?') ? '&' : '?'}limit=${limit}${cursor}`,
      )
      expect(status).toBe(200)
      const page = body[name] as Record<string, unknown>[]
      expect(page.length).toBeLessThanOrEqual(limit)
      rows.push(...page)
      next = body.next as string | number | null
    } while (next !== null)
    return rows
  }

  test('every revocation, session, audit entry and delivery of one revocation is reached once, whatever the size of the page', async () => {
    const token = await tokenFor('broker:administer')
    const sydney = await rig.register('Sydney')
    const melbourne = await rig.register('Melbourne')
    const sids: string[] = []
    for (let n = 0; n < 7; n++) {
      const { session } = await rig.openSession()
      await rig.signInAt(session.sid, sydney)
      await rig.signInAt(session.sid, melbourne)
      sids.push(session.sid)
    }
    for (const limit of [1, 3, 7, 1000]) {
      expect(
        (await pages(token, '/sessions', 'sessions', limit)).map(({ sid }) => sid).toSorted(),
      ).toEqual(sids.toSorted())
      const [first] = await pages(token, '/sessions', 'sessions', 1)
      expect(
        (await pages(token, `/sessions?sub=${String(first?.sub)}`, 'sessions', limit)).length,
      ).toBe(7)
    }
    const subject = (await pages(token, '/sessions', 'sessions', 1000))[0]?.sub
    const { body } = await call(token, 'POST', '/revocations', {
      selector: { kind: 'subject', sub: subject },
    })
    await rig.store.fanOutPending({ limit: 1000 })
    for (let n = 0; n < 4; n++)
      await call(token, 'POST', '/revocations', {
        selector: { kind: 'client', client_id: 'sydney' },
      })
    for (const limit of [1, 3, 14, 200]) {
      for (const [path, name, count] of [
        [`/deliveries?seq=${String(body.seq)}`, 'deliveries', 14],
        [`/revocations/${String(body.seq)}`, 'deliveries', 14],
        [`/deliveries?client_id=sydney`, 'deliveries', 7],
        ['/deliveries?state=pending', 'deliveries', 14],
        ['/revocations', 'revocations', 5],
        ['/audit', 'entries', 5],
      ] as const) {
        const rows = await pages(token, path, name, limit)
        expect([
          path,
          limit,
          rows.length,
          new Set(rows.map((row) => row.id ?? row.seq)).size,
        ]).toEqual([path, limit, count, count])
      }
    }
    expect((await call(token, 'GET', '/deliveries?before=nothing')).status).toBe(404)
  })

  test('a wide revocation does not say how many sessions it ended before they are counted', async () => {
    const token = await tokenFor('broker:administer')
    await rig.openSession()
    const { body } = await call(token, 'POST', '/revocations', { selector: { kind: 'everything' } })
    expect(body).toMatchObject({ outcome: 'revoked', fan_out: 'pending', sessions: null })
    const [entry] = (await call(await tokenFor('broker:administer'), 'GET', '/audit?act=revoke'))
      .body.entries as Record<string, unknown>[]
    expect(entry).toMatchObject({ ended: { result: { seq: body.seq } } })
    expect(entry).not.toMatchObject({ ended: { result: { sessions: expect.anything() } } })
  })

  test('the totals of a revocation say how many are delivered, also while its deliveries are still being written', async () => {
    const token = await tokenFor('broker:administer')
    const sydney = await rig.register('Sydney')
    for (let n = 0; n < 5; n++) await rig.signInAt((await rig.openSession()).session.sid, sydney)
    const { body } = await call(token, 'POST', '/revocations', { selector: { kind: 'everything' } })
    const again = await tokenFor('broker:administer')
    const totals = async () =>
      (await call(again, 'GET', `/revocations/${String(body.seq)}?limit=1`)).body
    const none = {
      total: 0,
      pending: 0,
      delivered: 0,
      rejected: 0,
      failed: 0,
      superseded: 0,
      closed: 0,
    }
    expect(await totals()).toMatchObject({ fan_out: 'pending', sessions: null, totals: none })
    const { pending } = await rig.store.fanOutPending({ limit: 3 })
    for (const [i, { id }] of pending.entries()) {
      const outcome = i === 0 ? 'failed' : 'delivered'
      await rig.store.recordDelivery({
        id,
        result: {
          outcome,
          attempt: { attempt: 1, atMs: rig.clock.nowMs(), outcome, latencyMs: 3 },
        },
      })
    }
    expect(await totals()).toMatchObject({
      fan_out: 'pending',
      sessions: null,
      totals: { ...none, total: 3, delivered: 2, failed: 1 },
    })
    await rig.store.fanOutPending({ limit: 100 })
    const all = { ...none, total: 5, pending: 2, delivered: 2, failed: 1 }
    expect(await totals()).toMatchObject({ fan_out: 'complete', sessions: 5, totals: all })
    expect((await call(again, 'GET', '/revocations')).body).toMatchObject({
      revocations: [{ totals: all }],
    })
  })
})

describe('access tokens for the admin API', () => {
  const mint = (claims: Record<string, unknown>): string =>
    rig.keys.sign('ES256', TYP.accessToken, {
      iss: rig.config.issuer,
      sub: 'robot',
      client_id: 'robot',
      aud: adminAudience(rig.config.issuer),
      scope: 'broker:administer',
      rev: 0,
      iat: rig.clock.now(),
      exp: rig.clock.now() + 300,
      ...claims,
    })
  const status = async (token: string): Promise<number> =>
    (await call(token, 'GET', '/clients')).status

  test('a token with its audience and scope is accepted; one of another audience, of a user, expired, or without the scope is rejected', async () => {
    expect(await status(mint({}))).toBe(200)
    expect(await status(mint({ aud: 'https://sydney.case-manager.example' }))).toBe(401)
    expect(await status(mint({ sid: 's_1', sub: 'u_1' }))).toBe(401)
    expect(await status(mint({ exp: rig.clock.now() - 1 }))).toBe(401)
    expect(await status(mint({ scope: 'openid' }))).toBe(401)
    expect(await status(mint({ client_id: 'nobody' }))).toBe(401)
    expect(
      await status(
        rig.keys.sign('ES256', TYP.logoutToken, {
          client_id: 'robot',
          aud: adminAudience(rig.config.issuer),
          scope: 'broker:administer',
          rev: 0,
          exp: rig.clock.now() + 300,
        }),
      ),
    ).toBe(401)
    expect(await status('nonsense')).toBe(401)
  })

  test('a revocation of its client, or of everything, ends it at once; the client’s next token is valid', async () => {
    const token = await tokenFor('broker:administer')
    expect(await status(token)).toBe(200)
    await rig.store.revoke({
      selector: { kind: 'client', clientId: 'robot' },
      reason: 'administrator',
      actor: { kind: 'operator', id: 'test' },
      now: rig.clock.now(),
    })
    expect(await status(token)).toBe(401)
    expect(await status(await tokenFor('broker:administer'))).toBe(200)
  })

  test('a scope that was taken from the client since counts no longer', async () => {
    const token = await tokenFor('broker:administer')
    await rig.store.putClient({
      clientId: 'robot',
      source: 'command',
      metadata: { ...robot.metadata, scopes: ['broker:operate'] },
      now: rig.clock.now(),
    })
    await rig.clients.reload()
    expect(await status(token)).toBe(401)
  })

  test('a client without the scope gets no such token', async () => {
    const sydney = await rig.register('Sydney', {
      grants: ['client_credentials'],
      scopes: ['openid'],
    })
    expect(await tokenFor('broker:administer', sydney)).toBeUndefined()
  })
})
