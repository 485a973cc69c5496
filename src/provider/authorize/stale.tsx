import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { Deps } from '../deps.ts'
import { LinkButton } from '../../pages/components.tsx'
import type { PageAnswer, PageView } from '../page-request.ts'
import { homeOf, startsAnew } from '../../pages/places.ts'
import type { Texts } from '../../pages/texts.ts'
import { againAddress } from './pages.tsx'
import type { SignInPurpose } from './sealed.ts'
import type { BrowserContext } from './browser-context.ts'

/**
 * Pages of a sign-in that cannot continue: an old tab, Back, two tabs, another browser, or no
 * cookies. Each lets the user start again.
 */

type Need = Pick<Deps, 'config' | 'clients' | 'sealer' | 'random' | 'log'>

const STATUS = {
  used: 409,
  signedIn: 409,
  late: 400,
  elsewhere: 400,
  forgotten: 400,
  foreign: 400,
} as const satisfies Record<string, ContentfulStatusCode>

export type Stale = Exclude<keyof typeof STATUS, 'forgotten'>

/** Returns the page. If the browser did not send its own cookie either, it stores no cookies. */
export function stalePage(
  deps: Need,
  { t }: PageView,
  browser: BrowserContext,
  answer: { how: Stale; purpose?: SignInPurpose | undefined },
  now: number,
): PageAnswer {
  const { purpose } = answer
  const how =
    answer.how === 'elsewhere' && browser.browserHash === undefined ? 'forgotten' : answer.how
  const { title, why } = t.stale[how]
  const signedIn = how === 'signedIn'
  const onward =
    purpose === undefined
      ? { href: '/', label: t.nothing.home }
      : anew(deps, browser, purpose, signedIn, t, now)
  return {
    page: { title, mark: signedIn ? 'good' : 'warn', status: STATUS[how] },
    body: (
      <>
        <div class="stack">
          <p>{why}</p>
          {how === 'forgotten' ? (
            <p>{t.stale.allowCookies({ host: new URL(deps.config.issuer).host })}</p>
          ) : null}
          {purpose === undefined ? <p>{t.stale.startAtApp}</p> : null}
        </div>
        <div class="row">
          <LinkButton href={onward.href}>{onward.label}</LinkButton>
        </div>
      </>
    ),
  }
}

/**
 * Returns the link that starts again, at the app if possible: the app's own `state` may have
 * expired.
 */
function anew(
  deps: Need,
  browser: BrowserContext,
  purpose: SignInPurpose,
  signedIn: boolean,
  t: Texts,
  now: number,
): { href: string; label: string } {
  const app =
    purpose.kind === 'instance' ? deps.clients.find(purpose.request.clientId)?.metadata : undefined
  const begins = app === undefined ? undefined : startsAnew(app, deps.config.issuer)
  const href = begins ?? (app === undefined ? undefined : homeOf(app))
  if (app === undefined || href === undefined)
    return { href: againAddress(deps, browser, purpose, now), label: t.shared.continue }
  if (signedIn) return { href, label: t.ready.open({ app: app.name }) }
  return {
    href,
    label: begins === undefined ? t.reply.back({ app: app.name }) : t.shared.signInAgain,
  }
}
