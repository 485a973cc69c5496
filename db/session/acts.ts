import type { Engine } from '../engine/act.ts'
import { issueCode } from '../rows/code.ts'
import { owesFreshSignIn, tenantsWithAuthTime } from '../rows/floor.ts'
import { historyActs } from '../rows/history.ts'
import { sessionByCookie, sessionBySid, standingOf } from '../rows/session.ts'
import { findHuman, findSubject, findSubjectByUser } from '../rows/user.ts'
import type { HistoryActs, Housekeeping, SignInActs } from '../store.ts'
import { appsOfUser, withdrawConsent } from './apps.ts'
import { hasConsent, recordConsent } from './consent.ts'
import { liveSessionCount } from './count.ts'
import { liveSessionsOf, pageOfSessions, participantsIn, searchSessions } from './live.ts'
import { signIn } from './sign-in.ts'
import { searchUsers } from './users.ts'
import { waive } from './waiver.ts'

/** Users, their sessions and what they consented to. */
export function sessionActs(engine: Engine): SignInActs & HistoryActs & Pick<Housekeeping, 'liveSessionCount'> {
  const { read, write } = engine
  return {
    ...historyActs(engine),
    signIn: (input) => write(() => signIn(input)),
    issueCode: (input) => write(() => issueCode(input)),
    standingBySid: (sid, now) =>
      read(function* () {
        return yield* standingOf(yield* sessionBySid(sid), now)
      }),
    standingByCookie: (cookieHash, now) =>
      read(function* () {
        return yield* standingOf(yield* sessionByCookie(cookieHash), now)
      }),
    owesFreshSignIn: ({ user, now, ...proof }) => read(() => owesFreshSignIn(user, proof, now)),
    waiveFreshSignIn: (input) => write(() => waive(input)),
    tenantsWithAuthTime: () => read(tenantsWithAuthTime),
    findSubject: (sub) => read(() => findSubject(sub)),
    findSubjectByUser: (tid, oid) => read(() => findSubjectByUser(tid, oid)),
    findHuman: (user) => read(() => findHuman(user)),
    participants: (sid) => read(() => participantsIn(sid)),
    liveSessionCount: (now) => liveSessionCount(engine, now),
    liveSessionsOf: (sub, now) => read(() => liveSessionsOf(sub, now)),
    searchSessions: (input) => searchSessions(engine, input),
    pageOfSessions: (input) => pageOfSessions(engine, input),
    searchUsers: (input) => searchUsers(engine, input),
    hasConsent: (input) => read(() => hasConsent(input)),
    recordConsent: (input) => write(() => recordConsent(input)),
    appsOfUser: (sub, now) => read(() => appsOfUser(sub, now)),
    withdrawConsent: (input) => write(() => withdrawConsent(input)),
  }
}
