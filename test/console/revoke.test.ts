import { beforeEach, describe, expect, test } from 'vitest'
import type { Caller } from '../../src/audit/caller.ts'
import { ask } from '../../src/operations/contract/ask.ts'
import { createRig, type Rig, TENANT } from '../rig.ts'
import { atConsole, cookieHash, revoking, sessionsAt } from './console.ts'

let rig: Rig
beforeEach(async () => {
  rig = await createRig()
})

describe('revoking', () => {
  test('an administrator sees whom it would sign out, then does it, with a case reference and a comment in the log and the audit log', async () => {
    const { sessions } = await sessionsAt(rig, 'Sydney', ['Carol'])
    const sid = sessions[0]?.sid ?? ''
    const adam = await atConsole(rig, 'administrator')
    const check = await adam.get(revoking({ kind: 'session', value: sid }))
    expect(check.title).toBe('Check before you revoke')
    expect(check.text).toContain('1 session of 1 user, at 1 instance; 1 logout token to deliver')
    expect(check.text).toContain('Carol')
    expect(await rig.store.listRevocations({ limit: 1 })).toEqual([])
    const done = await adam.submitTo(check, '/ops/revoke', {
      case_reference: 'INC-7',
      comment: 'laptop stolen',
    })
    expect(done.path).toMatch(/\/ops\/revocations\/1\?done=yes$/)
    expect(done.text).toContain('laptop stolen')
    expect(await rig.store.findRevocation(1)).toMatchObject({
      reason: 'administrator',
      actor: { kind: 'operator', id: adam.sub },
      caseReference: 'INC-7',
      comment: 'laptop stolen',
    })
    expect(await rig.store.listAudit({ act: 'revoke', limit: 5 })).toMatchObject([
      {
        actor: { id: adam.sub },
        via: 'console',
        target: `session ${sid}`,
        caseReference: 'INC-7',
        ended: { outcome: 'done', result: { seq: 1 } },
      },
    ])
    expect(rig.queue.added).toHaveLength(1)
    expect((await adam.get('/ops/audit?act=revoke')).text).toMatch(/INC-7 done\s?, revocation 1/)
  })

  test('Back after revoking shows what was done and no form; the form sent a second time revokes nothing', async () => {
    await sessionsAt(rig, 'Sydney', ['Carol', 'Dave'])
    const adam = await atConsole(rig, 'administrator')
    const check = await adam.get(
      revoking({
        kind: 'client',
        client: 'sydney',
      }),
    )
    expect(check.headers.get('cache-control')).toBe('no-store')
    expect(check.headers.get('content-security-policy')).toContain("script-src 'sha256-")
    expect((await adam.submitTo(check, '/ops/revoke', { typed: 'sydney' })).path).toMatch(
      /done=yes$/,
    )
    const back = await adam.get(check.url)
    expect([back.title, back.text]).toEqual([
      'This was revoked',
      expect.stringContaining('1 Every user, at Case Manager Sydney only'),
    ])
    expect(back.forms.map(({ action }) => action)).not.toContain('/ops/revoke')
    const second = await adam.submitTo(check, '/ops/revoke', { typed: 'sydney' })
    expect(second.text).toContain('Nothing was sent a second time')
    expect(await rig.store.listRevocations({ limit: 5 })).toHaveLength(1)
    // A new form with the same selection makes another revocation.
    const anew = await adam.get(
      revoking({
        kind: 'client',
        client: 'sydney',
      }),
    )
    expect((await adam.submitTo(anew, '/ops/revoke', { typed: 'sydney' })).path).toMatch(
      /revocations\/2\?done=yes$/,
    )
  })

  test('what another administrator revoked meanwhile is not taken for their own', async () => {
    const { sessions } = await sessionsAt(rig, 'Sydney', ['Carol'])
    const adam = await atConsole(rig, 'administrator')
    const check = await adam.get(
      revoking({
        kind: 'session',
        value: sessions[0]?.sid ?? '',
      }),
    )
    const caller: Caller = {
      actor: { kind: 'operator', id: 'other' },
      source: 'broker',
      via: 'console',
      may: 'administer',
    }
    await ask(rig, caller, 'POST /revocations', {
      selector: { kind: 'session', sid: sessions[0]?.sid ?? '' },
    })
    expect((await adam.submitTo(check, '/ops/revoke')).text).toContain('had already ended')
  })

  test('an unknown target is reported before the confirmation', async () => {
    const adam = await atConsole(rig, 'administrator')
    for (const kind of ['session', 'subject', 'tenant']) {
      const value = kind === 'tenant' ? '33333333-3333-4333-8333-333333333333' : 'alice'
      const check = await adam.get(
        revoking({
          kind,
          value,
        }),
      )
      expect([kind, check.status, check.text]).toEqual([
        kind,
        404,
        expect.stringContaining('There is no such'),
      ])
      expect(check.text).not.toContain('Nothing was done yet')
    }
  })

  test('an operator cannot revoke, whatever they send', async () => {
    const { sessions } = await sessionsAt(rig, 'Sydney', ['Carol'])
    const olga = await atConsole(rig, 'operator')
    const page = await olga.get('/ops')
    const csrf = page.forms.find(({ action }) => action === '/ops/sign-out')?.fields.csrf ?? ''
    const wanted = { kind: 'session', value: sessions[0]?.sid ?? '' }
    const check = `/ops/revoke?${new URLSearchParams(wanted).toString()}`
    for (const answer of [
      await olga.get(check),
      await olga.post('/ops/revoke', { csrf, ...wanted }),
    ]) {
      expect([answer.path, answer.status]).toEqual([answer.path, 403])
      expect(answer.text).toContain('Broker.Administrator')
    }
    expect(await rig.store.listRevocations({ limit: 1 })).toEqual([])
  })

  test('a sign-in older than five minutes has no button that acts: they sign in again, and are back on the same page', async () => {
    const { sessions } = await sessionsAt(rig, 'Sydney', ['Carol'])
    const adam = await atConsole(rig, 'administrator')
    rig.clock.advance(301)
    const check = await adam.get(revoking({ kind: 'session', value: sessions[0]?.sid }))
    expect(check.text).toContain('no older than 5 minutes Nothing was done yet.')
    expect(check.forms.map(({ action }) => action)).not.toContain('/ops/revoke')
    const again = new URL(check.link('Sign in again, then end this session'))
    const way = new URL((await adam.send(again.href)).headers.get('location') ?? '')
    expect([way.searchParams.get('prompt'), way.searchParams.get('max_age')]).toEqual([
      'login',
      '300',
    ])
    expect(again.searchParams.get('return_to')).toBe(check.path)
    await freshAgain(adam)
    const back = await adam.get(check.path)
    expect(back.text).toContain('Nothing was done yet. Check, then press “End this session”.')
    expect((await adam.submitTo(back, '/ops/revoke')).path).toMatch(/done=yes$/)
  })

  test('a form that is sent too late does nothing, and is shown again with its values until the sign-in in another tab', async () => {
    await sessionsAt(rig, 'Sydney', ['Carol'])
    const adam = await atConsole(rig, 'administrator')
    const check = await adam.get(revoking({ kind: 'client', client: 'sydney' }))
    const comment = 'ж'.repeat(2000)
    const words = { comment, case_reference: 'INC-8', typed: 'sydney' }
    rig.clock.advance(301)
    const late = await adam.submitTo(check, '/ops/revoke', words)
    expect([late.status, late.text]).toEqual([
      422,
      expect.stringMatching(
        /sign in again first\..*Sign in again \(in a new tab\) ?, then press “Sign everyone out of this instance” here/,
      ),
    ])
    const again = new URL(late.link('Sign in again (in a new tab)'))
    expect(again.searchParams.get('return_to')).toBe('/ops/fresh')
    expect(late.forms.find(({ action }) => action === '/ops/revoke')?.fields).toMatchObject({
      case_reference: 'INC-8',
      typed: 'sydney',
    })
    expect(commentIn(late.html)).toBe(comment)
    expect((await adam.submitTo(late, '/ops/revoke', words)).status).toBe(422)
    expect(await rig.store.listRevocations({ limit: 1 })).toEqual([])
    await freshAgain(adam)
    expect((await adam.get('/ops/fresh')).text).toContain('continue in the other tab')
    expect((await adam.submitTo(late, '/ops/revoke', words)).path).toMatch(/done=yes$/)
    expect(await rig.store.listRevocations({ limit: 1 })).toMatchObject([
      { comment, caseReference: 'INC-8' },
    ])
  })

  test('the check page of a session says what tells it from the user’s other sessions', async () => {
    const { sessions } = await sessionsAt(rig, 'Sydney', ['Carol'])
    const carol = sessions[0]
    if (carol === undefined) return expect.unreachable()
    rig.clock.advance(120)
    const other = await rig.openSession({
      user: carol.user,
      device: carol.device,
      address: '203.0.113.7',
    })
    const adam = await atConsole(rig, 'administrator')
    const check = await adam.get(revoking({ kind: 'session', value: other.session.sid }))
    expect(check.text).toMatch(
      new RegExp(
        `Device Safari on iPhone Network 203\\.0\\.113\\.\\* Signed in \\S+ UTC Last used .* Session ID ${other.session.sid}`,
      ),
    )
    expect(check.html).not.toContain('203.0.113.7')
    const first = await adam.get(revoking({ kind: 'session', value: carol.sid }))
    expect(first.text).toContain(`Session ID ${carol.sid}`)
    expect(first.text).not.toContain('203.0.113')
    rig.clock.advance(301)
    const late = await adam.get(revoking({ kind: 'session', value: other.session.sid }))
    expect(late.text).not.toContain('203.0.113')
  })

  test('where Microsoft did not say when a user signed in, that is not fresh', async () => {
    const { sessions } = await sessionsAt(rig, 'Sydney', ['Carol'])
    const adam = await atConsole(rig, 'administrator')
    rig.clock.advance(600)
    await freshAgain(adam, 0)
    const check = await adam.get(
      revoking({
        kind: 'session',
        value: sessions[0]?.sid ?? '',
      }),
    )
    expect(check.link('Sign in again, then end this session')).toContain('/ops/sign-in?')
    const { csrf = '' } = check.forms.find(({ action }) => action === '/ops/sign-out')?.fields ?? {}
    const byHand = { csrf, kind: 'session', value: sessions[0]?.sid ?? '' }
    const rejected = await adam.post('/ops/revoke', byHand)
    expect(rejected.status).toBe(422)
    // A keyboard or a screen reader goes on at the error, not at the navigation.
    expect(rejected.html).toMatch(/<div class="notice bad"[^>]* autofocus/)
    expect(rejected.html.match(/autofocus/g)).toHaveLength(1)
  })

  test('the page of an instance, of the tenants and of the users lead there; a session’s page also for one instance of it', async () => {
    const { sessions } = await sessionsAt(rig, 'Sydney', ['Carol'])
    await rig.store.changeTenant({ tid: TENANT, change: { name: 'Contoso' } })
    const adam = await atConsole(rig, 'administrator')
    for (const [from, act, what] of [
      [
        '/ops/clients/sydney',
        'Sign everyone out of this instance',
        'Every user, at Case Manager Sydney only',
      ],
      ['/ops/tenants', 'Sign everyone out', 'Every user of the tenant Contoso'],
      ['/ops/users', 'Sign everyone out', 'Every user, everywhere'],
    ] as const) {
      const check = await adam.press(await adam.get(from), act)
      expect(check.text).toContain(what)
      expect(new URL(check.link('Back')).pathname).toBe(from)
      expect(check.html).toContain(`<a href="${from.replace('/sydney', '')}" aria-current="page">`)
    }
    const [{ sid, sub } = { sid: '', sub: '' }] = sessions
    const user = await adam.get(`/ops/users/${sub}`)
    const session = await adam.press(user, 'Safari on iPhone')
    const grant = await adam.press(session, 'Sign out of Case Manager Sydney only')
    expect(grant.text).toContain('Case Manager Sydney in one session of Carol')
    expect(grant.link('Back')).toContain(`/ops/users/${sub}?session=${sid}`)
  })

  test('to sign out many, the administrator types what; the dry run counts', async () => {
    await sessionsAt(rig, 'Sydney', ['Carol', 'Dave', 'Erin'])
    const adam = await atConsole(rig, 'administrator')
    const check = await adam.get(
      revoking({
        kind: 'client',
        client: 'sydney',
      }),
    )
    expect(check.text).toContain('Every user, at Case Manager Sydney only')
    expect(check.text).not.toContain('You will be signed out too')
    expect(check.text).toContain('3 sessions of 3 users, at 1 instance; 3 logout tokens to deliver')
    for (const typed of ['', 'Sydney!', 'everything']) {
      const answer = await adam.submitTo(check, '/ops/revoke', { typed })
      expect([typed, answer.status]).toEqual([typed, 422])
    }
    expect(await rig.store.listRevocations({ limit: 1 })).toEqual([])
    expect((await adam.submitTo(check, '/ops/revoke', { typed: 'sydney' })).path).toMatch(
      /done=yes$/,
    )
    expect(await rig.store.findRevocation(1)).toMatchObject({
      selector: { kind: 'client', clientId: 'sydney' },
    })
  })

  test('the check page says so wherever the act signs its administrator out too, and nowhere else', async () => {
    const { sessions } = await sessionsAt(rig, 'Sydney', ['Carol'])
    const adam = await atConsole(rig, 'administrator')
    await rig.store.putTenant({ tid: TENANT, mfaProof: 'amr', connectedAt: 1 })
    const [carol] = sessions
    for (const [fields, isOwn] of [
      [{ kind: 'tenant', value: TENANT }, true],
      [{ kind: 'client', client: 'broker-console' }, true],
      [{ kind: 'subject', value: adam.sub }, true],
      [{ kind: 'session', value: adam.sid }, true],
      [{ kind: 'subject', value: carol?.sub }, false],
      [{ kind: 'session', value: carol?.sid }, false],
    ] as const) {
      const check = await adam.get(revoking(fields))
      expect([fields, check.status, check.text.includes('You will be signed out too')]).toEqual([
        fields,
        200,
        isOwn,
      ])
    }
  })

  test('a revocation of everything signs the administrator out too', async () => {
    const adam = await atConsole(rig, 'administrator')
    const check = await adam.get(
      revoking({
        kind: 'everything',
      }),
    )
    expect(check.text).toContain('You will be signed out too. A revocation cannot be undone')
    expect(check.text).toContain('1 session of 1 user, at 0 instances')
    const done = await adam.submitTo(check, '/ops/revoke', { typed: 'everyone' })
    expect(done.status).toBe(401)
    expect(await rig.store.findRevocation(1)).toMatchObject({ selector: { kind: 'everything' } })
  })

  test.each([
    { kind: 'session', value: '' },
    { kind: 'grant', value: 's_1' },
    { kind: 'client', client: 'nowhere' },
    { kind: 'tenant', value: 'contoso' },
  ])('a missing field is reported, and nothing is done: %o', async (fields) => {
    const adam = await atConsole(rig, 'administrator')
    const answer = await adam.get(revoking(fields))
    expect([answer.status, answer.text]).toEqual([404, expect.stringContaining('There is no such')])
  })

  test.each([
    [{ comment: 'x'.repeat(2001) }, 'at most 2000'],
    [{ case_reference: 'x'.repeat(201) }, 'at most 200'],
  ])(
    'a case or a comment that is too long is not cut off, and nothing done: %#',
    async (said, words) => {
      const adam = await atConsole(rig, 'administrator')
      const check = await adam.get(`/ops/revoke?kind=session&value=${adam.sid}`)
      const answer = await adam.submitTo(check, '/ops/revoke', said)
      expect([answer.status, answer.text]).toEqual([422, expect.stringContaining(words)])
      expect(await rig.store.listRevocations({ limit: 1 })).toEqual([])
    },
  )

  test('an unknown id is reported', async () => {
    const adam = await atConsole(rig, 'administrator')
    const { sessions } = await sessionsAt(rig, 'Sydney', ['Carol'])
    const check = await adam.get(
      revoking({
        kind: 'session',
        value: sessions[0]?.sid ?? '',
      }),
    )
    expect((await adam.submitTo(check, '/ops/revoke', { value: 's_unknown' })).text).toContain(
      'There is no such session.',
    )
    expect(await rig.store.listAudit({ act: 'revoke', limit: 1 })).toMatchObject([
      { ended: { outcome: 'rejected' } },
    ])
  })

  const commentIn = (html: string): string =>
    /<textarea[^>]*>\s*([^<]*?)\s*<\/textarea>/.exec(html)?.[1] ?? ''

  /** Proves the user again in the same session, as a fresh sign-in in another tab does. */
  async function freshAgain(
    adam: Awaited<ReturnType<typeof atConsole>>,
    authTime = rig.clock.now(),
  ): Promise<void> {
    const status = await rig.store.statusBySid(adam.sid, rig.clock.now())
    if (status.state !== 'live') throw new Error('The session has ended.')
    const { user, roles, device, idleSeconds } = status.session
    await rig.store.signIn({
      session: {
        user,
        roles,
        device,
        idleSeconds,
        authTime,
        visitStartedAt: authTime,
        absoluteAt: rig.clock.now() + 3600,
        staySignedIn: false,
        cookieHash: `fresh-${authTime}`,
      },
      browserCookieHash: cookieHash(adam),
      provenSeq: Number.MAX_SAFE_INTEGER,
      ids: { sub: 'u_x', sid: 's_x' },
      now: rig.clock.now(),
    })
  }
})

describe('forged forms', () => {
  test.each([
    ['without the page’s token', { csrf: '' }, {}],
    ['from another site', {}, { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }],
    [
      'from the broker’s public pages',
      {},
      { origin: 'http://localhost:7400', 'sec-fetch-site': 'same-site' },
    ],
  ])('change nothing: %s', async (_name, changes, headers) => {
    const { sessions } = await sessionsAt(rig, 'Sydney', ['Carol'])
    const adam = await atConsole(rig, 'administrator')
    const check = await adam.get(
      revoking({
        kind: 'session',
        value: sessions[0]?.sid ?? '',
      }),
    )
    const answer = await adam.submitTo(check, '/ops/revoke', changes, headers)
    expect([answer.status, answer.text]).toEqual([
      403,
      expect.stringContaining('does not come from a page'),
    ])
    expect(await rig.store.listRevocations({ limit: 1 })).toEqual([])
  })

  test('another operator’s form token is rejected', async () => {
    const olga = await atConsole(rig, 'operator')
    const adam = await atConsole(rig, 'administrator')
    const csrf =
      (await olga.get('/ops')).forms.find(({ action }) => action === '/ops/sign-out')?.fields
        .csrf ?? ''
    expect(
      (await adam.post('/ops/revoke', { csrf, kind: 'everything', typed: 'everything' })).status,
    ).toBe(403)
  })
})
