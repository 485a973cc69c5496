import { newReference } from '../../src/pages/message.tsx'
import { readFileSync } from 'node:fs'

import { beforeEach, describe, expect, test } from 'vitest'
import { HELP } from '../../src/operations/checks/texts/fixes.ts'
import { RUNBOOK } from '../../src/operations/checks/texts/runbook.ts'
import { CHECKS } from '../../src/operations/checks/list.ts'
import type { Selector } from '../../src/protocol/revocation.ts'
import { requestRevocation } from '../../src/revocation/revoke.ts'
import { createRig, type Rig, TENANT } from '../rig.ts'
import { atConsole, attempted, sessionsAt } from './console.ts'

/**
 * The console by its tasks: what is wrong, the search in the header, a page for each user and each
 * instance, and lists that can be narrowed.
 */

let rig: Rig
beforeEach(async () => {
  rig = await createRig()
})

const ended = (selector: Selector, caseReference?: string) =>
  requestRevocation(rig.deps, {
    selector,
    reason: 'administrator',
    actor: { kind: 'operator', id: 'olga' },
    caseReference,
    now: rig.clock.now(),
  })

describe('the search in the header', () => {
  test('leads straight to a single hit: a user by words in any order, also signed out; an instance; a number; a case', async () => {
    const { sessions } = await sessionsAt(rig, 'Sydney', ['Carol', 'Cäsar'])
    const [carol, caesar] = sessions
    if (carol === undefined || caesar === undefined) return expect.unreachable()
    await ended({ kind: 'session', sid: caesar.sid }, 'INC-4711')
    const olga = await atConsole(rig, 'operator')
    const find = async (text: string) =>
      new URL((await olga.submitTo(await olga.get('/ops'), '/ops/search', { q: text })).url)
    for (const [text, path] of [
      ['CASAR contoso', `/ops/users/${caesar.sub}`],
      [carol.sub, `/ops/users/${carol.sub}`],
      [carol.user.oid, `/ops/users/${carol.sub}`],
      [caesar.sid, `/ops/users/${caesar.sub}?session=${caesar.sid}`],
      ['case sydney', '/ops/clients/sydney'],
      ['1', '/ops/revocations/1'],
      ['INC-4711', '/ops/revocations?case=INC-4711'],
    ] as const)
      expect([text, (({ pathname, search }) => pathname + search)(await find(text))]).toEqual([
        text,
        path,
      ])
  })

  test('lists several hits by kind, and says what can be found where nothing fits', async () => {
    await sessionsAt(rig, 'Carolton', ['Carol', 'Caroline'])
    const olga = await atConsole(rig, 'operator')
    const several = await olga.get('/ops/search?q=carol')
    expect(several.text).toMatch(/3 hits\. .*Users .*Caroline.* Instances .*Carolton/)
    expect(several.html).toContain('value="carol"')
    expect((await olga.get('/ops/search?q=%ED%A0%80')).status).toBe(200)
    const reference = newReference(rig.deps.random)
    expect((await olga.get(`/ops/search?q=${reference}`)).text).toContain(
      'That is the reference of an error page.',
    )
    const none = await olga.get('/ops/search?q=zzz')
    expect([none.status, none.text]).toEqual([
      200,
      expect.stringMatching(/No entry matches\..*What can be found/),
    ])
  })
})

describe('the page of a user', () => {
  test('has live sessions, the end of others with its cause, and locks; it leads an administrator to revoke and to lock', async () => {
    const { sessions } = await sessionsAt(rig, 'Sydney', ['Carol'])
    const carol = sessions[0]
    if (carol === undefined) return expect.unreachable()
    const again = await rig.openSession({ user: carol.user, device: 'Edge on Windows' })
    await ended({ kind: 'session', sid: carol.sid })
    const adam = await atConsole(rig, 'administrator')
    const page = await adam.get(`/ops/users/${carol.sub}?session=${carol.sid}`)
    expect(page.text).toMatch(/This session.*ended.*Safari on iPhone.*Ended by an administrator/)
    expect(page.text).toMatch(
      /Live sessions.*Edge on Windows.*Security history.*Session ended Safari on iPhone/,
    )
    expect(page.html).not.toMatch(/192\.0\.2|203\.0\.113/)
    for (const href of [
      `/ops/revoke?kind=subject&amp;value=${carol.sub}`,
      `/ops/revoke?kind=session&amp;value=${again.session.sid}`,
      `/ops/lock?user=${carol.sub}`,
    ])
      expect(page.html).toContain(href)
    for (const act of ['Sign Carol out everywhere', 'Lock Carol'])
      expect(await adam.press(page, act)).toMatchObject({
        text: expect.stringMatching(/Check before you .* 1 session of 1 user/) as string,
        html: expect.stringContaining(`href="/ops/users/${carol.sub}"`) as string,
      })
    const { oid } = carol.user
    const by = {
      actor: { kind: 'operator', id: 'x' },
      may: 'administer',
      operatorTenant: TENANT,
      now: rig.clock.now(),
    } as const
    await rig.store.lock({
      ...by,
      target: { kind: 'user', tid: TENANT, oid },
      caseReference: 'INC-7',
    })
    expect((await adam.get(`/ops/users/${carol.sub}`)).text).toMatch(
      /This user is locked\..*Locks.*INC-7/,
    )
    await rig.store.recordRejectedSignIn({
      user: { tid: TENANT, oid },
      why: 'user_locked',
      reference: 'BCDF-GHJK',
      device: 'Opera on Windows',
      now: rig.clock.now(),
    })
    expect((await adam.get(`/ops/users/${carol.sub}`)).text).toMatch(
      /Sign-in rejected Opera on Windows\s+The user is locked/,
    )
    const seen = await (await atConsole(rig, 'auditor')).get(`/ops/users/${carol.sub}`)
    expect(seen.text).toContain('Security history')
    expect(seen.html).not.toMatch(/\/ops\/(?:revoke|lock)\?/)
  })

  test('is reached from the list of users, with those who are not signed in, page by page', async () => {
    await rig.store.putTenant({ tid: TENANT, name: 'Contoso', mfaProof: 'amr', connectedAt: 1 })
    const names = Array.from({ length: 51 }, (_, index) => `Carol${index}`)
    const { sessions } = await sessionsAt(rig, 'Sydney', names)
    await ended({ kind: 'session', sid: sessions[0]?.sid ?? '' })
    const olga = await atConsole(rig, 'operator')
    const subsOf = ({ html }: { html: string }) =>
      [...html.matchAll(/href="\/ops\/users\/(u_[\w-]+)"/g)].map(([, sub]) => sub)
    const first = await olga.get('/ops/users')
    const second = await olga.press(first, 'Next page')
    const all = [...subsOf(first), ...subsOf(second)]
    expect(subsOf(first)).toHaveLength(50)
    expect(new Set(all).size).toBe(52)
    expect(all).toEqual(expect.arrayContaining(sessions.map(({ sub }) => sub)))
    expect(first.text).toContain('Carol0 · carol0@contoso.example')
    expect(subsOf(await olga.get('/ops/users?q=carol7'))).toEqual([sessions[7]?.sub])
  })

  test('of an unknown user is a page that says so', async () => {
    const olga = await atConsole(rig, 'operator')
    expect((await olga.get('/ops/users/u_nobody')).status).toBe(404)
    expect((await olga.get('/ops/clients/nothing')).status).toBe(404)
  })
})

describe('the page of an instance', () => {
  test('has its whole addresses with the cause of failure, the age of its secrets, and everything that is registered', async () => {
    await rig.register('Sydney', { logoutUris: ['https://sydney.example/oidc/backchannel-logout'] })
    const [target] = await rig.store.listTargets()
    const lastFailure = 'the host name does not resolve (ENOTFOUND)'
    rig.queue.states = [
      {
        targetId: target?.targetId ?? '',
        breaker: 'open',
        failuresInARow: 3,
        lastFailure,
        waiting: 0,
        running: 0,
      },
    ]
    rig.clock.advance(100 * 86_400)
    const page = await (await atConsole(rig, 'operator')).get('/ops/clients/sydney')
    expect(page.text).toContain(
      'does not answer https://sydney.example/oidc/backchannel-logout: the host name does not resolve',
    )
    expect(page.text).toMatch(/Secrets.*100 days/)
    for (const name of ['redirect_uris', 'grant_types', 'token_endpoint_auth_method'])
      expect(page.text).toContain(name)
    expect(page.html).toContain('/ops/revocations?client=sydney')
  })
})

describe('the overview', () => {
  test('begins with what is wrong, the worst first: cause, since when, what to do, and the section of the runbook', async () => {
    await rig.register('Adelaide')
    await rig.register('Sydney', { logoutUris: ['https://sydney.example/logout'] })
    const target = (await rig.store.listTargets()).find(({ clientId }) => clientId === 'sydney')
    rig.queue.states = [
      {
        targetId: target?.targetId ?? '',
        breaker: 'open',
        failuresInARow: 3,
        lastFailure: 'connection refused',
        waiting: 0,
        running: 0,
      },
    ]
    const olga = await atConsole(rig, 'operator')
    const page = await olga.get('/ops')
    expect(page.text).toMatch(
      /1 thing needs you now.*act now Case Manager Sydney does not answer: connection refused.*What to do:.*docs\/runbook\.md, “An instance is down”/,
    )
    // The instance's own page begins with the same problem.
    const own = await olga.get('/ops/clients/sydney')
    expect(own.text).toMatch(
      /act now Case Manager Sydney does not answer: connection refused.*What to do:.*Logout addresses/,
    )
    // The instance with problems comes before the others.
    const table = page.text.slice(page.text.indexOf('Logout addresses'))
    expect(table.indexOf('Sydney')).toBeLessThan(table.indexOf('Adelaide'))
    expect(page.html).toMatch(/id="news"[^>]*role="status"/)
    rig.config.runbookUrl = 'https://docs.example/runbook.html'
    expect((await olga.get('/ops')).html).toContain(
      'href="https://docs.example/runbook.html#an-instance-is-down"',
    )
  })

  test.each([
    [
      'rejected',
      'act today Case Manager Guardian rejects deliveries. Instance: Case Manager Guardian Deliveries: 1 rejected.',
      'Correct its issuer, client id or clock. cmb deliveries list --client guardian shows its answers. Then: cmb deliveries redrive --client guardian',
      'An instance rejects logout tokens',
    ],
    [
      'failed',
      'act now Case Manager Guardian has failed deliveries. Instance: Case Manager Guardian Deliveries: 1 failed.',
      'Start the instance, or correct its logout address. cmb deliveries list --client guardian shows its answers. Then: cmb deliveries redrive --client guardian',
      'An instance is down',
    ],
  ] as const)(
    'says of an instance whose delivery is %s what to do, whatever its name',
    async (outcome, words, fix, section) => {
      const { sessions } = await sessionsAt(rig, 'Guardian', ['Carol'])
      await ended({ kind: 'session', sid: sessions[0]?.sid ?? '' })
      const [delivery] = await rig.store.listDeliveries({ limit: 1 })
      await attempted(rig, delivery?.id ?? '', outcome)
      const { text } = await (await atConsole(rig, 'operator')).get('/ops')
      for (const each of [words, `What to do: ${fix}`, `docs/runbook.md, “${section}”`])
        expect(text).toContain(each)
    },
  )

  test('every heading of the runbook that a check names is there, and every check that is named', () => {
    const headings = [...readFileSync('docs/runbook.md', 'utf8').matchAll(/^## (.+)$/gm)].map(
      ([, title]) => title,
    )
    const named = [...Object.values(RUNBOOK), ...Object.values(HELP).map(([, heading]) => heading)]
    expect(named.filter((heading) => !headings.includes(heading))).toEqual([])
    expect(Object.keys(RUNBOOK).filter((id) => !CHECKS.some((check) => check.id === id))).toEqual(
      [],
    )
  })
})

describe('lists are narrowed', () => {
  test('revocations by user, instance, case and time; evidence of one is a download', async () => {
    const { sessions } = await sessionsAt(rig, 'Sydney', ['Carol', 'Dave'])
    const [carol, dave] = sessions
    await ended({ kind: 'session', sid: carol?.sid ?? '' }, 'INC-1')
    rig.clock.advance(3600)
    await ended({ kind: 'session', sid: dave?.sid ?? '' })
    await ended({ kind: 'client', clientId: 'sydney' })
    const olga = await atConsole(rig, 'operator')
    const seqs = async (query: string) =>
      [
        ...(await olga.get(`/ops/revocations?${query}`)).html.matchAll(
          /href="\/ops\/revocations\/(\d+)"/g,
        ),
      ].map(([, seq]) => Number(seq))
    const hour = new Date(rig.clock.nowMs() - 60_000).toISOString().slice(0, 16)
    expect(await seqs('')).toEqual([3, 2, 1])
    expect(await seqs('user=carol')).toEqual([1])
    expect(await seqs('client=sydney')).toEqual([3])
    expect(await seqs('case=INC-1')).toEqual([1])
    expect(await seqs(`since=${hour}`)).toEqual([3, 2])
    expect(await seqs(`until=${hour}&actor=olga`)).toEqual([1])
    for (const [query, words] of [
      ['user=contoso', `Carol · carol@contoso.example (${carol?.sub})`],
      ['user=nina', 'No user is called nina.'],
      ['actor=nina', 'No operator, user or client is called nina.'],
    ] as const)
      expect((await olga.get(`/ops/revocations?${query}`)).text).toContain(words)
    const adam = await atConsole(rig, 'administrator')
    await adam.submitTo(
      await adam.get(`/ops/revoke?kind=subject&value=${carol?.sub}`),
      '/ops/revoke',
    )
    expect(await seqs('actor=adam')).toEqual([4])
    const audit = async (query: string) => (await olga.get(`/ops/audit?${query}`)).text
    expect(await audit('actor=Adam+Administrator&act=revoke')).toMatch(
      /Adam Administrator console revoke Carol · carol@contoso\.example/,
    )
    expect(await audit('actor=nina')).toContain('No operator, user or client is called nina.')
    const { tid = '', oid = '' } = carol?.user ?? {}
    const entry = { actor: { kind: 'client', id: 'robot' }, via: 'api', act: 'lock' } as const
    await rig.store.appendAudit({ ...entry, target: `user ${tid} ${oid}` })
    await rig.store.appendAudit({ ...entry, target: 'client sydney' })
    const grant = {
      oid: '00000000-0000-4000-8000-0000000000e1',
      name: 'Grant',
      username: 'grant@contoso.example',
    }
    const { session } = await rig.openSession({ user: grant })
    await rig.store.appendAudit({ ...entry, act: 'redrive', target: `subject ${session.sub}` })
    const key = await rig.openSession({
      user: { oid: '00000000-0000-4000-8000-0000000000e2', name: 'Key Largo', username: undefined },
    })
    const { sub } = key.session
    await rig.store.appendAudit({ ...entry, act: 'redrive', target: `subject ${sub}` })
    await rig.store.appendAudit({ ...entry, act: 'keys.rotate', target: 'key ES256' })
    for (const [target, acts] of [
      ['carol', /lock Carol .* revoke Carol /],
      [carol?.sub ?? '', /lock Carol .* revoke Carol /],
      ['Sydney', /lock Case Manager Sydney client sydney/],
      ['grant contoso', /redrive Grant /],
      ['key largo', /redrive Key Largo /],
      ['key ES256', /keys.rotate key ES256/],
      [`user ${tid} ${oid}`, /lock Carol /],
    ] as const)
      expect(await audit(new URLSearchParams({ target }).toString())).toMatch(acts)
    expect(await audit('since=garbage')).toContain('garbage is no time')
    expect(await audit('target=nina')).toContain('No user, client or tenant is called nina.')
    expect(await audit('target=client+x')).toContain('No entry matches.')
    expect(await audit('target=user+nina')).toContain(
      'No user, client or tenant is called user nina.',
    )
    expect(await audit('')).toMatch(/cmb evidence verify audit\.jsonl --keys keys\.json/)
    expect((await olga.get('/ops/revocations/1')).text).toContain(
      'cmb evidence verify broker-revocation-1.jsonl --keys keys.json',
    )
    expect((await olga.get('/ops/audit.csv?actor=nina')).status).toBe(422)
    const evidence = await olga.send('/ops/revocations/1/evidence.jsonl')
    expect([evidence.status, evidence.headers.get('content-disposition')]).toEqual([
      200,
      'attachment; filename="broker-revocation-1.jsonl"',
    ])
    expect((await evidence.text()).trimEnd().split('\n').length).toBeGreaterThan(2)
  })

  test('each delivery says whose session it is about, and the device', async () => {
    const { sessions } = await sessionsAt(rig, 'Sydney', ['Carol'])
    await ended({ kind: 'session', sid: sessions[0]?.sid ?? '' })
    const page = await (await atConsole(rig, 'operator')).get('/ops/deliveries?state=pending')
    expect(page.text).toMatch(/Carol · carol@contoso\.example\s+Safari on iPhone/)
  })

  test('the audit log by target and time, with each changed field before and after, and why an act was denied', async () => {
    const by = { actor: { kind: 'client', id: 'robot' }, via: 'api' } as const
    const changed = { client_name: { before: 'Perth', after: 'Perth 2' } }
    await rig.store.appendAudit({
      ...by,
      act: 'client.change',
      target: 'client perth',
      details: { changed },
    })
    const id = await rig.store.appendAudit({
      ...by,
      act: 'api.denied',
      target: 'POST /admin/v1/revocations',
    })
    await rig.store.concludeAudit({
      id,
      outcome: 'rejected',
      result: { title: 'This needs an administrator' },
    })
    const olga = await atConsole(rig, 'operator')
    const perth = (await olga.get('/ops/audit?target=client+perth')).text
    expect(perth).toMatch(/1 field changed client_name\s+Perth\s+Perth 2/)
    expect(perth).not.toContain('POST /admin')
    expect((await olga.get('/ops/audit?act=api.denied')).text).toContain(
      'This needs an administrator',
    )
    expect((await olga.get('/ops/audit?until=2001-01-01T00:00')).text).toContain(
      'No entry matches.',
    )
  })
})
