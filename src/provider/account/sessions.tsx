import type { Child } from 'hono/jsx'
import type { Session } from '../../../db/types.ts'
import { administratorOf } from '../../session/tenant-administrator.ts'
import type { Deps } from '../deps.ts'
import { Button, Facts, HiddenFields, LinkButton, Notice } from '../../pages/components.tsx'
import { CSRF_FIELD } from '../../pages/csrf.ts'
import type { PageAnswer, PageRequest } from '../page-request.ts'
import { ANOTHER_ACCOUNT, homeOf, TENANT_CONSOLE } from '../../pages/places.ts'
import type { Texts } from '../../pages/texts.ts'
import { ago, deviceIn, Moment } from '../../pages/times.tsx'
import { isFresh } from '../../session/lifetimes.ts'
import { Addresses, networksFor } from './addresses.tsx'
import { AccountNav } from './nav.tsx'

/** The page "Where am I signed in": a user's live sessions, each with a form that ends it. */

/** Returns the CSRF purpose of this page's forms. It names the user. */
export const accountPurpose = (session: Session): string => `account ${session.sub}`

export async function sessionsPage(
  deps: Deps,
  request: PageRequest,
  current: Session,
  done?: string,
): Promise<PageAnswer> {
  const { now, t } = request
  const { sub } = current
  const [{ sessions: live, grants }, administers, events] = await Promise.all([
    deps.store.appsOfUser(sub, now),
    administratorOf(deps, current),
    deps.store.securityHistory({ sub, limit: 20 }),
  ])
  const reported = events.find(({ kind, at }) => kind === 'reported' && now - at < TRACE_SECONDS)
  const isHere = ({ sid }: Session) => sid === current.sid
  const hereFirst = live.toSorted((a, b) => Number(isHere(b)) - Number(isHere(a)))
  const csrf = request.csrf(accountPurpose(current))
  const addresses = isFresh(current, now)
    ? await Promise.all(live.map((session) => deps.store.signInAddress(session)))
    : []
  const network = networksFor(current, request)
  return {
    page: {
      title: t.shared.whereSignedIn,
      said: done,
      wide: true,
      nav: <AccountNav at="/account" session={current} />,
    },
    body: (
      <>
        {done === undefined ? null : <Notice kind="good" title={done} focused />}
        {current.absoluteAt - now > WARN_SECONDS ? null : (
          <Notice kind="warn" title={t.sessions.endsSoonTitle}>
            {t.sessions.endsSoon({ at: <Moment at={current.absoluteAt} t={t} /> })}
          </Notice>
        )}
        {reported === undefined ? null : (
          <Notice title={t.history.kind.reported}>
            {t.sessions.reported<Child>({
              at: <Moment at={reported.at} t={t} />,
              device: deviceIn(reported.device ?? t.history.device, t),
            })}
            <br />
            <a href="/account/reported">{t.report.next}</a>
          </Notice>
        )}
        <p class="soft">{t.sessions.intro}</p>
        <ul class="rows">
          {hereFirst.map((session) => (
            <Row
              apps={instancesOf(
                deps,
                grants.filter(({ sid }) => sid === session.sid),
              )}
              network={network(addresses[live.indexOf(session)])}
              current={isHere(session)}
              {...{ session, csrf, now, t }}
            />
          ))}
        </ul>
        <Addresses deps={deps} current={current} path="/account" request={request} />
        {lostDevice(live.length > 1, t)}
        <div class="row small">
          {administers === undefined ? null : <a href={TENANT_CONSOLE}>{t.sessions.tenant}</a>}
          <a href={ANOTHER_ACCOUNT}>{t.shared.switchAccount}</a>
        </div>
      </>
    ),
  }
}

/** Seconds before a session's absolute end at which its user is warned to save open work. */
const WARN_SECONDS = 300

/** Says what to do about a lost device. Other devices have a button of their own above. */
const lostDevice = (hasOthers: boolean, t: Texts) => (
  <>
    <hr />
    <div class="tight">
      <h2>{t.sessions.lostDevice}</h2>
      <p class="soft">{hasOthers ? t.sessions.everywhereHint : t.sessions.onlyHereHint}</p>
    </div>
    <div class="row">
      <LinkButton kind="danger" href="/logout?everywhere">
        {t.sessions.everywhere}
      </LinkButton>
    </div>
  </>
)

/** Seconds for which the list of devices shows a report. */
const TRACE_SECONDS = 7 * 86_400

interface RowProps {
  session: Session
  apps: Child
  network: Child
  current: boolean
  csrf: string
  now: number
  t: Texts
}

/** Returns the kind of a device, for its icon. */
const kindOf = (device: string): string =>
  /iPad|tablet/i.test(device) ? 'tablet' : /iPhone|Android|phone/i.test(device) ? 'phone' : ''

function Row({ session, apps, network, current, csrf, now, t }: RowProps) {
  const { shared, sid } = session
  const device = deviceIn(session.device, t)
  const lastUsed = ago(session.lastActiveAt, now, t)
  const ends = <Moment at={session.absoluteAt} t={t} />
  return (
    <li>
      <div class="line">
        <span class={`device ${kindOf(session.device)}`} aria-hidden="true" />
        <div class="tight">
          <div class="row">
            <h2>{device}</h2>
            {current ? <span class="tag">{t.sessions.thisDevice}</span> : null}
            {shared ? <span class="tag wait">{t.sharedComputer.tag}</span> : null}
          </div>
          <p class="soft">{apps ?? t.shared.noApps}</p>
          <Facts
            items={[
              [t.sessions.lastUsed, lastUsed],
              [t.sessions.since, <Moment at={session.openedAt} t={t} />],
              [t.sessions.endsBy, shared ? undefined : ends],
              [t.history.address, network],
            ]}
          />
          {shared ? (
            <p class="soft small">
              {t.sharedComputer.ends({ minutes: Math.round(session.idleSeconds / 60), at: ends })}
            </p>
          ) : null}
        </div>
        {current ? null : (
          <div class="acts">
            <form method="post" action="/account/sign-out">
              <HiddenFields fields={{ [CSRF_FIELD]: csrf, sid }} />
              <Button kind="quiet" small label={t.sessions.signOutOf({ device, lastUsed })}>
                {t.shared.signOut}
              </Button>
            </form>
            <LinkButton
              kind="quiet"
              small
              href={`/account/report?session=${sid}`}
              label={t.sessions.lostOf({ what: device, when: lastUsed })}
            >
              {t.sessions.lost}
            </LinkButton>
          </div>
        )}
      </div>
    </li>
  )
}

/** Names the apps that a session is signed in to, with a link if a browser can open the app. */
function instancesOf(deps: Deps, grants: readonly { clientId: string }[]): Child {
  const apps = grants.flatMap(({ clientId }) => deps.clients.find(clientId)?.metadata ?? [])
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
