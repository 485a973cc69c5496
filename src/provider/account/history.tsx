import type { SecurityEvent, Session } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { Facts, LinkButton } from '../../pages/components.tsx'
import type { PageAnswer, PageRequest } from '../page-request.ts'
import type { Texts } from '../../pages/texts.ts'
import { reasonClass, type Reason } from '../../protocol/revocation.ts'
import { isFresh } from '../../session/lifetimes.ts'
import { Clock, day, deviceIn, Moment, moment } from '../../pages/times.tsx'
import { Addresses, networksFor } from './addresses.tsx'
import { AccountNav } from './nav.tsx'

/**
 * The security history: a user's sign-ins, rejected sign-ins and ended sessions. It shows addresses
 * only after a recent sign-in.
 */

const ENTRIES_ON_A_PAGE = 20

type Place = Pick<SecurityEvent, 'at' | 'id'>

/** Returns the name of an entry in URLs and forms. */
const entryName = ({ at, id }: Place): string => `${at}.${id}`

export function readEntryName(name: string | undefined): Place | undefined {
  const [, at, id] = /^(\d{1,12})\.([\w-]{1,64})$/.exec(name ?? '') ?? []
  return at === undefined || id === undefined ? undefined : { at: Number(at), id }
}

export async function historyPage(
  deps: Deps,
  request: PageRequest,
  current: Session,
): Promise<PageAnswer> {
  const { t, fields } = request
  const before = readEntryName(fields.get('before') ?? undefined)
  const found = await deps.store.securityHistory({
    sub: current.sub,
    before,
    limit: ENTRIES_ON_A_PAGE + 1,
  })
  const events = found.slice(0, ENTRIES_ON_A_PAGE)
  const last = found.length > ENTRIES_ON_A_PAGE ? events.at(-1) : undefined
  const network = networksFor(current, request)
  const fresh = isFresh(current, request.now)
  // A revocation that ended several sessions is one act, and names none of their devices.
  const acts = events.flatMap((event) => {
    const same = events.filter(
      ({ kind, seq }) => kind === event.kind && seq !== undefined && seq === event.seq,
    )
    if (same.length < 2) return event
    return same[0] === event ? { ...event, device: undefined } : []
  })
  const days = Map.groupBy(acts, ({ at }) => day(at, t))
  return {
    page: {
      title: t.history.title,
      wide: true,
      nav: <AccountNav at="/account/history" session={current} />,
    },
    body: (
      <>
        <p class="soft">{t.history.intro}</p>
        {events.length === 0 ? <p>{t.history.none}</p> : null}
        <div class="days" data-locale={t.locale}>
          {[...days].map(([name, own]) => (
            <>
              <h2>{name}</h2>
              <ul>
                {own.map((event) => (
                  <Entry {...{ deps, event, current, network, fresh, t }} />
                ))}
              </ul>
            </>
          ))}
        </div>
        <Addresses deps={deps} current={current} path="/account/history" request={request} />
        <nav class="row" aria-label={t.history.pages}>
          {before === undefined ? null : (
            <LinkButton kind="quiet" href="/account/history">
              {t.history.newest}
            </LinkButton>
          )}
          {last === undefined ? null : (
            <LinkButton kind="quiet" href={`/account/history?before=${entryName(last)}`}>
              {t.history.older}
            </LinkButton>
          )}
        </nav>
      </>
    ),
  }
}

interface EntryProps {
  deps: Deps
  event: SecurityEvent
  current: Session
  network: ReturnType<typeof networksFor>
  /** True where the reader has just proved who they are: then their own report is named. */
  fresh?: boolean | undefined
  t: Texts
}

/** One line, whose details open on demand. A sign-in of another session may be a stranger's. */
function Entry({ deps, event, current, network, fresh, t }: EntryProps) {
  const { kind, clientId, device, sid } = event
  const what =
    kind === 'ended' && clientId !== undefined ? t.history.grantEnded : t.history.kind[kind]
  const isHere = sid === current.sid
  return (
    <li>
      <details>
        <summary>
          <Clock at={event.at} t={t} />
          <strong>{what}</strong>
          {isHere ? <span class="tag">{t.sessions.thisDevice}</span> : null}
          <span class="soft">
            {[
              device === undefined ? appOf(deps, event) : deviceIn(device, t),
              whyOf(event, t, fresh),
            ]
              .filter(Boolean)
              .join(' · ')}
          </span>
        </summary>
        <EventFacts {...{ deps, event, network, fresh, t }} />
        {isHere || kind === 'ended' || kind === 'reported' ? null : (
          <LinkButton
            kind="quiet"
            small
            href={`/account/report?entry=${entryName(event)}`}
            label={t.report.notMeOf({ what, when: moment(event.at, t) })}
          >
            {t.report.notMe}
          </LinkButton>
        )}
      </details>
    </li>
  )
}

const appOf = ({ clients }: Pick<Deps, 'clients'>, { clientId }: SecurityEvent) =>
  clients.find(clientId ?? '')?.metadata.name

export const EventFacts = ({ deps, event, network, fresh, t }: Omit<EntryProps, 'current'>) => (
  <Facts
    items={[
      [t.history.when, <Moment at={event.at} t={t} />],
      [t.history.why, whyOf(event, t, fresh)],
      [t.history.device, event.device === undefined ? undefined : deviceIn(event.device, t)],
      [t.history.app, appOf(deps, event)],
      [t.history.address, network(event.address)],
    ]}
  />
)

/**
 * Returns the cause of an entry. Security causes are not named, so that an attacker does not learn
 * what was detected; the user's own report is, to a reader who has proved that they are the user.
 */
function whyOf({ kind, why }: SecurityEvent, t: Texts, fresh = false): string | undefined {
  if (why === undefined) return undefined
  if (fresh && why === 'reported_by_user') return t.history.kind.reported
  if (kind === 'ended') return t.ended[reasonClass(why as Reason)]
  const rejected: Record<string, string> = t.history.rejected
  return kind === 'sign_in_rejected' ? (rejected[why] ?? t.history.rejectedOther) : undefined
}
