import type { Session } from '../../../db/types.ts'
import { admits } from '../../clients/admission.ts'
import { currentStatus } from '../../session/current.ts'
import type { Deps } from '../deps.ts'
import type { Client } from '../../protocol/client-metadata.ts'
import { OAuthError } from '../../protocol/error.ts'
import { type Answer, stale } from './answer.tsx'
import { codeForSession } from './code.ts'
import { clientOf, type SignInRequest } from './request.ts'
import { open, type SignInPurpose } from './sealed.ts'
import type { SentForm } from './session-limit.ts'
import type { BrowserContext } from './browser-context.ts'

/**
 * Consent to share the user's identity with an instance. All other checks of the session have
 * passed.
 */

type Checked = { client: Client; request: SignInRequest; session: Session }

/** Returns the consent page, or the page to start again. */
export async function askConsent(
  deps: Deps,
  browser: BrowserContext,
  sealed: string | undefined,
  now: number,
): Promise<Answer> {
  const checked = await check(deps, browser, sealed, now)
  return 'kind' in checked ? checked : { kind: 'ask_consent', sealed: sealed ?? '', ...checked }
}

export async function decideConsent(
  deps: Deps,
  browser: BrowserContext,
  form: SentForm,
  now: number,
): Promise<Answer> {
  const checked = await check(deps, browser, form.sealed, now)
  if ('kind' in checked) return checked
  const { client, request, session } = checked
  const purpose: SignInPurpose = { kind: 'instance', request }
  if (!form.isOurs) return { kind: 'stale', how: 'elsewhere', purpose }
  if (form.fields.get('decision') !== 'allow')
    return {
      kind: 'instance',
      reply: request.reply,
      content: new OAuthError('access_denied', 'The user did not consent.'),
    }
  await deps.store.recordConsent({
    sub: session.sub,
    clientId: client.clientId,
    scope: request.scope,
    now,
  })
  return (
    (await codeForSession(deps, request, session.sid, now))?.answer ?? { kind: 'again', purpose }
  )
}

/**
 * Opens the sealed request, and checks that it belongs to this browser and to its live session.
 * Otherwise returns the page to start again.
 */
async function check(
  deps: Deps,
  browser: BrowserContext,
  sealed: string | undefined,
  now: number,
): Promise<Checked | Answer> {
  const opened = open(deps, browser, 'consent', sealed, now)
  if (opened.how !== 'good')
    return stale(opened, opened.value && { kind: 'instance', request: opened.value.request })
  const { request, sid } = opened.value
  const client = clientOf(deps, request)
  const status = await currentStatus(deps, browser.sessionHash, now)
  if (status.state !== 'live' || status.session.sid !== sid || !admits(client, status.session))
    return { kind: 'again', purpose: { kind: 'instance', request } }
  return { client, request, session: status.session }
}
