import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import type { Session } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { ROLE } from '../../protocol/names.ts'
import type { Caller, Right } from '../../audit/caller.ts'
import { isFresh } from '../../session/lifetimes.ts'
import type { Actor } from '../../protocol/revocation.ts'
import { CONSOLE } from './registration.ts'

/**
 * The console's sign-in, called a pass: a sealed cookie, valid for an hour at most and only while
 * the broker's session behind it is. Each request asks the store, so that a revocation has effect
 * at once. Users of other tenants than the operator tenant are rejected, and users without one of
 * the roles.
 */

export const PASS_SECONDS = 3600

const COOKIE = '__Host-cmb_ops'
const PLACE = 'ops/pass'
const ATTRIBUTES = { path: '/', secure: true, httpOnly: true, sameSite: 'Lax' } as const

export interface Pass {
  sid: string
  sub: string
  /**
   * The newest `seq` of the log when the pass was issued. A later revocation of the session ends
   * it.
   */
  rev: number
  until: number
}

interface Operator {
  session: Session
  pass: Pass
  /** The operator as a caller of operations, with the rights that the admin API would give. */
  caller: Caller
}

type ConsoleAccess =
  | { is: 'operator'; operator: Operator }
  /** `never`: the browser sent no readable pass. `over`: its pass has expired or was revoked. */
  | { is: 'nobody'; why: 'never' | 'over' }
  | { is: 'rejected'; why: Rejection; session: Session }
export type Rejection = 'other_tenant' | 'no_role'

export function setConsoleCookie(
  deps: Pick<Deps, 'sealer'>,
  c: Context,
  pass: Pass,
  now: number,
): void {
  setCookie(c, COOKIE, deps.sealer.seal(PLACE, JSON.stringify(pass)), {
    ...ATTRIBUTES,
    maxAge: Math.max(1, pass.until - now),
  })
}

export function clearConsoleCookie(c: Context): void {
  deleteCookie(c, COOKIE, ATTRIBUTES)
}

function readPass(deps: Pick<Deps, 'sealer'>, c: Context): Pass | undefined {
  const sealed = getCookie(c, COOKIE)
  const opened = sealed === undefined ? undefined : deps.sealer.open(PLACE, sealed)
  return opened === undefined ? undefined : (JSON.parse(opened.toString('utf8')) as Pass)
}

/**
 * Returns the operator whose pass the browser sent, or why there is none.
 * @param touch true if the user opens a page, which counts as activity of the session
 */
export async function consoleAccessOf(
  deps: Pick<Deps, 'sealer' | 'store' | 'clients' | 'connection'>,
  c: Context,
  now: number,
  touch: boolean,
): Promise<ConsoleAccess> {
  const pass = readPass(deps, c)
  return pass === undefined
    ? { is: 'nobody', why: 'never' }
    : consoleAccessBy(deps, pass, now, touch)
}

/** Returns the operator of a pass, or why the pass is not valid. The store decides. */
export async function consoleAccessBy(
  deps: Pick<Deps, 'store' | 'clients' | 'connection'>,
  pass: Pass,
  now: number,
  touch: boolean,
): Promise<ConsoleAccess> {
  if (now >= pass.until || deps.clients.find(CONSOLE)?.source !== 'broker')
    return { is: 'nobody', why: 'over' }
  const access = await deps.store.checkAccess({ ...pass, clientId: CONSOLE, now, touch })
  if (access.outcome === 'rejected') return { is: 'nobody', why: 'over' }
  const { session } = access
  const judged = judge(deps, session)
  if (judged === 'other_tenant' || judged === 'no_role')
    return { is: 'rejected', why: judged, session }
  const caller: Caller = {
    actor: { kind: 'operator', id: session.sub },
    source: 'broker',
    via: 'console',
    may: judged,
  }
  return { is: 'operator', operator: { session, pass, caller } }
}

/**
 * Returns the user's right at the console, or why the user has none. The broker's roles count only
 * from the operator tenant: an administrator of another tenant can assign them to any user there.
 */
export function judge(
  { connection }: Pick<Deps, 'connection'>,
  { user, roles }: Pick<Session, 'user' | 'roles'>,
): Right | Rejection {
  const { operatorTenant } = connection.current()
  if (operatorTenant === undefined || user.tid !== operatorTenant) return 'other_tenant'
  if (roles.includes(ROLE.administrator)) return 'administer'
  if (roles.includes(ROLE.operator)) return 'operate'
  return roles.includes(ROLE.auditor) ? 'audit' : 'no_role'
}

/**
 * Returns the administrator who is signed in to the console in this browser, if any. For /setup,
 * which is another module.
 */
export async function administratorAt(
  deps: Pick<Deps, 'sealer' | 'store' | 'clients' | 'connection'>,
  c: Context,
  now: number,
): Promise<{ actor: Actor; fresh: boolean } | undefined> {
  const access = await consoleAccessOf(deps, c, now, true)
  if (access.is !== 'operator' || access.operator.caller.may !== 'administer') return undefined
  const { session, caller } = access.operator
  return { actor: caller.actor, fresh: isFresh(session, now) }
}
