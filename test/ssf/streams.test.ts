import { describe, expect, test } from 'vitest'
import { ISSUER } from '../rig.ts'
import { EVERY, POLL, polling, PUSH, pushStream, pushTo, VERIFICATION, world } from './world.ts'

/**
 * Management of streams over HTTP. Sections are of Shared Signals Framework 1.0 (SSF) and of the
 * CAEP Interoperability Profile 1.0 (CAEPIOP).
 */

describe('the transmitter configuration', () => {
  test('names all that the profile wants, without authentication (SSF §7.1, CAEPIOP §2.3.1 to §2.3.7)', async () => {
    const { rig } = await world()
    const answer = await rig.app.request(`${ISSUER}/.well-known/ssf-configuration`)
    expect(answer.headers.get('content-type')).toContain('application/json')
    expect(await answer.json()).toEqual({
      spec_version: '1_0',
      issuer: ISSUER,
      jwks_uri: `${ISSUER}/jwks`,
      delivery_methods_supported: [PUSH, POLL],
      configuration_endpoint: `${ISSUER}/ssf/streams`,
      status_endpoint: `${ISSUER}/ssf/status`,
      add_subject_endpoint: `${ISSUER}/ssf/subjects/add`,
      remove_subject_endpoint: `${ISSUER}/ssf/subjects/remove`,
      verification_endpoint: `${ISSUER}/ssf/verification`,
      authorization_schemes: [{ spec_urn: 'urn:ietf:rfc:6749' }],
      default_subjects: 'ALL',
    })
  })
})

describe('authorization (CAEPIOP §2.7)', () => {
  test('tokens for streams stand alone: their own audience, no session, no other scope beside them', async () => {
    const { rig, instance, tokenOf } = await world()
    const sydney = await instance('Sydney', {
      scopes: ['openid', 'ssf.read', 'ssf.manage', 'cases:read'],
    })
    const claims = JSON.parse(
      Buffer.from((await tokenOf(sydney)).split('.')[1] ?? '', 'base64url').toString(),
    ) as Record<string, unknown>
    expect(claims).toMatchObject({
      aud: `${ISSUER}/ssf`,
      sub: 'sydney',
      scope: 'ssf.read ssf.manage',
    })
    expect(claims).not.toHaveProperty('sid')
    const ask = async (form: Record<string, string>) => {
      const answer = await rig.post(
        '/token',
        { grant_type: 'client_credentials', ...form },
        { authorization: sydney.basic },
      )
      const { error, scope } = (await answer.json()) as { error?: string; scope?: string }
      return error ?? scope
    }
    expect(await ask({ scope: 'ssf.read cases:read' })).toBe('invalid_scope')
    expect(await ask({ scope: 'ssf.read', resource: sydney.metadata.audience })).toBe(
      'invalid_target',
    )
    expect(await ask({ scope: 'cases:read', resource: `${ISSUER}/ssf` })).toBe('invalid_target')
    expect(await ask({ resource: `${ISSUER}/ssf` })).toBe('ssf.read ssf.manage')
    expect(await ask({})).toBe('cases:read')
  })

  test('no token, another audience’s, a user’s (§2.7.2), or a secret is answered 401 at every endpoint', async () => {
    const { rig, instance, tokenOf } = await world()
    const client = await instance('Sydney', {
      scopes: ['openid', 'ssf.read', 'ssf.manage', 'cases:read'],
    })
    const { session } = await rig.openSession()
    const wrong = {
      nothing: undefined,
      'no token of ours': 'Bearer none',
      'an access token of the client for itself': `Bearer ${await tokenOf(client, 'cases:read')}`,
      'the secret of the client': client.basic,
      'an access token of a user with the scope': `Bearer ${(await rig.signInAt(session.sid, client, 'openid ssf.manage')).access_token}`,
    }
    for (const [what, authorization] of Object.entries(wrong))
      for (const [method, path] of ENDPOINTS) {
        const answer = await rig.app.request(ISSUER + path, {
          method,
          ...(authorization !== undefined && { headers: { authorization } }),
        })
        const seen = [what, method, path, answer.status, answer.headers.get('www-authenticate')]
        expect(seen).toEqual([what, method, path, 401, expect.stringContaining('realm="ssf"')])
      }
  })

  test('ssf.read reads, and does not manage (CAEPIOP §2.7.3)', async () => {
    const made = await world()
    const sydney = await made.instance('Sydney')
    const { id } = await pushStream(made, sydney)
    const call = await made.api(sydney, 'ssf.read')
    expect((await call('GET', `/ssf/streams?stream_id=${id}`)).status).toBe(200)
    expect((await call('GET', `/ssf/status?stream_id=${id}`)).status).toBe(200)
    for (const [method, path] of ENDPOINTS.filter(
      ([method, path]) => method !== 'GET' && !path.startsWith('/ssf/poll'),
    ))
      expect([method, path, (await call(method, `${path}?stream_id=${id}`)).status]).toEqual([
        method,
        path,
        403,
      ])
  })

  test('a scope that was taken from the client, or a client that was removed, ends its tokens', async () => {
    const { rig, instance, api } = await world()
    const sydney = await instance('Sydney')
    const call = await api(sydney)
    expect((await call('GET', '/ssf/streams')).status).toBe(200)
    await instance('Sydney', { scopes: ['openid'] })
    expect((await call('GET', '/ssf/streams')).status).toBe(403)
    await rig.store.removeClient({
      clientId: 'sydney',
      source: 'any',
      actor: { kind: 'operator', id: 'olga' },
      now: rig.clock.now(),
    })
    await rig.clients.reload()
    expect((await call('GET', '/ssf/streams')).status).toBe(401)
  })
})

const ENDPOINTS = [
  ['POST', '/ssf/streams'],
  ['GET', '/ssf/streams'],
  ['PATCH', '/ssf/streams'],
  ['PUT', '/ssf/streams'],
  ['DELETE', '/ssf/streams'],
  ['GET', '/ssf/status'],
  ['POST', '/ssf/status'],
  ['POST', '/ssf/verification'],
  ['POST', '/ssf/subjects/add'],
  ['POST', '/ssf/subjects/remove'],
  ['POST', '/ssf/poll/st_1'],
] as const

const WRONG: [what: string, body: object | string, status: number][] = [
  ['no JSON', ';{ broken', 400],
  ['an unknown delivery method', { delivery: { method: 'urn:ietf:rfc:9999' } }, 400],
  ['a push without an address', { delivery: { method: PUSH } }, 400],
  [
    'an origin that no administrator registered',
    { delivery: { method: PUSH, endpoint_url: 'https://elsewhere.example/events' } },
    400,
  ],
  [
    'an address with a password',
    { delivery: { method: PUSH, endpoint_url: 'https://a:b@elsewhere.example/' } },
    400,
  ],
  [
    'a header with a line break',
    {
      delivery: {
        method: PUSH,
        endpoint_url: 'https://x.example/',
        authorization_header: 'a\r\nHost: b',
      },
    },
    400,
  ],
  ['events that are no list', { events_requested: 'all' }, 400],
  ['too much', JSON.stringify({ description: 'x'.repeat(70_000) }), 413],
]

describe('stream configuration (SSF §8.1.1)', () => {
  test('is created, read, updated, replaced and deleted', async () => {
    const { receiver, instance, api } = await world()
    const call = await api(await instance('Sydney'))
    expect((await call('GET', '/ssf/streams')).json).toEqual([])
    const made = await call(
      'POST',
      '/ssf/streams',
      pushTo(receiver, { description: 'first', events_requested: [EVERY[0], 'urn:unknown'] }),
    )
    const { stream_id: id } = made.json
    const expected = {
      stream_id: id,
      iss: ISSUER,
      aud: `${ISSUER}/ssf/receivers/sydney`,
      delivery: { method: PUSH, endpoint_url: receiver.url },
      events_supported: EVERY,
      events_requested: [EVERY[0], 'urn:unknown'],
      events_delivered: [EVERY[0]],
      min_verification_interval: 60,
      description: 'first',
    }
    expect(made).toMatchObject({ status: 201, json: expected })
    expect((await call('GET', `/ssf/streams?stream_id=${id}`)).json).toEqual(expected)
    expect((await call('GET', '/ssf/streams')).json).toEqual([expected])
    const changed = await call('PATCH', '/ssf/streams', {
      stream_id: id,
      iss: ISSUER,
      aud: expected.aud,
      events_supported: EVERY.toReversed(),
      description: null,
    })
    expect(changed.status).toBe(200)
    const { description: _description, ...without } = expected
    expect(changed.json).toEqual(without)
    const replaced = await call('PUT', '/ssf/streams', {
      ...without,
      ...polling,
      description: 'second',
    })
    const poll = {
      delivery: { method: POLL, endpoint_url: `${ISSUER}/ssf/poll/${id}` },
      events_requested: EVERY,
      events_delivered: EVERY,
    }
    expect(replaced).toMatchObject({ status: 200, json: { ...poll, description: 'second' } })
    // Members that are not sent are deleted.
    expect((await call('PUT', '/ssf/streams', { stream_id: id })).json).toMatchObject({
      events_requested: [],
      events_delivered: [],
    })
    expect((await call('DELETE', `/ssf/streams?stream_id=${id}`)).status).toBe(204)
    expect((await call('GET', '/ssf/streams')).json).toEqual([])
  })

  test('without delivery, events are polled (§8.1.1.1)', async () => {
    const { instance, api } = await world()
    const call = await api(await instance('Sydney'))
    expect((await call('POST', '/ssf/streams', {})).json).toMatchObject({
      delivery: { method: POLL },
      events_delivered: [],
    })
  })

  test('a second stream of a client is answered 409, also of two at once (§8.1.1.1)', async () => {
    const { instance, api } = await world()
    const call = await api(await instance('Sydney'))
    const both = await Promise.all([1, 2].map(() => call('POST', '/ssf/streams', polling)))
    expect(both.map(({ status }) => status).toSorted()).toEqual([201, 409])
    expect((await call('POST', '/ssf/streams', polling)).status).toBe(409)
    const list = (await call('GET', '/ssf/streams')).json
    expect(list).toHaveLength(1)
  })

  test('a stream of another client, or of none, is answered 404 at every endpoint, alike', async () => {
    const made = await world()
    const { instance, api } = made
    const { id } = await pushStream(made, await instance('Sydney'))
    const call = await api(await instance('Melbourne'))
    for (const stream_id of [id, 'st_unknown']) {
      const answers = [
        await call('GET', `/ssf/streams?stream_id=${stream_id}`),
        await call('PATCH', '/ssf/streams', { stream_id, description: 'mine' }),
        await call('PUT', '/ssf/streams', { stream_id, ...polling }),
        await call('DELETE', `/ssf/streams?stream_id=${stream_id}`),
        await call('GET', `/ssf/status?stream_id=${stream_id}`),
        await call('POST', '/ssf/status', { stream_id, status: 'disabled' }),
        await call('POST', '/ssf/verification', { stream_id }),
        await call('POST', '/ssf/subjects/add', {
          stream_id,
          subject: { format: 'email', email: 'a@b.example' },
        }),
        await call('POST', '/ssf/subjects/remove', {
          stream_id,
          subject: { format: 'email', email: 'a@b.example' },
        }),
        await call('POST', `/ssf/poll/${stream_id}`, { returnImmediately: true }),
      ]
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 404))
      expect(new Set(answers.map(({ json }) => JSON.stringify(json))).size).toBe(1)
    }
  })

  test('create, update and replace reject what is wrong (§8.1.1.1, §8.1.1.3, §8.1.1.4)', async () => {
    const { instance, api } = await world()
    const [call, other] = [
      await api(await instance('Sydney')),
      await api(await instance('Melbourne')),
    ]
    const { stream_id } = (await call('POST', '/ssf/streams', polling)).json
    for (const [what, body, status] of WRONG) {
      const sent = typeof body === 'string' ? body : { stream_id, ...body }
      const answers = [
        await other('POST', '/ssf/streams', body),
        await call('PATCH', '/ssf/streams', sent),
        await call('PUT', '/ssf/streams', sent),
      ]
      expect([what, ...answers.map((answer) => answer.status)]).toEqual([
        what,
        status,
        status,
        status,
      ])
    }
    expect((await call('GET', `/ssf/streams?stream_id=${stream_id}`)).json).toMatchObject({
      events_requested: EVERY,
    })
    expect((await other('GET', '/ssf/streams')).json).toEqual([])
  })

  test('what the transmitter supplies has to be as it is (§8.1.1.3, §8.1.1.4)', async () => {
    const { instance, api } = await world()
    const call = await api(await instance('Sydney'))
    const { stream_id } = (await call('POST', '/ssf/streams', polling)).json
    const wrong = {
      iss: 'https://attacker.example',
      aud: 'sydney',
      events_supported: [EVERY[0]],
      events_delivered: [],
      min_verification_interval: 1,
    }
    for (const [name, value] of Object.entries(wrong)) {
      const answers = [
        await call('PATCH', '/ssf/streams', { stream_id, [name]: value }),
        await call('PUT', '/ssf/streams', { stream_id, ...polling, [name]: value }),
      ]
      expect([name, ...answers.map(({ status }) => status)]).toEqual([name, 400, 400])
    }
  })

  test('the header of the endpoint is sent with each push, and is in no answer, no log, no audit entry and no row', async () => {
    const made = await world()
    const { rig, receiver, instance } = made
    const { id, call } = await pushStream(made, await instance('Sydney'))
    expect(receiver.requests[0]?.headers).toMatchObject({
      authorization: 'Bearer of-the-receiver',
      'content-type': 'application/secevent+jwt',
    })
    const answers = [
      await call('GET', '/ssf/streams'),
      await call('PATCH', '/ssf/streams', { stream_id: id, description: 'x' }),
    ]
    const audit = await rig.store.listAudit({ limit: 10 })
    expect(audit.map(({ act }) => act)).toEqual(['stream.change', 'stream.create'])
    expect(
      JSON.stringify([answers, audit, rig.lines, await rig.store.findStream(id)]),
    ).not.toContain('of-the-receiver')
  })

  test('beyond the limit no change is made, and none is in the audit log; reading is not limited', async () => {
    const { rig, instance, api } = await world()
    const call = await api(await instance('Sydney'))
    const { stream_id } = (await call('POST', '/ssf/streams', polling)).json
    const pause = (at: number) =>
      call('POST', '/ssf/status', { stream_id, status: 'paused', reason: String(at) })
    const most = 200
    for (let at = 1; at < most; at++) expect((await pause(at)).status).toBe(200)
    const rejected = await pause(most)
    expect([rejected.status, rejected.headers.get('retry-after')]).toEqual([429, '6'])
    expect(await rig.store.listAudit({ target: `stream ${stream_id}`, limit: 1000 })).toHaveLength(
      most,
    )
    expect((await call('GET', `/ssf/status?stream_id=${stream_id}`)).json).toMatchObject({
      status: 'paused',
      reason: String(most - 1),
    })
  })

  test('each change is in the audit log with its client, and a webhook is sent for it', async () => {
    const { rig, instance, api } = await world()
    const now = rig.clock.now()
    const webhook = {
      id: 'wh_1',
      url: 'https://siem.example/',
      events: ['setting.changed'],
      include: ['setting_values'],
      secretSealed: 'sealed',
    } as const
    await rig.store.addWebhook({
      ...webhook,
      events: [...webhook.events],
      include: [...webhook.include],
      state: 'enabled',
      position: 0,
      createdAt: now,
      updatedAt: now,
    })
    const call = await api(await instance('Sydney'))
    const { stream_id } = (await call('POST', '/ssf/streams', polling)).json
    await call('POST', '/ssf/status', { stream_id, status: 'paused', reason: 'maintenance' })
    await call('DELETE', `/ssf/streams?stream_id=${stream_id}`)
    expect(
      (await rig.store.listAudit({ limit: 10 }))
        .map(({ act, actor, target, ended }) => [act, actor.id, target, ended?.outcome])
        .toReversed(),
    ).toEqual(
      ['create', 'change', 'delete'].map((act) => [
        `stream.${act}`,
        'sydney',
        `stream ${stream_id}`,
        'done',
      ]),
    )
    const { refs } = await rig.store.dueDeliveries({
      targetId: 'wh_1',
      nowMs: rig.clock.nowMs(),
      limit: 10,
    })
    const bodies = await Promise.all(
      refs.map(
        async ({ id }) =>
          JSON.parse((await rig.store.findDelivery(id))?.payload ?? '{}') as {
            data: { value?: string }
          },
      ),
    )
    expect(bodies.map(({ data }) => data.value).toSorted()).toEqual([
      'sydney created',
      'sydney paused',
      'sydney removed',
    ])
  })
})

describe('subjects (SSF §8.1.3, §9.1)', () => {
  test('are accepted alike, known or not, and change nothing', async () => {
    const made = await world()
    const { rig, instance, pushed } = made
    const sydney = await instance('Sydney')
    const { id: stream_id, call } = await pushStream(made, sydney)
    const { session } = await rig.openSession()
    await rig.signInAt(session.sid, sydney)
    const subjects = [
      { format: 'iss_sub', iss: ISSUER, sub: session.sub },
      { format: 'iss_sub', iss: ISSUER, sub: 'u_unknown' },
      { format: 'email', email: 'alice@contoso.example' },
      { format: 'opaque', id: 'invalid' },
      { format: 'unheard-of' },
    ]
    for (const subject of subjects) {
      const added = await call('POST', '/ssf/subjects/add', { stream_id, subject, verified: true })
      const removed = await call('POST', '/ssf/subjects/remove', { stream_id, subject })
      expect([subject, added.status, added.json, removed.status, removed.json]).toEqual([
        subject,
        200,
        undefined,
        204,
        undefined,
      ])
    }
    await rig.store.revoke({
      selector: { kind: 'subject', sub: session.sub },
      reason: 'administrator',
      actor: { kind: 'operator', id: 'o' },
      now: rig.clock.now(),
    })
    expect(await pushed(stream_id, 'sydney')).toHaveLength(1)
  })
})

describe('verification (SSF §8.1.4)', () => {
  test('echoes the state, and is of the stream itself', async () => {
    const made = await world()
    const { instance, pushed } = made
    const { id, call } = await pushStream(made, await instance('Sydney'))
    expect(
      (await call('POST', '/ssf/verification', { stream_id: id, state: 'a state of theirs' }))
        .status,
    ).toBe(204)
    const [set] = await pushed(id, 'sydney')
    expect(set?.claims).toMatchObject({
      sub_id: { format: 'opaque', id },
      events: { [VERIFICATION]: { state: 'a state of theirs' } },
    })
  })

  test('asked for again within the interval is answered 429, also of two at once (§8.1.4.2)', async () => {
    const made = await world()
    const { rig, instance } = made
    const { id, call } = await pushStream(made, await instance('Sydney'))
    const both = await Promise.all(
      [1, 2].map(() => call('POST', '/ssf/verification', { stream_id: id })),
    )
    expect(both.map(({ status }) => status).toSorted()).toEqual([204, 429])
    rig.clock.advance(59)
    const early = await call('POST', '/ssf/verification', { stream_id: id })
    expect([early.status, early.headers.get('retry-after')]).toEqual([429, '1'])
    rig.clock.advance(1)
    expect((await call('POST', '/ssf/verification', { stream_id: id })).status).toBe(204)
  })

  test('nothing else is pushed to an endpoint before it accepts the verification event, and what happened meanwhile follows', async () => {
    const { rig, receiver, instance, api, attemptDue, pushed } = await world()
    const sydney = await instance('Sydney')
    const call = await api(sydney)
    const answer = receiver.answer
    receiver.answer = (response) => void response.writeHead(404).end()
    const { stream_id: id } = (await call('POST', '/ssf/streams', pushTo(receiver))).json
    expect(await attemptDue(id)).toEqual(['failed'])
    expect((await call('GET', `/ssf/status?stream_id=${id}`)).json).toMatchObject({
      status: 'paused',
      reason: /verification/,
    })
    const { session } = await rig.openSession()
    await rig.signInAt(session.sid, sydney)
    await rig.store.revoke({
      selector: { kind: 'session', sid: session.sid },
      reason: 'signed_out',
      actor: { kind: 'user', id: session.sub },
      now: rig.clock.now(),
    })
    rig.clock.advance(5)
    receiver.answer = answer
    const sets = await pushed(id, 'sydney').catch(() => [])
    expect(sets.filter(({ type }) => type !== VERIFICATION)).toEqual([])
    expect((await call('GET', `/ssf/status?stream_id=${id}`)).json).toEqual({
      stream_id: id,
      status: 'enabled',
    })
    await rig.store.releaseStream({ id, limit: 10 })
    expect((await pushed(id, 'sydney')).map(({ type }) => type)).toEqual([EVERY[0]])
  })

  test('another endpoint, or another header, has to be verified again', async () => {
    const made = await world()
    const { receiver, instance, pushed } = made
    const { id, call } = await pushStream(made, await instance('Sydney'))
    const status = async () => (await call('GET', `/ssf/status?stream_id=${id}`)).json.status
    await call('PATCH', '/ssf/streams', {
      stream_id: id,
      description: 'the same endpoint',
      delivery: { method: PUSH, endpoint_url: receiver.url },
    })
    expect(await status()).toBe('enabled')
    await call('PATCH', '/ssf/streams', {
      stream_id: id,
      delivery: { method: PUSH, endpoint_url: `${receiver.url}/other` },
    })
    expect(await status()).toBe('paused')
    expect((await pushed(id, 'sydney')).map(({ type }) => type)).toEqual([VERIFICATION])
    expect(await status()).toBe('enabled')
    await call('PATCH', '/ssf/streams', {
      stream_id: id,
      delivery: {
        method: PUSH,
        endpoint_url: `${receiver.url}/other`,
        authorization_header: 'Bearer new',
      },
    })
    expect(await status()).toBe('paused')
  })
})
