import type { Context } from 'hono'
import type { Session } from '../../db/types.ts'
import type { Deps } from '../deps.ts'
import { Answer, LinkButton, MicrosoftButton, Notice, Steps } from '../page/components.tsx'
import { page } from '../page/layout.tsx'
import type { ClientMetadata } from '../protocol/client-metadata.ts'
import { ACR_MFA, GRANT } from '../protocol/names.ts'
import { ago } from './words.ts'

/** "Setting yourself up": three questions, answered only about the reader, and only once Microsoft has said who that is. */

const QUESTION = {
  reach: 'Can you reach your Microsoft account?',
  connected: 'Is your account connected to Case Manager?',
  mfa: 'Is it set up for a second proof (MFA)?',
} as const

const TITLE = 'Setting yourself up'

/** Nobody is known here: what will be checked, and what to have at hand. It tells an outsider nothing about anybody. */
export function readyForAnybody(deps: Deps, c: Context): Response {
  const connected = deps.microsoft.readiness().connected
  return page(
    c,
    { title: TITLE, simulated: deps.config.entra.simulated },
    <>
      <p>Sign in once, and this page tells you whether you are ready to use Case Manager. It answers three questions:</p>
      <Steps
        items={[
          <div class="tight">
            <h2>{QUESTION.reach}</h2>
            <p class="soft">You need your work account and its password. Forgotten? Choose “Can’t access your account?” on Microsoft’s page.</p>
          </div>,
          <div class="tight">
            <h2>{QUESTION.connected}</h2>
            <p class="soft">Your organisation’s administrator gives you access. If Microsoft says “Need admin approval”, tell them so.</p>
          </div>,
          <div class="tight">
            <h2>{QUESTION.mfa}</h2>
            <p class="soft">
              Have your telephone at hand. Nothing set up yet? Do it first at <a href="https://aka.ms/mfasetup">aka.ms/mfasetup</a>, for instance with
              Microsoft Authenticator.
            </p>
          </div>,
        ]}
      />
      {connected ? (
        <MicrosoftButton href="/signin/start?return_to=/account/ready" />
      ) : (
        <Notice kind="warn" title="Sign-in is not available yet">
          This Case Manager is not connected to Microsoft. Its administrator has to finish the set-up first.
        </Notice>
      )}
    </>,
  )
}

export function readyFor(deps: Deps, c: Context, session: Session, now: number): Response {
  const instances = deps.clients
    .list()
    .filter((client) => client.source !== 'broker')
    .map((client) => client.metadata)
    .filter((client) => client.grants.includes(GRANT.authorizationCode) && (client.tenants?.includes(session.person.tid) ?? true))
  const open = instances.filter((client) => holds(session, client))
  const closed = instances.filter((client) => !holds(session, client))
  const ready = open.length > 0
  return page(
    c,
    { title: TITLE, simulated: deps.config.entra.simulated },
    <>
      <Notice kind={ready ? 'good' : 'warn'} title={ready ? 'You are ready to use Case Manager.' : 'One thing is left to do.'}>
        {[session.person.name, session.person.username ?? session.person.email].filter(Boolean).join(' · ')}
      </Notice>
      <Answer question={QUESTION.reach} is="yes">
        <p class="soft">Microsoft confirmed that it is you, {ago(session.authTime > 0 ? session.authTime : session.openedAt, now)}.</p>
      </Answer>
      <Connected open={open} closed={closed} />
      {/* Without it there would be no session: signin/mfa.ts decides. */}
      <Answer question={QUESTION.mfa} is="yes">
        <p class="soft">
          {session.acr === ACR_MFA
            ? 'Microsoft asked you for a second proof, or knew of a recent one.'
            : 'Your organisation requires a second proof for Case Manager, and Microsoft let you in.'}
        </p>
      </Answer>
      <div class="row">
        <LinkButton kind="quiet" href="/account">
          Where you are signed in
        </LinkButton>
      </div>
    </>,
  )
}

const holds = (session: Session, client: ClientMetadata): boolean => client.appRole === undefined || session.roles.includes(client.appRole)

function Connected({ open, closed }: { open: readonly ClientMetadata[]; closed: readonly ClientMetadata[] }) {
  return (
    <Answer question={QUESTION.connected} is={open.length > 0 ? 'yes' : 'no'}>
      {open.length === 0 ? null : (
        <ul class="bullets">
          {open.map(({ name, uri }) => (
            <li>{uri === undefined ? name : <a href={uri}>{name}</a>}</li>
          ))}
        </ul>
      )}
      {open.length > 0 || closed.length > 0 ? null : (
        <p>Your organisation has no Case Manager here yet. Ask your administrator which address to use.</p>
      )}
      {closed.length === 0 ? null : (
        <>
          <p>
            Not open to you: {closed.map(({ name }) => name).join(', ')}. If you need it, ask your administrator to assign you to Case Manager in
            Microsoft Entra with this role:
          </p>
          <ul class="bullets">
            {[...new Set(closed.map(({ appRole }) => appRole))].map((role) => (
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
