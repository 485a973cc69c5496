import type { Child } from 'hono/jsx'
import type { Delivery } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { LinkButton, Notice, userWords } from '../../pages/components.tsx'
import type { PageAnswer, PageRequest } from '../page-request.ts'
import { type Done, signedOutAddress } from '../../pages/signed-out.ts'
import { readDone } from './after.ts'
import type { Texts } from '../../pages/texts.ts'
import { currentStatus, endedClass, liveSession } from '../../clients/session/current.ts'
import { clientName, clientUri } from './names.ts'

/**
 * The signed-out page: what the user is signed out of, and which instances have confirmed it. It
 * stays correct when opened again later.
 */

type Progress = keyof Texts['signedOut']['progress']
const TAG: Record<Progress, string> = {
  delivered: 'tag',
  pending: 'tag wait',
  unconfirmed: 'tag bad',
}

/** Seconds during which the page polls for confirmations. */
const WATCH_SECONDS = 30
export async function signedOutPage(
  deps: Deps,
  { now, t, sessionHash, fields, after }: PageRequest,
): Promise<PageAnswer> {
  const status = await currentStatus(deps, sessionHash, now)
  const live = liveSession(status)
  if (live !== undefined) return signedInAgain(userWords(live.user, t), t)
  // An app links here without `about`. The cookie of a later session says more than that sign-out.
  const kept = status.state === 'unknown' ? after : undefined
  const done = readDone(deps, fields.get('about') ?? kept, now)
  if (done?.microsoft === 'next') return onToMicrosoft(deps, done, now, t)
  const scope = done?.scope ?? 'none'
  const why = done === undefined ? endedClass(status) : done.why
  const rows = done === undefined ? [] : await instances(deps, done, now)
  const watching =
    done !== undefined &&
    rows.some((row) => row.progress === 'pending') &&
    now - done.at < WATCH_SECONDS
  return {
    page: {
      title: t.signedOut.title[scope],
      live: watching ? { seconds: WATCH_SECONDS } : undefined,
    },
    body: (
      <>
        {why === undefined ? null : <Notice title={t.signedOut.already}>{t.ended[why]}</Notice>}
        {rows.length === 0 ? (
          <p>{scope === 'none' ? t.signedOut.what.none : t.signedOut.plain}</p>
        ) : (
          <Instances what={t.signedOut.what[scope]} rows={rows} t={t} />
        )}
        {watching ? (
          <noscript>
            <a href="">{t.signedOut.reload}</a>
          </noscript>
        ) : null}
        {rows.some((row) => row.progress === 'unconfirmed') ? (
          <p class="soft small">{t.signedOut.unconfirmed}</p>
        ) : null}
        {done?.elsewhere === undefined || done.elsewhere === 0 ? null : (
          <Notice kind="warn" title={t.signedOut.elsewhereTitle({ devices: done.elsewhere })}>
            {t.signedOut.elsewhere}
          </Notice>
        )}
        {done === undefined || scope === 'none' ? null : microsoftPart(deps, done, now, t)}
        {wayBack(deps, done, t)}
      </>
    ),
  }
}

/** Goes on to Microsoft's sign-out by itself. A redirect of the form would need its CSP to allow it. */
function onToMicrosoft(deps: Deps, done: Done, now: number, t: Texts): PageAnswer {
  const href = signedOutAddress(deps.sealer, done, now, '/logout/microsoft')
  return {
    page: { title: t.signedOut.microsoftNextTitle, next: href },
    body: (
      <>
        <p>{t.signedOut.microsoftNext}</p>
        <div class="row">
          <LinkButton href={href}>{t.signedOut.microsoftGo}</LinkButton>
        </div>
      </>
    ),
  }
}

const signedInAgain = (who: string, t: Texts): PageAnswer => ({
  page: { title: t.signedOut.signedInTitle },
  body: (
    <>
      <p>{t.signedOut.signedIn({ who })}</p>
      <div class="row">
        <LinkButton href="/logout">{t.shared.signOut}</LinkButton>
        <LinkButton kind="quiet" href="/account">
          {t.shared.whereSignedIn}
        </LinkButton>
      </div>
    </>
  ),
})

interface Row {
  name: string
  progress: Progress | undefined
}

const Instances = ({ what, rows, t }: { what: string; rows: readonly Row[]; t: Texts }) => (
  <div class="stack">
    <p>{what}</p>
    <ul class="rows" id="progress" data-live aria-live="polite">
      {rows.map(({ name, progress }) => (
        <li>
          <div class="row apart">
            <span>{name}</span>
            {progress === undefined ? null : (
              <span class={TAG[progress]}>{t.signedOut.progress[progress]}</span>
            )}
          </div>
        </li>
      ))}
    </ul>
  </div>
)

/**
 * Returns each instance with the progress of its deliveries. An instance without a logout address
 * follows the feed instead.
 */
async function instances(deps: Deps, done: Done, now: number): Promise<Row[]> {
  const deliveries =
    done.seq === undefined || now - done.at > 3600
      ? undefined
      : await deps.store.listDeliveries({ seq: done.seq, limit: 500 })
  return done.clientIds.flatMap((clientId) => {
    const client = deps.clients.find(clientId)
    if (client === undefined) return []
    const followed = deliveries === undefined || client.metadata.logoutUris.length === 0
    return [
      {
        name: client.metadata.name,
        progress: followed
          ? undefined
          : progressOf(deliveries.filter((one) => one.clientId === clientId)),
      },
    ]
  })
}

/**
 * Sums up an instance's deliveries. An empty list is pending, because a wide revocation writes
 * deliveries in batches.
 */
function progressOf(deliveries: readonly Delivery[]): Progress {
  if (deliveries.length === 0) return 'pending'
  if (
    deliveries.some(
      (one) =>
        one.state === 'failed' ||
        one.state === 'rejected' ||
        (one.state === 'pending' && one.attempts > 1),
    )
  )
    return 'unconfirmed'
  return deliveries.every((one) => one.state === 'delivered' || one.state === 'superseded')
    ? 'delivered'
    : 'pending'
}

function microsoftPart(deps: Deps, done: Done, now: number, t: Texts): Child {
  const { account, microsoft } = done
  if (microsoft === 'left') return <Notice kind="good">{t.signedOut.microsoftLeft}</Notice>
  return (
    <Notice kind="warn" title={t.signedOut.microsoftOpenTitle}>
      <p>
        {microsoft === 'unreachable' ? t.signedOut.microsoftUnreachable : t.signedOut.microsoftOpen}
      </p>
      {account === undefined ? null : (
        <LinkButton
          kind="quiet"
          small
          href={signedOutAddress(deps.sealer, done, now, '/logout/microsoft')}
        >
          {t.signedOut.microsoftGo}
        </LinkButton>
      )}
    </Notice>
  )
}

function wayBack(deps: Deps, done: Done | undefined, t: Texts): Child {
  const name = clientName(deps.clients, done?.clientId)
  const href = done?.back ?? clientUri(deps.clients, done?.clientId)
  return (
    <div class="row">
      {href === undefined || name === undefined ? (
        <LinkButton href="/account">{t.shared.signInAgain}</LinkButton>
      ) : (
        <LinkButton href={href}>{t.signedOut.back({ app: name })}</LinkButton>
      )}
    </div>
  )
}
