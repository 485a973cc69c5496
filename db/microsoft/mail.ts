import { sql } from 'drizzle-orm'
import { keepFormerAddress } from '../email/addresses.ts'
import type { Act } from '../engine/act.ts'
import { assign, command } from '../engine/statement.ts'
import type { Takes } from '../engine/statement.ts'
import { subjects } from '../schema.ts'
import { liveSessionsOf } from '../session/live.ts'
import { indexNames } from '../session/name-index.ts'
import { findSubject, lockSubject } from '../session/user.ts'
import type { MicrosoftActs } from '../store.ts'

/** A user's address at Microsoft Graph. It refuses to store one for a user without a live session, so that an erased user stays without an address. */

const setMail = command(
  (p: Takes<{ sub: string; mail: string | undefined }>) =>
    sql`UPDATE ${subjects} SET ${assign(subjects, { mail: p.mail })} WHERE ${subjects.sub} = ${p.sub}`,
)

export function* recordMail({ sub, mail, now }: Parameters<MicrosoftActs['recordMail']>[0]): Act<void> {
  yield* lockSubject(sub)
  const user = yield* findSubject(sub)
  if (user === undefined || user.mail === mail || (yield* liveSessionsOf(sub, now)).length === 0) return
  yield* keepFormerAddress({ sub, was: user, is: { ...user, mail }, now })
  yield* setMail.run({ sub, mail })
  const { name = null, username = null, email = null } = user
  const names = { name, username, email }
  yield* indexNames(sub, { ...names, mail: mail ?? null }, { ...names, mail: user.mail ?? null })
}
