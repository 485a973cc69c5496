import type { Child } from 'hono/jsx'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { Session } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import {
  Button,
  Choices,
  HiddenFields,
  LinkButton,
  Notice,
  Tick,
  userWords,
} from '../../pages/components.tsx'
import { CSRF_FIELD } from '../../pages/csrf.ts'
import type { PageAnswer, PageRequest } from '../page-request.ts'
import { ANOTHER_ACCOUNT } from '../../pages/places.ts'
import type { Texts } from '../../pages/texts.ts'
import { deviceIn } from '../../pages/times.tsx'
import { clientName, clientUri, namesOf } from './names.ts'
import { seal } from './sealed.ts'
import type { LogoutRequest } from './request.ts'

/**
 * The page that asks what to sign out of. Nothing is revoked before its form returns from this
 * browser.
 */

export interface Asked {
  session: Session
  /** True: the page tells nothing of the session, and asks about this device alone. */
  isByBrowser: boolean
  logout: LogoutRequest
  /** A notice above the question: why the request was rejected, or why the user is asked again. */
  notice?: Child | undefined
  status?: ContentfulStatusCode | undefined
}

/** Returns the CSRF purpose of the form: one request for one session. */
export const choicePurpose = (sealedChoice: string): string => `logout ${sealedChoice}`

export async function askWhichSignOut(
  deps: Deps,
  request: PageRequest,
  { session, isByBrowser, logout, notice, status }: Asked,
): Promise<PageAnswer> {
  const { now, t } = request
  const choice = { request: logout, sid: session.sid, isByBrowser }
  const sealed = seal(deps.sealer, 'choice', choice, now)
  const back = clientUri(deps.clients, logout.clientId)
  return {
    // The CSP `form-action` covers every redirect after the form.
    page: { title: t.signOut.title, status, formAction: [logout.returnTo] },
    body: (
      <>
        {notice}
        {isByBrowser ? null : whoseSession(deps, session, logout, t)}
        {isByBrowser ? null : (
          <p class="soft">
            {t.signOut.signedInAs({
              who: userWords(session.user, t),
              device: deviceIn(session.device, t),
            })}
          </p>
        )}
        <ChoiceForm
          fields={{ request: sealed, [CSRF_FIELD]: request.csrf(choicePurpose(sealed)) }}
          where={isByBrowser ? undefined : await signedInAt(deps, session, now)}
          back={back ?? '/account'}
          shared={request.isShared}
          chosen={request.fields.has('everywhere') ? 'everywhere' : undefined}
          t={t}
        />
      </>
    ),
  }
}

/** Returns the apps that were opened in this browser, and the number of sessions elsewhere. */
async function signedInAt(
  deps: Deps,
  { sub, sid }: Session,
  now: number,
): Promise<{ apps: readonly string[]; others: number }> {
  const live = await deps.store.liveSessionsOf(sub, now)
  const here = live.find((session) => session.session.sid === sid)?.participants ?? []
  return {
    apps: namesOf(
      deps.clients,
      here.map((participant) => participant.clientId),
    ),
    others: live.filter((session) => session.session.sid !== sid).length,
  }
}

interface ChoiceFormProps {
  fields: Record<string, string>
  /** Undefined: this device alone can be signed out. */
  where: { apps: readonly string[]; others: number } | undefined
  /** The link to the instance for users who stay signed in. */
  back: string
  /** True on a shared computer: Microsoft's sign-out follows without a question. */
  shared: boolean
  /** The choice that is made already, where a page of the broker leads here. */
  chosen: string | undefined
  t: Texts
}
const ChoiceForm = ({ fields, where, back, shared, chosen, t }: ChoiceFormProps) => (
  <form class="stack" method="post" action="/logout/confirm">
    <HiddenFields fields={fields} />
    <Choices
      legend={t.signOut.question}
      name="scope"
      chosen={chosen}
      options={[
        { value: 'device', label: t.signOut.device, hint: where && openedHere(where.apps, t) },
        ...(where === undefined ? [] : [everywhere(where.others, t)]),
      ]}
    />
    {shared ? (
      <Notice>{t.sharedComputer.signOut}</Notice>
    ) : (
      <Tick name="microsoft" label={t.signOut.microsoft} hint={t.signOut.microsoftHint} />
    )}
    <div class="row">
      <Button>{t.shared.signOut}</Button>
      <LinkButton kind="quiet" href={back}>
        {t.signOut.stay}
      </LinkButton>
    </div>
    <p class="small">
      <a href={ANOTHER_ACCOUNT}>{t.shared.switchAccount}</a>
    </p>
  </form>
)

const everywhere = (others: number, t: Texts) => ({
  value: 'everywhere',
  label: t.signOut.everywhere,
  hint: (
    <>
      {others === 0 ? t.signOut.everywhereOnlyHere : t.signOut.everywhereOthers({ others })}{' '}
      {t.signOut.everywhereProof}
    </>
  ),
})

/** Lists the apps that this session was used for in this browser. */
const openedHere = (apps: readonly string[], t: Texts): string =>
  apps.length === 0
    ? t.signOut.noApps
    : t.signOut.apps({
        apps: apps.map((name) => t.shared.listItem({ name })).join(t.shared.listSeparator),
      })

/**
 * Returns a warning if the ID token names another user or an ended session: this browser's session
 * must not end without a question.
 */
function whoseSession(
  deps: Deps,
  session: Session,
  { hint, clientId }: LogoutRequest,
  t: Texts,
): Child {
  const asker = clientName(deps.clients, clientId) ?? deps.config.look.product
  if (hint !== undefined && hint.sub !== session.sub) {
    return (
      <Notice kind="warn" title={t.signOut.otherUserTitle}>
        {t.signOut.otherUser({ app: asker, who: userWords(session.user, t) })}
      </Notice>
    )
  }
  if (hint?.sid !== undefined && hint.sid !== session.sid) {
    return <Notice title={t.signOut.sinceTitle}>{t.signOut.since({ app: asker })}</Notice>
  }
  return null
}
