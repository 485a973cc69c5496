import type { LoggedRevocation, Revocation, RevocationPreview, Subject } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { raisesFloor, type Selector } from '../../protocol/revocation.ts'
import { noSuch } from './no-such.ts'
import { totalOf } from './totals.ts'

/** Revocations as operators see them, and the dry run of a revocation. */

/**
 * Counts what a revocation would end. Rejects an unknown target, so that a typo does not look like
 * an empty preview.
 * @throws Problem 404
 */
export async function previewed(
  deps: Deps,
  what: Selector,
  now: number,
): Promise<RevocationPreview> {
  await mustBeThere(deps, what, now)
  return deps.store.previewRevocation(what, now)
}

/** The preview of a change that ends nothing. */
const NOTHING: RevocationPreview = {
  sessions: 0,
  subjects: 0,
  clients: 0,
  deliveries: 0,
  withoutFreshSignIn: 0,
  firstSubjects: [],
  otherSubjects: [],
}

/**
 * Counts the sessions that a new `max_authentication_age` would end at once.
 * @param seconds undefined: no limit, which ends nothing
 */
export async function previewedAge(
  { store }: Pick<Deps, 'store'>,
  what: Extract<Selector, { kind: 'tenant' | 'client' }>,
  seconds: number | undefined,
  now: number,
): Promise<RevocationPreview> {
  return seconds === undefined
    ? NOTHING
    : store.previewRevocation(what, now, { authenticatedUntil: now - seconds })
}

/** Checks that the target of a revocation exists. @throws Problem 404 */
async function mustBeThere(
  { store }: Pick<Deps, 'store'>,
  what: Selector,
  now: number,
): Promise<void> {
  const there =
    what.kind === 'everything' ||
    (what.kind === 'subject' && (await store.findSubject(what.sub))) ||
    (what.kind === 'client' && (await store.findClient(what.clientId))) ||
    (what.kind === 'tenant' && (await store.findTenant(what.tid))) ||
    ('sid' in what && (await store.statusBySid(what.sid, now)).state !== 'unknown')
  if (!there) throw noSuch(WHAT[what.kind])
}

/** Returns the users that a dry run names. */
export const firstUsers = async (
  { store }: Pick<Deps, 'store'>,
  subs: readonly string[],
): Promise<Subject[]> =>
  (await Promise.all(subs.map((sub) => store.findSubject(sub)))).filter(
    (subject) => subject !== undefined,
  )

/**
 * Returns a revocation for the API. `sessions` is null until a wide revocation is fully counted.
 */
export const revocationRow = <R extends Revocation>(revocation: R) => ({
  ...revocation,
  sessions: revocation.fanOut === 'pending' ? null : revocation.sessions,
})
export const loggedRow = <R extends LoggedRevocation>(revocation: R) => ({
  ...revocationRow(revocation),
  totals: { total: totalOf(revocation.totals), ...revocation.totals },
})

/** Returns a dry run for the API, with its first users. */
export const withFirstUsers = async (deps: Pick<Deps, 'store'>, end: RevocationPreview) => ({
  ...end,
  firstUsers: await firstUsers(deps, end.firstSubjects),
})
export const dryRunShown = async (deps: Pick<Deps, 'store'>, end: RevocationPreview) => ({
  dryRun: true as const,
  wouldEnd: await withFirstUsers(deps, end),
})

/** Returns the target of the audit entry. */
export const revokeTarget = (what: Selector): string => Object.values(what).join(' ')

/**
 * Returns the affected tenants in which no fresh sign-in can be demanded: users have signed in, and
 * their ID tokens never had `auth_time`.
 */
export async function tenantsWithoutAuthTime(
  { store, connection }: Deps,
  { selector, tid, reason }: Revocation,
): Promise<string[]> {
  if (!raisesFloor(reason, selector)) return []
  const concerned = selector.kind === 'everything' ? connection.current().tenants : tid ? [tid] : []
  const provable = await store.tenantsWithAuthTime()
  const lacking = concerned.filter((tenant) => !provable.includes(tenant))
  const used = await Promise.all(lacking.map((tenant) => hasUsers(store, tenant)))
  return lacking.filter((_, index) => used[index])
}

/** Returns whether a user of the tenant has ever signed in. */
export const hasUsers = async (store: Deps['store'], tid: string): Promise<boolean> =>
  (await store.listUsers({ tid, after: undefined, limit: 1 })).length > 0

/** The name of what each kind of selector selects. */
export const WHAT = {
  session: 'session',
  grant: 'session with that client',
  subject: 'user',
  client: 'client',
  tenant: 'tenant',
  everything: 'session',
} as const
