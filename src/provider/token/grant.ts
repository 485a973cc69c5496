import type { Committed, Session } from '../../../db/types.ts'
import { admits, audienceFor } from '../../clients/admission.ts'
import type { Deps } from '../deps.ts'
import type { Client } from '../../protocol/client-metadata.ts'
import { OAuthError } from '../../protocol/error.ts'
import type { Params } from '../../protocol/params.ts'
import { printable, splitList } from '../../protocol/params.ts'
import { lowest } from '../../clients/session/lifetimes.ts'
import type { refreshTokens } from './refresh-token.ts'
import type { TokenAnswer } from './tokens.ts'

/** What every grant gets and gives, and the checks they share. */

export interface TokenDeps extends Deps {
  refreshTokens: ReturnType<typeof refreshTokens>
}

export interface GrantInput {
  client: Client
  params: Params
  now: number
  requester: () => Requester
}

/**
 * Where the request comes from, for the log: an instance's server has an address and mostly no
 * device that has a name.
 */
interface Requester {
  from: string | undefined
  device: string
}

/** Which of them is for the operators to know. */
export const LOCKED =
  'The user or an instance is locked. Only an operator of the broker can lift the lock: do not retry, and do not send the user to sign in.'

/**
 * For the log of reuse and theft: which revocation followed, of whose session. The `sub` is opaque.
 */
export function whose({ revocation: { seq, selector }, sub }: Committed): {
  seq: number
  sid?: string
  sub: string | undefined
} {
  return { seq, ...('sid' in selector && { sid: selector.sid }), sub }
}

/** To a client whose registration has a `max_authentication_age`. */
export const NOT_FRESH =
  'The user’s authentication is older than this client accepts (max_authentication_age). Start a new sign-in.'

export type Grant = (deps: TokenDeps, input: GrantInput) => Promise<TokenAnswer>

/** RFC 8707 §2: `resource` at the token endpoint. @throws OAuthError invalid_target */
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
 * What was asked for, if all of it was granted before.
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

/** What was asked for at the token endpoint; undefined: all that was granted. */
export interface Wanted {
  audience: string | undefined
  scope?: string | undefined
}

/** What a user's tokens may be for, by the registrations as they are now. @throws OAuthError */
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
 * A user's tenant or roles, or the client's registration, may have changed while the session lived.
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

/** @throws OAuthError interaction_required */
export function mustBeRecent({ metadata }: Client, { authTime }: Session, now: number): void {
  const most = lowest(metadata.maxAuthAgeSeconds, metadata.maxAuthenticationSeconds)
  if (most !== undefined && now - authTime > most)
    throw new OAuthError(
      'interaction_required',
      'That instance needs a more recent authentication. Send the user through /authorize with max_age.',
    )
}

/**
 * Every instance that takes tokens of that audience has to take this user.
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

/**
 * What the client's registration has lost since, its tokens lose with the next exchange or refresh.
 */
const stillRegistered = (client: Client, scope: string): string[] =>
  splitList(scope).filter((each) => client.metadata.scopes.includes(each))

/** @throws OAuthError invalid_target */
function mustStillHave(client: Client, audience: string): string {
  const still = audienceFor(client, audience)
  if (still === undefined)
    throw new OAuthError(
      'invalid_target',
      'The client is no longer registered for the resource that these tokens are for. Start a new sign-in.',
    )
  return still
}
