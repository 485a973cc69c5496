import type { Session } from '../../db/types.ts'
import type { Microsoft } from '../microsoft/interface.ts'
import type { SignInWatch } from '../microsoft/sign-in-watch.ts'
import type { Deps as RevocationDeps } from '../revocation/deps.ts'
import type { ClockWatch } from '../runtime/clock-watch.ts'
import type { RejectedVisits } from './rejected-visits.ts'
import type { Topic } from '../runtime/topic.ts'

/** Dependencies of the OpenID provider. */
export interface Deps extends RevocationDeps {
  microsoft: Microsoft
  /** Tells whether the broker's clock is right, for decisions that depend on time. */
  clockWatch: ClockWatch
  /** Detects tenants whose users can no longer sign in at Microsoft. */
  signInWatch: SignInWatch
  /** Keeps the references of rejected visits without a user. */
  rejectedVisits: RejectedVisits
  /** The session of each refresh that succeeded. */
  refreshes: Topic<Session>
}
