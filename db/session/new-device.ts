import type { Act, Ambient } from '../engine/act.ts'
import { addressOf } from '../../src/protocol/email-address.ts'
import { addressesOf } from '../email/addresses.ts'
import { queueEmail } from '../email/queue.ts'
import { moved } from '../outbox/counts.ts'
import type { Move } from '../outbox/counts.ts'
import type { SignInActs } from '../store.ts'
import type { Session, Subject } from '../types.ts'
import { emit } from '../webhook/emit.ts'

/** A sign-in with a browser that the user had not used: a webhook event, and an email to them. */

/** @param before the user as they were known; undefined: they have never signed in, and no address of theirs is known */
export function* announceNewDevice(
  ambient: Ambient,
  { sub, sid, device, user }: Session,
  { address, email, now }: NonNullable<Parameters<SignInActs['signIn']>[0]['newDevice']> & { now: number },
  before: Subject | undefined,
): Act<void> {
  const moves: Move[] = []
  const personal = { name: user.name, username: user.username, ip_address: address }
  yield* emit(ambient, { type: 'user.signed_in_on_new_device', data: { sub, tid: user.tid, sid, device, ...personal } }, moves)
  if (email !== undefined) {
    // The sign-in has made the address that it changed a former one. Never only to one that it brings: an attacker could have set it.
    const known = yield* addressesOf(before, now)
    const to = known.some((one) => one !== undefined) ? [...known, addressOf({ mail: before?.mail, email: user.email })] : []
    yield* queueEmail(
      ambient,
      { sub, to, content: { template: 'new_device', atMs: ambient.nowMs(), device, language: before?.language } },
      email,
      moves,
    )
  }
  yield* moved(moves)
}
