import type { FreshDemand } from '../../../db/store.ts'
import { enteredSince } from '../../microsoft/auth-time.ts'
import type { MicrosoftIdentity } from '../../microsoft/interface.ts'
import type { Visit } from './sealed.ts'

/** Whether a visit to Microsoft was a fresh sign-in: the user entered their credentials after the browser had left with `prompt=login`. */

type Proved = Pick<MicrosoftIdentity, 'authTime' | 'clockOffsetSeconds'>

/** The head of the log when the fresh visit departed; 0: it was none. */
export const provenBy = ({ login }: Pick<Visit, 'login'>, proved: Proved): number =>
  login !== undefined && enteredSince(proved, login.at) ? login.seq : 0

/** Whether another visit may prove it. Where Microsoft was asked, and answered without asking the user, it would do so again. */
export function mayAskAgain({ asked, login }: Pick<Visit, 'asked' | 'login'>, proved: Proved, demand: FreshDemand): boolean {
  if (asked?.includes(demand)) return false
  return login === undefined || proved.clockOffsetSeconds === undefined || enteredSince(proved, login.at)
}
