import { beforeEach, describe, expect, test } from 'vitest'
import { atConsole } from '../console/console.ts'
import { cmb, startCmb } from '../command/cmb.ts'
import { createRig, OTHER_TENANT, TENANT, type Rig } from '../rig.ts'

/** The question "she cannot sign in", as operators ask it: at the console, and by `cmb`. */

let rig: Rig
beforeEach(async () => {
  rig = await createRig()
  await rig.register('Sydney')
  await startCmb(rig)
})

const OID = '00000000-0000-4000-8000-0000000000aa'
const rejected = (reference: string, why: string, more: object = {}) =>
  rig.store.recordRejectedSignIn({
    user: { tid: TENANT, oid: OID, username: 'Nina.New@contoso.example', ...more },
    why,
    reference,
    device: 'Chrome on Linux',
    now: rig.clock.now(),
    from: { clientId: 'sydney' },
  })
const type = async (...args: string[]) =>
  cmb(['sign-ins', ...args], { dataDir: rig.config.dataDir, user: 'olga' })
const referencesBy = async (...args: string[]) => {
  const { rejected: rows } = (await type(...args, '--json')).json() as {
    rejected: { reference: string }[]
  }
  return rows.map(({ reference }) => reference)
}

describe('rejected sign-ins', () => {
  test('are found by reference, with what the user read and what to do, and by user, tenant, instance, reason and time', async () => {
    const { session } = await rig.openSession()
    await rejected('BCDF-GHJK', 'mfa_not_proved')
    rig.clock.advance(10)
    await rejected('CDFG-HJKL', 'user_locked', { oid: session.user.oid, username: 'alice@x' })
    await rejected('DFGH-JKLM', 'mfa_not_proved', {
      tid: OTHER_TENANT,
      oid: 'faye',
      username: 'faye@x',
    })
    expect((await type('bcdf-ghjk', '--json')).json()).toMatchObject({
      rejected: [
        {
          reference: 'BCDF-GHJK',
          client_id: 'sydney',
          reason: 'mfa_not_proved',
          user: { tid: TENANT, oid: OID, sub: null, username: 'Nina.New@contoso.example' },
          user_read: expect.stringMatching(
            /^Two-step verification is needed\. Microsoft did not confirm/,
          ) as string,
          fix: expect.stringContaining('Conditional Access policy is bound') as string,
        },
      ],
      microsoft_log: expect.stringContaining('https://entra.microsoft.com/') as string,
    })
    const cases: [string[], string[]][] = [
      [[], ['DFGH-JKLM', 'CDFG-HJKL', 'BCDF-GHJK']],
      [['--user', 'nina.new'], ['BCDF-GHJK']],
      [['--user', session.sub], ['CDFG-HJKL']],
      [['--user', OID], ['BCDF-GHJK']],
      [['--tenant', OTHER_TENANT], ['DFGH-JKLM']],
      [['DFGH-JKLM', '--tenant', TENANT], []],
      [['--reason', 'user_locked'], ['CDFG-HJKL']],
      [['--client', 'perth'], []],
      [['--client', 'sydney', '--limit', '1'], ['DFGH-JKLM']],
    ]
    for (const [args, found] of cases)
      expect([args, await referencesBy(...args)]).toEqual([args, found])
    rig.clock.advance(8 * 86_400)
    expect(await referencesBy()).toEqual([])
    expect((await type('BCDF-GHJK')).out).toContain('Two-step verification is needed')
  })

  test('are counted by reason, beside the accepted ones by instance, of one user too', async () => {
    const { session } = await rig.openSession()
    await rig.openSession({ device: 'Edge on Windows' })
    await rig.openSession({ user: { tid: OTHER_TENANT, oid: OID } })
    await rejected('BCDF-GHJK', 'mfa_not_proved')
    await rejected('CDFG-HJKL', 'mfa_not_proved')
    await rejected('DFGH-JKLM', 'user_locked', { oid: session.user.oid, username: 'alice@x' })
    const counts = async (...args: string[]) => {
      const { by_reason: reasons, accepted } = (await type(...args, '--json')).json() as {
        by_reason: object
        accepted: { total: number }
      }
      return [reasons, accepted.total]
    }
    const all = { mfa_not_proved: 2, user_locked: 1 }
    expect(await counts()).toEqual([all, 3])
    expect(await counts('--tenant', TENANT)).toEqual([all, 2])
    expect(await counts('--user', session.sub)).toEqual([{ user_locked: 1 }, 2])
    expect(await counts('--user', 'nina.new')).toEqual([{ mfa_not_proved: 2 }, 0])
  })
})

describe('the page of sign-ins', () => {
  test('is where the search of the header leads by a reference', async () => {
    await rejected('BCDF-GHJK', 'mfa_not_proved')
    const aura = await atConsole(rig, 'auditor')
    const page = await aura.get('/ops/search?q=bcdf-ghjk')
    expect(page.url).toContain('/ops/sign-ins?reference=BCDF-GHJK')
    expect(page.text).toMatch(
      /Nina\.New@contoso\.example .*Sydney Two-step verification is needed Microsoft did not confirm .*Conditional Access policy is bound/,
    )
    expect(page.text).toContain('They are in the sign-in log of Microsoft Entra')
    expect(page.text).toMatch(/Sign-ins of this user since .* Rejected: 1 sign-in\./)
    expect(page.html).toContain('href="https://entra.microsoft.com/')
    const unknown = await aura.get('/ops/sign-ins?reference=ZZZZ-ZZZZ')
    expect(unknown.text).toMatch(/in the field “reference”.*No rejected sign-in matches\./)
    expect(unknown.text).not.toContain('Rejected: ')
  })

  test('says how many sign-ins were accepted and rejected, and is downloaded as CSV', async () => {
    await rejected('BCDF-GHJK', 'mfa_not_proved')
    const olga = await atConsole(rig, 'operator')
    const page = await olga.get('/ops/sign-ins')
    expect(page.text).toMatch(
      /Accepted: 1 sign-in\..*Rejected: 1 sign-in\. Two-step verification is needed : 1 sign-in/,
    )
    const csv = await (await olga.send('/ops/sign-ins.csv')).text()
    expect(csv).toMatch(/,mfa_not_proved,.*,BCDF-GHJK\r\n$/)
  })
})

describe('the page of a tenant', () => {
  test('has its consent, proof of MFA, contact, administrators, probe, locks and sign-ins', async () => {
    await rig.store.putTenant({
      tid: OTHER_TENANT,
      name: 'Fabrikam',
      mfaProof: 'auth_context:c1',
      connectedAt: 1,
      administrators: 'app_role',
    })
    await rig.store.changeTenant({
      tid: OTHER_TENANT,
      change: { helpContact: { name: 'IT help desk', telephone: '+44 20 7946 0000' } },
    })
    await rejected('BCDF-GHJK', 'mfa_not_proved', { tid: OTHER_TENANT })
    await rig.store.lock({
      target: { kind: 'user', tid: OTHER_TENANT, oid: OID },
      actor: { kind: 'operator', id: 'olga' },
      may: 'administer',
      operatorTenant: TENANT,
      caseReference: 'INC-7',
      now: rig.clock.now(),
    })
    const adam = await atConsole(rig, 'administrator')
    const page = await adam.press(await adam.get('/ops/tenants'), 'Fabrikam')
    expect(page.text).toMatch(
      /Consent not confirmed Proof of MFA auth_context:c1 Administrators app_role Help contact IT help desk, \+44 20 7946 0000 Probe of Microsoft running/,
    )
    expect(page.text).toMatch(/Locked .*INC-7.* Rejected: 1 sign-in\. Two-step verification/)
    expect((await adam.press(page, 'Its rejected sign-ins')).text).toContain('BCDF-GHJK')
    expect((await adam.get('/ops/tenants/nowhere')).status).toBe(404)
  })

  test('has its own problems alone, also beside a tenant of the same name, and the list names the worst', async () => {
    const tenant = { name: 'Contoso', mfaProof: 'amr', connectedAt: 1 }
    await rig.store.putTenant({ ...tenant, tid: TENANT })
    await rig.store.putTenant({ ...tenant, tid: OTHER_TENANT, mfaProof: 'undecided' })
    const olga = await atConsole(rig, 'operator')
    const cause = 'No proof of MFA is chosen'
    expect((await olga.get(`/ops/tenants/${OTHER_TENANT}`)).text).toContain(cause)
    expect((await olga.get(`/ops/tenants/${TENANT}`)).text).not.toContain(cause)
    expect((await olga.get('/ops/tenants')).text).toMatch(/open note: No proof of MFA/)
  })
})
