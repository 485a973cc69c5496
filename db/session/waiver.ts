import { sql } from 'drizzle-orm'
import type { Selector } from '../../src/protocol/revocation.ts'
import type { Act } from '../engine/act.ts'
import { assign, command, excluded, insertInto, names, type Takes } from '../engine/statement.ts'
import { head } from '../log/head.ts'
import { findSubject } from '../rows/user.ts'
import { floors } from '../schema.ts'

/**
 * Waivers of floors, for users who cannot prove a fresh sign-in. A waiver expires, and does not
 * apply to later revocations.
 */

const put = command(
  (p: Takes<{ kind: string; key: string; seq: number; untilAt: number }>) =>
    sql`${insertInto(floors, { kind: p.kind, key: p.key, seq: 0, securitySeq: 0, waivedSeq: p.seq, waivedUntil: p.untilAt })}
      ON CONFLICT (${names(floors.kind, floors.key)})
      DO UPDATE SET ${assign(floors, { waivedSeq: excluded(floors.waivedSeq), waivedUntil: excluded(floors.waivedUntil) })}`,
)

type Waived = { outcome: 'waived'; seq: number } | { outcome: 'unknown' }

/**
 * Waives the fresh sign-in of a user, or of a tenant's users, until `untilAt`, for revocations up
 * to now. Later revocations demand one again. A later waiver replaces this one.
 */
export function* waiveFreshSignIn({
  selector,
  untilAt,
}: {
  selector: Extract<Selector, { kind: 'subject' | 'tenant' }>
  untilAt: number
}): Act<Waived> {
  if (selector.kind === 'subject' && (yield* findSubject(selector.sub)) === undefined)
    return { outcome: 'unknown' }
  const seq = yield* head()
  yield* put.run({
    kind: selector.kind,
    key: selector.kind === 'subject' ? selector.sub : selector.tid,
    seq,
    untilAt,
  })
  return { outcome: 'waived', seq }
}
