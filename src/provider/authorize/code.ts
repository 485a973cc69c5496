import type { NewCode, User } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { sha256 } from '../../runtime/compare.ts'
import { OAuthError } from '../../protocol/error.ts'
import type { Client } from '../../protocol/client-metadata.ts'
import type { LockKind } from '../../protocol/lock-target.ts'
import { newSecret } from '../../runtime/ids.ts'
import { type Answer, rejection } from './answer.tsx'
import { asRegistered, clientOf, type SignInRequest } from './request.ts'

/** Lifetime of a code. RFC 6749 §4.1.2 allows ten minutes; an instance needs about a second. */
const CODE_SECONDS = 60

/**
 * Creates a code of 256 random bits, and the row that stores its hash and contents.
 * @throws OAuthError that must not redirect: the client is no longer registered for the request
 */
export function newCode(
  deps: Pick<Deps, 'clients' | 'random'>,
  asked: SignInRequest,
  now: number,
): { code: string; row: NewCode } {
  const code = newSecret(deps.random)
  const { clientId, reply, scope, audience, nonce, codeChallenge, jkt, wantsAuthTime } =
    asRegistered(clientOf(deps, asked), asked)
  return {
    code,
    row: {
      codeHash: sha256(code),
      clientId,
      redirectUri: reply.redirectUri,
      scope,
      audience,
      nonce,
      codeChallenge,
      jkt,
      wantsAuthTime,
      expiresAt: now + CODE_SECONDS,
    },
  }
}

/**
 * Returns whether the user must consent first, because the registration or the request demands it.
 */
export async function consentMissing(
  deps: Pick<Deps, 'store'>,
  client: Client,
  request: SignInRequest,
  sub: string,
): Promise<boolean> {
  if (request.prompt.includes('consent')) return true
  return (
    client.metadata.consentRequired &&
    !(await deps.store.hasConsent({ sub, clientId: client.clientId, scope: request.scope }))
  )
}

/**
 * Issues a code for a live session, or returns the page of a lock. Undefined if the session has
 * ended since, was marked, or is in its last minute: then it needs a new sign-in at Microsoft.
 */
export async function codeForSession(
  deps: Deps,
  request: SignInRequest,
  sid: string,
  now: number,
): Promise<{ issued: boolean; answer: Answer } | undefined> {
  const { code, row } = newCode(deps, request, now)
  const most = clientOf(deps, request).metadata.maxAuthenticationSeconds
  const status = await deps.store.issueCode({ sid, code: row, most, now })
  // Another broker removed the client after this request was checked.
  if (status.state === 'client_removed')
    throw new OAuthError('invalid_request', 'The client_id is not registered at this broker.')
  if (status.state === 'locked')
    return { issued: false, answer: lockedOut(deps, request, sid, status) }
  return status.state === 'live'
    ? { issued: true, answer: { kind: 'instance', reply: request.reply, content: { code } } }
    : undefined
}

function lockedOut(
  deps: Deps,
  request: SignInRequest,
  sid: string,
  { by, user }: { by: LockKind; user: User },
): Answer {
  const key = `${by}_locked`
  if (!request.prompt.includes('none'))
    return rejection(deps, {
      key,
      purpose: { kind: 'instance', request },
      user,
      attempt: `${sid} ${request.clientId} ${key}`,
    })
  deps.metrics.signIns.inc({ outcome: key })
  const content = new OAuthError(
    'access_denied',
    'The user or an instance is locked by an operator of the broker.',
  )
  return { kind: 'instance', reply: request.reply, content }
}
