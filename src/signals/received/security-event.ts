import {
  KeysUnavailable,
  type SecurityEventClaims,
  type SetError,
  verifySecurityEvent,
} from '@case-manager/guard'
import type { Context } from 'hono'
import type { Deps } from '../deps.ts'
import { sha256 } from '../../runtime/compare.ts'
import { eventInterval, claim } from './interval.ts'
import type { Reason } from '../../protocol/revocation.ts'
import { CAEP, STREAM_EVENT, VERIFICATION } from '../../protocol/stream-event.ts'
import { readUpTo } from '../../clients/form.ts'
import { issuerOf, type Issuers, type KnownIssuer } from './issuers.ts'
import { type InTurn, later } from './queue.ts'
import { namedSubject } from './subjects.ts'

/**
 * Receives security event tokens (RFC 8417) of configured issuers, pushed (RFC 8935) or polled. A
 * token is acknowledged only after its effect is committed. An event ends only sessions
 * authenticated before it. It takes effect once, so a repeat does not end a session that single
 * sign-on has opened since.
 */

const MOST_BYTES = 64 * 1024
const TOLERANCE_SECONDS = 60
const REMEMBERED_SECONDS = 30 * 86_400

type Payload = Record<string, unknown>

/**
 * Returns the reason for which an event of a type ends sessions, or undefined if it ends none.
 * Other types are acknowledged and ignored.
 */
const EVENTS: Readonly<Record<string, (payload: Payload) => Reason | undefined>> = {
  [STREAM_EVENT.sessionRevoked]: () => 'security_event',
  // An additional credential does not affect what was proved with the others.
  [`${CAEP}credential-change`]: ({ change_type: type }) =>
    type === 'create' ? undefined : 'security_event',
  [STREAM_EVENT.assuranceLevelChange]: ({ change_direction: direction }) =>
    direction === 'increase' ? undefined : 'mfa_lapsed',
  [STREAM_EVENT.accountDisabled]: () => 'security_event',
  [STREAM_EVENT.accountPurged]: () => 'security_event',
}
/** The event types that a stream of the broker requests. */
export const EVENT_TYPES = Object.keys(EVENTS)

export async function securityEvent(
  deps: Deps,
  { secevent }: Issuers,
  inTurn: InTurn,
  c: Context,
): Promise<Response> {
  const type = (c.req.header('content-type') ?? '').split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/secevent+jwt')
    return reject(
      deps,
      c,
      'invalid_request',
      'The content type has to be application/secevent+jwt.',
    )
  const token = (await readUpTo(c, MOST_BYTES))?.trim()
  if (token === undefined) return reject(deps, c, 'invalid_request', 'The token is too long.')
  const issuer = secevent.get(issuerOf(token) ?? '')
  if (issuer === undefined)
    return reject(deps, c, 'invalid_issuer', 'This issuer is not configured here.')
  const answer = await inTurn(c, sha256(token), () => receive(deps, issuer, token))
  if (answer === 'keys_unavailable') return later(deps, c, 'security_event')
  return answer === 'accepted'
    ? c.body(null, 202, { 'Cache-Control': 'no-store' })
    : reject(deps, c, answer.error, answer.description)
}

/** A rejection of RFC 8935 §2.4, or `invalid_state` of SSF 1.0 §8.1.4.1. */
export type Rejection = { error: SetError | 'invalid_state'; description: string }

/**
 * Verifies and applies a token, pushed or polled. `keys_unavailable`: it was not judged, and the
 * transmitter must send it again.
 */
export async function receive(
  deps: Deps,
  issuer: KnownIssuer,
  token: string,
): Promise<'accepted' | 'keys_unavailable' | Rejection> {
  const now = deps.clock.now()
  try {
    const expected = {
      issuer: issuer.issuer,
      audience: issuer.audience,
      now,
      toleranceSeconds: TOLERANCE_SECONDS,
    }
    const verified = await verifySecurityEvent(token, issuer.keys, expected)
    if (!verified.ok) return verified.certain ? verified : 'keys_unavailable'
    if (!mayBeVerification(deps, issuer, verified.claims))
      return {
        error: 'invalid_state',
        description: 'This broker did not ask for a verification event with this state.',
      }
    const once = {
      purpose: 'security-event',
      idHash: sha256(`${issuer.issuer} ${verified.claims.jti}`),
      now,
    }
    if (!(await deps.store.wasConsumed(once))) {
      await obey(deps, issuer, verified.claims, now)
      // Consumed after the effect is committed. After an interruption before that, the token is
      // sent again and its effect completed.
      await deps.store.consumeOnce({ ...once, expiresAt: now + REMEMBERED_SECONDS })
    }
    if (issuer.maxSilenceSeconds !== undefined)
      await claim(deps, eventInterval(issuer.issuer, issuer.maxSilenceSeconds), now)
    return 'accepted'
  } catch (error) {
    if (error instanceof KeysUnavailable) return 'keys_unavailable'
    throw error
  }
}

/**
 * Returns false only if the stream is managed by the broker and the token has a verification state
 * that is not the broker's own. A verification event that was not requested has no state, and is
 * accepted.
 */
function mayBeVerification(
  deps: Deps,
  issuer: KnownIssuer,
  { events }: SecurityEventClaims,
): boolean {
  const state = issuer.stream && events[VERIFICATION]?.state
  return state === undefined || isOwnState(deps, issuer.issuer, state)
}

/** The error answer of RFC 8935 §2.4. */
function reject(deps: Deps, c: Context, err: Rejection['error'], description: string): Response {
  deps.metrics.signals.inc({ kind: 'security_event', outcome: err })
  return c.json({ err, description }, 400, {
    'Cache-Control': 'no-store',
    'Content-Language': 'en',
  })
}

async function obey(
  deps: Deps,
  issuer: KnownIssuer,
  claims: SecurityEventClaims,
  now: number,
): Promise<void> {
  for (const [type, payload] of Object.entries(claims.events)) {
    const reason = Object.hasOwn(EVENTS, type) ? EVENTS[type]?.(payload) : undefined
    const outcome =
      reason === undefined
        ? 'passed_over'
        : await end(deps, issuer, { claims, payload, reason }, now)
    deps.metrics.signals.inc({ kind: 'security_event', outcome })
    deps.log.info('security_event', { issuer: issuer.issuer, type: type.slice(0, 120), outcome })
  }
}

async function end(
  deps: Deps,
  issuer: KnownIssuer,
  { claims, payload, reason }: { claims: SecurityEventClaims; payload: Payload; reason: Reason },
  now: number,
): Promise<'ended' | 'nothing' | 'nobody'> {
  const named = await namedSubject(deps, issuer, claims.sub_id ?? payload.subject)
  if (named === undefined) return 'nobody'
  const actor = { kind: 'broker', id: 'security-event' } as const
  const committed = await deps.store.endAuthenticated({
    ...named,
    until: momentOf(claims, payload, now),
    reason,
    actor,
    now,
  })
  return committed.length > 0 ? 'ended' : 'nothing'
}

/**
 * Returns the time of the event; some senders use milliseconds. It is never later than the token's
 * issue or now, because an event must not end later sessions.
 */
function momentOf(claims: SecurityEventClaims, payload: Payload, now: number): number {
  const said = [payload.event_timestamp, claims.toe, claims.iat].find(
    (value): value is number => typeof value === 'number' && value > 0,
  )
  if (said === undefined) return now
  return Math.min(Math.floor(said > 1e11 ? said / 1000 : said), claims.iat, now)
}

/**
 * The place for which the `state` of a requested verification is sealed (SSF 1.0 §8.1.4). Sealing
 * it lets every broker recognize it without storing it.
 */

const place = (issuer: string): string => `signal-verification/${issuer}`
const MOST_CHARACTERS = 1000

export const newState = ({ sealer }: Pick<Deps, 'sealer'>, issuer: string, now: number): string =>
  sealer.seal(place(issuer), String(now))

/** Returns whether this broker, or another one on the same store, sent this state to the issuer. */
const isOwnState = ({ sealer }: Pick<Deps, 'sealer'>, issuer: string, state: unknown): boolean =>
  typeof state === 'string' &&
  state.length <= MOST_CHARACTERS &&
  sealer.open(place(issuer), state) !== undefined
