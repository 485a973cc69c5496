import type { Microsoft } from '../microsoft/interface.ts'
import type { SignInWatch } from '../microsoft/sign-in-watch.ts'
import type { Deps as RevocationDeps } from '../revocation/deps.ts'

/** The dependencies of this module, the security events. */
export interface Deps extends RevocationDeps {
  microsoft: Microsoft
  signInWatch: SignInWatch
}
