import type { Context } from 'hono'
import { admits } from '../../clients/admission.ts'
import type { Deps } from '../deps.ts'
import { Button, HiddenFields } from '../../pages/components.tsx'
import { CSRF_FIELD, csrfHolds, csrfToken } from '../../pages/csrf.ts'
import { page } from '../../pages/layout.tsx'
import { textsOf } from '../../pages/texts.ts'
import type { Client } from '../../protocol/client-metadata.ts'
import { OAuthError } from '../../protocol/error.ts'
import { splitList } from '../../protocol/params.ts'
import { currentStanding } from '../../clients/session/current.ts'
import { codeForSession } from './code.ts'
import { againAddress } from './pages.tsx'
import { answerInstance } from './reply.tsx'
import { clientOf, type SignInRequest } from './request.ts'
import { open, type Opened, seal } from './sealed.ts'
import { stalePage } from './stale.tsx'

/** Asking the user before an instance learns who they are, where the instance is registered so or asks for it itself. The session has passed every other check before. */

export async function consentMissing(deps: Pick<Deps, 'store'>, client: Client, request: SignInRequest, sub: string): Promise<boolean> {
  if (request.prompt.includes('consent')) return true
  return client.metadata.consentRequired && !(await deps.store.hasConsent({ sub, clientId: client.clientId, scope: request.scope }))
}

/** A page of its own, so that loading it again asks again and does nothing else. */
export const toConsent = (deps: Deps, c: Context, request: SignInRequest, sid: string, now: number): Response =>
  c.redirect(`/signin/consent?${new URLSearchParams({ request: seal(deps, c, 'consent', { request, sid }, now) })}`, 303)

const csrfPurpose = (sealed: string): string => `consent:${sealed}`

export async function askConsent(deps: Deps, c: Context, sealed: string | undefined, now: number): Promise<Response> {
  const checked = await check(deps, c, open(deps, c, 'consent', sealed, now), now)
  if (checked instanceof Response || sealed === undefined)
    return checked instanceof Response ? checked : stalePage(deps, c, 'foreign', undefined, now)
  const { client, request, who } = checked
  const { name, uri, redirectUris } = client.metadata
  const t = textsOf(c, deps.config)
  const wants: Readonly<Record<string, string>> = t.consent.scopes
  return page(
    c,
    { title: t.consent.title({ app: name }), formAction: [request.reply.redirectUri, uri, ...redirectUris], config: deps.config },
    <form class="stack" method="post" action="/signin/consent">
      <ul class="bullets">
        {splitList(request.scope).map((scope) => (
          <li>{wants[scope] ?? scope}</li>
        ))}
      </ul>
      <p class="soft">{t.consent.signedInAs({ who: <strong>{who}</strong> })}</p>
      <HiddenFields fields={{ request: sealed, [CSRF_FIELD]: csrfToken(deps, c, csrfPurpose(sealed)) }} />
      <div class="row">
        <Button name="decision" value="allow">
          {t.consent.allow}
        </Button>
        <Button name="decision" value="deny" kind="quiet">
          {t.consent.deny}
        </Button>
      </div>
    </form>,
  )
}

export async function decideConsent(deps: Deps, c: Context, form: URLSearchParams, now: number): Promise<Response> {
  const sealed = form.get('request') ?? ''
  const checked = await check(deps, c, open(deps, c, 'consent', sealed, now), now)
  if (checked instanceof Response) return checked
  if (!csrfHolds(deps, c, csrfPurpose(sealed), form.get(CSRF_FIELD) ?? undefined))
    return stalePage(deps, c, 'elsewhere', { kind: 'instance', request: checked.request }, now)
  const { client, request, sub, sid } = checked
  if (form.get('decision') !== 'allow') return answerInstance(deps, c, request.reply, new OAuthError('access_denied', 'The user did not consent.'))
  await deps.store.recordConsent({ sub, clientId: client.clientId, scope: request.scope, now })
  const answer = await codeForSession(deps, c, request, sid, now)
  return answer?.response ?? c.redirect(againAddress(deps, c, { kind: 'instance', request }, now), 303)
}

/** The request is ours, of this browser and in time; the session it was checked for is still the browser's and lives. Else the way to start again. */
async function check(deps: Deps, c: Context, opened: Opened<{ request: SignInRequest; sid: string }>, now: number) {
  if (opened.how !== 'good')
    return stalePage(deps, c, opened.how, opened.how === 'foreign' ? undefined : { kind: 'instance', request: opened.value.request }, now)
  const { request, sid } = opened.value
  const client = clientOf(deps, request)
  const standing = await currentStanding(deps, c, now)
  if (standing.state !== 'live' || standing.session.sid !== sid || !admits(client, standing.session))
    return c.redirect(againAddress(deps, c, { kind: 'instance', request }, now), 303)
  const { user, sub } = standing.session
  const t = textsOf(c, deps.config)
  return { client, request, sid, sub, who: user.username ?? user.name ?? t.consent.unnamed }
}
