import type { Context } from 'hono'
import type { Child } from 'hono/jsx'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { Deps } from '../deps.ts'
import { guidanceFor, type Guidance, type Offer } from '../microsoft/guidance.ts'
import { Facts, LinkButton, MicrosoftButton, Notice } from '../page/components.tsx'
import { page } from '../page/layout.tsx'
import { newReference } from '../page/message.tsx'
import type { OAuthError } from '../protocol/error.ts'
import { printable } from '../protocol/params.ts'
import { WayBack } from './reply.tsx'
import { type Errand, seal } from './sealed.ts'

/** What people see of signing in. Links that begin a sign-in hold the sealed request, good in this browser alone. */

type Need = Pick<Deps, 'config' | 'clients' | 'sealer' | 'random' | 'log'>

const nameOf = (deps: Pick<Deps, 'clients'>, errand: Errand): string =>
  errand.kind === 'own' ? 'your Case Manager sign-ins' : (deps.clients.find(errand.request.clientId)?.metadata.name ?? 'Case Manager')

/** Where the instance lives, for the person to see where the sign-in will lead. */
const hostOf = (address: string): string | undefined => (URL.canParse(address) ? new URL(address).host || undefined : undefined)

/**
 * A link and not a form: browsers hold every redirect that follows a form against the page's form-action, and where a tenant's own identity
 * provider sends its people is nothing we can list. It changes nothing by itself, and leads nowhere in another browser.
 */
function startAddress(deps: Need, c: Context, errand: Errand, now: number, another = false): string {
  return `/signin/microsoft?${new URLSearchParams({ request: seal(deps, c, 'start', errand, now), ...(another && { account: 'another' }) })}`
}

export const againAddress = (deps: Need, c: Context, errand: Errand, now: number): string =>
  `/signin/continue?${new URLSearchParams({ request: seal(deps, c, 'again', errand, now) })}`

export function signInPage(deps: Need, c: Context, errand: Errand, now: number): Response {
  const name = nameOf(deps, errand)
  return page(
    c,
    { title: 'Sign in', simulated: deps.config.entra.simulated },
    <>
      <p>
        Sign in with your work account to go on to <strong>{name}</strong>.
      </p>
      <MicrosoftButton href={startAddress(deps, c, errand, now)} />
      {errand.kind === 'instance' ? <Facts items={[['You go on to', hostOf(errand.request.reply.redirectUri)]]} /> : null}
      <p class="soft small">
        Something does not work? <a href="/account/ready">Check whether you are set up.</a>
      </p>
    </>,
  )
}

/** Refused, in words. `code` is Microsoft's own number; the reference finds the line in the log. */
export function guidancePage(
  deps: Need,
  c: Context,
  about: { key: string; errand: Errand; now: number; code?: number | undefined; cause?: unknown },
): Response {
  const guidance = guidanceFor(about.key)
  const reference = newReference(deps.random)
  const clientId = about.errand.kind === 'instance' ? about.errand.request.clientId : undefined
  const fields = {
    guidance: about.key,
    operator: guidance.operator,
    code: about.code,
    reference,
    clientId,
    ...(about.cause !== undefined && { cause: about.cause }),
  }
  if (guidance.alert) deps.log.error('signin_refused', fields)
  else deps.log.warn('signin_refused', { ...fields, cause: undefined, why: about.cause instanceof Error ? about.cause.message : undefined })
  return page(
    c,
    { title: guidance.title, status: statusOf(guidance), formAction: [formTarget(about.errand)], simulated: deps.config.entra.simulated },
    <>
      <div class="stack">
        {guidance.read.map((paragraph) => (
          <p>{paragraph}</p>
        ))}
      </div>
      <div class="row">
        {guidance.offers.map((offer, index) => offerButton(deps, c, offer, about, index === 0))}
        <Back deps={deps} errand={about.errand} answer={answerOf(guidance)} />
      </div>
      <p class="soft small">
        If you ask for help, give the reference <code>{reference}</code>
        {about.code === undefined ? '' : ` and Microsoft’s code ${about.code}`}.
      </p>
    </>,
  )
}

const statusOf = ({ error }: Guidance): ContentfulStatusCode => (error === 'temporarily_unavailable' ? 503 : 403)
const answerOf = (guidance: Guidance): Pick<OAuthError, 'code' | 'message'> => ({ code: guidance.error, message: printable(guidance.title) })
/** Only a form_post way back is a form. */
const formTarget = (errand: Errand): string | undefined =>
  errand.kind === 'instance' && errand.request.reply.mode === 'form_post' ? errand.request.reply.redirectUri : undefined

function Back({ deps, errand, answer }: { deps: Need; errand: Errand; answer: Pick<OAuthError, 'code' | 'message'> }) {
  return errand.kind === 'instance' ? <WayBack deps={deps} reply={errand.request.reply} answer={answer} name={nameOf(deps, errand)} /> : null
}

function offerButton(deps: Need, c: Context, offer: Offer, { errand, now }: { errand: Errand; now: number }, first: boolean) {
  const links: Record<Offer, () => { href: string; label: string }> = {
    try_again: () => ({ href: startAddress(deps, c, errand, now), label: 'Try again' }),
    another_account: () => ({ href: startAddress(deps, c, errand, now, true), label: 'Use another account' }),
    granting_consent: () => ({ href: '/signin/granting-consent', label: 'Granting consent' }),
    set_up_mfa: () => ({ href: 'https://mysignins.microsoft.com/security-info', label: 'Set up at Microsoft' }),
  }
  const { href, label } = links[offer]()
  return (
    <LinkButton href={href} kind={first ? 'primary' : 'quiet'}>
      {label}
    </LinkButton>
  )
}

const STALE = {
  used: ['This sign-in was finished already', 'It may have been finished in another tab, or you went back in your browser.', 409],
  late: ['This sign-in took too long', 'The page was left open for too long, or Microsoft’s part took more than ten minutes.', 400],
  elsewhere: [
    'This sign-in was begun in another browser',
    'It can only be finished in the browser that began it, and that browser has to accept cookies.',
    400,
  ],
  foreign: ['This sign-in cannot be continued', 'The address is incomplete, or was not made here.', 400],
} as const satisfies Record<string, readonly [title: string, why: string, status: ContentfulStatusCode]>

/** What came back is of no use any more; the request itself may be taken up anew. */
export function stalePage(deps: Need, c: Context, how: keyof typeof STALE, errand: Errand | undefined, now: number): Response {
  const [title, why, status] = STALE[how]
  return page(
    c,
    { title, status, simulated: deps.config.entra.simulated },
    <>
      <p>{why}</p>
      {errand === undefined ? (
        <p>Go back to Case Manager by the address you know, and sign in from there.</p>
      ) : (
        <div class="row">
          <LinkButton href={againAddress(deps, c, errand, now)}>Continue</LinkButton>
        </div>
      )}
    </>,
  )
}

/** Started, but no Microsoft tenant is connected: for the operator who opens the broker for the first time. */
export function notConnectedPage(deps: Pick<Deps, 'config'>, c: Context, missing: readonly string[]): Response {
  return page(
    c,
    { title: 'Sign-in is not set up yet', status: 503, simulated: deps.config.entra.simulated },
    <>
      <p>Case Manager’s identity broker is running, but it is not connected to Microsoft. Nobody can sign in until its operator sets:</p>
      <ul class="bullets">
        {missing.map((one) => (
          <li>{one}</li>
        ))}
      </ul>
      <p class="soft small">
        Are you its operator? Open <code>/setup</code> at the operators’ address of this broker: it takes you through it, and <code>cmb setup</code>{' '}
        prints what you need to get in. Or set what is missing and restart the broker. <code>cmb doctor</code> checks every setting.
      </p>
    </>,
  )
}

export function grantingConsentPage(deps: Pick<Deps, 'config' | 'connection'>, c: Context): Response {
  const { simulated } = deps.config.entra
  const { clientId } = deps.connection.current()
  return page(
    c,
    { title: 'Granting consent', simulated },
    <>
      <Notice title="For IT administrators">
        An extra setup action remains to be done: your organisation has to allow Case Manager to sign its people in. You do it once, for everybody.
      </Notice>
      <ol class="steps">
        <Step>Open the Microsoft Entra admin center as a Cloud Application Administrator or a Global Administrator.</Step>
        <Step>
          Go to Enterprise applications and open Case Manager
          {clientId === undefined ? null : (
            <>
              {' '}
              (application id <code>{clientId}</code>)
            </>
          )}
          .
        </Step>
        <Step>
          Under Security choose Permissions, then “Grant admin consent”. Case Manager asks for the basic profile of whoever signs in: openid, profile,
          email, offline_access.
        </Step>
        <Step>Tell your people to sign in again.</Step>
      </ol>
      <p class="soft small">
        You are not the administrator? Send them the address of this page. Case Manager is not among the enterprise applications? Then ask whoever
        runs Case Manager for a link: their set-up page makes one for your tenant.
      </p>
    </>,
  )
}

const Step = ({ children }: { children: Child }) => (
  <li>
    <div>{children}</div>
  </li>
)
