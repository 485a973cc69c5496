import { beforeEach, describe, expect, test } from 'vitest'
import { CONSOLE } from '../../src/operations/console/registration.ts'
import { createRig, type Rig, TENANT } from '../rig.ts'
import { browserAt } from '../browser.ts'
import { atMicrosoft } from '../signin/browser.ts'
import { atConsole, browserOf, cookieHash, OPS, USERS } from './console.ts'

let rig: Rig
beforeEach(async () => {
  rig = await createRig()
})

/** Signs a user in to the console at Microsoft, in a new browser. */
const signInAs = async (who: 'operator' | 'nobody') => {
  const { roles, ...user } = USERS[who]
  rig.microsoft.user = { ...rig.microsoft.user, ...user }
  rig.microsoft.next = { roles: [...roles] }
  const follows = ({ origin }: URL) => origin !== 'https://login.microsoftonline.com'
  const browser = browserAt(rig, { at: OPS, follows })
  const back = await atMicrosoft(rig, browser, await browser.get('/ops/sign-in'))
  return browser.get(rig.config.issuer + back)
}

describe('admission to the console', () => {
  test('a visitor without a session reads what the page is, and signs in through the broker (RFC 6749 §4.1, RFC 7636)', async () => {
    const stranger = await browserOf(rig, 'operator')
    const door = await stranger.get('/ops/deliveries?state=failed')
    expect([door.status, door.title]).toEqual([401, 'Operators’ console'])
    expect(door.html).toContain('/ops/sign-in?return_to=%2Fops%2Fdeliveries%3Fstate%3Dfailed')
    const way = await stranger.send('/ops/sign-in?return_to=/ops/audit')
    const to = new URL(way.headers.get('location') ?? '')
    expect(to.origin + to.pathname).toBe(`${rig.config.issuer}/authorize`)
    expect(Object.fromEntries(to.searchParams)).toMatchObject({
      client_id: CONSOLE,
      response_type: 'code',
      redirect_uri: `${OPS}/ops/callback`,
      code_challenge_method: 'S256',
    })
    expect(rig.clients.find(CONSOLE)).toMatchObject({
      source: 'broker',
      metadata: { authMethod: 'none', requirePkce: true },
    })
  })

  test('the root of the operators’ listener leads to the console', async () => {
    const { status, headers } = await rig.opsApp.request('/')
    expect([status, headers.get('location')]).toEqual([302, '/ops'])
  })

  test('while Microsoft is down, the pages that ask for a sign-in say so at once, with the command that does the same', async () => {
    await rig.store.putTenant({ tid: TENANT, mfaProof: 'amr', connectedAt: rig.clock.now() })
    const adam = await atConsole(rig, 'administrator')
    const { session } = await rig.openSession()
    const { sub, sid } = session
    const stranger = await browserOf(rig, 'operator')
    expect((await stranger.get('/ops')).text).not.toContain('Microsoft is down')
    rig.microsoft.examined = {
      ...rig.microsoft.examined,
      metadata: { ok: false, problem: 'There was no answer.' },
    }
    rig.clock.advance(3)
    const advice = (command: string) =>
      new RegExp(`Microsoft is down for sign-ins: you cannot sign in now\\..* ${command} `)
    const door = await stranger.get('/ops')
    expect(door.text).toMatch(advice('The commands there: cmb revoke --user NAME'))
    for (const [path, command] of [
      [
        `/ops/users/${sub}`,
        `cmb revoke --subject ${sub} --case CASE cmb lock user --subject ${sub} --case CASE`,
      ],
      [`/ops/revoke?kind=session&value=${sid}`, `cmb revoke --session ${sid}`],
      [`/ops/lock?client=sydney`, 'cmb lock client sydney'],
      [
        '/ops/deliveries/close?which=target_id+t_1',
        'cmb deliveries close --reason "…" --target t_1',
      ],
      // The address of a page may hold any text: only ids are filled in.
      ['/ops/lock?client=x%3Brm', 'cmb revoke --user NAME'],
    ] as const)
      expect((await stranger.get(path)).text).toMatch(advice(command))
    // The button says it once more, and leads on only then.
    const button = await stranger.send('/ops/sign-in?return_to=/ops/users')
    expect([button.status, await button.text()]).toEqual([
      503,
      expect.stringContaining('Try to sign in anyway'),
    ])
    const anyway = await stranger.send('/ops/sign-in?return_to=/ops/users&anyway=yes')
    expect(anyway.headers.get('location')).toContain('/authorize?')
    rig.clock.advance(301)
    const check = await adam.get(`/ops/revoke?kind=subject&value=${sub}`)
    expect(check.text).toMatch(
      advice(`This does the same there: cmb revoke --subject ${sub} --case CASE`),
    )
    expect(check.text).not.toContain('Sign in again, then')
    expect(check.link('Try to sign in all the same')).toContain('/ops/sign-in')
  })

  test('an operator is admitted, sees everything, and has no form to revoke', async () => {
    const olga = await atConsole(rig, 'operator')
    const page = await olga.get('/ops')
    expect([page.status, page.title]).toEqual([200, 'Overview'])
    expect(page.html).toContain('Olga Operator<small>operator</small>')
    expect(page.html).not.toContain('href="/setup"')
    expect((await olga.get('/ops/users')).html).not.toContain('/ops/revoke')
    for (const path of [
      '/ops/revocations',
      '/ops/deliveries',
      '/ops/sessions',
      '/ops/clients',
      '/ops/keys',
      '/ops/audit',
      '/ops/audit.csv',
      '/ops/tenants',
    ])
      expect([path, (await olga.get(path)).status]).toEqual([path, 200])
    expect((await olga.get('/ops/revoke')).status).toBeGreaterThanOrEqual(403)
    expect(
      (await rig.store.listAudit({ act: 'console.sign_in', limit: 5 })).map((entry) => [
        entry.actor.id,
        entry.via,
        entry.ended?.outcome,
      ]),
    ).toEqual([[olga.sub, 'console', 'done']])
  })

  test('an operator reads which role may do what an operator may not, where it is missing', async () => {
    const { session } = await rig.openSession()
    const page = async (who: 'operator' | 'auditor' | 'administrator') =>
      (await (await atConsole(rig, who)).get(`/ops/users/${session.sub}`)).text
    expect(await page('operator')).toContain(
      'To revoke a session, close a delivery, lift a lock or change an instance, ask a user with the app role Broker.Administrator.',
    )
    expect(await page('auditor')).toContain('Your role, auditor, reads only')
    expect(await page('administrator')).not.toContain('Your role')
  })

  test('an operator who is locked learns by whom, for which case and until when; another user does not', async () => {
    const adam = await atConsole(rig, 'administrator')
    const locked = async (who: 'operator' | 'nobody') => {
      const { sub } = await browserOf(rig, who)
      await adam.submitTo(await adam.get(`/ops/lock?user=${sub}`), '/ops/lock', {
        hours: '8',
        case_reference: 'INC-9',
      })
      return signInAs(who)
    }
    const olga = await locked('operator')
    expect([olga.status, olga.title]).toEqual([403, 'You are locked'])
    expect(olga.text).toMatch(
      /By: Adam Administrator\. Case: INC-9\. Until: 17:00:00.UTC\..*Ask another administrator to lift it.* cmb unlock l_/,
    )
    const nick = await locked('nobody')
    expect(nick.title).toBe('Your access to Case Manager is locked')
    expect(nick.text).not.toMatch(/INC-9|Adam/)
  })

  test('an operator of a tenant that was locked before it became the operators’ learns the same of that lock, and that cmb lifts it; another user does not', async () => {
    await atConsole(rig, 'operator')
    await rig.store.lock({
      target: { kind: 'tenant', tid: TENANT },
      actor: { kind: 'operator', id: 'terminal' },
      caseReference: 'INC-9',
      endsAt: rig.clock.now() + 28_800,
      may: 'administer',
      operatorTenant: undefined,
      now: rig.clock.now(),
    })
    const olga = await signInAs('operator')
    expect([olga.status, olga.title]).toEqual([403, 'Your tenant is locked'])
    expect(olga.text).toMatch(
      /By: .*terminal.* Case: INC-9\. Until: 17:00:00.UTC\..*No operator can sign in\..* cmb unlock l_/,
    )
    const nick = await signInAs('nobody')
    expect(nick.title).toBe('Your organization’s access to Case Manager is locked')
    expect(nick.text).not.toMatch(/INC-9|terminal/)
  })

  test('pages are never stored or framed, and run no script but the constant ones', async () => {
    const { response } = await (await atConsole(rig, 'operator')).get('/ops')
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(response.headers.get('content-security-policy')).toMatch(
      /^default-src 'none'; style-src 'self'; .*frame-ancestors 'none'.*script-src( 'sha256-[^']+'){2}; connect-src 'self'$/,
    )
  })

  test('an administrator of another tenant is not admitted: their roles do not count here', async () => {
    const fiona = await atConsole(rig, 'foreigner')
    expect((await fiona.get('/ops')).status).toBe(401)
    const page = await fiona.get('/ops/sign-in')
    expect([page.status, page.title]).toEqual([403, 'The console is not open to you'])
    expect(await rig.store.listAudit({ act: 'console.sign_in', limit: 1 })).toMatchObject([
      { via: 'console', ended: { outcome: 'rejected' } },
    ])
    expect(page.text).toContain('acts on that tenant alone')
  })

  test('a user without such a role is not admitted, and reads whom to ask for which role', async () => {
    const page = await (await browserOf(rig, 'nobody')).get('/ops/sign-in')
    expect(page.status).toBe(403)
    expect(page.text).toContain(
      'none of the app roles Broker.Auditor, Broker.Operator and Broker.Administrator',
    )
  })

  test('without an operators’ tenant it is closed, and says what to set', async () => {
    rig = await createRig({ config: { operatorTenant: undefined } })
    for (const path of ['/ops', '/ops/sign-in', '/ops/audit']) {
      const page = await (await browserOf(rig, 'administrator')).get(path)
      expect([path, page.status]).toEqual([path, 503])
      expect(page.text).toContain('BROKER_OPERATOR_TENANT')
    }
  })

  test('a sign-in is of the browser that began it, of this issuer, and valid once', async () => {
    const olga = await browserOf(rig, 'operator')
    const begun = await olga.send('/ops/sign-in')
    const signIn = olga.cookieHeader
    const answer = await olga.send(begun.headers.get('location') ?? '')
    const back = new URL(answer.headers.get('location') ?? '')
    const path = back.pathname + back.search
    const adam = await browserOf(rig, 'administrator')
    await adam.send('/ops/sign-in')
    expect((await adam.send(path)).status).toBe(400)
    back.searchParams.set('iss', 'https://other.example')
    expect((await olga.send(back.pathname + back.search)).status).toBe(400)
    expect((await olga.send(path)).status).toBe(303)
    expect((await olga.get('/ops')).status).toBe(200)
    olga.addCookies(signIn)
    expect((await olga.send(path)).status).toBe(400)
    // RFC 6749 §4.1.2: the second use of a code revokes what its first use gave.
    expect((await olga.get('/ops')).status).toBe(401)
  })

  test('return_to stays within the console', async () => {
    const olga = await atConsole(rig, 'operator')
    for (const [asked, goes] of [
      ['/ops/revocations/7', '/ops/revocations/7'],
      ['https://evil.example/ops', '/ops'],
      ['//evil.example', '/ops'],
      ['/ops/../logout', '/ops'],
      ['/ops\\evil', '/ops'],
      ['/ops/sign-in', '/ops'],
    ] as const) {
      const way = await olga.send(`/ops/sign-in?${new URLSearchParams({ return_to: asked })}`)
      const answer = await olga.send(way.headers.get('location') ?? '')
      const back = new URL(answer.headers.get('location') ?? '')
      expect([
        asked,
        (await olga.send(back.pathname + back.search)).headers.get('location'),
      ]).toEqual([asked, goes])
    }
  })
})

describe('the end of a console session', () => {
  test.each([
    ['their session is revoked', (sid: string) => ({ kind: 'session', sid }) as const],
    ['everything of theirs is', (_: string, sub: string) => ({ kind: 'subject', sub }) as const],
    ['everybody at the console is', () => ({ kind: 'client', clientId: CONSOLE }) as const],
  ])('it ends at once when %s', async (_name, selector) => {
    const olga = await atConsole(rig, 'operator')
    expect((await olga.get('/ops')).status).toBe(200)
    await rig.store.revoke({
      selector: selector(olga.sid, olga.sub),
      reason: 'administrator',
      actor: { kind: 'operator', id: 'test' },
      now: rig.clock.now(),
    })
    const page = await olga.get('/ops')
    expect([page.status, page.text]).toEqual([401, expect.stringContaining('has ended')])
  })

  test('it lasts an hour at most, however long the user’s session lasts', async () => {
    const olga = await atConsole(rig, 'operator')
    rig.clock.advance(3599)
    expect((await olga.get('/ops')).status).toBe(200)
    rig.clock.advance(1)
    expect((await olga.get('/ops')).status).toBe(401)
  })

  test('a role that was taken counts no longer, from the next sign-in at Microsoft on', async () => {
    const adam = await atConsole(rig, 'administrator')
    await rig.store.signIn({
      session: {
        user: { ...rig.microsoft.user, oid: '00000000-0000-4000-8000-0000000000b2' },
        authTime: rig.clock.now(),
        visitStartedAt: rig.clock.now(),
        idleSeconds: 3600,
        absoluteAt: rig.clock.now() + 3600,
        roles: [],
        staySignedIn: false,
        device: 'Firefox on Linux',
        cookieHash: 'another',
      },
      browserCookieHash: cookieHash(adam),
      provenSeq: Number.MAX_SAFE_INTEGER,
      ids: { sub: 'u_x', sid: 's_x' },
      now: rig.clock.now(),
    })
    const page = await adam.get('/ops')
    expect([page.status, page.title]).toEqual([403, 'The console is not open to you'])
  })

  test('to leave the console ends every copy of its cookie; the user’s session goes on', async () => {
    const olga = await atConsole(rig, 'operator')
    const copy = await browserOf(rig, 'operator')
    copy.addCookies(olga.cookieHeader)
    const left = await olga.submitTo(await olga.get('/ops'), '/ops/sign-out')
    expect(left.title).toBe('You have left the console')
    expect((await copy.get('/ops')).status).toBe(401)
    expect((await rig.store.statusBySid(olga.sid, rig.clock.now())).state).toBe('live')
  })
})
