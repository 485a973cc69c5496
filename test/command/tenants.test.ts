import { beforeEach, describe, expect, test } from 'vitest'
import { areAssignmentsSettled, pauseProbe } from '../../src/microsoft/probe-pause.ts'
import { disconnectTenant } from '../../src/microsoft/tenants.ts'
import { useSetupToken } from '../../src/operations/acts/setup-token.ts'
import { createRig, OTHER_TENANT, type Rig, TENANT } from '../rig.ts'
import { atConsole } from '../console/console.ts'
import { startCmb } from './cmb.ts'

const THIRD = '55555555-5555-4555-8555-555555555555'

let rig: Rig
let type: Awaited<ReturnType<typeof startCmb>>['type']
beforeEach(async () => {
  rig = await createRig()
  ;({ type } = await startCmb(rig))
})

describe('cmb tenants', () => {
  test('add connects at once; without a proof of MFA no user gets in yet', async () => {
    const added = await type(['tenants', 'add', THIRD.toUpperCase(), '--name', 'Northwind'])
    expect(added).toMatchObject({
      code: 0,
      out: expect.stringContaining('proof of MFA remain') as string,
    })
    expect(rig.deps.connection.current().tenants).toEqual([TENANT, OTHER_TENANT, THIRD])
    expect(await rig.store.findTenant(THIRD)).toMatchObject({
      name: 'Northwind',
      mfaProof: 'undecided',
    })
    expect((await type(['tenants'])).out).toMatch(/Northwind\s+yes\s+undecided/)
    expect(await type(['tenants', 'add', THIRD])).toMatchObject({
      code: 1,
      err: expect.stringContaining('Already connected') as string,
    })
  })

  test('add and resume-probe are in the audit log with what they changed', async () => {
    const audited = async (act: string) => (await rig.store.listAudit({ act, limit: 1 }))[0]
    await type(['tenants', 'add', THIRD, '--name', 'Northwind', '--mfa-proof', 'amr'])
    expect((await audited('tenant.add'))?.ended?.result).toEqual({
      changed: {
        connected: { before: false, after: true },
        name: { before: null, after: 'Northwind' },
        mfa_proof: { before: null, after: 'amr' },
      },
    })
    await type(['tenants', 'remove', THIRD, '--yes'])
    await type(['tenants', 'add', THIRD])
    expect((await audited('tenant.add'))?.ended?.result).toEqual({
      changed: {
        connected: { before: false, after: true },
        mfa_proof: { before: 'amr', after: 'undecided' },
      },
    })
    await pauseProbe(rig.store, {
      tid: TENANT,
      held: 'assignment',
      at: rig.clock.now(),
      code: 50105,
    })
    expect((await type(['tenants', 'resume-probe', TENANT])).code).toBe(0)
    expect(await audited('tenant.resume_probe')).toMatchObject({
      details: {
        changed: { paused: { before: { at: rig.clock.now(), code: 50105 }, after: null } },
      },
      ended: { outcome: 'done' },
    })
    // The operator has decided that the withdrawn assignments are meant, for two rounds.
    expect(await areAssignmentsSettled(rig.store, TENANT, rig.clock.now() + 1799)).toBe(true)
    expect(await areAssignmentsSettled(rig.store, TENANT, rig.clock.now() + 1800)).toBe(false)
    await type(['tenants', 'resume-probe', TENANT])
    expect(await audited('tenant.resume_probe')).toMatchObject({
      details: { changed: {} },
      ended: { outcome: 'rejected' },
    })
  })

  test('change sets the limit on the age of an authentication, and lifts it; both are in the audit log', async () => {
    const limit = async () => (await rig.store.findTenant(TENANT))?.maxAuthenticationSeconds
    const changed = async () =>
      (await rig.store.listAudit({ act: 'tenant.change', limit: 1 }))[0]?.details
    await rig.store.putTenant({ tid: TENANT, mfaProof: 'amr', connectedAt: rig.clock.now() })
    const change = (age: string, tid = TENANT) =>
      type(['tenants', 'change', tid, '--max-authentication-age', age])
    expect((await change('28800')).code).toBe(0)
    expect(await limit()).toBe(28_800)
    expect((await type(['tenants'])).out).toContain('28800')
    expect(await changed()).toEqual({
      changed: { max_authentication_age: { before: null, after: 28_800 } },
    })
    expect(await change('299')).toMatchObject({
      code: 1,
      err: expect.stringContaining('at least 300') as string,
    })
    expect(await change('soon')).toMatchObject({ code: 2 })
    expect(await change('600', THIRD)).toMatchObject({
      code: 1,
      err: expect.stringContaining('No such tenant') as string,
    })
    expect(await limit()).toBe(28_800)
    expect((await change('none')).code).toBe(0)
    expect(await limit()).toBeUndefined()
  })

  test('change names a tenant, which the list and the console then show', async () => {
    await rig.store.putTenant({ tid: TENANT, mfaProof: 'amr', connectedAt: rig.clock.now() })
    expect((await type(['tenants', 'change', TENANT, '--name', 'Contoso'])).code).toBe(0)
    expect((await type(['tenants'])).out).toMatch(new RegExp(`${TENANT} +Contoso`))
    const { session } = await rig.openSession()
    const adam = await atConsole(rig, 'administrator')
    expect((await adam.get(`/ops/users/${session.sub}`)).text).toContain('Tenant Contoso')
    const check = await adam.get(`/ops/revoke?kind=tenant&value=${TENANT}`)
    expect(check.text).toMatch(/Every user of the tenant Contoso.*Type Contoso to sign them out/)
  })

  test('change asks before a lower limit ends sessions, with their number; --dry-run says it, and changes nothing', async () => {
    const limit = async () => (await rig.store.findTenant(TENANT))?.maxAuthenticationSeconds
    await rig.store.putTenant({ tid: TENANT, mfaProof: 'amr', connectedAt: rig.clock.now() })
    await rig.openSession({ authTime: rig.clock.now() - 7200 })
    await rig.openSession()
    const change = (age: string, args: string[] = [], answer?: string) =>
      type(
        ['tenants', 'change', TENANT, '--max-authentication-age', age, ...args],
        answer === undefined ? {} : { answer },
      )
    const ends = '1 session(s) of 1 user(s)'
    const rejected = await change('3600')
    expect([rejected.code, rejected.err]).toEqual([
      2,
      expect.stringMatching(/^This would end 1 session\(s\) of 1 user\(s\).*Add --yes to do it/),
    ])
    const declined = await change('3600', [], 'no')
    expect([declined.code, declined.err]).toEqual([
      1,
      expect.stringContaining(`This would end ${ends}`),
    ])
    const dry = await change('3600', ['--dry-run'])
    expect([dry.code, dry.out]).toEqual([0, expect.stringContaining(`This would end ${ends}`)])
    expect((await change('3600', ['--dry-run', '--json'])).json()).toMatchObject({
      dry_run: true,
      would_end: { sessions: 1 },
    })
    expect(
      (await type(['tenants', 'change', THIRD, '--max-authentication-age', '600', '--dry-run']))
        .err,
    ).toContain('No such tenant')
    expect([await limit(), await rig.store.listAudit({ act: 'tenant.change', limit: 9 })]).toEqual([
      undefined,
      [],
    ])
    expect((await change('3600', [], 'yes')).code).toBe(0)
    expect(await limit()).toBe(3600)
    // The command asks no question if the limit ends no session, or if there is no limit.
    for (const age of ['86400', 'none']) expect((await change(age)).code).toBe(0)
    expect((await change('3600', ['--yes'])).code).toBe(0)
    expect(await limit()).toBe(3600)
  })

  test('change sets who administers a tenant; what is left out stays, and the operator tenant has no such administrators', async () => {
    await rig.store.putTenant({
      tid: THIRD,
      mfaProof: 'amr',
      maxAuthenticationSeconds: 600,
      connectedAt: rig.clock.now(),
    })
    const change = (who: string, tid = THIRD) =>
      type(['tenants', 'change', tid, '--administrators', who])
    expect((await change('app_role')).code).toBe(0)
    expect(await rig.store.findTenant(THIRD)).toMatchObject({
      administrators: 'app_role',
      maxAuthenticationSeconds: 600,
    })
    expect((await rig.store.listAudit({ act: 'tenant.change', limit: 1 }))[0]?.details).toEqual({
      changed: { administrators: { before: null, after: 'app_role' } },
    })
    for (const wrong of ['everybody', 'directory_role:b79fbf4d-3ef9-4689-8143-76b194e85509'])
      expect(await change(wrong)).toMatchObject({
        code: 1,
        err: expect.stringContaining('that not every user has') as string,
      })
    expect(await change('app_role', TENANT)).toMatchObject({
      code: 1,
      err: expect.stringContaining('This is the operator tenant') as string,
    })
    expect(await type(['tenants', 'change', THIRD])).toMatchObject({ code: 2 })
    expect((await rig.store.findTenant(THIRD))?.administrators).toBe('app_role')
    expect((await change('none')).code).toBe(0)
    expect((await rig.store.findTenant(THIRD))?.administrators).toBeUndefined()
  })

  test('redrive retries failed requests to Microsoft, which cmb status shows', async () => {
    const nowMs = rig.clock.nowMs()
    await rig.store.askMicrosoft([{ kind: 'revoke_sessions', tid: TENANT, oid: 'p-1' }], nowMs)
    for (const pending of await rig.store.claimMicrosoftWork({
      tid: TENANT,
      nowMs,
      untilMs: 0,
      limit: 1,
    }))
      await rig.store.postponeMicrosoftWork(pending, {
        nextAtMs: undefined,
        error: 'Graph answered 503.',
      })
    expect((await type(['status'])).out).toMatch(
      /revoke_sessions\s+1111.*p-1.*Graph answered 503[^]*cmb tenants redrive/,
    )
    expect(await type(['tenants', 'redrive'])).toMatchObject({ code: 2 })
    expect((await type(['tenants', 'redrive', OTHER_TENANT])).out).toBe('redriven  0\n')
    expect((await type(['tenants', 'redrive', '--all'])).out).toBe('redriven  1\n')
    expect((await type(['status'])).out).not.toContain('failed microsoft work')
    expect(
      (await rig.store.listAudit({ act: 'microsoft.redrive', limit: 5 })).map(
        ({ target }) => target,
      ),
    ).toEqual(['all', `tenant ${OTHER_TENANT}`])
  })

  test.each([
    [['contoso.example'], 'GUID'],
    [['9188040d-6c67-4c5b-b112-36a304b66dad'], 'personal accounts'],
    [[THIRD, '--mfa-proof', 'auth_context:c26'], 'auth_context:c1'],
  ])('add %j is rejected in words', async (args, words) => {
    expect(await type(['tenants', 'add', ...args])).toMatchObject({
      code: 1,
      err: expect.stringContaining(words) as string,
    })
    expect(rig.deps.connection.current().tenants).toHaveLength(2)
  })

  test('remove asks, and then signs its users out with the same commit', async () => {
    const { session } = await rig.openSession({ user: { tid: OTHER_TENANT } })
    expect(await type(['tenants', 'remove', OTHER_TENANT], { answer: 'no' })).toMatchObject({
      code: 1,
      err: expect.stringContaining('Nothing was done') as string,
    })
    expect(await type(['tenants', 'remove', OTHER_TENANT])).toMatchObject({ code: 2 })
    expect((await rig.store.statusBySid(session.sid, rig.clock.now())).state).toBe('live')
    expect(await type(['tenants', 'remove', OTHER_TENANT], { answer: 'yes' })).toMatchObject({
      code: 0,
    })
    expect((await rig.store.statusBySid(session.sid, rig.clock.now())).state).toBe('ended')
    expect(rig.deps.connection.current().tenants).toEqual([TENANT])
    expect((await rig.store.listRevocations({ limit: 1 })).at(0)).toMatchObject({
      reason: 'tenant_removed',
      actor: { kind: 'operator', id: 'cmb@olga (unverified)' },
    })
    expect(await type(['tenants', 'remove', OTHER_TENANT, '--yes'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('No such tenant') as string,
    })
    const audited = (await rig.store.listAudit({ act: 'tenant.remove', limit: 10 })).map(
      (entry) => entry.ended?.outcome,
    )
    expect(audited).toEqual(['rejected', 'done'])
    const [, removed] = await rig.store.listAudit({ act: 'tenant.remove', limit: 10 })
    expect(removed?.details).toMatchObject({
      removed: { tid: OTHER_TENANT, mfa_proof: 'auth_context:c1' },
    })
  })

  test('remove of the operators’ tenant is rejected: no administrator could sign in after that', async () => {
    expect(await type(['tenants', 'remove', TENANT, '--yes'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('operator tenant') as string,
    })
    expect(rig.deps.connection.current().tenants).toContain(TENANT)
  })
})

describe('cmb setup', () => {
  test('prints a token that is valid once, and says where to enter it; no log has it', async () => {
    const { out, code } = await type(['setup'])
    const token = /^ {2}([0-9A-Z-]{29})$/m.exec(out)?.[1] ?? expect.unreachable()
    expect([code, out]).toEqual([0, expect.stringContaining('http://localhost:7401/setup')])
    expect(
      rig.lines.join() + JSON.stringify(await rig.store.listAudit({ limit: 10 })),
    ).not.toContain(token)
    expect(await useSetupToken(rig.deps, token, rig.clock.now())).toBe('first')
    expect(await useSetupToken(rig.deps, token, rig.clock.now())).toBeUndefined()
  })

  test('a second token replaces the first', async () => {
    const [first, second] = [
      (await type(['setup', '--json'])).json<{ token: string }>(),
      (await type(['setup', '--json'])).json<{ token: string }>(),
    ]
    expect(await useSetupToken(rig.deps, first.token, rig.clock.now())).toBeUndefined()
    expect(await useSetupToken(rig.deps, second.token, rig.clock.now())).toBe('first')
  })
})

describe('cmb doctor', () => {
  const found = async () =>
    (await type(['doctor', '--json']))
      .json<{ findings: { check: string; state: string; found: string }[] }>()
      .findings.filter((finding) => finding.check === 'mfa-proof')
      .map((finding) => `${finding.state}: ${finding.found}`)

  test('says of each tenant how MFA is proved, and who asserted it', async () => {
    await rig.store.changeTenant({
      tid: OTHER_TENANT,
      change: { mfaProof: 'conditional_access', proofAssertedBy: 'Adam', proofAssertedAt: 1 },
    })
    await rig.store.changeTenant({
      tid: TENANT,
      change: { proofAssertedBy: undefined, proofAssertedAt: undefined },
    })
    await type(['tenants', 'add', THIRD])
    expect(await found()).toEqual([
      expect.stringContaining(
        'no administrator has confirmed that a policy is bound to c1',
      ) as string,
      'warning: MFA is proved by conditional_access, asserted by Adam, 1 Jan 1970 00:00:01\u00a0UTC: no token shows it.',
      'warning: No proof of MFA is chosen: users of this tenant cannot sign in.',
    ])
    await rig.store.changeTenant({
      tid: TENANT,
      change: { proofAssertedBy: 'Adam', proofAssertedAt: 1 },
    })
    expect((await found())[0]).toBe(
      'ok: MFA is proved by auth_context:c1, asserted by Adam, 1 Jan 1970 00:00:01\u00a0UTC.',
    )
  })

  test('a name from Microsoft that holds control characters reaches the terminal neither in words nor as JSON', async () => {
    const proofAssertedBy = 'Eve\u001b[2J\u009b2J'
    const mfaProof = 'conditional_access'
    await rig.store.changeTenant({
      tid: TENANT,
      change: { mfaProof, proofAssertedBy, proofAssertedAt: 1 },
    })
    const [words, json] = [await type(['doctor']), await type(['doctor', '--json'])]
    expect(words.out).toContain('asserted by Eve?[2J?2J')
    for (const { out } of [words, json]) expect(out.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u)
    expect(json.out).toContain('Eve\\u001b[2J\\u009b2J')
    await rig.store.appendAudit({
      actor: { kind: 'operator', id: 'cmb@olga' },
      via: 'command',
      act: 'revoke',
      comment: proofAssertedBy,
    })
    expect((await type(['audit', '--json'])).out).toContain('\\u009b2J')
  })

  test('says that the operators’ tenant is not connected', async () => {
    await disconnectTenant(rig.deps, {
      tid: TENANT,
      actor: { kind: 'operator', id: 'olga' },
      now: rig.clock.now(),
    })
    expect((await found()).at(-1)).toContain('no user can sign in as an operator')
  })
})
