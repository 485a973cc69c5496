import type { AuditEntry } from '../../db/types.ts'
import type { Deps } from '../deps.ts'
import type { Actor } from '../protocol/revocation.ts'

/** Whether the second administrator is another one than the first, by whatever client they come. */

const PAGE = 100
/** Past these, an approval is rejected: a client must not hide who registered it behind entries of its own. */
const [MOST_PAGES, MOST_CLIENTS] = [20, 50]

/** Acts after which their actor may know a credential of the client. */
const GIVES = ['client.add', 'client.rotate_secret', 'client.change'] as const
const CREDENTIALS = ['token_endpoint_auth_method', 'jwks', 'jwks_uri']
function givesCredential({ act, details, ended }: AuditEntry): boolean {
  if (ended !== undefined && ended.outcome !== 'done') return false
  return act !== 'client.change' || CREDENTIALS.some((name) => Object.hasOwn(details['changed'] ?? {}, name))
}

/** Who registered a client, or gave it a credential. Undefined: there are too many entries to tell. */
async function giversOf({ store }: Pick<Deps, 'store'>, clientId: string): Promise<Actor[] | undefined> {
  const givers: Actor[] = []
  for (const act of GIVES) {
    let before: number | undefined
    for (let page = 0; ; page++) {
      if (page === MOST_PAGES) return undefined
      const entries = await store.listAudit({ act, target: `client ${clientId}`, before, limit: PAGE })
      givers.push(...entries.filter(givesCredential).map(({ actor }) => actor))
      before = entries.at(-1)?.id
      if (entries.length < PAGE) break
    }
  }
  return givers
}

/** A user of the console or a client: who runs `cmb`, and who wrote the clients file, is not proved. */
const isProved = ({ kind, id }: Actor): boolean => kind === 'client' || id.startsWith('u_')

/** An actor, and all who can act as it. A client can act as each client that it registered, and so on. Undefined: too many to tell. */
async function whoCanActAs(deps: Pick<Deps, 'store'>, actor: Actor): Promise<Set<string> | undefined> {
  const [names, found] = [new Set<string>(), [actor]]
  for (const one of found) {
    const name = `${one.kind} ${one.id}`
    if (!isProved(one) || names.has(name)) continue
    names.add(name)
    if (names.size > MOST_CLIENTS) return undefined
    const givers = one.kind === 'client' ? await giversOf(deps, one.id) : []
    if (givers === undefined) return undefined
    found.push(...givers)
  }
  return names
}

/** Whether one user or client may be behind both: then the second is not a second administrator. */
export async function sameUser(deps: Pick<Deps, 'store'>, one: Actor, other: Actor): Promise<boolean> {
  const [first, second] = await Promise.all([whoCanActAs(deps, one), whoCanActAs(deps, other)])
  return first === undefined || second === undefined || [...first].some((name) => second.has(name))
}
