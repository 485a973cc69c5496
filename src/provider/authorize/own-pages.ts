import type { SessionStatus } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { OAuthError } from '../../protocol/error.ts'
import { currentStatus } from '../../clients/session/current.ts'
import { isFresh } from '../../clients/session/lifetimes.ts'
import type { Answer } from './answer.tsx'
import type { OwnPurpose } from './sealed.ts'
import type { Visitor } from './visitor.ts'

/** Signing in for a page of our own, without a client and without a code. */

/**
 * Paths of ours and nothing that a browser could read as another host: no `//`, no backslash, no
 * dots, no query.
 */
const OWN_PATH = /^\/(?:account(?:\/[a-z0-9-]+)*|tenant(?:\/fresh)?)?$/

function readReturnTo(source: URLSearchParams): string {
  const [returnTo, another] = source.getAll('return_to')
  if (returnTo === undefined || another !== undefined || !OWN_PATH.test(returnTo))
    throw new OAuthError(
      'invalid_request',
      'The return_to must be /, /account, a page below /account, or /tenant.',
    )
  return returnTo
}

/** @throws OAuthError that must not redirect */
export function readOwnPurpose(source: URLSearchParams): OwnPurpose {
  const [fresh, another] = [source.get('fresh') === 'yes', source.get('account') === 'another']
  return {
    kind: 'own',
    returnTo: readReturnTo(source),
    ...(fresh && { fresh }),
    ...(another && { another }),
  }
}

/** Whether the session of this browser serves, so that Microsoft is not asked. */
export const servesOwn = (
  status: SessionStatus,
  { fresh, another }: OwnPurpose,
  now: number,
): boolean =>
  status.state === 'live' && another !== true && (fresh !== true || isFresh(status.session, now))

export async function signInForOwnPage(
  deps: Deps,
  visitor: Visitor,
  purpose: OwnPurpose,
  now: number,
): Promise<Answer> {
  const readiness = deps.microsoft.readiness()
  if (!readiness.connected) return { kind: 'not_connected', missing: readiness.missing }
  const former = await currentStatus(deps, visitor.sessionHash, now)
  return servesOwn(former, purpose, now)
    ? { kind: 'page_of_ours', to: purpose.returnTo }
    : { kind: 'sign_in', purpose, former }
}
