import { sql } from 'drizzle-orm'
import type { Act } from '../engine/act.ts'
import { columnsOf, command, query } from '../engine/statement.ts'
import type { Takes } from '../engine/statement.ts'
import { dropCodes } from '../rows/code.ts'
import { rowGrantCutoff, isCovered } from '../rows/covers.ts'
import { lockSubject } from '../rows/user.ts'
import { consents, participants } from '../schema.ts'
import type { SignInActs } from '../store.ts'
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
  (p: Takes<{ sub: string }>, f) => sql`SELECT ${f} FROM ${consents} WHERE ${consents.sub} = ${p.sub} AND ${isInForce} ORDER BY ${consents.clientId}`,
)
const withdraw = command(
  (p: Takes<{ sub: string; clientId: string }>) =>
    sql`DELETE FROM ${consents} WHERE ${consents.sub} = ${p.sub} AND ${consents.clientId} = ${p.clientId}`,
)

type Answer<K extends keyof SignInActs> = Awaited<ReturnType<SignInActs[K]>>

export function* appsOfUser(sub: string, now: number): Act<Answer<'appsOfUser'>> {
  const grants: Answer<'appsOfUser'>['grants'] = []
  for (const { session } of yield* liveSessionsOf(sub, now)) grants.push(...(yield* grantsIn.all({ sid: session.sid })))
  return { grants, consents: yield* consentsOf.all({ sub }) }
}

export function* withdrawConsent({ sub, clientId, now }: Parameters<SignInActs['withdrawConsent']>[0]): Act<void> {
  for (const { session } of yield* liveSessionsOf(sub, now)) yield* dropCodes({ sid: session.sid, clientId })
  yield* lockSubject(sub)
  yield* withdraw.run({ sub, clientId })
}
