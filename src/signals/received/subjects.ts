import type { Deps } from '../deps.ts'
import { canBeStored } from '../../protocol/stored-text.ts'
import type { KnownIssuer } from './issuers.ts'

/**
 * Finds the user or session that a security event names (RFC 9493, or the older `subject` inside an
 * event), as far as its issuer may name them: in the format configured for the issuer, and only
 * users of its own tenants.
 */

interface NamedSubject {
  sub: string
  /** The session, if only that one is named. */
  sid?: string | undefined
}

type Identifier = Record<string, unknown>
type SubjectDeps = Pick<Deps, 'store' | 'config' | 'connection' | 'clock'>

const isObject = (value: unknown): value is Identifier =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
/** Returns the value if it can be the name of a user or session in the store. */
const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' && value.length <= 512 && canBeStored(value)
    ? value
    : undefined

/**
 * Returns the user or session that a subject identifier names, or undefined if the broker does not
 * know the user or the issuer must not name them.
 */
export async function namedSubject(
  deps: SubjectDeps,
  issuer: KnownIssuer,
  identifier: unknown,
): Promise<NamedSubject | undefined> {
  if (!isObject(identifier)) return undefined
  const { user, session } = identifier
  // A complex subject names one of the broker's sessions as `session` or a user as `user`.
  const sid = isObject(session) ? text(session.id) : undefined
  if (sid !== undefined) return ofSession(deps, issuer, sid)
  return isObject(user)
    ? ofAliases(deps, issuer, user, tenantOf(identifier))
    : ofAliases(deps, issuer, identifier, {})
}

/** The most identifiers by which a transmitter may name one user at once. */
const MOST_ALIASES = 10
/**
 * Formats that are not used to find a user, because an address or number may belong to another user
 * by now.
 */
const NOT_LOOKED_UP: readonly unknown[] = ['email', 'phone_number']

/**
 * Returns the user that all `aliases` name (RFC 9493 §3.2.8). Each must name the same user, and
 * none may be `aliases` or a complex subject itself.
 */
async function ofAliases(
  deps: SubjectDeps,
  issuer: KnownIssuer,
  given: Identifier,
  tenant: Identifier,
): Promise<NamedSubject | undefined> {
  if (given.format !== 'aliases') return ofUser(deps, issuer, { ...given, ...tenant })
  const { identifiers } = given
  if (
    !Array.isArray(identifiers) ||
    identifiers.length > MOST_ALIASES ||
    !identifiers.every(isSimple)
  )
    return undefined
  const named = identifiers.filter(({ format }) => !NOT_LOOKED_UP.includes(format))
  const users = await Promise.all(
    named.map((identifier) => ofUser(deps, issuer, { ...identifier, ...tenant })),
  )
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
): Promise<NamedSubject | undefined> {
  const status = await deps.store.statusBySid(sid, deps.clock.now())
  if (status.state === 'unknown' || !maySpeakOf(deps, issuer, status.session.user.tid))
    return undefined
  return { sub: status.session.sub, sid }
}

async function ofUser(
  deps: SubjectDeps,
  issuer: KnownIssuer,
  given: Identifier,
): Promise<NamedSubject | undefined> {
  if (issuer.subject === 'opaque') return bySub(deps, issuer, text(given.id) ?? text(given.sub))
  if (issuer.subject === 'iss_sub') {
    const iss = text(given.iss)
    if (iss === deps.config.issuer) return bySub(deps, issuer, text(given.sub))
    const tid = deps.connection
      .current()
      .tenants.find((tenant) => iss === `${deps.config.entra.authority}/${tenant}/v2.0`)
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
): Promise<NamedSubject | undefined> {
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
): Promise<NamedSubject | undefined> {
  if (tid === undefined || oid === undefined || !maySpeakOf(deps, issuer, tid)) return undefined
  const subject = await deps.store.findSubjectByUser(tid, oid.toLowerCase())
  return subject && { sub: subject.sub }
}

export const maySpeakOf = (
  { connection }: Pick<Deps, 'connection'>,
  issuer: KnownIssuer,
  tid: string,
): boolean => (issuer.tenants ?? connection.current().tenants).includes(tid)

/** Returns the user that the logout token of an upstream provider names. */
export const whoIsLoggedOut = (
  deps: SubjectDeps,
  issuer: KnownIssuer,
  sub: string,
): Promise<NamedSubject | undefined> =>
  ofUser(deps, issuer, issuer.subject === 'iss_sub' ? { iss: issuer.issuer, sub } : { sub })
