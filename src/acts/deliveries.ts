import type { Deps } from '../deps.ts'
import type { Caller } from './caller.ts'
import { recorded } from './recorded.ts'

/** Which deliveries to retry: those of one id, target or client, or all. */
export interface RedriveWanted {
  id?: string | undefined
  target_id?: string | undefined
  client_id?: string | undefined
  all?: true | undefined
}

/** Refused and dead deliveries tried again, recorded; by whatever way the caller came. @returns how many */
export async function redriveAs(deps: Deps, caller: Caller, wanted: RedriveWanted): Promise<number> {
  const [target] = Object.entries(wanted)
  const refs = await recorded(
    deps,
    caller,
    { act: 'redrive', target: target?.join(' ') },
    () => deps.store.redrive({ id: wanted.id, targetId: wanted.target_id, clientId: wanted.client_id }),
    ({ length }) => ({ redriven: length }),
  )
  if (refs.length > 0) deps.queue.add(refs)
  deps.log.info('deliveries_redriven', { count: refs.length, actorKind: caller.actor.kind, actor: caller.actor.id })
  return refs.length
}
