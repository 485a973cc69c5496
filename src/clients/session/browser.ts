import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import type { FreshProof, Session, User } from '../../../db/types.ts'
import type { Config } from '../../config/config.ts'
import { remoteOf } from '../../runtime/remote-address.ts'
import type { Deps } from '../deps.ts'
import { clearSessionCookie, sessionCookieHash, setSessionCookie } from './cookie.ts'
import { deviceName } from './device.ts'

/**
 * What a browser keeps beside its session, in cookies that outlive sessions: who has signed in with
 * it, what they proved, whether several users share it. None of it signs a user in. `readBrowser`
 * reads it once for a request; `keepSignIn` and `forgetSession` write it.
 */

export type UserKey = Pick<User, 'tid' | 'oid'>

/** The authentication context, and the head of the log when the visit departed that brought it. */
export interface ContextProof {
  id: string
  seq: number
}

/**
 * A user's latest fresh sign-in in this browser, as the head of the log when the visit departed. It
 * meets every floor up to there, so that a revocation costs a password once in each browser, and
 * single sign-on goes on. It outlives sign-out, and meets no later floor.
 */
export interface Proven {
  /** 0: there was no fresh visit. */
  seq: number
  /** Left out: no fresh visit brought the tenant's authentication context too. */
  context?: ContextProof | undefined
}

interface Known extends UserKey {
  until: number
}

export interface Browser {
  /** SHA-256 of the session's cookie, by which the store knows it. */
  sessionHash: string | undefined
  /**
   * Users who signed in here in the last 90 days, the latest first. By them the broker knows a
   * user's failed sign-in from one that an attacker made up, and a new device from a known one.
   */
  users: readonly Known[]
  proofs: readonly (UserKey & Proven)[]
  isShared: boolean
  /**
   * The user has signed out: the next sign-in asks Microsoft for its account chooser, whatever the
   * instance hints at.
   */
  choosesAccount: boolean
  /**
   * The IP address that the security history keeps. Undefined where the broker is to store none.
   */
  address: string | undefined
  /** The IP address for the log and the limits. */
  remote: string | undefined
  device: string
}

const LIKE = { path: '/', secure: true, httpOnly: true, sameSite: 'Lax' } as const
const SHARED = '__Host-cmb_shared'
const CHOOSE = '__Host-cmb_choose'
const CHOOSE_SECONDS = 600
const KNOWN = { name: '__Host-cmb_known', place: 'session/known_user', seconds: 90 * 86_400 }
/** 400 days: browsers keep no cookie longer. */
const PROOFS = { name: '__Host-cmb_fresh', place: 'session/fresh_proof', seconds: 400 * 86_400 }
/** A browser that many users share keeps the latest ones. */
const MOST_USERS = 8

type Need = Pick<Deps, 'sealer'> & {
  config: Pick<Config, 'retention' | 'sessionRules' | 'trustedProxies'>
}

export function readBrowser(deps: Need, c: Context, now: number): Browser {
  return {
    sessionHash: sessionCookieHash(c),
    users: readUsers<Known>(deps, c, KNOWN).filter(({ until }) => until > now),
    proofs: readUsers<UserKey & Proven>(deps, c, PROOFS),
    isShared: isSharedComputer(deps, c),
    choosesAccount: getCookie(c, CHOOSE) === '1',
    address: addressOf(deps, c),
    remote: remoteOf(c, deps.config),
    device: deviceName(c.req.header('user-agent')),
  }
}

/**
 * The IP address of a browser as the trusted proxies give it, for the security history. Undefined
 * where the broker is to store none.
 */
export const addressOf = (
  { config }: { config: Pick<Config, 'retention' | 'trustedProxies'> },
  c: Context,
): string | undefined => (config.retention.addressDays === 0 ? undefined : remoteOf(c, config))

/**
 * Users say at sign-in that a computer is shared, or the setting does. The mark lasts until the
 * window closes; it shortens sessions and adds Microsoft's sign-out.
 */
export function isSharedComputer(
  { config }: { config: Pick<Config, 'sessionRules'> },
  c: Context,
): boolean {
  const policy = config.sessionRules.sharedComputer
  return policy === 'always' || (policy === 'offer' && getCookie(c, SHARED) === 'yes')
}

/** What the next sign-in takes the computer for. @param chosen by the user just now */
export function takenForShared(
  { sessionRules }: Pick<Config, 'sessionRules'>,
  { isShared }: Browser,
  chosen: string | undefined,
): boolean {
  if (sessionRules.sharedComputer !== 'offer') return isShared
  return chosen === 'shared' || (chosen !== 'own' && isShared)
}

/** A value sealed for another cookie does not open here. */
function readUsers<T extends UserKey>(
  { sealer }: Pick<Deps, 'sealer'>,
  c: Context,
  { name, place }: typeof KNOWN,
): T[] {
  const sealed = getCookie(c, name)
  const opened = sealed === undefined ? undefined : sealer.open(place, sealed)
  return opened === undefined ? [] : (JSON.parse(opened.toString('utf8')) as T[])
}

/** Puts `user` first, in place of what was kept of the same user. */
function putUser<T extends UserKey>(
  { sealer }: Pick<Deps, 'sealer'>,
  c: Context,
  cookie: typeof KNOWN,
  user: T,
  others: readonly T[],
): void {
  const users = [user, ...others.filter((one) => !isSameUser(one, user))].slice(0, MOST_USERS)
  setCookie(c, cookie.name, sealer.seal(cookie.place, JSON.stringify(users)), {
    ...LIKE,
    maxAge: cookie.seconds,
  })
}

export const isSameUser = (a: UserKey, b: UserKey): boolean => a.tid === b.tid && a.oid === b.oid

export const isKnownDevice = ({ users }: Browser, user: UserKey): boolean =>
  users.some((one) => isSameUser(one, user))

/** What this browser's fresh visits of this user proved, `more` included. */
export function provenOf({ proofs }: Browser, user: UserKey, more: Proven = { seq: 0 }): Proven {
  const before: Proven = proofs.find((proof) => isSameUser(proof, user)) ?? { seq: 0 }
  return {
    seq: Math.max(before.seq, more.seq),
    context: latestContext(before.context, more.context),
  }
}

/** A proof with a context that the tenant no longer demands gives way. */
function latestContext(
  before: ContextProof | undefined,
  now: ContextProof | undefined,
): ContextProof | undefined {
  if (before === undefined || now === undefined || before.id !== now.id) return now ?? before
  return before.seq < now.seq ? now : before
}

/** @param context that the user's tenant demands; a proof with another one does not serve */
export const freshProof = (
  { seq, context: proven }: Proven,
  context: string | undefined,
): FreshProof => ({
  provenSeq: seq,
  contextSeq: context === undefined ? undefined : proven?.id === context ? proven.seq : 0,
})

/** What a sign-in leaves in the browser. */
export interface KeptSignIn {
  /** The value of the new session's cookie. */
  cookie: string
  session: Pick<Session, 'user' | 'staySignedIn' | 'absoluteAt'>
  proven: Proven
  shared: boolean
}

/** Sets the session's cookie. A shared computer keeps nothing of its users. */
export function keepSignIn(
  deps: Pick<Deps, 'sealer'>,
  c: Context,
  browser: Browser,
  kept: KeptSignIn,
  now: number,
): void {
  const { staySignedIn, absoluteAt, user } = kept.session
  setSessionCookie(c, kept.cookie, staySignedIn ? { staySignedInUntil: absoluteAt } : {})
  deleteCookie(c, CHOOSE, { path: '/', secure: true })
  if (kept.shared) setCookie(c, SHARED, 'yes', LIKE)
  else if (getCookie(c, SHARED) !== undefined) deleteCookie(c, SHARED, LIKE)
  if (kept.shared) return
  const { tid, oid } = user
  const [before, after] = [provenOf(browser, user), provenOf(browser, user, kept.proven)]
  // It changes nothing where the earlier proof is as good.
  if (after.seq !== before.seq || after.context !== before.context)
    putUser(deps, c, PROOFS, { tid, oid, ...after }, browser.proofs)
  putUser(deps, c, KNOWN, { tid, oid, until: now + KNOWN.seconds }, browser.users)
}

/** The user has signed out in this browser. */
export function forgetSession(c: Context): void {
  clearSessionCookie(c)
  setCookie(c, CHOOSE, '1', { ...LIKE, maxAge: CHOOSE_SECONDS })
}
