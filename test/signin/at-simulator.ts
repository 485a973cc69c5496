import { expect } from 'vitest'
import type { Entra } from '../../demo/entra/entra.ts'
import { createMicrosoft } from '../../src/microsoft/microsoft.ts'
import type { FreshContext, MfaProof } from '../../src/protocol/mfa-proof.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import {
  brokerSettings,
  type Browser as MicrosoftBrowser,
  entra as startSimulator,
} from '../demo-entra/relying-party.ts'
import { createRig, ISSUER } from '../rig.ts'

/** The broker's endpoints, msal-node, and the simulated Microsoft on sockets. */

interface At {
  tenants: string[]
  mfaProof?: MfaProof | undefined
  freshContext?: FreshContext | undefined
  env?: Record<string, string> | undefined
}

export async function atSimulator({ tenants, mfaProof, freshContext, env = {} }: At) {
  // Microsoft's libraries use the machine's clock.
  const clock = systemClock
  const entra = await startSimulator({ clock })
  const config = {
    entra: brokerSettings(entra, tenants),
    ...(mfaProof && { mfaProof }),
    ...(freshContext && { freshContext }),
  }
  const log = { info: () => {}, warn: () => {}, error: () => {} }
  const rig = await createRig({
    env,
    config,
    deps: {
      clock,
      microsoft: createMicrosoft({ config: { ...config, issuer: ISSUER }, clock, log }),
    },
  })
  return { rig, entra, clock, sydney: await rig.register('Sydney') }
}

/**
 * Ages the user's sessions at Microsoft in that browser: each password was entered that much
 * earlier.
 */
export function ageSessions(entra: Entra, browser: MicrosoftBrowser, seconds: number): void {
  const { accounts } =
    entra.site.browsers.find(browser.cookies.get('simulated_microsoft')) ?? expect.unreachable()
  for (const account of accounts) account.authTime -= seconds
}
