import type { Caller } from '../../audit/caller.ts'
import type { Checks } from '../checks/checks.ts'
import type { Deps } from '../deps.ts'
import { ACTS, type Acts } from './acts.ts'

/**
 * Carries out acts for pages, in the process, as the admin API does for `cmb`: by the same right,
 * validation and entry in the audit log.
 */

type At = Acts['at']
type ActAt<A> = Extract<Acts, { at: A }>
interface Asking {
  deps: Deps
  checks?: Checks | undefined
}
const BY_ADDRESS: ReadonlyMap<string, (typeof ACTS)[number]> = new Map(
  ACTS.map((act) => [act.at, act]),
)

async function carriedOut(
  asking: Asking,
  caller: Caller,
  at: At,
  members: object,
): Promise<unknown> {
  const act = BY_ADDRESS.get(at)
  if (act === undefined) throw new Error(`There is no act ${at}.`)
  const given = Object.entries(members).filter(([, value]) => value !== undefined)
  const { body, params: inPath } = act.definition
  const isInPath = ([name]: [string, unknown]) => name in (inPath?.shape ?? {})
  const params = Object.fromEntries(given.filter(isInPath))
  const rest = Object.fromEntries(given.filter((member) => !isInPath(member)))
  const request = act.read({
    params,
    ...(body ? { query: {}, wire: rest } : { query: rest, wire: undefined }),
  })
  const [answer] = await act.carryOut(asking, caller, request)
  return answer
}

/** Carries out an act. @throws Problem as the admin API answers it */
export const ask = async <A extends At>(
  asking: Asking,
  caller: Caller,
  at: A,
  members: ActAt<A>['input'],
) =>
  (await carriedOut(asking, caller, at, members as object)) as Exclude<
    ActAt<A>['answer'],
    { dry_run: true }
  >

/** Returns what an act would do. @throws Problem as the admin API answers it */
export const dryRun = async <A extends At>(
  asking: Asking,
  caller: Caller,
  at: A,
  members: ActAt<A>['input'],
) =>
  (await carriedOut(asking, caller, at, { ...(members as object), dry_run: true })) as Extract<
    ActAt<A>['answer'],
    { dry_run: true }
  >
