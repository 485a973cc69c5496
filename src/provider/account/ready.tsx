import type { Session } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { Answer, LinkButton, MicrosoftButton, Notice, Steps } from '../../pages/components.tsx'
import type { PageAnswer, PageRequest } from '../page-request.ts'
import type { Texts } from '../../pages/texts.ts'
import type { Client } from '../../protocol/client-metadata.ts'
import { ACR_MFA } from '../../protocol/names.ts'
import { meets } from '../../protocol/strength.ts'
import { appsOf } from './apps.ts'
import { AccountNav } from './nav.tsx'
import { ago } from '../../pages/times.tsx'

/** The page "Check your account is ready": three questions about the signed-in user. */

/** The page before the sign-in: what is checked, and what to have at hand. It names no user. */
export function readyBeforeSignIn(deps: Deps, { t }: PageRequest): PageAnswer {
  const connected = deps.microsoft.readiness().connected
  return {
    page: { title: t.ready.title },
    body: (
      <>
        <p>{t.ready.intro}</p>
        <Steps
          items={[
            [t.ready.reach, t.ready.reachHint],
            [t.ready.connected, t.ready.connectedHint],
            [
              t.ready.mfa,
              t.ready.mfaHint({
                link: <a href="https://aka.ms/mfasetup">{t.offers.set_up_mfa}</a>,
              }),
            ],
          ].map(([question, hint]) => (
            <div class="tight">
              <h2>{question}</h2>
              <p class="soft">{hint}</p>
            </div>
          ))}
        />
        {connected ? (
          <MicrosoftButton href="/signin/start?return_to=/account/ready" />
        ) : (
          <Notice kind="warn" title={t.ready.unavailableTitle}>
            {t.ready.unavailable}
          </Notice>
        )}
      </>
    ),
  }
}

export function readyFor(deps: Deps, { now, t }: PageRequest, session: Session): PageAnswer {
  const { open, closed } = appsOf(deps, session)
  const ready = open.length > 0
  // The page does not know from which of several instances the user came.
  const only = open.length === 1 ? open[0]?.metadata : undefined
  return {
    page: {
      title: t.ready.title,
      wide: true,
      nav: <AccountNav at="/account/ready" session={session} />,
    },
    body: (
      <>
        <Notice kind={ready ? 'good' : 'warn'} title={ready ? t.ready.isReady : t.ready.notReady} />
        <Answer question={t.ready.reach} is="yes">
          <p class="soft">
            {t.ready.confirmed({
              ago: ago(session.authenticatedAt, now, t),
            })}
          </p>
        </Answer>
        <Connected open={open} closed={closed} t={t} />
        {/* Always yes: without proof of MFA there is no session (authorize/mfa.ts). */}
        <Answer question={t.ready.mfa} is="yes">
          <p class="soft">{meets(session.acr, ACR_MFA) ? t.ready.proved : t.ready.required}</p>
        </Answer>
        {only?.uri === undefined ? null : (
          <LinkButton href={only.uri}>{t.ready.open({ app: only.name })}</LinkButton>
        )}
      </>
    ),
  }
}

function Connected({
  open,
  closed,
  t,
}: {
  open: readonly Client[]
  closed: readonly Client[]
  t: Texts
}) {
  return (
    <Answer question={t.ready.connected} is={open.length > 0 ? 'yes' : 'no'}>
      {open.length === 0 ? null : (
        <ul class="bullets">
          {open.map(({ metadata: { name, uri } }) => (
            <li>{uri === undefined ? name : <a href={uri}>{name}</a>}</li>
          ))}
        </ul>
      )}
      {open.length > 0 || closed.length > 0 ? null : <p>{t.ready.noApps}</p>}
      {closed.length === 0 ? null : (
        <>
          <p>{t.ready.closed({ names: closed.map(({ metadata }) => metadata.name).join(', ') })}</p>
          <ul class="bullets">
            {[...new Set(closed.map(({ metadata }) => metadata.appRole))].map((role) => (
              <li>
                <code>{role}</code>
              </li>
            ))}
          </ul>
        </>
      )}
    </Answer>
  )
}
