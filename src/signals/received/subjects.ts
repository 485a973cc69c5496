import type { Deps } from '../deps.ts'
import { canBeStored } from '../../protocol/stored-text.ts'
import type { KnownIssuer } from './issuers.ts'

/**
 * Whom a security event means (RFC 9493, and the older `subject` inside an event), as far as its
 * issuer may name them. An issuer names users in the one way that it is configured with, and only
 * users of its own tenants.
 */

interface Meant {
  sub: string
  /** That session alone. */
  sid?: string | undefined
}

type Identifier = Record<string, unknown>
type SubjectDeps = Pick<Deps, 'store' | 'config' | 'connection' | 'clock'>

const isObject = (value: unknown): value is Identifier =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
/** A text that can be a user's or a session's name in the store. */
const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' && value.length <= 512 && canBeStored(value)
    ? value
    : undefined

/**
 * @returns undefined if the broker does not know the user, or the issuer has no right to name them
 */
export async function whoIsMeant(
  deps: SubjectDeps,
  issuer: KnownIssuer,
  identifier: unknown,
): Promise<Meant | undefined> {
  if (!isObject(identifier)) return undefined
  const { user, session } = identifier
  // A complex subject: its `session` is one of ours, its `user` a user.
  const sid = isObject(session) ? text(session.id) : undefined
  if (sid !== undefined) return ofSession(deps, issuer, sid)
  return isObject(user)
    ? ofAliases(deps, issuer, user, tenantOf(identifier))
    : ofAliases(deps, issuer, identifier, {})
}

/** A transmitter may name one user in several ways at once. */
const MOST_ALIASES = 10
/**
 * Formats by which the broker looks up no user: an address or a number can be another user's by
 * now.
 */
const NOT_LOOKED_UP: readonly unknown[] = ['email', 'phone_number']

/**
 * RFC 9493 §3.2.8: every identifier in `aliases` must name the same user, and none is `aliases` or
 * a complex subject itself.
 */
async function ofAliases(
  deps: SubjectDeps,
  issuer: KnownIssuer,
  given: Identifier,
  tenant: Identifier,
): Promise<Meant | undefined> {
  if (given.format !== 'aliases') return ofUser(deps, issuer, { ...given, ...tenant })
  const { identifiers } = given
  if (
    !Array.isArray(identifiers) ||
    identifiers.length > MOST_ALIASES ||
    !identifiers.every(isSimple)
  )
    return undefined
  const named = identifiers.filter(({ format }) => !NOT_LOOKED_UP.includes(format))
  const users = await Promise.all(named.map((one) => ofUser(deps, issuer, { ...one, ...tenant })))
  return users.every((user) => user?.sub === users[0]?.sub) ? users[0] : undefined
}

const isSimple = (value: unknown): value is Identifier =>
  isObject(value) &&
  text(value.format) !== undefined &&
  value.format !== 'aliases' &&
  value.format !== 'complex'

const tenantOf = ({ tenant }: Identifier): Identifier =>
  isObject(tenant) && text(tenant.id) !== undefined ? { tid: tenant.id } : {}

async function ofSession(
  deps: SubjectDeps,
  issuer: KnownIssuer,
  sid: string,
): Promise<Meant | undefined> {
  const standing = await deps.store.standingBySid(sid, deps.clock.now())
  if (standing.state === 'unknown' || !maySpeakOf(deps, issuer, standing.session.user.tid))
    return undefined
  return { sub: standing.session.sub, sid }
}

async function ofUser(
  deps: SubjectDeps,
  issuer: KnownIssuer,
  given: Identifier,
): Promise<Meant | undefined> {
  if (issuer.subject === 'opaque') return bySub(deps, issuer, text(given.id) ?? text(given.sub))
  if (issuer.subject === 'iss_sub') {
    const iss = text(given.iss)
    if (iss === deps.config.issuer) return bySub(deps, issuer, text(given.sub))
    const tid = deps.connection
      .current()
      .tenants.find((one) => iss === `${deps.config.entra.authority}/${one}/v2.0`)
    return byObject(deps, issuer, tid, text(given.sub))
  }
  const only = issuer.tenants?.length === 1 ? issuer.tenants[0] : undefined
  return byObject(
    deps,
    issuer,
    text(given.tid)?.toLowerCase() ?? only,
    text(given.oid) ?? text(given.id) ?? text(given.sub),
  )
}

async function bySub(
  deps: SubjectDeps,
  issuer: KnownIssuer,
  sub: string | undefined,
): Promise<Meant | undefined> {
  const subject = sub === undefined ? undefined : await deps.store.findSubject(sub)
  return subject !== undefined && maySpeakOf(deps, issuer, subject.tid)
    ? { sub: subject.sub }
    : undefined
}

async function byObject(
  deps: SubjectDeps,
  issuer: KnownIssuer,
  tid: string | undefined,
  oid: string | undefined,
): Promise<Meant | undefined> {
  if (tid === undefined || oid === undefined || !maySpeakOf(deps, issuer, tid)) return undefined
  const subject = await deps.store.findSubjectByUser(tid, oid.toLowerCase())
  return subject && { sub: subject.sub }
}

export const maySpeakOf = (
  { connection }: Pick<Deps, 'connection'>,
  issuer: KnownIssuer,
  tid: string,
): boolean => (issuer.tenants ?? connection.current().tenants).includes(tid)

/** By the claims of an upstream provider's logout token. */
export const whoIsLoggedOut = (
  deps: SubjectDeps,
  issuer: KnownIssuer,
  sub: string,
): Promise<Meant | undefined> =>
  ofUser(deps, issuer, issuer.subject === 'iss_sub' ? { iss: issuer.issuer, sub } : { sub })
