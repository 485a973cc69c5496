import type { Committed, Session } from '../../../db/types.ts'
import { admits, audienceFor } from '../../clients/admission.ts'
import type { Deps } from '../deps.ts'
import type { Client } from '../../protocol/client-metadata.ts'
import { OAuthError } from '../../protocol/error.ts'
import { printable, splitList, type Params } from '../../protocol/params.ts'
import { CLOCK_RETRY_SECONDS } from '../../runtime/clock-watch.ts'
import { lowest } from '../../session/lifetimes.ts'
import type { refreshTokens } from './refresh-token.ts'
import type { TokenAnswer } from './tokens.ts'

/** Input, output and shared checks of all grants. */

export interface TokenDeps extends Deps {
  refreshTokens: ReturnType<typeof refreshTokens>
}

export interface GrantInput {
  client: Client
  params: Params
  /** The thumbprint of the key that the request proves, to which its tokens are bound. */
  jkt: string | undefined
  now: number
  requester: () => Requester
}

/**
 * The origin of a request, for the log. An instance's server has an address and usually no device
 * name.
 */
interface Requester {
  from: string | undefined
  device: string
}

/** Returns the rejection of what the broker's clock is too uncertain to decide. */
export const clockIsWrong = (): OAuthError =>
  new OAuthError(
    'temporarily_unavailable',
    "The broker's clock is wrong, or was not compared. Nothing was changed. Try again in a moment.",
    { headers: { 'Retry-After': String(CLOCK_RETRY_SECONDS) } },
  )

/** Error text for a locked user or client. The client learns that a lock applies, not which one. */
export const LOCKED =
  'The user or an instance is locked. Only an operator of the broker can lift the lock: do not retry, and do not send the user to sign in.'

/**
 * Returns log fields that name the revocation and its session, for reuse and theft. The `sub` is
 * opaque.
 */
export function whose({ revocation: { seq, selector }, sub }: Committed): {
  seq: number
  sid?: string
  sub: string | undefined
} {
  return { seq, ...('sid' in selector && { sid: selector.sid }), sub }
}

/** Error text for a client with `max_authentication_age`. */
export const NOT_FRESH =
  'The user’s authentication is older than this client accepts (max_authentication_age). Start a new sign-in.'

export type Grant = (deps: TokenDeps, input: GrantInput) => Promise<TokenAnswer>

/**
 * Returns the audience that `resource` asks for (RFC 8707 §2). @throws OAuthError invalid_target
 */
export function askedAudience(client: Client, params: Params): string | undefined {
  const resource = params.get('resource')
  if (resource === undefined) return undefined
  const audience = audienceFor(client, resource)
  if (audience === undefined)
    throw new OAuthError(
      'invalid_target',
      'The client may not ask for this resource. Send one resource: the audience of the client itself or one that it is registered for.',
    )
  return audience
}

/**
 * Returns the requested scopes, all of which must have been granted; without a request, all granted
 * scopes.
 * @throws OAuthError invalid_scope (RFC 6749 §6)
 */
export function narrowed(granted: readonly string[], asked: string | undefined): string[] {
  if (asked === undefined) return [...granted]
  const wanted = splitList(asked)
  const wider = wanted.filter((scope) => !granted.includes(scope))
  if (wider.length > 0)
    throw new OAuthError(
      'invalid_scope',
      `The scope ${printable(wider.join(' '))} was not granted. Request only scopes of the original grant.`,
    )
  return wanted
}

/** Audience and scope of a token request. Undefined: all that was granted. */
export interface Wanted {
  audience: string | undefined
  scope?: string | undefined
}

/**
 * Returns the scopes and audience that a user's tokens may have under the current registrations.
 * @throws OAuthError
 */
export function allowed(
  deps: Pick<Deps, 'clients'>,
  client: Client,
  session: Session,
  granted: { scope: string; audience: string },
  wanted: Wanted,
  now: number,
): { scope: string[]; audience: string } {
  mustAdmit(client, session)
  const scope = narrowed(stillRegistered(client, granted.scope), wanted.scope)
  const audience = wanted.audience ?? mustStillHave(client, granted.audience)
  mustAdmitAtOwners(deps, client, session, audience, now)
  return { scope, audience }
}

/**
 * Rejects a user whom the client no longer admits: the tenant, the roles or the registration may
 * have changed during the session.
 * @throws OAuthError invalid_grant
 */
function mustAdmit(client: Client, session: Session): void {
  if (!admits(client, session))
    throw new OAuthError(
      'invalid_grant',
      'This user may no longer use this client. Start a new sign-in to see why.',
    )
}

/**
 * Applies the target's own admission rules to tokens that another client requests for it.
 * @throws OAuthError invalid_target, interaction_required
 */
export function mustAdmitThere(target: Client, session: Session, now: number): void {
  if (!admits(target, session))
    throw new OAuthError('invalid_target', 'This user may not use that instance.')
  mustBeRecent(target, session, now)
}

/**
 * Rejects an authentication that is older than the client accepts.
 * @throws OAuthError interaction_required
 */
export function mustBeRecent({ metadata }: Client, { authTime }: Session, now: number): void {
  const most = lowest(metadata.maxAuthAgeSeconds, metadata.maxAuthenticationSeconds)
  if (most !== undefined && now - authTime > most)
    throw new OAuthError(
      'interaction_required',
      'That instance needs a more recent authentication. Send the user through /authorize with max_age.',
    )
}

/**
 * Checks that every other client with this audience admits the user.
 * @throws OAuthError invalid_target, interaction_required
 */
function mustAdmitAtOwners(
  deps: Pick<Deps, 'clients'>,
  client: Client,
  session: Session,
  audience: string,
  now: number,
): void {
  for (const other of deps.clients.list())
    if (other.clientId !== client.clientId && other.metadata.audience === audience)
      mustAdmitThere(other, session, now)
}

/** Drops scopes that the client's registration lost after the grant. */
const stillRegistered = (client: Client, scope: string): string[] =>
  splitList(scope).filter((each) => client.metadata.scopes.includes(each))

/**
 * Returns the audience if the client is still registered for it. @throws OAuthError invalid_target
 */
function mustStillHave(client: Client, audience: string): string {
  const still = audienceFor(client, audience)
  if (still === undefined)
    throw new OAuthError(
      'invalid_target',
      'The client is no longer registered for the resource that these tokens are for. Start a new sign-in.',
    )
  return still
}
