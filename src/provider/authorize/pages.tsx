import type { Child } from 'hono/jsx'
import type { LockInForce, SecurityEvent, SessionStatus, User } from '../../../db/types.ts'
import { clientLogo } from '../../clients/logos.ts'
import type { Deps } from '../deps.ts'
import { guidanceFor, guidanceKey, type GuidanceKey, type Offer } from '../../microsoft/guidance.ts'
import { LinkButton, MicrosoftButton, Notice, Trouble, userWords } from '../../pages/components.tsx'
import type { PageAnswer, PageView } from '../page-request.ts'
import { appLogo } from '../../pages/look.ts'
import { CopyButton, ForSupport } from '../../pages/message.tsx'
import { ENGLISH, type Texts, useTexts } from '../../pages/texts.ts'
import type { ClientMetadata } from '../../protocol/client-metadata.ts'
import type { OAuthError } from '../../protocol/error.ts'
import { printable } from '../../protocol/params.ts'
import { endedClass, endedElsewhere } from '../../session/current.ts'
import { Moment, moment } from '../../pages/times.tsx'
import { type Reason, reasonClass } from '../../protocol/revocation.ts'
import { addressOf, Help, helpFor, type HelpMessage, helpOfOperator } from '../help.tsx'
import { referenceOf } from '../rejected-visits.ts'
import { ReturnToApp } from './reply.tsx'
import { clientIdOf, seal, type SignInPurpose } from './sealed.ts'
import { wantsFresh } from './session-serves.ts'
import type { BrowserContext } from './browser-context.ts'

/**
 * The pages of the sign-in. Their links hold the sealed request, which is valid only in this
 * browser.
 */

type Need = Pick<Deps, 'config' | 'clients' | 'connection' | 'sealer' | 'random' | 'log'>

const nameOf = (deps: Need, clientId: string): string =>
  deps.clients.find(clientId)?.metadata.name ?? deps.config.look.product

/**
 * Returns the link that starts a sign-in at Microsoft. It is not a form: the CSP `form-action`
 * would also cover a tenant's own identity provider, which is unknown. The link works in this
 * browser only.
 */
function startAddress(
  deps: Need,
  browser: BrowserContext,
  purpose: SignInPurpose,
  now: number,
  more?: Chosen,
): string {
  const request = seal(deps, browser, 'start', purpose, now)
  const computer = browser.isShared && { computer: 'shared' }
  return `/signin/microsoft?${new URLSearchParams({ request, ...computer, ...more })}`
}

/** A choice of the user before the sign-in. */
type Chosen = { account: 'another' } | { computer: 'shared' | 'own' }

export const againAddress = (
  deps: Pick<Deps, 'sealer'>,
  browser: BrowserContext,
  purpose: SignInPurpose,
  now: number,
): string =>
  `/signin/continue?${new URLSearchParams({ request: seal(deps, browser, 'again', purpose, now) })}`

/**
 * Returns the sign-in page, or that of a lock by which the browser's previous session ended and
 * which is still in force. @param former the browser's previous session
 */
export async function signInPage(
  deps: Need & Pick<Deps, 'store' | 'outbound' | 'rejectedVisits'>,
  view: PageView,
  browser: BrowserContext,
  { purpose, former }: { purpose: SignInPurpose; former: SessionStatus },
  now: number,
): Promise<PageAnswer> {
  const { t } = view
  if (former.state === 'ended' && endedClass(former) === 'locked') {
    const { user } = former.session
    const { operatorTenant } = deps.connection.current()
    const lock = await deps.store.lockInForce({ user, operatorTenant })
    if (lock !== undefined) {
      const key = `${lock.kind}_locked`
      const attempt = `${former.session.sid} ${key}`
      return guidancePage(deps, view, browser, { key, purpose, attempt, user, lock }, now)
    }
  }
  const app = purpose.kind === 'instance' ? deps.clients.find(purpose.request.clientId) : undefined
  const image = app === undefined ? undefined : await clientLogo(deps, app, now)
  return {
    page: { title: t.signIn.title },
    body: (
      <>
        <FormerSession former={former} t={t} />
        <div class="asks">
          {app === undefined || image === undefined ? null : (
            <img src={appLogo(app.clientId, image).href} alt="" />
          )}
          <p>{reasonOf(deps, purpose, t)}</p>
        </div>
        {purpose.kind === 'own' && purpose.another && former.state === 'live' ? (
          <Notice kind="warn">
            {t.signIn.replaces({ who: <strong>{userWords(former.session.user, t)}</strong> })}
          </Notice>
        ) : null}
        <MicrosoftButton href={startAddress(deps, browser, purpose, now)} />
        <Other deps={deps} browser={browser} purpose={purpose} now={now} t={t} />
        <Trouble />
        {app === undefined ? null : <AppLinks app={app.metadata} />}
      </>
    ),
  }
}

/** Other ways to sign in: with an account that the hint does not name, or on a shared computer. */
interface OtherProps {
  deps: Need
  browser: BrowserContext
  purpose: SignInPurpose
  now: number
  t: Texts
}

function Other({ deps, browser, purpose, now, t }: OtherProps) {
  const { sharedComputer, sharedIdleSeconds } = deps.config.sessionRules
  const shared = browser.isShared
  const link = (label: string, chosen: Chosen) => (
    <a href={startAddress(deps, browser, purpose, now, chosen)}>{label}</a>
  )
  const minutes = Math.round(Math.min(sharedIdleSeconds, deps.config.limits.idleSeconds) / 60)
  return (
    <>
      {shared ? <Notice>{t.sharedComputer.on({ minutes })}</Notice> : null}
      <ul class="plain tight small">
        {expectsUser(purpose) ? (
          <li>{link(t.offers.another_account, { account: 'another' })}</li>
        ) : null}
        {sharedComputer === 'offer' && !shared ? (
          <li>
            {link(t.sharedComputer.use, { computer: 'shared' })}
            <p class="soft">{t.sharedComputer.hint({ minutes })}</p>
          </li>
        ) : null}
        {sharedComputer === 'offer' && shared ? (
          <li>{link(t.sharedComputer.own, { computer: 'own' })}</li>
        ) : null}
      </ul>
    </>
  )
}

/**
 * Returns whether Microsoft gets a login hint and so shows no account chooser. A request for one
 * `sub` allows no other account, so it returns false.
 */
const expectsUser = (purpose: SignInPurpose): boolean =>
  purpose.kind === 'own'
    ? purpose.fresh === true && purpose.another !== true
    : purpose.request.sub === undefined &&
      (purpose.request.loginHint !== undefined ||
        wantsFresh(purpose.request) ||
        purpose.request.acr !== undefined)

/**
 * Explains why the user must sign in again, by class of cause only: an attacker with the old
 * session learns no more.
 */
function FormerSession({ former, t }: { former: SessionStatus; t: Texts }) {
  const why = endedClass(former)
  if (why === undefined || why === 'signed_out') return null
  return (
    <Notice title={t.ended[why]}>
      {why === 'locked' ? t.signIn.unlocked : null}{' '}
      {endedElsewhere(former) && why !== 'account' ? t.signIn.proveAgain : undefined}
    </Notice>
  )
}

/** Links to the app's contacts and privacy information. */
function AppLinks({ app: { name, policyUri, tosUri, contacts = [] } }: { app: ClientMetadata }) {
  const t = useTexts()
  const links = [
    [policyUri, t.layout.privacy],
    [tosUri, t.layout.terms],
    ...contacts.map((address) => [`mailto:${address}`, address]),
  ] as const
  const shown = links.filter(([href]) => href !== undefined)
  if (shown.length === 0) return null
  return (
    <nav class="about" aria-label={name}>
      <strong>{name}</strong>
      {shown.map(([href, label]) => (
        <a href={href}>{label}</a>
      ))}
    </nav>
  )
}

function reasonOf(deps: Need, purpose: SignInPurpose, t: Texts): Child {
  if (purpose.kind === 'instance')
    return t.signIn.toApp({ name: <strong>{nameOf(deps, purpose.request.clientId)}</strong> })
  if (purpose.returnTo === '/') return t.signIn.toApps
  if (purpose.returnTo.startsWith('/tenant')) return t.signIn.toTenant
  return purpose.returnTo === '/account/ready' ? t.signIn.toReady : t.signIn.toAccount
}

/** The type requires a text for each guidance key. */
const guidanceTexts = (t: Texts): Record<GuidanceKey, { title: string; read: readonly string[] }> =>
  t.guidance

export interface GuidanceAbout {
  key: string
  purpose: SignInPurpose
  /** The value of which the reference is made: the id of the visit, or what else is rejected. */
  attempt: string
  /** Microsoft's error number. */
  code?: number | undefined
  cause?: unknown
  retryAfterSeconds?: number | undefined
  /** The user whom Microsoft identified, now or for the browser's session. */
  user?: User | undefined
  /** The lock that keeps the user out, where it is known already. */
  lock?: LockInForce
}

/** Keeps a rejected sign-in under its reference, once. @returns the reference */
export async function recordRejection(
  deps: Pick<Deps, 'store' | 'sealer' | 'rejectedVisits'>,
  { address, device, remote }: BrowserContext,
  { key, purpose, attempt, code, user }: GuidanceAbout,
  now: number,
): Promise<string> {
  const reference = referenceOf(deps, attempt)
  const clientId = clientIdOf(purpose)
  if (user === undefined || key === 'tenant_not_connected')
    deps.rejectedVisits.add({ reference, at: now, clientId, reason: key, code }, remote)
  else
    await deps.store.recordRejectedSignIn({
      user,
      why: key,
      reference,
      device,
      now,
      from: { address, clientId },
    })
  return reference
}

/**
 * Returns the page of a rejection. Its reference finds the log line, and is in the message to an
 * administrator if there is one: two codes on one page confuse.
 */
export async function guidancePage(
  deps: Need & Pick<Deps, 'store' | 'rejectedVisits'>,
  { t }: PageView,
  browser: BrowserContext,
  about: GuidanceAbout,
  now: number,
): Promise<PageAnswer> {
  const guidance = guidanceFor(about.key)
  const reference = await recordRejection(deps, browser, about, now)
  const clientId = clientIdOf(about.purpose)
  const fields = {
    guidance: about.key,
    operator: guidance.operator,
    code: about.code,
    reference,
    client_id: clientId,
    ...(about.cause !== undefined && { cause: about.cause }),
  }
  const { title, read } = guidanceTexts(t)[guidanceKey(about.key)]
  const lock = about.lock ?? (await lockOf(deps, about))
  const tid = about.user?.tid ?? browser.users[0]?.tid
  // Only the operator can lift a lock of theirs.
  const help =
    (lock?.byOwnTenant === false ? helpOfOperator(deps) : undefined) ?? (await helpFor(deps, tid))
  const message = messageOf(deps, t, about, { title, reference, now })
  const address = help && addressOf(help, message)
  if (guidance.alert) deps.log.error('signin_rejected', fields)
  else
    deps.log.warn('signin_rejected', {
      ...fields,
      cause: undefined,
      why: about.cause instanceof Error ? about.cause.message : undefined,
    })
  return {
    page: {
      title,
      mark: 'warn',
      status: guidance.error === 'temporarily_unavailable' ? 503 : 403,
      formAction: [formTarget(about.purpose)],
      help: help && addressOf(help),
    },
    body: (
      <>
        <div class="stack">
          {read.map((paragraph) => (
            <p>{paragraph}</p>
          ))}
          {lock === undefined ? null : lockParagraph(lock, t)}
        </div>
        <Offers
          links={guidance.offers.flatMap((offer) => {
            const href =
              offer === 'contact' ? address : offerAddress(deps, browser, offer, { ...about, now })
            const isNamed = offer === 'contact' && help?.name !== undefined
            const children = isNamed ? t.contact.named({ name: help.name ?? '' }) : t.offers[offer]
            return href === undefined ? [] : [{ href, children }]
          })}
          back={<Back deps={deps} purpose={about.purpose} answer={answerOf(about.key)} t={t} />}
        />
        {guidance.offers.includes('contact') ? (
          <>
            <Help help={help} />
            <ToSend message={message.body} />
          </>
        ) : (
          <ForSupport support={help && addressOf(help)} reference={reference} />
        )}
      </>
    ),
  }
}

/** Returns the message in which the user tells their contact what happened. */
function messageOf(
  deps: Need,
  t: Texts,
  { key, code, purpose, user }: GuidanceAbout,
  { title, reference, now }: { title: string; reference: string; now: number },
): HelpMessage {
  const asksConsent = guidanceFor(key).offers.includes('granting_consent')
  const app = nameOf(deps, clientIdOf(purpose) ?? '')
  const address = `${deps.config.issuer}/signin/granting-consent`
  const codes = code === undefined ? reference : `${reference}, AADSTS${code}`
  const account = user?.username ?? user?.email
  return {
    subject: asksConsent ? t.grantingConsent.subject : t.contact.subject({ app }),
    body: [
      asksConsent ? t.grantingConsent.message({ address }) : t.contact.message({ app, title }),
      ...(account === undefined ? [] : [t.contact.account({ account })]),
      t.contact.time({ time: moment(now, t) }),
      t.contact.reference({ reference: codes }),
    ].join('\n'),
  }
}

/** Returns the lock that keeps the user out. */
async function lockOf(
  { store, clients, connection }: Need & Pick<Deps, 'store'>,
  { key, user, purpose }: GuidanceAbout,
): Promise<LockInForce | undefined> {
  if (user === undefined || !key.endsWith('_locked')) return undefined
  const clientId = clientIdOf(purpose)
  const audience = clients.find(clientId ?? '')?.metadata.audience
  const code = clientId === undefined ? undefined : { clientId, audience: audience ?? clientId }
  const { operatorTenant } = connection.current()
  return store.lockInForce({ user, code, operatorTenant })
}

/** Says who locked the user, and until when. */
const lockParagraph = ({ byOwnTenant, endsAt }: LockInForce, t: Texts): Child => (
  <p>
    {byOwnTenant ? t.lock.byOrganization : t.lock.byOperator}{' '}
    {endsAt === undefined
      ? t.lock.untilLifted
      : t.lock.until<Child>({ at: <Moment at={endsAt} t={t} /> })}
  </p>
)

/** Renders offers: the first as the page's button, beside the way back, and the others as links. */
const Offers = ({
  links: [first, ...others],
  back,
}: {
  links: readonly { href: string; children: Child }[]
  back: Child
}) => (
  <>
    <div class="row">
      {first && <LinkButton {...first} />}
      {back}
    </div>
    {others.length === 0 ? null : (
      <ul class="plain tight small">
        {others.map((link) => (
          <li>
            <a {...link} />
          </li>
        ))}
      </ul>
    )}
  </>
)

const answerOf = (key: string): Pick<OAuthError, 'code' | 'message'> => ({
  code: guidanceFor(key).error,
  message: printable(ENGLISH.guidance[guidanceKey(key)].title),
})
/** Returns the form target of a form_post response; other modes use a link. */
const formTarget = (purpose: SignInPurpose): string | undefined =>
  purpose.kind === 'instance' && purpose.request.reply.mode === 'form_post'
    ? purpose.request.reply.redirectUri
    : undefined

function Back({
  deps,
  purpose,
  answer,
  t,
}: {
  deps: Need
  purpose: SignInPurpose
  answer: Pick<OAuthError, 'code' | 'message'>
  t: Texts
}) {
  if (purpose.kind === 'own') return null
  return (
    <ReturnToApp
      deps={deps}
      reply={purpose.request.reply}
      answer={answer}
      label={t.reply.back({ app: nameOf(deps, purpose.request.clientId) })}
    />
  )
}

/** The message as text, for users whose mail is not on this device. */
function ToSend({ message }: { message: string }) {
  const t = useTexts()
  return (
    <div class="stack">
      <p class="soft small">{t.contact.toSend}</p>
      <p class="quote" id="message">
        {message}
      </p>
      <div class="row">
        <CopyButton of="message">{t.contact.copy}</CopyButton>
      </div>
    </div>
  )
}

function offerAddress(
  deps: Need,
  browser: BrowserContext,
  offer: Exclude<Offer, 'contact'>,
  { purpose, now }: { purpose: SignInPurpose; now: number },
): string {
  const links: Record<typeof offer, () => string> = {
    try_again: () => startAddress(deps, browser, purpose, now),
    another_account: () => startAddress(deps, browser, purpose, now, { account: 'another' }),
    granting_consent: () => '/signin/granting-consent',
    set_up_mfa: () => 'https://mysignins.microsoft.com/security-info',
  }
  return links[offer]()
}

/** Returns the page for the operator while no Microsoft tenant is connected. */
export const notConnectedPage = ({ t }: PageView, missing: readonly string[]): PageAnswer => ({
  page: { title: t.notConnected.title, status: 503 },
  body: (
    <>
      <p>{t.notConnected.missing}</p>
      <ul class="bullets">
        {missing.map((name) => (
          <li>{name}</li>
        ))}
      </ul>
      <p class="soft small">
        {t.notConnected.operator({
          setup: <code>/setup</code>,
          setupCommand: <code>cmb setup</code>,
          doctor: <code>cmb doctor</code>,
        })}
      </p>
    </>
  ),
})

/**
 * Returns the page before a further authentication at Microsoft. Without it, a user who has just
 * authenticated would take the second question for a wrong password.
 */
export function onceMorePage(
  { t }: PageView,
  { url, ended }: { url: string; ended?: Pick<SecurityEvent, 'at' | 'why'> | undefined },
): PageAnswer {
  return {
    page: { title: t.onceMore.title },
    body: (
      <>
        {ended === undefined ? null : (
          <Notice title={t.ended[reasonClass(ended.why as Reason)]}>
            <Moment at={ended.at} t={t} />
          </Notice>
        )}
        <p>{ended === undefined ? t.onceMore.what : t.onceMore.because}</p>
        <MicrosoftButton href={url} />
      </>
    ),
  }
}
