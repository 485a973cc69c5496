import { describe, expect, test } from 'vitest'
import { createRig, ISSUER, TENANT } from '../rig.ts'
import { APP_CLIENT_ID, connected, createWorld } from '../setup/world.ts'

/** Over HTTP, with the simulated Microsoft: what no user's sign-in has met yet. */

describe('what keeps users from signing in is found before they try', () => {
  test('the sign-in page, the token endpoint or the metadata is down; the credential has expired', async () => {
    const world = await createWorld()
    await connected(world)
    const seen = async () => {
      world.clock.ahead += 20
      const { parts, checks } = (await (await world.rig.opsApp.request('/readyz')).json()) as {
        parts: { microsoft: { state: string } }
        checks: { check: string; state: string; fix?: string }[]
      }
      const metrics = await (await world.rig.opsApp.request('/metrics')).text()
      const failed = checks.filter((check) => check.state === 'failed' && check.check !== 'clock')
      expect(failed.every(({ fix }) => fix !== undefined)).toBe(true)
      for (const { check } of failed)
        expect(metrics).toMatch(
          new RegExp(`broker_check_findings\\{check="${check}",state="failed"\\} [1-9]`),
        )
      return [parts.microsoft.state, ...failed.map(({ check }) => check)]
    }
    expect(await seen()).toEqual(['up'])
    for (const endpoint of ['authorize', 'token', 'metadata'] as const) {
      world.entra.set({ outage: [endpoint] })
      expect([endpoint, ...(await seen())]).toEqual([endpoint, 'down', 'microsoft'])
    }
    world.entra.set({ outage: [], credentialExpired: true })
    expect(await seen()).toEqual(['down', 'credential'])
    world.entra.set({ credentialExpired: false })
    // Entra shows this on its own page only: no browser comes back with it.
    const app = world.entra.world.apps.get(APP_CLIENT_ID)
    app?.redirectUris.unshift('moved:')
    app?.redirectUris.splice(1, 1)
    expect(await seen()).toEqual(['down', 'registration'])
    app?.redirectUris.splice(0, 1, `${ISSUER}/signin/callback`)
    world.entra.set({ appDisabledIn: [TENANT] })
    expect(await seen()).toEqual(['down', 'credential', 'registration'])
    world.entra.set({ appDisabledIn: [] })
    expect(await seen()).toEqual(['up'])
  })

  test('a credential that expires within 30 days is a warning with its date as a metric', async () => {
    const rig = await createRig()
    rig.microsoft.credentialEndsAt = rig.clock.now() + 10 * 86_400
    const metrics = await (await rig.opsApp.request('/metrics')).text()
    expect(metrics).toContain(
      'broker_check_findings{check="credential-expiry",state="warning"} 1\n',
    )
    expect(metrics).toContain(
      `broker_credential_expires_at_seconds{kind="secret"} ${rig.microsoft.credentialEndsAt}\n`,
    )
  })
})
