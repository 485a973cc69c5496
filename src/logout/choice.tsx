import type { Context } from 'hono'
import type { Child } from 'hono/jsx'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { Session } from '../../db/types.ts'
import type { Deps } from '../deps.ts'
import { Button, Choices, Facts, HiddenFields, LinkButton, Names, Notice, Tick } from '../page/components.tsx'
import { CSRF_FIELD, csrfToken } from '../page/csrf.ts'
import { page } from '../page/layout.tsx'
import { clientName, clientUri, namesOf, personWords } from './words.ts'
import { seal } from './sealed.ts'
import type { LogoutRequest } from './types.ts'

/** The question: sign out of what? Nothing has happened when it is shown, and nothing does until its form comes back from this browser. */

export interface Asked {
  session: Session
  request: LogoutRequest
  now: number
  /** Something to say first: why the request itself leads nowhere, or why the question is put again. */
  notice?: Child | undefined
  status?: ContentfulStatusCode | undefined
}

/** What the form's token is made for: this request for this session, and no other. */
export const choicePurpose = (sealedChoice: string): string => `logout ${sealedChoice}`

export async function askWhichSignOut(deps: Deps, c: Context, { session, request, now, notice, status }: Asked): Promise<Response> {
  const live = await deps.store.liveSessionsOf(session.sub, now)
  const here = live.find((one) => one.session.sid === session.sid)?.participants.map((one) => one.clientId) ?? []
  const others = live.filter((one) => one.session.sid !== session.sid).length
  const sealed = seal(deps.sealer, 'choice', { request, sid: session.sid }, now)
  const back = clientUri(deps.clients, request.clientId)
  // The browser checks the whole chain of redirects after the form: Microsoft's sign-out, and the instance's address.
  const formAction = [deps.config.entra.authority, request.returnTo]
  return page(
    c,
    { title: 'Sign out?', status, simulated: deps.config.entra.simulated, formAction },
    <>
      {notice}
      {whoseSession(deps, session, request)}
      <Facts
        items={[
          ['Signed in as', personWords(session.person)],
          ['This device', session.device],
          ['Signed in at', <Names names={namesOf(deps.clients, here)} none="No Case Manager opened yet" />],
        ]}
      />
      <form class="stack" method="post" action="/logout/confirm">
        <HiddenFields fields={{ request: sealed, [CSRF_FIELD]: csrfToken(deps, c, choicePurpose(sealed)) }} />
        <Choices
          legend="Where do you want to sign out of Case Manager?"
          name="scope"
          options={[
            { value: 'device', label: 'On this device', hint: 'Every Case Manager that you opened in this browser.' },
            {
              value: 'everywhere',
              label: 'Everywhere',
              hint:
                others === 0
                  ? 'On every device. You are signed in on this one only.'
                  : `On this device and on ${others === 1 ? 'one other' : `${others} others`}.`,
            },
          ]}
        />
        <Tick
          name="microsoft"
          label="Sign out of Microsoft 365 too"
          hint="In this browser: Outlook, Teams and whatever else you opened with this account."
        />
        <div class="row">
          <Button>Sign out</Button>
          {back === undefined ? null : (
            <LinkButton kind="quiet" href={back}>
              Stay signed in
            </LinkButton>
          )}
        </div>
      </form>
    </>,
  )
}

/** An ID token that names somebody else, or a sign-in that is over, must not end whoever's cookie this is without saying so. */
function whoseSession(deps: Deps, session: Session, { hint, clientId }: LogoutRequest): Child {
  const asker = clientName(deps.clients, clientId) ?? 'Case Manager'
  if (hint !== undefined && hint.sub !== session.sub) {
    return (
      <Notice kind="warn" title="Somebody else is signed in here">
        {asker} asked to sign out somebody else. In this browser {personWords(session.person)} is signed in, and would be signed out.
      </Notice>
    )
  }
  if (hint?.sid !== undefined && hint.sid !== session.sid) {
    return (
      <Notice title="You have signed in again since">
        {asker} asked to sign out an earlier sign-in of yours. Signing out now ends the one below.
      </Notice>
    )
  }
  return null
}
