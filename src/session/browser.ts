import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import type { FreshProof, Session, User } from '../../db/types.ts'
import type { Config } from '../config/config.ts'
import { remoteOf } from '../runtime/remote-address.ts'
import type { Sealer } from '../keys/interface.ts'
import { clearSessionCookie, cookieHash, sessionCookieHash, setSessionCookie } from './cookie.ts'
import { deviceName } from './device.ts'

/**
 * The data that a browser keeps beside its session, in cookies that outlive sessions: who signed in
 * with it, what their sign-ins proved, and whether users share it. None of it signs a user in.
 * `readBrowser` reads it once per request; `keepSignIn` and `forgetSession` write it.
 */

export type UserKey = Pick<User, 'tid' | 'oid'>

/**
 * A proved authentication context. `seq` is the head of the log when the browser left for the
 * Microsoft visit that proved it.
 */
export interface ContextProof {
  id: string
  seq: number
}

/**
 * The proof of a user's latest fresh sign-in in this browser. It satisfies every floor up to `seq`,
 * so that after a revocation the user enters the password once in each browser and single sign-on
 * works again. The proof remains after sign-out. Later floors need a new one.
 */
export interface Proven {
  /** The head of the log when the browser left for Microsoft; 0 without a fresh sign-in. */
  seq: number
  /** Absent if no fresh sign-in proved the tenant's authentication context. */
  context?: ContextProof | undefined
}

interface Known extends UserKey {
  until: number
}

export interface Browser {
  /** SHA-256 of the session's cookie. The store finds the session by it. */
  sessionHash: string | undefined
  /**
   * SHA-256 of the cookie that names the browser (not the user). Undefined: the browser sent none.
   */
  browserHash: string | undefined
  /**
   * Users who signed in with this browser in the last 90 days, latest first. They distinguish a
   * user's failed sign-in from one that an attacker made up, and a known device from a new one.
   */
  users: readonly Known[]
  proofs: readonly (UserKey & Proven)[]
  isShared: boolean
  /**
   * True after the user signed out: the next sign-in requests Microsoft's account chooser, whatever
   * account the instance suggests.
   */
  choosesAccount: boolean
  /**
   * The IP address for the security history. Undefined if the broker is configured to store none.
   */
  address: string | undefined
  /** The IP address for the log and the rate limits. */
  remote: string | undefined
  device: string
}

const LIKE = { path: '/', secure: true, httpOnly: true, sameSite: 'Lax' } as const
/**
 * Names the browser in sealed values and at its session. It stays for several sign-ins, because two
 * tabs may sign in at once.
 */
export const BROWSER_COOKIE = '__Host-cmb_signin'
const SHARED = '__Host-cmb_shared'
const CHOOSE = '__Host-cmb_choose'
const CHOOSE_SECONDS = 600
const KNOWN = { name: '__Host-cmb_known', place: 'session/known_user', seconds: 90 * 86_400 }
/** 400 days, the longest lifetime of a cookie that browsers allow. */
const PROOFS = { name: '__Host-cmb_fresh', place: 'session/fresh_proof', seconds: 400 * 86_400 }
/** The most users in a cookie, latest first, for a browser that many users share. */
const MOST_USERS = 8

type Need = {
  sealer: Sealer
  config: Pick<Config, 'retention' | 'sessionRules' | 'trustedProxies'>
}

export function readBrowser(deps: Need, c: Context, now: number): Browser {
  return {
    sessionHash: sessionCookieHash(c),
    browserHash: cookieHash(c, BROWSER_COOKIE),
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
 * Returns the IP address of a browser, as the trusted proxies report it, for the security history.
 * Undefined if the broker is configured to store none.
 */
export const addressOf = (
  { config }: { config: Pick<Config, 'retention' | 'trustedProxies'> },
  c: Context,
): string | undefined => (config.retention.addressDays === 0 ? undefined : remoteOf(c, config))

/**
 * Returns whether the computer is shared: the setting says so, or a user said so at sign-in. The
 * user's mark lasts until the browser closes. It shortens sessions and makes sign-out include
 * Microsoft.
 */
export function isSharedComputer(
  { config }: { config: Pick<Config, 'sessionRules'> },
  c: Context,
): boolean {
  const policy = config.sessionRules.sharedComputer
  return policy === 'always' || (policy === 'offer' && getCookie(c, SHARED) === 'yes')
}

/**
 * Returns whether the next sign-in is on a shared computer.
 * @param chosen the user's choice on the sign-in page
 */
export function takenForShared(
  { sessionRules }: Pick<Config, 'sessionRules'>,
  { isShared }: Browser,
  chosen: string | undefined,
): boolean {
  if (sessionRules.sharedComputer !== 'offer') return isShared
  return chosen === 'shared' || (chosen !== 'own' && isShared)
}

/**
 * Returns the users of a sealed cookie. A value that was sealed for another cookie does not open.
 */
function readUsers<T extends UserKey>(
  { sealer }: { sealer: Sealer },
  c: Context,
  { name, place }: typeof KNOWN,
): T[] {
  const sealed = getCookie(c, name)
  const opened = sealed === undefined ? undefined : sealer.open(place, sealed)
  return opened === undefined ? [] : (JSON.parse(opened.toString('utf8')) as T[])
}

/** Writes the cookie with `user` first, replacing the same user's earlier entry. */
function putUser<T extends UserKey>(
  { sealer }: { sealer: Sealer },
  c: Context,
  cookie: typeof KNOWN,
  user: T,
  others: readonly T[],
): void {
  const users = [user, ...others.filter((candidate) => !isSameUser(candidate, user))].slice(
    0,
    MOST_USERS,
  )
  setCookie(c, cookie.name, sealer.seal(cookie.place, JSON.stringify(users)), {
    ...LIKE,
    maxAge: cookie.seconds,
  })
}

export const isSameUser = (a: UserKey, b: UserKey): boolean => a.tid === b.tid && a.oid === b.oid

export const isKnownDevice = ({ users }: Browser, user: UserKey): boolean =>
  users.some((listed) => isSameUser(listed, user))

/** Returns what fresh sign-ins in this browser proved for the user, including `more`. */
export function provenOf({ proofs }: Browser, user: UserKey, more: Proven = { seq: 0 }): Proven {
  const before: Proven = proofs.find((proof) => isSameUser(proof, user)) ?? { seq: 0 }
  return {
    seq: Math.max(before.seq, more.seq),
    context: latestContext(before.context, more.context),
  }
}

/**
 * Returns the later of two proofs of a context. A proof of another context is replaced, because the
 * tenant no longer requires it.
 */
function latestContext(
  before: ContextProof | undefined,
  now: ContextProof | undefined,
): ContextProof | undefined {
  if (before === undefined || now === undefined || before.id !== now.id) return now ?? before
  return before.seq < now.seq ? now : before
}

/**
 * Returns the proof in the form that the store compares with floors.
 * @param context the context that the user's tenant requires; a proof of another one counts as 0
 */
export const freshProof = (
  { seq, context: proven }: Proven,
  context: string | undefined,
): FreshProof => ({
  provenSeq: seq,
  contextSeq: context === undefined ? undefined : proven?.id === context ? proven.seq : 0,
})

/** The result of a sign-in, as the browser's cookies keep it. */
export interface KeptSignIn {
  /** The value of the new session's cookie. */
  cookie: string
  session: Pick<Session, 'user' | 'staySignedIn' | 'absoluteAt'>
  proven: Proven
  shared: boolean
}

/**
 * Sets the session's cookie and records the user in the browser. On a shared computer, only the
 * session's cookie and the mark are set.
 */
export function keepSignIn(
  deps: { sealer: Sealer },
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
  // The cookie is written only if the new proof adds something.
  if (after.seq !== before.seq || after.context !== before.context)
    putUser(deps, c, PROOFS, { tid, oid, ...after }, browser.proofs)
  putUser(deps, c, KNOWN, { tid, oid, until: now + KNOWN.seconds }, browser.users)
}

/**
 * Clears the session's cookie after sign-out. The next sign-in within 10 minutes shows Microsoft's
 * account chooser.
 */
export function forgetSession(c: Context): void {
  clearSessionCookie(c)
  setCookie(c, CHOOSE, '1', { ...LIKE, maxAge: CHOOSE_SECONDS })
}
