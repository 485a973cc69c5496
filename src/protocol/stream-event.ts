import type { ClientMetadata } from './client-metadata.ts'
import { SSF_SCOPES } from './names.ts'
import {
  reasonClass,
  type ReasonClass,
  type Actor,
  type Reason,
  type Selector,
} from './revocation.ts'

/**
 * Events of Shared Signals streams: which there are, and which a revocation is (SSF 1.0, CAEP 1.0,
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
/** The types that a receiver can request. */
export const STREAM_EVENTS: readonly string[] = Object.values(STREAM_EVENT)
/** About the stream itself: sent to every stream, requested or not. */
export const VERIFICATION = `${SSF}verification`
export const STREAM_UPDATED = `${SSF}stream-updated`

/** It goes out whatever the stream's status is. */
export const isAboutStream = (type: string): boolean =>
  type === VERIFICATION || type === STREAM_UPDATED

/**
 * Whether events of the stream are pushed at once. Otherwise they are held: until the receiver
 * polls, or until the stream is enabled and verified.
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

/** RFC 8935, RFC 8936 */
export const DELIVERY = { push: 'urn:ietf:rfc:8935', poll: 'urn:ietf:rfc:8936' } as const

/** Whom an event is about: a session, a user, or all of a tenant. */
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
 * What the outbox keeps of a security event token until it is delivered. `about` is not there: the
 * stream itself.
 */
export type SetPayload = Omit<StreamEvent, 'about'> & { about?: About | undefined }

/** The reason that receivers get: only its class, as in logout tokens. */
const WHY: Record<ReasonClass, string> = {
  signed_out: 'The user signed out.',
  ended_elsewhere: 'The session was ended from elsewhere.',
  administrator: 'An administrator ended the session.',
  account: 'The account may not be used as before.',
  expired: 'The session expired.',
}

/** CAEP 1.0 §2 */
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
  /** Epoch seconds. */
  at: number
}

/** @param about whom it covers: of a tenant or wider, one tenant */
export function eventsOfRevocation(
  { selector, reason, actor, at }: Revoked,
  about: About,
): StreamEvent[] {
  const why = WHY[reasonClass(reason)]
  const common = {
    event_timestamp: at,
    initiating_entity: INITIATING[actor.kind],
    reason_admin: { en: why },
    reason_user: { en: why },
  }
  const events: StreamEvent[] = [{ type: STREAM_EVENT.sessionRevoked, about, event: common }]
  // CAEP 1.0 §3.4: the namespace is one of our own.
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
 * Whether a client may have an event of a tenant. Without a scope for streams it may have none;
 * claims, only where its own tokens have them.
 */
export const mayHaveEvent = (
  { scopes, tenants }: Pick<ClientMetadata, 'scopes' | 'tenants'>,
  type: string,
  tid: string,
): boolean =>
  scopes.some((scope) => SSF_SCOPES.some((one) => one === scope)) &&
  (tenants === undefined || tenants.includes(tid)) &&
  (type !== STREAM_EVENT.tokenClaimsChange || scopes.includes('openid'))
