import type { Microsoft } from '../microsoft/interface.ts'
import type { SignInWatch } from '../microsoft/sign-in-watch.ts'
import type { Deps as RevocationDeps } from '../revocation/deps.ts'

/** What security events need, handed in. */
export interface Deps extends RevocationDeps {
  microsoft: Microsoft
  signInWatch: SignInWatch
}
