import type { Act, Ambient } from '../engine/act.ts'
import type { Session } from '../types.ts'
import { emit } from '../webhook/emit.ts'
import type { KnownUser } from './user.ts'

/** The webhook event of a sign-in with a browser that the user has not used before. */

/** @param before the user's names before this sign-in: without any, it is the user's first, and no browser of theirs is known */
export function* announceNewDevice(
  ambient: Ambient,
  { sub, sid, device, user: { tid, name, username } }: Session,
  before: KnownUser['names']['stored'],
  address: string | undefined,
): Act<void> {
  if (before.name === null && before.username === null && before.email === null) return
  // Never the address that this sign-in brings: an attacker could have set it.
  const personal = { name, username, email: before.email ?? undefined, ip_address: address }
  yield* emit(ambient, { type: 'session.new_device', data: { sub, tid, sid, device, ...personal } })
}
