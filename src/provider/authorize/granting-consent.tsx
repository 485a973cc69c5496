import { answerOfCallback, rejectionOf } from '../../microsoft/aadsts.ts'
import { adminConsentUrl } from '../../microsoft/administration.ts'
import {
  type ApplicationPermission,
  registration,
  RISK_PERMISSION,
} from '../../microsoft/registration.ts'
import { isGuid } from '../../protocol/guid.ts'
import type { Params } from '../../protocol/params.ts'
import { LinkButton, Notice, Steps } from '../../pages/components.tsx'
import type { Texts } from '../../pages/texts.ts'
import type { Deps } from '../deps.ts'
import type { PageAnswer, PageView } from '../page-request.ts'
import { type AdminConsent, open, seal } from './sealed.ts'
import type { BrowserContext } from './browser-context.ts'

/**
 * The page on which an administrator of a tenant consents for all its users: what Microsoft asks
 * for, who may grant it, and afterwards what Microsoft answered.
 */

const PATH = '/signin/granting-consent'

/**
 * Returns the address of the page that says what Microsoft answered. An attacker can make such an
 * answer, so it counts only in a browser that was sent to Microsoft for it, and only as words.
 */
export function answeredConsent(
  deps: Pick<Deps, 'sealer'>,
  browser: BrowserContext,
  params: Params,
  now: number,
): string {
  const sent = open(deps, browser, 'adminConsent', params.get('state'), now)
  if (sent.how !== 'good' || sent.value.outcome !== undefined) return PATH
  const tid = params.get('tenant')
  // An error comes with `admin_consent=True` as well.
  const answer: AdminConsent = params.has('error')
    ? { outcome: 'rejected', code: rejectionOf(answerOfCallback(params)).code }
    : { outcome: 'granted', tid: tid !== undefined && isGuid(tid) ? tid : undefined }
  const result = seal(deps, browser, 'adminConsent', answer, now)
  return `${PATH}?${new URLSearchParams({ result })}`
}

export function grantingConsentPage(
  deps: Pick<Deps, 'config' | 'connection' | 'sealer'>,
  { t }: PageView,
  browser: BrowserContext,
  result: string | undefined,
  now: number,
): PageAnswer {
  const connection = deps.connection.current()
  const { clientId } = connection
  const state = seal(deps, browser, 'adminConsent', {}, now)
  const href = adminConsentUrl(deps.config, connection, { tid: 'organizations', state })
  const answered = open(deps, browser, 'adminConsent', result, now)
  const { outcome, tid, code }: AdminConsent = answered.how === 'good' ? answered.value : {}
  if (outcome === 'granted') return grantedPage(tid, t)
  return {
    page: { title: t.grantingConsent.title, mark: outcome === 'rejected' ? 'warn' : undefined },
    body: (
      <>
        {outcome === 'rejected' ? (
          <Notice kind="bad" title={t.grantingConsent.rejectedTitle}>
            {code === 65004 ? t.grantingConsent.declined : t.grantingConsent.rejected}{' '}
            {code === undefined ? null : <code>AADSTS{code}</code>}
          </Notice>
        ) : null}
        <Notice title={t.grantingConsent.forAdministrators}>{t.grantingConsent.intro}</Notice>
        <Asked deps={deps} t={t} />
        <p>{t.grantingConsent.who}</p>
        {clientId === undefined ? null : (
          <div class="row">
            <LinkButton href={href}>{t.grantingConsent.atMicrosoft}</LinkButton>
          </div>
        )}
        <p>{t.grantingConsent.orBySteps}</p>
        <Steps
          items={[
            t.grantingConsent.open,
            clientId === undefined
              ? t.grantingConsent.find
              : t.grantingConsent.findById({ id: <code>{clientId}</code> }),
            t.grantingConsent.grant,
            t.grantingConsent.tell,
          ]}
        />
      </>
    ),
  }
}

/** Lists the permissions by the names that Microsoft's page uses, with what each is for. */
function Asked({ deps: { config }, t }: { deps: Pick<Deps, 'config'>; t: Texts }) {
  const { delegated, application } = registration(config.issuer)
  const { signIn, accounts, signOut, risk } = t.grantingConsent.asks
  const why: Record<ApplicationPermission, string> = {
    'User.Read.All': accounts,
    'User.RevokeSessions.All': signOut,
  }
  const asked: readonly (readonly [names: string, why: string])[] = [
    [delegated.map(({ name }) => name).join(', '), signIn],
    ...application.map(({ name }) => [name, why[name]] as const),
    ...(config.signals.risk.length === 0 ? [] : [[RISK_PERMISSION, risk] as const]),
  ]
  return (
    <div class="stack">
      <p>{t.grantingConsent.asked}</p>
      <ul class="bullets">
        {asked.map(([names, words]) => (
          <li>
            {words} <code>{names}</code>
          </li>
        ))}
      </ul>
    </div>
  )
}

const grantedPage = (tid: string | undefined, t: Texts): PageAnswer => ({
  page: { title: t.grantingConsent.grantedTitle, mark: 'good' },
  body: (
    <>
      <p>
        {tid === undefined
          ? t.grantingConsent.granted
          : t.grantingConsent.grantedFor({ id: <code>{tid}</code> })}
      </p>
      <Steps items={[t.grantingConsent.tell, t.grantingConsent.stillRejected]} />
    </>
  ),
})
