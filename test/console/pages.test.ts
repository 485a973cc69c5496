import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { requestRevocation } from '../../src/revocation/revoke.ts'
import { createRig, OTHER_TENANT, type Rig, TENANT } from '../rig.ts'
import { atConsole, attempted, browserOf, sessionsAt } from './console.ts'

let rig: Rig
beforeEach(async () => {
  rig = await createRig()
})

describe('deliveries', () => {
  test('what was rejected or failed is listed with its last answer, and redriven: one, an address, all', async () => {
    const { sessions } = await sessionsAt(rig, 'Sydney', ['Carol', 'Dave', 'Erin'])
    for (const { sid } of sessions)
      await rig.store.revoke({
        selector: { kind: 'session', sid },
        reason: 'administrator',
        actor: { kind: 'operator', id: 'test' },
        now: rig.clock.now(),
      })
    rig.queue.added.length = 0
    const deliveries = await rig.store.listDeliveries({ limit: 10 })
    for (const [index, { id }] of deliveries.entries())
      await attempted(rig, id, index === 0 ? 'rejected' : 'failed')
    const olga = await atConsole(rig, 'operator')
    expect((await olga.get('/ops')).text).toMatch(
      /Rejected Failed .*Case Manager Sydney has failed deliveries 0 1 2 /,
    )
    const rejected = await olga.get('/ops/deliveries?state=rejected')
    expect(rejected.text).toContain('400 invalid_request')
    const page = await olga.submitTo(rejected, '/ops/deliveries/try')
    expect(page.text).toContain('1 delivery will be retried now.')
    const failed = await olga.get('/ops/deliveries?state=failed&client=sydney')
    const target = failed.forms.find(({ fields }) => fields['which']?.startsWith('target_id '))
    expect((await olga.post('/ops/deliveries/try', target?.fields ?? {})).text).toContain(
      '2 deliveries will be retried now.',
    )
    expect(rig.queue.added).toHaveLength(3)
    expect((await rig.store.listDeliveries({ state: 'pending', limit: 10 })).length).toBe(3)
    const all = failed.forms.find(({ fields }) => fields['which'] === 'all')
    expect((await olga.post('/ops/deliveries/try', all?.fields ?? {})).text).toContain(
      '0 deliveries will be retried now.',
    )
    const unnamed = await olga.post('/ops/deliveries/try', { csrf: all?.fields.csrf ?? '' })
    expect(unnamed.status).toBe(404)
    expect(
      (await rig.store.listAudit({ act: 'redrive', limit: 10 })).map(
        (entry) => entry.ended?.result,
      ),
    ).toEqual([{ redriven: 0 }, { redriven: 2 }, { redriven: 1 }])
    expect((await rig.store.listAudit({ act: 'redrive', limit: 1 }))[0]?.target).toBe('all')
  })

  test('that failed are retried by a button of their problem, whose number the window’s title has', async () => {
    const { sessions } = await sessionsAt(rig, 'Sydney', ['Carol'])
    await rig.store.revoke({
      selector: { kind: 'session', sid: sessions[0]?.sid ?? '' },
      reason: 'administrator',
      actor: { kind: 'operator', id: 'test' },
      now: rig.clock.now(),
    })
    const [delivery] = await rig.store.listDeliveries({ limit: 1 })
    await attempted(rig, delivery?.id ?? '', 'failed')
    const olga = await atConsole(rig, 'operator')
    const overview = await olga.get('/ops')
    expect(overview.html).toContain('<title>(1) Overview · ')
    expect(overview.text).toContain('Retry all')
    expect((await olga.submitTo(overview, '/ops/deliveries/try')).text).toContain(
      '1 delivery will be retried now.',
    )
    rig.clock.advance(6)
    expect((await olga.get('/ops')).html).toContain('<title>Overview · ')
  })
})

describe('a pending delivery', () => {
  test('is tried now by an operator, and the audit log says so; a delivered one is not', async () => {
    const { sessions } = await sessionsAt(rig, 'Sydney', ['Carol'])
    const by = {
      reason: 'administrator',
      actor: { kind: 'operator', id: 'test' },
      now: rig.clock.now(),
    } as const
    await rig.store.revoke({ selector: { kind: 'session', sid: sessions[0]?.sid ?? '' }, ...by })
    const [delivery] = await rig.store.listDeliveries({ limit: 2 })
    const id = delivery?.id ?? ''
    const later = rig.clock.nowMs() + 3_600_000
    const attempt = {
      attempt: 1,
      atMs: rig.clock.nowMs(),
      outcome: 'retry',
      status: 503,
      latencyMs: 12,
      error: 'answered 503',
    } as const
    await rig.store.recordDelivery({
      id,
      result: { outcome: 'retry', nextAttemptAtMs: later, attempt },
    })
    rig.queue.added.length = 0
    const olga = await atConsole(rig, 'operator')
    const tried = await olga.submitTo(
      await olga.get('/ops/deliveries?state=pending'),
      '/ops/deliveries/try',
    )
    expect(tried.text).toContain('The next attempt is due now.')
    expect(await rig.store.findDelivery(id)).toMatchObject({
      state: 'pending',
      attempts: 1,
      nextAttemptAtMs: rig.clock.nowMs(),
    })
    expect(rig.queue.added).toMatchObject([{ id, attempt: 2 }])
    await attempted(rig, id, 'delivered')
    expect((await olga.submitTo(tried, '/ops/deliveries/try')).text).toContain(
      '0 deliveries will be retried now.',
    )
    expect(
      (await rig.store.listAudit({ act: 'try_now', limit: 9 })).map(({ target, ended }) => [
        target,
        ended?.result,
      ]),
    ).toEqual([[`id ${id}`, { brought_forward: true }]])
  })
})

describe('webhooks', () => {
  test('each endpoint is listed with what is not delivered, and its deliveries are found; no page shows the path of its address', async () => {
    const endpoint = {
      events: ['revocation.wide' as const],
      include: [],
      secretSealed: 'x',
      position: 0,
      createdAt: 0,
      updatedAt: 0,
    }
    const id = `wh_${'a'.repeat(22)}`
    await rig.store.addWebhook({
      ...endpoint,
      id,
      url: 'https://siem.example/hooks/path-of-the-receiver',
      state: 'enabled',
    })
    const ref = await rig.store.testWebhook(id)
    await attempted(rig, ref?.id ?? '', 'rejected')
    const olga = await atConsole(rig, 'operator')
    expect((await olga.get('/ops')).text).not.toContain('(removed)')
    const page = await olga.get('/ops/keys')
    expect(page.text).toMatch(/siem\.example.*enabled.*1 rejected.*revocation\.wide/)
    const listed = await olga.get(page.link('1 rejected'))
    expect(listed.text).toContain(`Webhook ${id}`)
    for (const shown of [page, listed])
      expect(shown.html).not.toMatch(/path-of-the-receiver|revocations\/undefined/)
  })
})

describe('closing deliveries', () => {
  const pendingOf = async (names: string[]) => {
    const { sessions } = await sessionsAt(rig, 'Sydney', names)
    for (const { sid } of sessions)
      await rig.store.revoke({
        selector: { kind: 'session', sid },
        reason: 'administrator',
        actor: { kind: 'operator', id: 'test' },
        now: rig.clock.now(),
      })
  }
  const states = async () =>
    (await rig.store.listDeliveries({ limit: 10 })).map((delivery) => delivery.state)

  test('an administrator closes one or all of a target, with a reason that the audit log and the proof keep', async () => {
    await pendingOf(['Carol', 'Dave', 'Erin'])
    const adam = await atConsole(rig, 'administrator')
    const listed = await adam.get('/ops/deliveries?state=pending')
    const [{ id, targetId, seq } = { id: '', targetId: '', seq: 0 }] =
      await rig.store.listDeliveries({ limit: 1 })
    const page = await adam.press(listed, 'Close this delivery')
    expect(page.text).toMatch(/One delivery: revocation \d+ at .*The broker never sends it\./)
    expect(page.text).toMatch(
      /One delivery: revocation \d at Case Manager Sydney.*Safari on iPhone/,
    )
    expect(page.url).toContain(new URLSearchParams({ which: `id ${id}` }).toString())
    expect((await adam.submitTo(page, '/ops/deliveries/close')).text).toContain('give a reason.')
    expect(await states()).toEqual(['pending', 'pending', 'pending'])
    const why = { comment: 'Sydney was shut down.', case_reference: 'INC-7' }
    const closed = await adam.submitTo(page, '/ops/deliveries/close', why)
    expect(closed.text).toContain('1 delivery was closed.')
    expect((await adam.get(`/ops/revocations/${seq}`)).text).toContain('Sydney was shut down.')
    const all = await adam.get(
      `/ops/deliveries/close?${new URLSearchParams({ which: `target_id ${targetId}` })}`,
    )
    expect(all.text).toContain('All pending, rejected and failed deliveries to https://sydney.')
    expect((await adam.submitTo(all, '/ops/deliveries/close', why)).text).toContain(
      '2 deliveries were closed.',
    )
    expect(await states()).toEqual(['closed', 'closed', 'closed'])
    expect(await rig.store.listAudit({ act: 'close', limit: 5 })).toMatchObject([
      {
        target: `target_id ${targetId}`,
        comment: why.comment,
        caseReference: 'INC-7',
        ended: { result: { closed: 2 } },
      },
      { target: `id ${id}`, comment: why.comment, ended: { result: { closed: 1 } } },
    ])
  })

  test('the page opens on the worst state that has deliveries, here or at one instance', async () => {
    const olga = await atConsole(rig, 'operator')
    const opened = async (path = '/ops/deliveries') =>
      new URL((await olga.get(path)).url).searchParams.get('state')
    expect(await opened()).toBe('delivered')
    await pendingOf(['Carol', 'Dave'])
    expect(await opened()).toBe('pending')
    const [{ id } = { id: '' }] = await rig.store.listDeliveries({ limit: 1 })
    await attempted(rig, id, 'failed')
    expect(await opened()).toBe('failed')
    const other = await olga.get('/ops/deliveries?client=perth')
    expect(other.url).toMatch(/state=delivered&client=perth$/)
    const page = await olga.get('/ops/deliveries?state=pending')
    expect(page.text).toContain('Pending (1)')
    // A live update renews the heading, and not the filter, so only the heading has a count.
    expect(page.html).not.toMatch(/<option[^>]*>\w+ \(/)
  })

  test('an operator has no form for it, and a request made by hand closes nothing; nor does an old sign-in', async () => {
    await pendingOf(['Carol'])
    const olga = await atConsole(rig, 'operator')
    const page = await olga.get('/ops/deliveries?state=pending')
    expect(page.html).not.toContain('/ops/deliveries/close')
    expect((await olga.get('/ops/deliveries/close?which=client_id+sydney')).status).toBe(403)
    const { csrf } =
      (await olga.get('/ops')).forms.find(({ action }) => action === '/ops/sign-out')?.fields ?? {}
    const body = { csrf: csrf ?? '', which: 'client_id sydney', comment: 'x' }
    expect((await olga.post('/ops/deliveries/close', body)).status).toBe(403)
    const adam = await atConsole(rig, 'administrator')
    const check = await adam.get('/ops/deliveries/close?which=client_id+sydney')
    rig.clock.advance(20 * 60)
    const late = await adam.submitTo(check, '/ops/deliveries/close', { comment: 'x' })
    expect([late.status, late.text]).toEqual([422, expect.stringContaining('sign in again first')])
    expect(await states()).toEqual(['pending'])
  })
})

describe('what the pages show', () => {
  test('why a logout address does not answer; one that rejects does not look healthy', async () => {
    await rig.register('Sydney')
    await rig.register('Perth', { logoutUris: ['https://perth.example/logout'] })
    const idOf = new Map(
      (await rig.store.listTargets()).map(({ clientId, targetId }) => [clientId, targetId]),
    )
    const idle = { waiting: 0, running: 0 }
    rig.queue.states = [
      {
        targetId: idOf.get('sydney') ?? '',
        breaker: 'open',
        failuresInARow: 3,
        lastFailure: 'the host name does not resolve (ENOTFOUND)',
        ...idle,
      },
      {
        targetId: idOf.get('perth') ?? '',
        breaker: 'closed',
        failuresInARow: 0,
        lastFailure: 'HTTP 400 invalid_request',
        ...idle,
      },
    ]
    const olga = await atConsole(rig, 'operator')
    for (const path of ['/ops', '/ops/clients']) {
      const { text } = await olga.get(path)
      expect(text).toMatch(/does not answer \S+: the host name does not resolve \(ENOTFOUND\)/)
      expect(text).toMatch(/rejects perth\.example: HTTP 400 invalid_request/)
    }
  })

  test.each([
    ['HTTP 500', 'answers with an error', 'look at its own log'],
    ['no answer in time', 'does not answer in time', 'It takes connections and is stuck'],
    ['connection refused', 'does not answer', 'Start the instance'],
  ])(
    'an address with “%s”: the instance %s, and what to do about it',
    async (failure, why, fix) => {
      await rig.register('Sydney')
      const [target] = await rig.store.listTargets()
      const state = { targetId: target?.targetId ?? '', failuresInARow: 3, waiting: 0, running: 0 }
      rig.queue.states = [{ ...state, breaker: 'open', lastFailure: failure }]
      const { text } = await (await atConsole(rig, 'operator')).get('/ops')
      expect(text).toContain(`Case Manager Sydney ${why}: ${failure}.`)
      expect(/What to do: (.*?\.) /.exec(text)?.[1]).toContain(fix)
    },
  )

  test('when a logout address last answered, because the broker does not know whether it answers now', async () => {
    await rig.register('Sydney')
    const [target] = await rig.store.listTargets()
    const state = { targetId: target?.targetId ?? '', failuresInARow: 0, waiting: 0, running: 0 }
    rig.queue.states = [{ ...state, breaker: 'closed', answeredAtMs: rig.clock.nowMs() }]
    rig.clock.advance(40)
    const { text } = await (await atConsole(rig, 'operator')).get('/ops/clients/sydney')
    expect(text).toMatch(/ nothing pending 0 0 0 answered 09:00:00\sUTC https:\/\/sydney/)
    expect(text).not.toMatch(/\b(ok|answers)\b/)
  })

  test('a delivery to an address that does not answer has no time: the broker calls it every few seconds', async () => {
    const { sessions } = await sessionsAt(rig, 'Sydney', ['Carol'])
    await rig.store.revoke({
      selector: { kind: 'session', sid: sessions[0]?.sid ?? '' },
      reason: 'administrator',
      actor: { kind: 'operator', id: 'test' },
      now: rig.clock.now(),
    })
    const olga = await atConsole(rig, 'operator')
    const next = async () => {
      const { html } = await olga.get('/ops/deliveries?state=pending')
      return /data-label="Next attempt"><div>(.*?)<\/div>/s.exec(html)?.[1]
    }
    expect(await next()).toContain('<time')
    const [target] = await rig.store.listTargets()
    const state = { targetId: target?.targetId ?? '', failuresInARow: 3, waiting: 0, running: 0 }
    rig.queue.states = [{ ...state, breaker: 'open' }]
    expect(await next()).toBe('every few seconds until the address answers')
  })

  test('a revocation with its receipt and each delivery’s attempts', async () => {
    const { sessions } = await sessionsAt(rig, 'Sydney', ['Carol'])
    await rig.store.revoke({
      selector: { kind: 'session', sid: sessions[0]?.sid ?? '' },
      reason: 'signed_out',
      actor: { kind: 'user', id: sessions[0]?.sub ?? '' },
      now: rig.clock.now(),
    })
    const [delivery] = await rig.store.listDeliveries({ limit: 1 })
    await attempted(rig, delivery?.id ?? '', 'delivered')
    const olga = await atConsole(rig, 'operator')
    const page = await olga.get('/ops/revocations/1')
    const receipt = 'by logout token'
    for (const words of ['Signed out', receipt, 'delivered', '200, 12 ms', 'Carol'])
      expect(page.text).toContain(words)
    expect((await olga.get('/ops/revocations/99')).status).toBe(404)
  })

  test('an instance with neither guard nor logout address is pointed out', async () => {
    await rig.register('Perth', { logoutUris: [] })
    const page = await (await atConsole(rig, 'operator')).get('/ops')
    expect(page.text).toMatch(
      /1 thing needs you today.*Case Manager Perth has neither a guard nor a logout address\..*It accepts a revoked access token for up to 300 seconds\. Users who were signed out may still be in there\./,
    )
  })

  test('an instance whose guards are away is said to stop by itself, and what to check if they run', async () => {
    const client = await rig.register('Sydney')
    await rig.store.recordEnforced({
      clientId: client.clientId,
      guardId: 'guard-1',
      epoch: (await rig.store.head()).epoch,
      enforcedSeq: 0,
      reportedAtMs: rig.clock.nowMs(),
    })
    // Right after a start, guards connect again.
    rig.clock.advance(61)
    const olga = await atConsole(rig, 'operator')
    expect((await olga.get('/ops/clients/sydney')).text).toMatch(/Last heard .*09:00:00\sUTC/)
    const page = await olga.get('/ops')
    expect(page.text).toMatch(
      /1 thing needs you now.*Case Manager Sydney has no connected guard\. .*Its guards stop by themselves: once its lease has run out, .*What to do: Start its guards\..* client_rejected in the broker’s log/,
    )
    expect(page.text).not.toContain('may still be in there')
  })

  test('only an instance that accepts access tokens is said to accept revoked ones, and for how long', async () => {
    await rig.register('Sydney', { resources: ['https://notes.example/'], accessTokenSeconds: 120 })
    // No user signs in to them. Sydney gets access tokens for one of the two.
    for (const city of ['Notes', 'Robot'])
      await rig.register(city, {
        grants: ['client_credentials'],
        audience: `https://${city.toLowerCase()}.example/`,
      })
    rig.queue.states = (await rig.store.listTargets()).map(({ targetId }) => ({
      targetId,
      breaker: 'open',
      failuresInARow: 3,
      lastFailure: 'connection refused',
      waiting: 0,
      running: 0,
    }))
    const { text } = await (await atConsole(rig, 'operator')).get('/ops')
    const said = (city: string) =>
      new RegExp(`Instance: Case Manager ${city}(.*?)What to do`).exec(text)?.[1]
    const bound =
      ' It accepts a revoked access token for up to 120 seconds. Users who were signed out may still be in there. '
    expect(['Sydney', 'Notes', 'Robot'].map(said)).toEqual([bound, bound, ' '])
  })

  test('sessions, all of them, and by user, instance and device', async () => {
    const { sessions } = await sessionsAt(rig, 'Sydney', ['Carol', 'Dave'])
    const olga = await atConsole(rig, 'operator')
    expect((await olga.get('/ops/sessions')).text).toMatch(
      /3 live sessions .*Dave.*Carol|Carol.*Dave/,
    )
    const byName = await olga.get('/ops/sessions?user=caro')
    expect(byName.text).toContain('Carol')
    expect(byName.text).not.toContain('Dave')
    for (const id of [sessions[1]?.sid, sessions[1]?.sub, sessions[1]?.user.oid]) {
      const byId = await olga.get(`/ops/sessions?user=${id}`)
      expect(byId.text).toMatch(/1 live session .*Dave/)
      expect(byId.text).not.toContain('Carol')
    }
    expect((await olga.get('/ops/sessions?user=contoso')).text).toMatch(/Dave.*Carol|Carol.*Dave/)
    expect((await olga.get('/ops/sessions?user=nobody')).text).toContain('No live session matches.')
    expect((await olga.get('/ops/sessions?client=sydney')).text).toContain('2 live sessions')
    expect((await olga.get('/ops/sessions?device=iphone&user=dave')).text).toContain(
      '1 live session',
    )
    expect(byName.html).not.toContain('/ops/revoke')
    expect(
      (await (await atConsole(rig, 'administrator')).get('/ops/sessions?user=caro')).html,
    ).toContain('/ops/revoke?kind=session')
  })

  test('the audit log, filtered, and as CSV', async () => {
    const olga = await atConsole(rig, 'operator')
    const entry = { actor: { kind: 'client', id: 'robot' }, via: 'api', act: 'redrive' } as const
    await Promise.all(
      Array.from({ length: 600 }, (_, i) => rig.store.appendAudit({ ...entry, target: `n ${i}` })),
    )
    const [head, ...lines] = (await (await olga.send('/ops/audit.csv?act=redrive')).text())
      .trimEnd()
      .split('\r\n')
    expect(head).toBe(
      'Number,When,Who,Via,What,Target,Name of the target,Case,Comment,Outcome,Details,Result',
    )
    expect(lines).toHaveLength(600)
    expect(
      lines.map((line) => /,n (\d+),/.exec(line)?.[1]).toSorted((a, b) => Number(a) - Number(b)),
    ).toEqual(Array.from({ length: 600 }, (_, n) => String(n)))
    expect(lines[0]).toMatch(/^\d+,2\d{3}-\d\d-\d\dT[\d:.]+Z,robot \(removed\),api,redrive,n \d+,/)
    const page = await olga.get('/ops/audit?act=console.sign_in')
    const [, choices = ''] = /<select[^>]+name="act"[^>]*>(.*?)<\/select>/s.exec(page.html) ?? []
    expect(choices).toContain('value="webhook.add"')
    expect(choices.match(/value=""/g)).toHaveLength(1)
    expect(page.text).toContain('Olga Operator')
    expect(page.text).not.toContain('n 599')
  })

  test('every list is a CSV of the rows that its filter shows, with times in ISO 8601, and each download is in the audit log', async () => {
    const { sessions } = await sessionsAt(rig, 'Sydney', ['Carol', '=Dave'])
    const [carol] = sessions
    const by = { actor: { kind: 'operator', id: 'test' }, now: rig.clock.now() } as const
    await rig.store.revoke({
      ...by,
      selector: { kind: 'session', sid: carol?.sid ?? '' },
      reason: 'administrator',
      caseReference: 'INC-1',
    })
    const { tid = '', oid = '' } = carol?.user ?? {}
    await rig.store.lock({
      ...by,
      target: { kind: 'user', tid, oid },
      may: 'administer',
      operatorTenant: TENANT,
      caseReference: 'INC-2',
    })
    const { sub: id } = await atConsole(rig, 'administrator')
    const entry = { actor: { kind: 'operator', id }, via: 'console', act: 'backup' } as const
    const audited = await rig.store.appendAudit({ ...entry, target: 'file x' })
    await rig.store.concludeAudit({ id: audited, outcome: 'done', result: { seq: 4711 } })
    const olga = await atConsole(rig, 'operator')
    const time = String.raw`2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`
    for (const [path, query, head, row] of [
      ['users', 'q=carol', 'User,Email,Tenant,Known since,ID (sub),Object ID', 'Carol · carol@'],
      [
        'sessions',
        'user=dave',
        'User,Device,Signed in,',
        `"?'=Dave · .*,Safari on iPhone,${time},`,
      ],
      ['locks', '', 'What,Since,By,Until,Case,Comment', `.*Carol.*,${time},test,,INC-2,`],
      ['revocations', 'case=INC-1', 'Number,When,What,', `1,${time},"One session of Carol`],
      [
        'deliveries',
        'state=pending',
        'Instance,Settled,Address,Revocation,State,',
        'Case Manager Sydney,,https://.*,1,pending,0,',
      ],
      [
        'audit',
        'actor=adam&act=backup',
        'Number,When,Who,',
        `\\d+,${time},Adam Administrator,.*"{""seq"":4711}"$`,
      ],
    ] as const) {
      const page = await olga.get(`/ops/${path}?${query}`)
      const link = `/ops/${path}.csv${query === '' ? '' : `?${query}`}`
      expect([path, page.links.includes(link) || page.links]).toEqual([path, true])
      const lines = (await (await olga.send(link)).text()).trimEnd().split('\r\n')
      expect([path, lines.length, lines[0]?.startsWith(head)]).toEqual([path, 2, true])
      expect(lines[1]).toMatch(new RegExp(`^${row}`))
      expect(await rig.store.listAudit({ act: `${path}.export`, limit: 2 })).toMatchObject([
        { target: 'everything', ended: { outcome: 'done' } },
      ])
    }
  })

  test('instances, tenants and keys are downloaded as CSV, with the text of their cells', async () => {
    const client = await rig.register('Sydney')
    await rig.store.recordEnforced({
      clientId: client.clientId,
      guardId: 'g <1>',
      epoch: (await rig.store.head()).epoch,
      enforcedSeq: 0,
      reportedAtMs: rig.clock.nowMs(),
    })
    await rig.store.changeTenant({ tid: TENANT, change: { name: 'Contoso' } })
    const olga = await atConsole(rig, 'operator')
    const time = '\\d{4}-\\d\\d-\\d\\dT.*Z'
    for (const [path, head, row] of [
      [
        'clients',
        'Instance,Client ID,State,Pending,Rejected,Failed,Logout addresses,Guards',
        'Case Manager Sydney,sydney,has no connected guard,0,0,0,https://.*,0 of 1 connected',
      ],
      ['tenants', 'Tenant,Tenant ID,State,Connected', `Contoso,${TENANT},open,${time}`],
      [
        'keys',
        'Key,Algorithm,Signs,State,Kept in,Created,Signs since,Published until',
        `.*,RS256,[^,]+,signs,`,
      ],
    ] as const) {
      const link = `/ops/${path}.csv`
      expect([path, (await olga.get(`/ops/${path}`)).links.includes(link)]).toEqual([path, true])
      const csv = await (await olga.send(link)).text()
      expect(csv.split('\r\n')[0]).toBe(head)
      expect(csv).toMatch(new RegExp(`^${row}`, 'm'))
    }
  })

  test('a tenant without a name: the page says how to name it', async () => {
    const olga = await atConsole(rig, 'operator')
    expect((await olga.get('/ops/tenants')).text).toContain(
      `To name a tenant: cmb tenants change ${TENANT} --name "Contoso"`,
    )
    for (const tid of [TENANT, OTHER_TENANT])
      await rig.store.changeTenant({ tid, change: { name: `Tenant ${tid[0]}` } })
    const page = await olga.get('/ops/tenants')
    expect([page.text.includes('Tenant 1'), page.text.includes('To name a tenant')]).toEqual([
      true,
      false,
    ])
  })

  test('a download looks up once whom its filter names, whatever its length', async () => {
    const olga = await atConsole(rig, 'operator')
    const entry = { actor: { kind: 'operator', id: olga.sub }, via: 'api', act: 'redrive' } as const
    for (let n = 0; n < 120; n++) await rig.store.appendAudit({ ...entry, target: `n ${n}` })
    const looked = vi.spyOn(rig.store, 'searchUsers')
    const csv = await olga.send('/ops/audit.csv?actor=olga+operator&act=redrive')
    expect((await csv.text()).trimEnd().split('\r\n')).toHaveLength(121)
    expect(looked).toHaveBeenCalledTimes(1)
  })

  test('a search that finds more users than a list holds says so, and is no CSV of some of them', async () => {
    await sessionsAt(rig, 'Sydney', ['Carol', 'Dave'])
    const { searchUsers } = rig.store
    rig.store.searchUsers = (input) => searchUsers({ ...input, limit: 1 })
    const olga = await atConsole(rig, 'operator')
    expect((await olga.get('/ops/users?q=contoso')).text).toContain('More match: add a word.')
    const csv = await olga.get('/ops/users.csv?q=contoso')
    expect([csv.status, csv.text.includes('add a word')]).toEqual([422, true])
    expect(await rig.store.listAudit({ act: 'users.export', limit: 1 })).toEqual([])
    expect((await olga.get('/ops/users?q=dave')).text).not.toContain('add a word')
  })

  test('what failed at Microsoft is shown, and retried, with its record', async () => {
    const olga = await atConsole(rig, 'operator')
    expect((await olga.get('/ops')).text).not.toContain('Failed at Microsoft')
    const work = { kind: 'revoke_sessions', tid: TENANT, oid: 'p-1' } as const
    await rig.store.askMicrosoft([work], rig.clock.nowMs())
    const [pending] = await rig.store.claimMicrosoftWork({
      tid: TENANT,
      nowMs: rig.clock.nowMs(),
      untilMs: 0,
      limit: 1,
    })
    if (pending === undefined) return expect.unreachable()
    await rig.store.postponeMicrosoftWork(pending, {
      nextAtMs: undefined,
      error: 'Graph answered 503.',
    })
    const page = await olga.get('/ops')
    for (const words of [
      'Failed at Microsoft',
      'Sign a user out of Microsoft',
      'p-1',
      'Graph answered 503.',
    ])
      expect(page.text).toContain(words)
    expect((await olga.submitTo(page, '/ops/microsoft/redrive', { csrf: 'x' })).status).toBe(403)
    expect(await rig.store.hasPendingMicrosoftWork(work)).toBe(false)
    const after = await olga.submitTo(page, '/ops/microsoft/redrive')
    expect(after.text).toContain('1 call to Microsoft will be retried now.')
    expect(after.text).not.toContain('Failed at Microsoft')
    expect(await rig.store.hasPendingMicrosoftWork(work)).toBe(true)
    expect(
      (await rig.store.listAudit({ act: 'microsoft.redrive', limit: 5 })).map((entry) => [
        entry.actor.id,
        entry.via,
        entry.ended?.result,
      ]),
    ).toEqual([[olga.sub, 'console', { redriven: 1 }]])
  })

  test('every act that is recorded can be filtered by', async () => {
    const sources = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((name) =>
      /\.tsx?$/.test(name),
    )
    const acts = sources.flatMap((name) =>
      [...readFileSync(join('src', name), 'utf8').matchAll(/\b(?:act|audit): '([\w.]+)'/g)].map(
        ([, act = '']) => act,
      ),
    )
    expect(acts.length).toBeGreaterThan(15)
    const page = await (await atConsole(rig, 'operator')).get('/ops/audit')
    for (const act of acts) expect(page.html).toContain(`<option value="${act}"`)
  })

  test('names that others chose are shown as text', async () => {
    await rig.register('Sydney', { name: '<img src=x onerror=alert(1)>' })
    const page = await (await atConsole(rig, 'operator')).get('/ops/clients')
    expect(page.html).toContain('&lt;img src=x')
    expect(page.html).not.toContain('<img')
  })
})

test('the style sheet is at the address that pages link to, for browsers to keep', async () => {
  const olga = await atConsole(rig, 'operator')
  const href =
    /href="(\/ops\/assets\/console\.css\?v=[^"]+)"/.exec((await olga.get('/ops')).html)?.[1] ?? ''
  const sheet = await olga.send(href)
  expect(sheet.headers.get('content-type')).toBe('text/css; charset=utf-8')
  expect(sheet.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
  expect(await sheet.text()).toContain('.console .top {')
})

describe('pages of a list', () => {
  const rowsOf = (html: string, label: string): string[] => {
    const body =
      html.split(`aria-label="${label}"`)[1]?.split('</table>')[0]?.split('<tbody')[1] ?? ''
    return body.split('<tr').slice(1)
  }

  /** Every page by its links, and back again by them. @returns the rows of each */
  async function walk(path: string, label: string, nav: string): Promise<string[][]> {
    const olga = await atConsole(rig, 'operator')
    const linksOf = (html: string): string =>
      html.split(`aria-label="Pages of ${nav}"`)[1]?.split('</nav>')[0] ?? ''
    const linkTo = (html: string, words: string): string | undefined =>
      new RegExp(`<a href="([^"]+)"[^>]*>\\s*${words}\\s*</a>`)
        .exec(linksOf(html))?.[1]
        ?.replaceAll('&amp;', '&')
    const pages = [(await olga.get(path)).html]
    for (let next = linkTo(pages[0] ?? '', 'Next page'); next !== undefined;) {
      pages.push((await olga.get(next)).html)
      next = linkTo(pages.at(-1) ?? '', 'Next page')
    }
    const rows = pages.map((html) => rowsOf(html, label))
    let html = pages.at(-1) ?? ''
    expect(rowsOf((await olga.get(linkTo(html, 'First page') ?? '')).html, label)).toEqual(rows[0])
    for (const before of rows.slice(0, -1).toReversed()) {
      html = (await olga.get(linkTo(html, 'Previous page') ?? '')).html
      expect(rowsOf(html, label)).toEqual(before)
    }
    expect(linkTo(html, 'Previous page')).toBeUndefined()
    return rows
  }
  const sizes = (pages: string[][]): number[] => pages.map(({ length }) => length)
  const distinct = (pages: string[][]): number => new Set(pages.flat()).size

  test('the audit log, filtered', async () => {
    const entry = { actor: { kind: 'client', id: 'robot' }, via: 'api', act: 'redrive' } as const
    await Promise.all(
      Array.from({ length: 120 }, (_, i) => rig.store.appendAudit({ ...entry, target: `n ${i}` })),
    )
    const pages = await walk('/ops/audit?actor=robot', 'Audit log', 'audit log')
    expect([sizes(pages), distinct(pages)]).toEqual([[50, 50, 20], 120])
  })

  test('sessions', async () => {
    for (let n = 0; n < 105; n++)
      await rig.openSession({ user: { oid: `oid-${n}`, name: `Carol ${n}`, username: undefined } })
    const pages = await walk('/ops/sessions?user=carol', 'Live sessions', 'live sessions')
    expect([sizes(pages), distinct(pages)]).toEqual([[100, 5], 105])
  })

  test('guards of an instance', async () => {
    await rig.register('Sydney')
    await rig.store.revoke({
      selector: { kind: 'everything' },
      reason: 'administrator',
      actor: { kind: 'operator', id: 'test' },
      now: rig.clock.now(),
    })
    const { epoch } = await rig.store.head()
    for (let n = 0; n < 120; n++)
      await rig.store.recordEnforced({
        clientId: 'sydney',
        guardId: `g ${n}`,
        epoch,
        enforcedSeq: 1,
        reportedAtMs: rig.clock.nowMs(),
      })
    const pages = await walk('/ops/clients/sydney', 'Guards', 'guards')
    expect([sizes(pages), distinct(pages)]).toEqual([[50, 50, 20], 120])
    const { text } = await (await atConsole(rig, 'operator')).get('/ops')
    expect(text).toContain('All 120 guards (0 connected)')
    expect(text.match(/g \d+ ,/g)).toHaveLength(6)
  })

  test('deliveries: of one revocation, and by state', async () => {
    const { client } = await sessionsAt(
      rig,
      'Sydney',
      Array.from({ length: 101 }, (_, n) => `Carol ${n}`),
    )
    await rig.store.revoke({
      selector: { kind: 'client', clientId: client.clientId },
      reason: 'administrator',
      actor: { kind: 'operator', id: 'test' },
      now: rig.clock.now(),
    })
    while ((await rig.store.fanOutPending({ limit: 500 })).more);
    expect(await rig.store.listDeliveries({ seq: 1, limit: 200 })).toHaveLength(101)
    expect(sizes(await walk('/ops/revocations/1', 'Deliveries', 'deliveries'))).toEqual([50, 50, 1])
    expect(sizes(await walk('/ops/deliveries?state=pending', 'Deliveries', 'deliveries'))).toEqual([
      50, 50, 1,
    ])
  })

  test('a cursor that no page gave is ignored', async () => {
    const olga = await atConsole(rig, 'operator')
    for (const path of [
      '/ops/audit?before=x',
      '/ops/sessions?user=olga&before=%3Cb%3E',
      '/ops/users?before=x',
      '/ops/locks?before=%20',
      '/ops/deliveries?before=%20',
    ])
      expect([path, (await olga.get(path)).status]).toEqual([path, 200])
    expect((await olga.get('/ops/audit?before=x')).text).toContain('Olga Operator')
  })
})

describe('live', () => {
  test('an open page follows the stream of changes and says so, unless live updates are paused', async () => {
    const olga = await atConsole(rig, 'operator')
    const { html } = await olga.get('/ops')
    expect(html).toContain('<script data-events="/ops/live">')
    expect(html).toMatch(
      /<span id="live-state" role="status" data-connected="Live\." data-skipped="[^"]+" data-lost="[^"]+">/,
    )
    expect((await olga.get('/ops?live=off')).html).not.toContain('data-events')
  })

  test('an open page is informed of a revocation, and its stream ends with the console session', async () => {
    const { sessions } = await sessionsAt(rig, 'Sydney', ['Carol'])
    const olga = await atConsole(rig, 'operator')
    expect((await (await browserOf(rig, 'operator')).send('/ops/live')).status).toBe(401)
    const response = await olga.send('/ops/live')
    expect(response.headers.get('content-type')).toContain('text/event-stream')
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    const until = async (words: string): Promise<void> => {
      for (let seen = ''; !seen.includes(words);) {
        const read = await reader.read()
        if (read.done) throw new Error(`The stream ended without ${words}.`)
        seen += new TextDecoder().decode(read.value)
      }
    }
    const by = {
      reason: 'administrator',
      actor: { kind: 'operator', id: 'test' },
      now: rig.clock.now(),
    } as const
    await requestRevocation(rig.deps, {
      selector: { kind: 'session', sid: sessions[0]?.sid ?? '' },
      ...by,
    })
    await until('event: changed')
    await requestRevocation(rig.deps, { selector: { kind: 'session', sid: olga.sid }, ...by })
    await until('event: over')
    expect((await reader.read()).done).toBe(true)
  })

  test('a broker that ends waits for no page: its streams end, and none is opened any more', async () => {
    const olga = await atConsole(rig, 'operator')
    const response = await olga.send('/ops/live')
    rig.closeConsole()
    expect(await response.text()).toContain('retry:')
    expect((await olga.send('/ops/live')).status).toBe(503)
  })
})
