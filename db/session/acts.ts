import type { Engine } from '../engine/act.ts'
import type { SignInActs } from '../store.ts'
import { issueCode } from './code.ts'
import { hasConsent, recordConsent } from './consent.ts'
import { sessionByCookie, sessionBySid, standingOf } from './row.ts'
import { signIn } from './sign-in.ts'
import { findSubject, findSubjectByUser } from './user.ts'

type Moved = Omit<SignInActs, 'participants' | 'liveSessionsOf' | 'searchSessions'>

/** Users, their sessions and what they consented to. */
export function signInActs(engine: Engine): Moved {
  const { read, write } = engine
  return {
    signIn: (input) => write(() => signIn(engine, input)),
    issueCode: (input) => write(() => issueCode(input)),
    standingBySid: (sid, now) =>
      read(function* () {
        return yield* standingOf(yield* sessionBySid(sid), now)
      }),
    standingByCookie: (cookieHash, now) =>
      read(function* () {
        return yield* standingOf(yield* sessionByCookie(cookieHash), now)
      }),
    findSubject: (sub) => read(() => findSubject(sub)),
    findSubjectByUser: (tid, oid) => read(() => findSubjectByUser(tid, oid)),
    hasConsent: (input) => read(() => hasConsent(input)),
    recordConsent: (input) => write(() => recordConsent(input)),
  }
}
