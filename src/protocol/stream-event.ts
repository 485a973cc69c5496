import type { ClientMetadata } from './client-metadata.ts'
import { SSF_SCOPES } from './names.ts'
import { reasonClass, type Actor, type Reason, type Selector } from './revocation.ts'

/**
 * The events of Shared Signals streams, and their derivation from a revocation (SSF 1.0, CAEP 1.0,
 * RISC 1.0).
 */

export const CAEP = 'https://schemas.openid.net/secevent/caep/event-type/'
const RISC = 'https://schemas.openid.net/secevent/risc/event-type/'
const SSF = 'https://schemas.openid.net/secevent/ssf/event-type/'

export const STREAM_EVENT = {
  sessionRevoked: `${CAEP}session-revoked`,
  tokenClaimsChange: `${CAEP}token-claims-change`,
  assuranceLevelChange: `${CAEP}assurance-level-change`,
  accountDisabled: `${RISC}account-disabled`,
  accountPurged: `${RISC}account-purged`,
} as const
/** The event types that a receiver can request. */
export const STREAM_EVENTS: readonly string[] = Object.values(STREAM_EVENT)
/** Events about the stream itself. They are sent to every stream, even if not requested. */
export const VERIFICATION = `${SSF}verification`
export const STREAM_UPDATED = `${SSF}stream-updated`

/**
 * Returns whether the event is about the stream itself, and so is sent whatever the stream's status
 * is.
 */
export const isAboutStream = (type: string): boolean =>
  type === VERIFICATION || type === STREAM_UPDATED

/**
 * Returns whether the stream's events are pushed at once. Otherwise they are held until the
 * receiver polls, or until the stream is enabled and verified.
 */
export const isPushing = ({
  method,
  status,
  verifiedAt,
}: {
  method: string
  status: string
  verifiedAt?: number | null | undefined
}): boolean => method === 'push' && status === 'enabled' && typeof verifiedAt === 'number'

/** The delivery methods push (RFC 8935) and poll (RFC 8936). */
export const DELIVERY = { push: 'urn:ietf:rfc:8935', poll: 'urn:ietf:rfc:8936' } as const

/** The subject of an event: a session, a user, or all of a tenant. */
export interface About {
  sub?: string | undefined
  sid?: string | undefined
  tid?: string | undefined
}

export interface StreamEvent {
  type: string
  about: About
  event: Record<string, unknown>
}

/**
 * The stored content of a security event token until it is delivered. Without `about`, the event is
 * about the stream itself.
 */
export type SetPayload = Omit<StreamEvent, 'about'> & { about?: About | undefined }

/** The `initiating_entity` of CAEP 1.0 §2. */
const INITIATING: Record<Actor['kind'], 'user' | 'admin' | 'policy' | 'system'> = {
  user: 'user',
  operator: 'admin',
  microsoft: 'policy',
  client: 'system',
  broker: 'system',
}

const ACCOUNT_EVENTS: Partial<Record<Reason, string>> = {
  microsoft_account_disabled: STREAM_EVENT.accountDisabled,
  locked: STREAM_EVENT.accountDisabled,
  microsoft_account_deleted: STREAM_EVENT.accountPurged,
}

interface Revoked {
  selector: Selector
  reason: Reason
  actor: Actor
  /** The time of the revocation in epoch seconds. */
  at: number
}

/**
 * Returns the events of a revocation.
 * @param about the subject of the events; for a tenant or everything, one tenant
 */
export function eventsOfRevocation(
  { selector, reason, actor, at }: Revoked,
  about: About,
): StreamEvent[] {
  // By class only, as in logout tokens.
  const why = `The session has ended: ${reasonClass(reason).replaceAll('_', ' ')}.`
  const common = {
    event_timestamp: at,
    initiating_entity: INITIATING[actor.kind],
    reason_admin: { en: why },
    reason_user: { en: why },
  }
  const events: StreamEvent[] = [{ type: STREAM_EVENT.sessionRevoked, about, event: common }]
  // The namespace of levels is our own (CAEP 1.0 §3.4).
  const levels = {
    namespace: 'urn:case-manager:acr',
    current_level: 'none',
    previous_level: 'mfa',
    change_direction: 'decrease',
  }
  if (reason === 'mfa_lapsed')
    events.unshift({
      type: STREAM_EVENT.assuranceLevelChange,
      about,
      event: { ...common, ...levels },
    })
  const { sub, tid } = about
  const account =
    selector.kind === 'grant' || sub === undefined ? undefined : ACCOUNT_EVENTS[reason]
  if (account !== undefined)
    events.unshift({ type: account, about: { sub, tid }, event: { event_timestamp: at } })
  return events
}

/**
 * Returns whether a client may receive an event of a tenant. It needs a scope for streams, the
 * tenant must be one of its own, and a change of claims additionally needs the scope `openid`, with
 * which its own tokens have claims.
 */
export const mayHaveEvent = (
  { scopes, tenants }: Pick<ClientMetadata, 'scopes' | 'tenants'>,
  type: string,
  tid: string,
): boolean =>
  scopes.some((scope) => SSF_SCOPES.some((ssfScope) => ssfScope === scope)) &&
  (tenants === undefined || tenants.includes(tid)) &&
  (type !== STREAM_EVENT.tokenClaimsChange || scopes.includes('openid'))
