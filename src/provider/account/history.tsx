import type { SecurityEvent, Session } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { Facts, LinkButton, Notice } from '../../pages/components.tsx'
import type { PageAnswer, PageRequest } from '../page-request.ts'
import type { Texts } from '../../pages/texts.ts'
import { reasonClass, type Reason } from '../../protocol/revocation.ts'
import { isFresh } from '../../clients/session/lifetimes.ts'
import { Moment, moment } from '../../pages/times.tsx'
import { DeviceIcon } from './device.tsx'
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
  { now, t, fields }: PageRequest,
  current: Session,
): Promise<PageAnswer> {
  const before = readEntryName(fields.get('before') ?? undefined)
  const found = await deps.store.securityHistory({
    sub: current.sub,
    before,
    limit: ENTRIES_ON_A_PAGE + 1,
  })
  const events = found.slice(0, ENTRIES_ON_A_PAGE)
  const last = found.length > ENTRIES_ON_A_PAGE ? events.at(-1) : undefined
  const fresh = isFresh(current, now)
  return {
    page: { title: t.history.title, wide: true, nav: <AccountNav at="/account/history" /> },
    body: (
      <>
        <p class="soft">{t.history.intro}</p>
        {events.length === 0 ? <p>{t.history.none}</p> : null}
        <ul class="rows">
          {events.map((event) => (
            <Entry deps={deps} event={event} current={current} fresh={fresh} t={t} />
          ))}
        </ul>
        {fresh || deps.config.retention.addressDays === 0 ? null : <Addresses t={t} />}
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

/** The link to a fresh sign-in that returns to the history. */
export const PROVE_FIRST = '/signin/start?return_to=/account/history&fresh=yes'

const Addresses = ({ t }: { t: Texts }) => (
  <Notice title={t.history.addressesTitle}>
    <p>{t.history.addresses}</p>
    <p>
      <a href={PROVE_FIRST}>{t.history.proveFirst}</a>
    </p>
  </Notice>
)

interface EntryProps {
  deps: Deps
  event: SecurityEvent
  current: Session
  fresh: boolean
  t: Texts
}

function Entry({ deps, event, current, fresh, t }: EntryProps) {
  const what = headingOf(event, t)
  const when = moment(event.at, t)
  return (
    <li>
      <div class="line">
        <DeviceIcon device={event.device ?? ''} />
        <div class="tight">
          <div class="row">
            <h2>{what}</h2>
            {event.sid === current.sid ? <span class="tag">{t.sessions.thisDevice}</span> : null}
          </div>
          <EventFacts deps={deps} event={event} fresh={fresh} t={t} />
        </div>
        {event.kind === 'reported' ? null : (
          <div class="acts">
            <LinkButton
              kind="quiet"
              small
              href={`/account/report?entry=${entryName(event)}`}
              label={t.report.notMeOf({ what, when })}
            >
              {t.report.notMe}
            </LinkButton>
          </div>
        )}
      </div>
    </li>
  )
}

export const EventFacts = ({
  deps,
  event,
  fresh,
  t,
}: {
  deps: Deps
  event: SecurityEvent
  fresh: boolean
  t: Texts
}) => (
  <Facts
    items={[
      [t.history.when, <Moment at={event.at} t={t} />],
      [t.history.why, whyOf(event, t)],
      [t.history.by, byOf(event, t)],
      [t.history.device, event.device],
      [
        t.history.app,
        event.clientId === undefined ? undefined : deps.clients.find(event.clientId)?.metadata.name,
      ],
      [t.history.address, fresh ? event.address : undefined],
    ]}
  />
)

function headingOf({ kind, clientId }: SecurityEvent, t: Texts): string {
  return kind === 'ended' && clientId !== undefined ? t.history.grantEnded : t.history.kind[kind]
}

/**
 * Returns the cause of an entry. Security causes are not named, so that an attacker does not learn
 * what was detected.
 */
function whyOf({ kind, why }: SecurityEvent, t: Texts): string | undefined {
  if (why === undefined) return undefined
  if (kind === 'ended') return t.ended[reasonClass(why as Reason)]
  const rejected: Record<string, string> = t.history.rejected
  return kind === 'sign_in_rejected' ? (rejected[why] ?? t.history.rejectedOther) : undefined
}

/** Returns who signed out. An entry with a security cause names no actor. */
function byOf({ kind, why, actor, sub }: SecurityEvent, t: Texts): string | undefined {
  if (kind !== 'ended' || actor === undefined || reasonClass(why as Reason) !== 'signed_out')
    return undefined
  const actors: Record<string, string> = t.history.actor
  return actor.kind === 'user' && actor.id !== sub ? t.history.actor.otherUser : actors[actor.kind]
}
