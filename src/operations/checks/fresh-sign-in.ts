import type { Tenant } from '../../../db/types.ts'
import { trialOf } from '../../microsoft/tenants.ts'
import type { Looking } from './check.ts'
import { type Found, ok, unknown, warning } from './finding.ts'

/** Whether a revocation makes the users of a tenant enter their password again: the demand waits for the tenant's first `auth_time`. */

const FIX =
  'Token configuration in the app registration: add the optional claim auth_time for the ID token, then sign in once (docs/fresh-sign-in.md). Earlier revocations are demanded from then on.'

export async function freshSignIn({ deps, now }: Looking, { tid }: Tenant): Promise<Found[]> {
  if ((await deps.store.tenantsWithAuthTime()).includes(tid))
    return [ok('Sign-ins of this tenant had auth_time. If Microsoft stops sending it, users cannot sign in after a revocation.')]
  const lacking = (await trialOf(deps, tid))?.claims.auth_time === false
  if (lacking || (await deps.store.searchSessions({ tid, now, limit: 1 })).length > 0)
    return [
      warning(
        'No sign-in of this tenant has ever had auth_time: after a revocation its users sign in again without their password, also on a stolen device.',
        FIX,
      ),
    ]
  return [unknown('No user of this tenant has signed in yet: whether auth_time arrives is not known, and no fresh sign-in is demanded.', FIX)]
}
