import { beforeEach, describe, expect, test, vi } from 'vitest'
import { StoreUnavailable } from '../../db/types.ts'
import { browserAt } from '../browser.ts'
import { startCmb } from '../command/cmb.ts'
import { createRig, OTHER_TENANT, type Rig, TENANT } from '../rig.ts'
import { requestRevocation } from '../../src/revocation/revoke.ts'
import { atConsole, attempted, sessionsAt } from './console.ts'

/** The verdict and the problems that an operator sees first. */

let rig: Rig
beforeEach(async () => {
  rig = await createRig()
})

const overview = async (meanwhile?: () => void) => {
  const olga = await atConsole(rig, 'operator')
  meanwhile?.()
  return olga.get('/ops')
}

describe('a device that its user reports', () => {
  /** Reports, on the page of a new session, the session on a new device. */
  async function report(device: string, filled: Record<string, string> = {}) {
    const acting = await rig.openSession({ device: 'Firefox on Windows' })
    await rig.openSession({ device })
    const browser = browserAt(rig, { cookies: acting.cookieHeader })
    const asked = await browser.press(await browser.get('/account'), 'Lost, stolen or not me')
    expect((await browser.submit(asked, filled)).path).toBe('/account/reported')
    return acting.session
  }

  test('is not the broker’s readiness: /readyz reads neither the reports nor names, and does not count them', async () => {
    await report('Safari on iPad')
    const read = [vi.spyOn(rig.store, 'userReports'), vi.spyOn(rig.store, 'findSubject')]
    const answer = await rig.opsApp.request('/readyz')
    expect(await answer.json()).toMatchObject({ verdict: 'All good' })
    for (const mock of read) expect(mock).not.toHaveBeenCalled()
  })

  test('leaves /metrics its gauges when the store fails before the user’s name is read', async () => {
    await report('Safari on iPad')
    vi.spyOn(rig.store, 'findSubject').mockRejectedValue(new StoreUnavailable('disk is full'))
    expect(await (await rig.opsApp.request('/metrics')).text()).toContain(
      'broker_check_findings{check="user-reports",state="warning"} 1',
    )
  })

  test('is a problem by the user, the device and what ended at once, for a week', async () => {
    expect((await overview()).text).not.toContain('A user reported')
    const { sub } = await report('Safari on iPad')
    await report('Chrome on Android', { everywhere: 'yes' })
    const page = await overview()
    expect(page.text).toMatch(
      /2 things need you today .*A user reported as lost, stolen or not theirs: Safari on iPad\. User: Alice.* At once the broker ended that session \(revocation 1\)\. The user was told that Outlook and Teams may still be open on the device\. What to do: Call the user\. If an attacker .* in Entra too/,
    )
    expect(page.text).toMatch(/See the user’s sessions Lock Alice.* Mark as done/)
    expect(page.html).toContain(`href="/ops/lock?user=${sub}"`)
    expect(page.text).not.toMatch(/cmb (sessions|lock)/)
    expect(page.text).toContain('the broker ended all sessions of the user (revocation 2)')
    expect(page.html).toContain(`href="/ops/users/${sub}"`)
    const { type } = await startCmb(rig)
    const { out } = await type(['status'])
    expect(out).toContain(`cmb lock user --subject ${sub}`)
    expect(out).toMatch(
      /^Act today \(p_[\w-]{8}\): A user reported .* \(user Alice.* \(u_\S+\)\)/im,
    )
    expect(await (await rig.opsApp.request('/metrics')).text()).toContain(
      'broker_check_findings{check="user-reports",state="warning"} 2',
    )
    expect(await (await rig.opsApp.request('/readyz')).text()).not.toMatch(/user-reports|alice/i)
    rig.clock.advance(7 * 86_400)
    expect((await overview()).text).not.toContain('A user reported')
  })

  test('ends when an operator marks it as done: no words say that it is hidden or broken', async () => {
    const { sub } = await report('Safari on iPad')
    const olga = await atConsole(rig, 'operator')
    const done = await olga.submitTo(await olga.get('/ops'), '/ops/reports/done')
    expect(done.text).toMatch(/Marked as done\..* All good /)
    expect(done.text).not.toMatch(/Hidden (?:for|by)|A user reported/)
    const user = await olga.get(`/ops/users/${sub}`)
    expect(user.text).toMatch(/Reported by the user Done \d.*, by Olga Operator/)
  })

  test('is counted and announced beside what needs the operator now', async () => {
    await report('Safari on iPad')
    const page = await overview(() => {
      rig.microsoft.connected = false
    })
    expect(page.html).toMatch(
      /id="news"[^>]*>1 thing needs you now, 1 more today\. Not connected.* A user reported as lost/s,
    )
    expect((await (await startCmb(rig)).type(['status'])).out).toMatch(
      /^1 thing needs you now, 1 more today\.\nAct now /,
    )
  })
})

test('while Microsoft is down, the problem names it, every tenant and what operators can do', async () => {
  await rig.store.putTenant({ tid: TENANT, name: 'Contoso', mfaProof: 'amr', connectedAt: 1 })
  await rig.store.putTenant({
    tid: OTHER_TENANT,
    name: 'Fabrikam',
    mfaProof: 'amr',
    connectedAt: 1,
  })
  const page = await overview(() => {
    rig.microsoft.examined = {
      ...rig.microsoft.examined,
      metadata: { ok: false, problem: 'https://login.example answered 503.' },
    }
    rig.clock.advance(21)
  })
  expect(page.text).toMatch(
    /act now Microsoft does not answer sign-ins: https:\/\/login\.example answered 503\. .*Users of Contoso and Fabrikam cannot sign in; sessions go on\. Operators whose sign-in is older than 5 minutes cannot act in the console: use cmb .*cmb revoke --user NAME --case CASE\./,
  )
})

describe('a problem that an operator hides', () => {
  const problemsBy = async (token: string) => (await rig.opsApp.request(token)).text()
  /**
   * Registers an instance that rejects a logout token: a problem of today. Returns a function with
   * which it rejects another one.
   */
  async function rejecting() {
    const { sessions } = await sessionsAt(rig, 'Melbourne', ['Carol', 'Dave'])
    const actor = { kind: 'operator', id: 'olga' } as const
    for (const { sid } of sessions) {
      const selector = { kind: 'session', sid } as const
      await requestRevocation(rig.deps, {
        selector,
        reason: 'administrator',
        actor,
        now: rig.clock.now(),
      })
    }
    const [first, second] = await rig.store.listDeliveries({ limit: 2 })
    await attempted(rig, first?.id ?? '', 'rejected')
    return () => attempted(rig, second?.id ?? '', 'rejected')
  }
  const VERDICT =
    'Nothing needs you now. Hidden until 24 Dec 2026: Case Manager Melbourne rejects deliveries'

  test('says until when it is hidden, and undoes it at a click; the verdict goes on naming it everywhere', async () => {
    await rejecting()
    const olga = await atConsole(rig, 'operator')
    const page = await olga.get('/ops')
    expect(page.text).toContain('1 thing needs you today')
    // The navigation has groups, and counts what waits.
    expect(page.html).toMatch(
      /aria-label="People".*Users.*aria-label="Instances".*Deliveries \(1\)/s,
    )
    expect((await olga.submitTo(page, '/ops/problems/hide')).text).toContain(VERDICT)
    const undone = await olga.submitTo(await olga.get('/ops'), '/ops/problems/unhide')
    expect(undone.text).toContain('1 thing needs you today')
    const done = await olga.submitTo(undone, '/ops/problems/hide')
    expect(done.text).toMatch(/1 hidden act today .*Hidden by Olga Operator, until 24 Dec 2026\./)
    expect(done.html.match(/action="\/ops\/problems\/unhide"/g)).toHaveLength(2)
    const entries = await rig.store.listAudit({ limit: 9 })
    expect(entries.map(({ act, actor }) => [act, actor.id]).slice(0, 3)).toEqual([
      ['problem.hide', olga.sub],
      ['problem.unhide', olga.sub],
      ['problem.hide', olga.sub],
    ])
    const { type } = await startCmb(rig)
    const status = await type(['status'])
    expect([status.code, status.out.split('\n')[0]]).toEqual([0, `${VERDICT}.`])
    expect(status.out).toMatch(/^Hidden until 24 Dec 2026 by Olga Operator \(p_[\w-]{8}\): Case/m)
    // It needs no authentication, so it names no instance.
    const ready = await problemsBy('/readyz')
    expect(ready).toContain('"Nothing needs you now. Hidden until 24 Dec 2026: 1"')
    expect(ready).not.toContain('Melbourne')
  })

  test('is shown again when an operator says so, after 30 days, or when its words change', async () => {
    const rejectAnother = await rejecting()
    const { type } = await startCmb(rig)
    const idIn = (out: string) => /\((p_[\w-]{8})\): Case Manager Melb/.exec(out)?.[1] ?? ''
    const verdict = async () => (await type(['status'])).out.split('\n')[0]
    const id = idIn((await type(['status'])).out)
    expect((await type(['hide', id, '--case', 'INC-9'])).out).toMatch(
      /^Hidden until 24 Dec 2026, or until it changes: Case Manager Melbourne/,
    )
    expect(await verdict()).toContain('Hidden until')
    expect((await type(['unhide', id])).out).toMatch(/^It counts again: Case Manager Melb/)
    expect(await verdict()).toBe('1 thing needs you today.')
    await type(['hide', id])
    const olga = await atConsole(rig, 'operator')
    const page = await olga.get('/ops')
    const again = await olga.submitTo(page, '/ops/problems/unhide')
    expect(again.text).toMatch(/It counts again\..* 1 thing needs you today/)
    await type(['hide', id])
    expect(await verdict()).toContain('Hidden')
    await rejectAnother()
    rig.clock.advance(5)
    expect(await verdict()).toBe('1 thing needs you today.')
    const changed = idIn((await type(['status'])).out)
    await type(['hide', changed])
    rig.clock.advance(30 * 86_400 - 1)
    expect(await verdict()).toContain('Hidden')
    rig.clock.advance(1)
    expect(await verdict()).not.toContain('Hidden')
    const late = await atConsole(rig, 'operator')
    const fields = (await late.get('/ops')).forms.find(({ action }) =>
      action.endsWith('/hide'),
    )?.fields
    const gone = await late.post('/ops/problems/hide', { ...fields, id })
    expect([gone.status, gone.text]).toEqual([404, expect.stringContaining('changed or ended')])
  })

  test('an auditor hides nothing', async () => {
    await rejecting()
    const auditor = await atConsole(rig, 'auditor')
    expect((await auditor.get('/ops')).html).not.toContain('/ops/problems/hide')
    expect((await auditor.post('/ops/problems/hide', { id: 'x' })).status).toBe(403)
  })
})
