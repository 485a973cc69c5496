import type { Delivery, Session, Subject } from '../../../db/types.ts'
import { isNoClient } from '../acts/instances.ts'
import { actorName, tenantName, userName } from '../acts/names.ts'
import { isOwn } from '../acts/scope.ts'
import type { Deps } from '../deps.ts'
import type { Actor, Reason, Selector } from '../../protocol/revocation.ts'
import { type ConsoleRequest } from './request.ts'
import { BY, COVERED, STATE } from './texts/acts.ts'
import { REASON } from './texts/reasons.ts'

/** Texts of the console for numbers and causes. */

export const count = (value: number): string => value.toLocaleString('en-GB')

export const plural = (value: number, singular: string, many = `${singular}s`): string =>
  `${count(value)} ${value === 1 ? singular : many}`

export const isReason = (value: string): value is Reason => Object.hasOwn(REASON, value)

export const stateTitle = (state: Delivery['state']): string =>
  STATE[state].words.replace(/^./, (letter) => letter.toUpperCase())

export const calledBy = ({ name, username }: Pick<Subject, 'name' | 'username'>): string =>
  name ?? username ?? 'this user'

export const everywhere = (user: Pick<Subject, 'name' | 'username'>): string =>
  `Sign ${calledBy(user)} out everywhere`
export const onlyAt = (deps: Pick<Deps, 'clients'>, clientId: string): string =>
  `Sign out of ${nameOf(deps, clientId)} only`

export const whoIs = ({ user }: Pick<Session, 'user'>): string => userName(user)

/** Returns the address as pages show it. The path of a webhook is left out: it may be a secret. */
export const addressOf = ({ kind, uri }: Pick<Delivery, 'kind' | 'uri'>): string =>
  kind === 'webhook' ? new URL(uri).origin : uri

export const nameOf = (deps: Pick<Deps, 'clients'>, clientId: string): string => {
  const client = deps.clients.find(clientId)
  if (client !== undefined) return client.metadata.name
  if (isNoClient(clientId))
    return `${clientId.startsWith('st_') ? 'Stream' : 'Webhook'} ${clientId}`
  return `${clientId} (removed)`
}

/** Returns the clients as options of a select field. */
export const instances = ({
  deps,
}: {
  deps: Pick<Deps, 'clients'>
}): [clientId: string, name: string][] =>
  deps.clients.list().map(({ clientId, metadata }) => [clientId, metadata.name])

/** Returns in words what a revocation covers. A user is named if the broker knows the name. */
export async function covered(
  deps: Pick<Deps, 'clients' | 'store'>,
  selector: Selector,
): Promise<string> {
  switch (selector.kind) {
    case 'session':
      return COVERED.session(await ofSession(deps, selector.sid))
    case 'grant':
      return COVERED.grant(nameOf(deps, selector.clientId), await ofSession(deps, selector.sid))
    case 'subject': {
      const subject = await deps.store.findSubject(selector.sub)
      return `Everything of ${subject === undefined ? selector.sub : whoIs({ user: subject })}`
    }
    case 'client':
      return COVERED.client(nameOf(deps, selector.clientId))
    case 'tenant':
      return COVERED.tenant(await tenantName(deps, selector.tid))
    case 'everything':
      return COVERED.everything
  }
}

async function ofSession(deps: Pick<Deps, 'store'>, sid: string): Promise<string> {
  const status = await deps.store.statusBySid(sid, 0)
  return status.state === 'unknown' ? '' : ` of ${whoIs(status.session)}, ${status.session.device}`
}

type Reading = Pick<ConsoleRequest, 'deps' | 'viewer'>

/** Returns whether the viewer may read the case and the comment of an act, and who acted. */
export const mayRead = ({ deps, viewer }: Reading, { actor }: { actor: Actor }): Promise<boolean> =>
  isOwn(deps, viewer.caller.actor, actor)

/**
 * Returns in words who acted. Users have their name if the store still knows it. The administrator
 * of a tenant sees of an operator or client only that it was one.
 */
export async function actorWords(request: Reading, actor: Actor): Promise<string> {
  const { deps } = request
  if (!(await mayRead(request, { actor }))) return BY[actor.kind]
  if (actor.kind === 'client') return nameOf(deps, actor.id)
  if (actor.kind === 'broker' || actor.kind === 'microsoft') return BY[actor.kind]
  return (await actorName(deps, actor)) ?? actor.id
}
