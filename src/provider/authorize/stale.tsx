import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { Deps } from '../deps.ts'
import { LinkButton } from '../../pages/components.tsx'
import { page } from '../../pages/layout.tsx'
import { homeOf, startsAnew } from '../../pages/places.ts'
import { textsOf, type Texts } from '../../pages/texts.ts'
import { currentStanding } from '../../clients/session/current.ts'
import { againAddress } from './pages.tsx'
import { type Errand, keptNothing } from './sealed.ts'

/** Pages of a sign-in that cannot be continued: an old tab, Back, two tabs, another browser, no cookies. Each says how to start again. */

type Need = Pick<Deps, 'config' | 'clients' | 'sealer' | 'random' | 'log'>

const STATUS = { used: 409, signedIn: 409, late: 400, elsewhere: 400, forgotten: 400, foreign: 400 } as const satisfies Record<
  string,
  ContentfulStatusCode
>

/** What came back is of no use any more; the request itself may be taken up again. */
export function stalePage(deps: Need, c: Context, how: 'late' | 'elsewhere' | 'foreign', errand: Errand | undefined, now: number): Response {
  return show(deps, c, how === 'elsewhere' && keptNothing(c) ? 'forgotten' : how, errand, now)
}

/** It was finished before. In the browser that is signed in, that is not a failure. */
export async function usedPage(deps: Need & Pick<Deps, 'store'>, c: Context, errand: Errand, now: number): Promise<Response> {
  const { state } = await currentStanding(deps, c, now)
  return show(deps, c, state === 'live' ? 'signedIn' : 'used', errand, now)
}

function show(deps: Need, c: Context, how: keyof typeof STATUS, errand: Errand | undefined, now: number): Response {
  const t = textsOf(c, deps.config)
  const { title, why } = t.stale[how]
  const signedIn = how === 'signedIn'
  const onward = errand === undefined ? { href: '/', label: t.nothing.home } : anew(deps, c, errand, signedIn, t, now)
  return page(
    c,
    { title, mark: signedIn ? 'good' : 'warn', status: STATUS[how], config: deps.config },
    <>
      <div class="stack">
        <p>{why}</p>
        {how === 'forgotten' ? <p>{t.stale.allowCookies({ host: new URL(deps.config.issuer).host })}</p> : null}
        {errand === undefined ? <p>{t.stale.startAtApp}</p> : null}
      </div>
      <div class="row">
        <LinkButton href={onward.href}>{onward.label}</LinkButton>
      </div>
    </>,
  )
}

/** At the app, if it can be: the `state` that the app sent here may have expired there too, and is used up once it came back. */
function anew(deps: Need, c: Context, errand: Errand, signedIn: boolean, t: Texts, now: number): { href: string; label: string } {
  const app = errand.kind === 'instance' ? deps.clients.find(errand.request.clientId)?.metadata : undefined
  const begins = app === undefined ? undefined : startsAnew(app, deps.config.issuer)
  const href = begins ?? (app === undefined ? undefined : homeOf(app))
  if (app === undefined || href === undefined) return { href: againAddress(deps, c, errand, now), label: t.shared.continue }
  if (signedIn) return { href, label: t.ready.open({ app: app.name }) }
  return { href, label: begins === undefined ? t.reply.back({ app: app.name }) : t.shared.signInAgain }
}
