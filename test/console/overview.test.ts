import { beforeEach, describe, expect, test } from 'vitest'
import { browserAt } from '../browser.ts'
import { startCmb } from '../command/cmb.ts'
import { createRig, type Rig } from '../rig.ts'
import { atConsole } from './console.ts'

/** The verdict and the problems that an operator sees first. */

let rig: Rig
beforeEach(async () => {
  rig = await createRig()
})

const overview = async () => (await atConsole(rig, 'operator')).get('/ops')

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

  test('is a problem by the user, the device and what ended at once, for a week', async () => {
    expect((await overview()).text).not.toContain('A user reported')
    const { sub } = await report('Safari on iPad')
    await report('Chrome on Android', { everywhere: 'yes' })
    const page = await overview()
    expect(page.text).toMatch(
      /2 things need you today .*A user reported as lost, stolen or not theirs: Safari on iPad\. User: Alice.* At once the broker ended that session \(revocation 1\)\. What to do: Call the user\. cmb sessions list --subject u_/,
    )
    expect(page.text).toContain('the broker ended all sessions of the user (revocation 2)')
    expect(page.html).toContain(`href="/ops/users/${sub}"`)
    const { type } = await startCmb(rig)
    expect((await type(['status'])).out).toMatch(
      /^Act today \([\w-]{8}\): A user reported .* \(user Alice.* \(u_\S+\)\)/im,
    )
    expect(await (await rig.opsApp.request('/metrics')).text()).toContain(
      'broker_check_findings{check="user-reports",state="warning"} 2',
    )
    expect(await (await rig.opsApp.request('/readyz')).text()).not.toMatch(/user-reports|alice/i)
    rig.clock.advance(7 * 86_400)
    expect((await overview()).text).not.toContain('A user reported')
  })
})
