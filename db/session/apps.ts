import { sql } from 'drizzle-orm'
import type { Act } from '../engine/act.ts'
import { columnsOf, command, query, type Takes } from '../engine/statement.ts'
import { dropCodes } from '../rows/code.ts'
import { rowGrantCutoff, isCovered } from '../rows/covers.ts'
import { lockSubject } from '../rows/user.ts'
import { consents, participants } from '../schema.ts'
import type { Session } from '../types.ts'
import { isInForce } from './consent.ts'
import { liveSessionsOf } from './live.ts'

/** The apps that a user is signed in to, and those that they consented to. */

const grantsIn = query(
  columnsOf(participants, 'sid', 'clientId', 'firstAt'),
  (p: Takes<{ sid: string }>, f) =>
    sql`SELECT ${f} FROM ${participants} WHERE ${participants.sid} = ${p.sid} AND NOT ${isCovered(rowGrantCutoff, participants.joinedSeq)}
      ORDER BY ${participants.firstAt}, ${participants.clientId}`,
)
const consentsOf = query(
  columnsOf(consents, 'clientId', 'scope', 'at'),
  (p: Takes<{ sub: string }>, f) =>
    sql`SELECT ${f} FROM ${consents} WHERE ${consents.sub} = ${p.sub} AND ${isInForce} ORDER BY ${consents.clientId}`,
)
const withdraw = command(
  (p: Takes<{ sub: string; clientId: string }>) =>
    sql`DELETE FROM ${consents} WHERE ${consents.sub} = ${p.sub} AND ${consents.clientId} = ${p.clientId}`,
)

type Apps = {
  /** The user's live sessions, newest first. */
  sessions: Session[]
  grants: { sid: string; clientId: string; firstAt: number }[]
  consents: { clientId: string; scope: string; at: number }[]
}

/**
 * Returns a user's live sessions, their grants that no revocation covers, and the user's consents.
 */
export function* appsOfUser(sub: string, now: number): Act<Apps> {
  const sessions = (yield* liveSessionsOf(sub, now)).map(({ session }) => session)
  const grants: Apps['grants'] = []
  for (const { sid } of sessions) grants.push(...(yield* grantsIn.all({ sid })))
  return { sessions, grants, consents: yield* consentsOf.all({ sub }) }
}

/**
 * Withdraws a consent. If the client requires consent, it asks again at its next sign-in. Codes
 * that it has not redeemed are deleted too.
 */
export function* withdrawConsent({
  sub,
  clientId,
  now,
}: {
  sub: string
  clientId: string
  now: number
}): Act<void> {
  for (const { session } of yield* liveSessionsOf(sub, now))
    yield* dropCodes({ sid: session.sid, clientId })
  yield* lockSubject(sub)
  yield* withdraw.run({ sub, clientId })
}
