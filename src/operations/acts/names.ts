import { setImmediate as turn } from 'node:timers/promises'
import type { Lock, Subject } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { lockTargetName } from '../../protocol/lock-target.ts'
import type { Actor } from '../../protocol/revocation.ts'

/** The names of users, clients and tenants, which acts and the audit log know by their ids. */

type Known = Pick<Deps, 'store' | 'clients'>

export const userName = ({ name, username, oid }: Pick<Subject, 'name' | 'username' | 'oid'>) =>
  [name, username].filter(Boolean).join(' · ') || oid

export const tenantName = async ({ store }: Pick<Known, 'store'>, tid: string): Promise<string> =>
  (await store.findTenant(tid))?.name ?? tid

/** Returns the name of who acted, or undefined if the broker knows only the id. */
export async function actorName(
  { store, clients }: Known,
  { kind, id }: Actor,
): Promise<string | undefined> {
  if (kind === 'client') return clients.find(id)?.metadata.name
  const user = id.startsWith('u_') ? await store.findSubject(id) : undefined
  return user?.name ?? user?.username
}

/**
 * Returns the name of an act's target, or undefined if the broker knows only the id.
 * @param target as the audit log has it: `subject u_…`, `user <tid> <oid>`, `client sydney`
 */
export async function targetName(
  { store, clients }: Known,
  target = '',
): Promise<string | undefined> {
  const [kind, id = '', oid = ''] = target.split(' ')
  if (kind === 'client') return clients.find(id)?.metadata.name
  if (kind === 'tenant') return (await store.findTenant(id))?.name
  if (kind === 'session' || kind === 'grant') {
    const found = await store.statusBySid(id, 0)
    return found.state === 'unknown' ? undefined : userName(found.session.user)
  }
  const user =
    kind === 'subject'
      ? await store.findSubject(id)
      : kind === 'user'
        ? await store.findSubjectByUser(id, oid)
        : undefined
  return user && userName(user)
}

/** How many entries get their names in one turn of the event loop. */
const TOGETHER = 50

/** Adds the names of who acted and of the target to entries. Each is looked up once. */
export async function withNames<T extends { actor: Actor }>(
  deps: Known,
  entries: readonly T[],
  targetOf: (item: T) => string | undefined,
) {
  const known = new Map<string, Promise<string | undefined>>()
  const once = (key: string, look: () => Promise<string | undefined>) =>
    known.get(key) ?? known.set(key, look()).get(key)
  const nameIn = async (item: T) => {
    const { actor } = item
    const target = targetOf(item)
    return {
      ...item,
      actorName: await once(`${actor.kind} ${actor.id}`, () => actorName(deps, actor)),
      targetName: await once(`target ${target}`, () => targetName(deps, target)),
    }
  }
  const named: Awaited<ReturnType<typeof nameIn>>[] = []
  for (let at = 0; at < entries.length; at += TOGETHER, await turn())
    named.push(...(await Promise.all(entries.slice(at, at + TOGETHER).map(nameIn))))
  return named
}

/** Returns open locks with their names, newest first. @param kind only locks of clients */
export const openLocks = async (deps: Known, limit: number, kind?: Lock['target']['kind']) =>
  withNames(deps, await deps.store.listLocks({ state: 'open', kind, limit }), ({ target }) =>
    lockTargetName(target),
  )
