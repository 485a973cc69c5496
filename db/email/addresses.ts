import { sql } from 'drizzle-orm'
import { addressOf } from '../../src/protocol/email-address.ts'
import type { Act } from '../engine/act.ts'
import { assign, columnsOf, command, excluded, insertInto, names, query } from '../engine/statement.ts'
import type { Takes } from '../engine/statement.ts'
import { formerAddresses } from '../schema.ts'

/**
 * To which addresses a user's email goes: Graph's `mail`, without one the `email` claim, and for a time the former addresses too. So a change of
 * the address hides no event from the user.
 */

const FORMER_SECONDS = 30 * 86_400
/** Of one user. The oldest stay, so that further changes displace none. */
const MOST_FORMER = 4

type Sources = Parameters<typeof addressOf>[0]

const former = query(
  columnsOf(formerAddresses, 'address'),
  (p: Takes<{ sub: string; now: number }>, f) => sql`SELECT ${f} FROM ${formerAddresses} WHERE ${formerAddresses.sub} = ${p.sub}
    AND ${formerAddresses.untilAt} > ${p.now} ORDER BY ${formerAddresses.untilAt}, ${formerAddresses.address}`,
)
const keep = command(
  (p: Takes<{ sub: string; address: string; untilAt: number }>) =>
    sql`${insertInto(formerAddresses, { sub: p.sub, address: p.address, untilAt: p.untilAt })}
      ON CONFLICT (${names(formerAddresses.sub, formerAddresses.address)})
      DO UPDATE SET ${assign(formerAddresses, { untilAt: excluded(formerAddresses.untilAt) })}`,
)
const forget = command((p: Takes<{ sub: string }>) => sql`DELETE FROM ${formerAddresses} WHERE ${formerAddresses.sub} = ${p.sub}`)

/** Call it with the user's row locked: of two changes at once, the second knows what the first has stored. */
export function* keepFormerAddress({ sub, was, is, now }: { sub: string; was: Sources; is: Sources; now: number }): Act<void> {
  const address = addressOf(was)
  if (address === undefined || address === addressOf(is)) return
  const kept = yield* former.all({ sub, now })
  if (kept.length >= MOST_FORMER && !kept.some((one) => one.address === address)) return
  yield* keep.run({ sub, address, untilAt: now + FORMER_SECONDS })
}

export function* formerAddressesOf(sub: string, now: number): Act<string[]> {
  return (yield* former.all({ sub, now })).map(({ address }) => address)
}

export function* addressesOf(user: ({ sub: string } & Sources) | undefined, now: number): Act<(string | undefined)[]> {
  return user === undefined ? [] : [addressOf(user), ...(yield* formerAddressesOf(user.sub, now))]
}

export const forgetFormerAddresses = (sub: string): Act<unknown> => forget.run({ sub })
