import type { Context } from 'hono'
import type { Actor } from '../../protocol/revocation.ts'
import type { Deps } from '../deps.ts'
import { isFresh } from '../../clients/session/fresh.ts'
import { visitorOf } from './pass.ts'

/** For /setup, which is another module: the administrator at the console, if there is one in this browser. */
export async function administratorAt(
  deps: Pick<Deps, 'sealer' | 'store' | 'clients' | 'connection'>,
  c: Context,
  now: number,
): Promise<{ actor: Actor; name: string; sid: string; fresh: boolean } | undefined> {
  const visitor = await visitorOf(deps, c, now, true)
  if (visitor.is !== 'operator' || visitor.operator.caller.may !== 'administer') return undefined
  const { session, caller } = visitor.operator
  const { name, username } = session.user
  return { actor: caller.actor, name: [name, username].filter(Boolean).join(' · ') || session.sub, sid: session.sid, fresh: isFresh(session, now) }
}
