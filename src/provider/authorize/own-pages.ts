import type { SessionStatus } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { OAuthError } from '../../protocol/error.ts'
import { currentStatus } from '../../session/current.ts'
import { isFresh } from '../../session/lifetimes.ts'
import type { Answer } from './answer.tsx'
import type { OwnPurpose } from './sealed.ts'
import type { BrowserContext } from './browser-context.ts'

/** Sign-in for the broker's own pages, without a client or a code. */

/**
 * Paths of the broker that no browser can read as another host: no `//`, backslash or dots. Pages
 * of a tenant's console have a query.
 */
const OWN_PATH = /^\/(?:account(?:\/[a-z0-9-]+)*|tenant(?:\/[\w-]+)*(?:\?[\w=&%.~-]{0,1000})?)?$/

function readReturnTo(source: URLSearchParams): string {
  const [returnTo, another] = source.getAll('return_to')
  if (returnTo === undefined || another !== undefined || !OWN_PATH.test(returnTo))
    throw new OAuthError(
      'invalid_request',
      'The return_to must be /, /account, a page below /account, or a page of /tenant.',
    )
  return returnTo
}

/** Reads the purpose of a sign-in for an own page. @throws OAuthError that must not redirect */
export function readOwnPurpose(source: URLSearchParams): OwnPurpose {
  const [fresh, another] = [source.get('fresh') === 'yes', source.get('account') === 'another']
  return {
    kind: 'own',
    returnTo: readReturnTo(source),
    ...(fresh && { fresh }),
    ...(another && { another }),
  }
}

/** Returns whether the browser's session serves the page without a visit to Microsoft. */
export const servesOwn = (
  status: SessionStatus,
  { fresh, another }: OwnPurpose,
  now: number,
): boolean =>
  status.state === 'live' && another !== true && (fresh !== true || isFresh(status.session, now))

export async function signInForOwnPage(
  deps: Deps,
  browser: BrowserContext,
  purpose: OwnPurpose,
  now: number,
): Promise<Answer> {
  const readiness = deps.microsoft.readiness()
  if (!readiness.connected) return { kind: 'not_connected', missing: readiness.missing }
  const former = await currentStatus(deps, browser.sessionHash, now)
  return servesOwn(former, purpose, now)
    ? { kind: 'page_of_ours', to: purpose.returnTo }
    : { kind: 'sign_in', purpose, former }
}
