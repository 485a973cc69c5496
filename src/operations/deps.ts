import type { Microsoft } from '../microsoft/interface.ts'
import type { SignInWatch } from '../microsoft/sign-in-watch.ts'
import type { Deps as RevocationDeps } from '../revocation/deps.ts'
import type { SavedBranding } from './acts/branding.ts'
import type { AddressWatch } from '../runtime/remote-address.ts'
import type { ClockWatch } from '../runtime/clock-watch.ts'

/** Dependencies of the operators' interfaces. */
export interface Deps extends RevocationDeps {
  microsoft: Microsoft
  clockWatch: ClockWatch
  signInWatch: SignInWatch
  addressWatch: AddressWatch
  branding: SavedBranding
}
