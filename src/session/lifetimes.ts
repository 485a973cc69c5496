import type { Session, Tenant } from '../../db/types.ts'
import type { Config } from '../config/config.ts'
import type { Client } from '../protocol/client-metadata.ts'

interface SessionLimits {
  idleSeconds: number
  /** The longest lifetime from sign-in. No token is valid longer. */
  absoluteSeconds: number
}

/** Returns the lowest of the limits that are set, or undefined if none is. */
export function lowest(...limits: (number | undefined)[]): number | undefined {
  const set = limits.filter((limit) => limit !== undefined)
  return set.length === 0 ? undefined : Math.min(...set)
}

/**
 * Returns the greatest allowed age of a user's authentication at Microsoft: the lower of the
 * broker's limit and the tenant's.
 */
export const maxAuthenticationSeconds = (
  config: Pick<Config, 'sessionRules'>,
  tenant: Tenant | undefined,
): number | undefined =>
  lowest(config.sessionRules.maxAuthenticationSeconds, tenant?.maxAuthenticationSeconds)

/**
 * Returns the limits of a session: the tenant's own if set, otherwise the broker's. With
 * Microsoft's "Stay signed in" the session has one absolute limit and no idle limit: a user who
 * returns the next morning is still signed in, and goes to Microsoft again a day later. If
 * Microsoft does not report the choice (`undefined`), the normal limits apply.
 * @param sharedIdleSeconds the idle limit of a shared computer, where "Stay signed in" is ignored
 */
export function sessionLimits(
  config: Pick<Config, 'limits'>,
  tenant: Tenant | undefined,
  staySignedIn: boolean | undefined,
  sharedIdleSeconds?: number,
): SessionLimits {
  const idleSeconds = tenant?.idleSeconds ?? config.limits.idleSeconds
  const absoluteSeconds = tenant?.absoluteSeconds ?? config.limits.absoluteSeconds
  if (sharedIdleSeconds !== undefined)
    return {
      idleSeconds: Math.min(idleSeconds, sharedIdleSeconds, absoluteSeconds),
      absoluteSeconds,
    }
  if (staySignedIn !== true)
    return { idleSeconds: Math.min(idleSeconds, absoluteSeconds), absoluteSeconds }
  const stay = tenant?.staySignedInSeconds ?? config.limits.staySignedInSeconds
  return { idleSeconds: stay, absoluteSeconds: stay }
}

/**
 * The greatest age of a Microsoft sign-in for acts that need a fresh one, because an attacker at an
 * open session must not be able to do them.
 */
export const FRESH_SECONDS = 300

/**
 * Returns whether the sign-in was recent enough.
 * @param authTime by Microsoft's clock; 0 or undefined if Microsoft did not report it, which never
 * counts as fresh
 */
export const isFresh = (
  { authTime = 0 }: { authTime?: number | undefined },
  now: number,
): boolean => authTime > 0 && now - authTime <= FRESH_SECONDS

/**
 * Returns when a session's tokens, and an instance's own session, must end: the session's absolute
 * end, or earlier by the client's limit on the age of an authentication.
 */
export const endOf = (
  { absoluteAt, authenticatedAt }: Session,
  { metadata: { maxAuthenticationSeconds: most } }: Client,
): number => (most === undefined ? absoluteAt : Math.min(absoluteAt, authenticatedAt + most))
