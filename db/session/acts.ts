import type { Engine } from '../engine/act.ts'
import type { SignInActs } from '../store.ts'
import { appsOfUser, withdrawConsent } from './apps.ts'
import { issueCode } from './issue-code.ts'
import { owesFreshSignIn } from './floor.ts'
import { hasConsent, recordConsent } from './consent.ts'
import { nameActs } from './name-index.ts'
import { liveSessionsOf, pageOfSessions, participantsIn, searchSessions } from './live.ts'
import { sessionByCookie, sessionBySid, standingOf } from './row.ts'
import { signIn } from './sign-in.ts'
import { findHuman, findSubject, findSubjectByUser } from './user.ts'
import { tenantsWithAuthTime, waive } from './waiver.ts'

/** Users, their sessions and what they consented to. */
export function signInActs(engine: Engine): SignInActs {
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
    owesFreshSignIn: ({ user, now, ...proof }) => read(() => owesFreshSignIn(user, proof, now)),
    waiveFreshSignIn: (input) => write(() => waive(input)),
    tenantsWithAuthTime: () => read(tenantsWithAuthTime),
    findSubject: (sub) => read(() => findSubject(sub)),
    findSubjectByUser: (tid, oid) => read(() => findSubjectByUser(tid, oid)),
    findHuman: (user) => read(() => findHuman(user)),
    participants: (sid) => read(() => participantsIn(sid)),
    liveSessionsOf: (sub, now) => read(() => liveSessionsOf(sub, now)),
    searchSessions: (input) => searchSessions(engine, input),
    pageOfSessions: (input) => pageOfSessions(engine, input),
    ...nameActs(engine),
    hasConsent: (input) => read(() => hasConsent(input)),
    recordConsent: (input) => write(() => recordConsent(input)),
    appsOfUser: (sub, now) => read(() => appsOfUser(sub, now)),
    withdrawConsent: (input) => write(() => withdrawConsent(input)),
  }
}
