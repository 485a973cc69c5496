import type { Child } from 'hono/jsx'
import type { Participant, Session } from '../../../db/types.ts'
import { administratorOf } from '../../clients/session/tenant-administrator.ts'
import type { Deps } from '../deps.ts'
import {
  AlsoMicrosoft,
  Button,
  Facts,
  HiddenFields,
  LinkButton,
  Notice,
} from '../../pages/components.tsx'
import { CSRF_FIELD } from '../../pages/csrf.ts'
import type { PageAnswer, PageRequest } from '../page-request.ts'
import { ANOTHER_ACCOUNT, homeOf, TENANT_CONSOLE } from '../../pages/places.ts'
import type { Texts } from '../../pages/texts.ts'
import { ago, Moment } from '../../pages/times.tsx'
import { DeviceIcon } from './device.tsx'
import { AccountNav } from './nav.tsx'

/** The page "Where am I signed in": a user's live sessions, each with a form that ends it. */

/** Returns the CSRF purpose of this page's forms. It names the user. */
export const accountPurpose = (session: Session): string => `account ${session.sub}`

interface Live {
  session: Session
  participants: Participant[]
}

export async function sessionsPage(
  deps: Deps,
  request: PageRequest,
  current: Session,
  done?: string,
): Promise<PageAnswer> {
  const { now, t } = request
  const [live, administers] = await Promise.all([
    deps.store.liveSessionsOf(current.sub, now),
    administratorOf(deps, current),
  ])
  const here = live.filter(({ session }) => session.sid === current.sid)
  const others = live.filter(({ session }) => session.sid !== current.sid)
  const csrf = request.csrf(accountPurpose(current))
  return {
    page: {
      title: t.sessions.title,
      said: done,
      wide: true,
      nav: <AccountNav at="/account" />,
    },
    body: (
      <>
        {done === undefined ? null : <Notice kind="good" title={done} focused />}
        {current.absoluteAt - now > WARN_SECONDS ? null : (
          <EndsSoon at={current.absoluteAt} t={t} />
        )}
        <div class="row apart">
          <p class="soft">{whose(current)}</p>
          <div class="row small">
            {administers === undefined ? null : <a href={TENANT_CONSOLE}>{t.sessions.tenant}</a>}
            <a href={ANOTHER_ACCOUNT}>{t.offers.another_account}</a>
          </div>
        </div>
        <ul class="rows">
          {[...here, ...others].map((one) => (
            <Row
              deps={deps}
              live={one}
              current={one.session.sid === current.sid}
              csrf={csrf}
              now={now}
              t={t}
            />
          ))}
        </ul>
        <hr />
        <div class="tight">
          <h2>{t.sessions.lostDevice}</h2>
          <p class="soft">{t.sessions.everywhereHint}</p>
        </div>
        <div class="row">
          <LinkButton kind="danger" href="/account/sign-out">
            {t.sessions.everywhere}
          </LinkButton>
        </div>
      </>
    ),
  }
}

/** Asks for confirmation, because the sign-out reaches every device. */
export async function askEverywhere(
  deps: Deps,
  request: PageRequest,
  current: Session,
): Promise<PageAnswer> {
  const { now, t } = request
  const others = (await deps.store.liveSessionsOf(current.sub, now)).filter(
    ({ session }) => session.sid !== current.sid,
  )
  return {
    page: {
      title: t.sessions.everywhereTitle,
      mark: 'warn',
      wide: true,
      nav: <AccountNav at={undefined} />,
    },
    body: (
      <>
        <p>
          {others.length === 0
            ? t.signOut.everywhereOnlyHere
            : t.signOut.everywhereOthers({ others: others.length })}
        </p>
        <ul class="bullets">
          {others.map(({ session }) => (
            <li>{session.device}</li>
          ))}
        </ul>
        <form class="stack" method="post" action="/account/sign-out">
          <HiddenFields
            fields={{ [CSRF_FIELD]: request.csrf(accountPurpose(current)), everywhere: 'yes' }}
          />
          <AlsoMicrosoft shared={request.isShared} />
          <div class="row">
            <Button kind="danger">{t.sessions.everywhere}</Button>
            <LinkButton kind="quiet" href="/account">
              {t.signOut.stay}
            </LinkButton>
          </div>
        </form>
      </>
    ),
  }
}

/** Seconds before a session's absolute end at which its user is warned to save open work. */
const WARN_SECONDS = 300

const EndsSoon = ({ at, t }: { at: number; t: Texts }) => (
  <Notice kind="warn" title={t.sessions.endsSoonTitle}>
    {t.sessions.endsSoon({ at: <Moment at={at} t={t} /> })}
  </Notice>
)

interface RowProps {
  deps: Deps
  live: Live
  current: boolean
  csrf: string
  now: number
  t: Texts
}

function Row({ deps, live: { session, participants }, current, csrf, now, t }: RowProps) {
  const { device, sid } = session
  const lastUsed = ago(session.lastActiveAt, now, t)
  return (
    <li>
      <div class="line">
        <DeviceIcon device={device} />
        <div class="tight">
          <div class="row">
            <h2>{device}</h2>
            {current ? <span class="tag">{t.sessions.thisDevice}</span> : null}
          </div>
          <p class="soft">{instancesOf(deps, participants) ?? t.shared.noApps}</p>
          <Facts
            items={[
              [t.sessions.lastUsed, lastUsed],
              [t.sessions.since, <Moment at={session.openedAt} t={t} />],
              [t.sessions.endsBy, <Moment at={session.absoluteAt} t={t} />],
            ]}
          />
        </div>
        <div class="acts">
          <form method="post" action="/account/sign-out">
            <HiddenFields fields={{ [CSRF_FIELD]: csrf, sid }} />
            <Button kind="quiet" small label={t.sessions.signOutOf({ device, lastUsed })}>
              {t.shared.signOut}
            </Button>
          </form>
          {current ? null : (
            <LinkButton
              kind="quiet"
              small
              href={`/account/report?session=${sid}`}
              label={t.report.notMeOf({ what: device, when: lastUsed })}
            >
              {t.report.notMe}
            </LinkButton>
          )}
        </div>
      </div>
    </li>
  )
}

/** Names the apps of a session, with a link if a browser can open the app. */
function instancesOf(deps: Deps, participants: readonly Participant[]): Child {
  const apps = participants.flatMap(({ clientId }) => deps.clients.find(clientId)?.metadata ?? [])
  if (apps.length === 0) return undefined
  return apps.map((app, at) => {
    const href = homeOf(app)
    return (
      <>
        {at === 0 ? null : ', '}
        {href === undefined ? app.name : <a href={href}>{app.name}</a>}
      </>
    )
  })
}

const whose = ({ user }: Session): string =>
  [user.name, user.username ?? user.email].filter(Boolean).join(' · ')
