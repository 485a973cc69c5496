import type { Tenant } from '../../../db/types.ts'
import { signInFrequencySetting, trialOf } from '../../microsoft/tenants.ts'
import { maxAuthenticationSeconds } from '../../clients/session/lifetimes.ts'
import type { Looking } from './check.ts'
import { failed, type Found, ok, unknown } from './finding.ts'

/** Who makes users enter their password and second factor periodically: the broker, Entra's policy, or neither. */

const FIX =
  'Set BROKER_MAX_AUTHENTICATION_AGE, or the limit of this tenant (cmb tenants change, or /setup). A Conditional Access policy with a sign-in frequency does it too.'

export async function reEntry({ deps }: Looking, row: Tenant): Promise<Found[]> {
  const seconds = maxAuthenticationSeconds(deps.config, row)
  if (seconds !== undefined) return [await byBroker(deps, row, seconds)]
  const seen = await deps.store.setting(signInFrequencySetting(row.tid))
  if (seen !== undefined)
    return [ok(`Entra’s policy: it asked a user of this tenant to sign in again at ${at(Number(seen))} (sign-in frequency, AADSTS70043).`)]
  return [unknown('The broker does not enforce periodic re-entry, and has not seen Entra’s policy do it.', FIX)]
}

async function byBroker(deps: Looking['deps'], { tid }: Tenant, seconds: number): Promise<Found> {
  if ((await trialOf(deps, tid))?.claims.auth_time === false)
    return failed(
      `The broker accepts an authentication for ${seconds} s, and the ID tokens of this tenant do not say when the user authenticated: its users cannot sign in.`,
      'Token configuration in the app registration: add the optional claim auth_time for the ID token, then sign in again at /setup.',
    )
  return ok(`The broker: a session ends when the user’s authentication is ${seconds} s old, and the next sign-in needs a newer one.`)
}

const at = (seconds: number): string => new Date(seconds * 1000).toISOString()
