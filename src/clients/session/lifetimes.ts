import type { Tenant } from '../../../db/types.ts'
import type { Config } from '../../config/config.ts'

interface SessionLimits {
  idleSeconds: number
  /** From the sign-in on; no token outlives it. */
  absoluteSeconds: number
}

/** Of limits that may not be set. Undefined: none is. */
export function lowest(...limits: (number | undefined)[]): number | undefined {
  const set = limits.filter((limit) => limit !== undefined)
  return set.length === 0 ? undefined : Math.min(...set)
}

/**
 * How old a user's authentication at Microsoft may be, for their session: the broker's limit and
 * their tenant's both count.
 */
export const maxAuthenticationSeconds = (
  config: Pick<Config, 'sessionRules'>,
  tenant: Tenant | undefined,
): number | undefined =>
  lowest(config.sessionRules.maxAuthenticationSeconds, tenant?.maxAuthenticationSeconds)

/**
 * How long a session may last: the tenant's own limits where it has them, else the broker's. With
 * Microsoft's "Stay signed in" it ends at one absolute time, however idle: a user who comes back in
 * the morning is still signed in, and a day later goes to Microsoft again. Where Microsoft does not
 * say (`undefined`), nothing is lengthened.
 * @param sharedIdleSeconds the idle limit of a shared computer, on which "Stay signed in" counts
 * for nothing
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
 * How recently a user must have signed in at Microsoft for what an attacker at an open session must
 * not do.
 */
export const FRESH_SECONDS = 300

/**
 * @param authTime by Microsoft's clock; 0 or not given: Microsoft did not say, and no age is recent
 * enough
 */
export const isFresh = (
  { authTime = 0 }: { authTime?: number | undefined },
  now: number,
): boolean => authTime > 0 && now - authTime <= FRESH_SECONDS
