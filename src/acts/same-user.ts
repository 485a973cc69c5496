import type { Deps } from '../deps.ts'
import type { Actor } from '../protocol/revocation.ts'

/** Whether the second administrator is another user than the first, by whatever client they come. */

const MOST_ENTRIES = 100
const isUser = (id: string): boolean => id.startsWith('u_')

/** Of a client, who registered it or rotated its secret: they can act as it. Who runs `cmb` is not proved, so only users of the console count. */
async function usersBehind({ store }: Pick<Deps, 'store'>, actor: Actor): Promise<string[]> {
  if (actor.kind !== 'client') return [actor.id]
  const acts = ['client.add', 'client.rotate_secret'] as const
  const entries = await Promise.all(acts.map((act) => store.listAudit({ act, target: `client ${actor.id}`, limit: MOST_ENTRIES })))
  return entries.flat().map((one) => one.actor.id)
}

/** Whether one user may be behind both: then the second is not a second administrator. */
export async function sameUser(deps: Pick<Deps, 'store'>, one: Actor, other: Actor): Promise<boolean> {
  const [first, second] = await Promise.all([usersBehind(deps, one), usersBehind(deps, other)])
  return first.some((id) => isUser(id) && second.includes(id))
}
