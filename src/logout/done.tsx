import type { Context } from 'hono'
import type { Child } from 'hono/jsx'
import type { Delivery } from '../../db/types.ts'
import type { Deps } from '../deps.ts'
import { LinkButton, Notice } from '../page/components.tsx'
import { page } from '../page/layout.tsx'
import { currentStanding } from '../session/current.ts'
import type { Done } from './types.ts'
import { clientName, clientUri, personWords } from './words.ts'

/** The signed-out page: where the person is now signed out, and how far each instance has been told. Tells the truth also when it is opened again later. */

type Told = 'told' | 'telling' | 'waiting'
const TOLD: Record<Told, { words: string; tag: string }> = {
  told: { words: 'told', tag: 'tag' },
  telling: { words: 'being told', tag: 'tag wait' },
  waiting: { words: 'not reached yet', tag: 'tag bad' },
}
/** For so long the page keeps looking. */
const WATCH_SECONDS = 30
const TITLE = {
  device: 'You are signed out on this device',
  everywhere: 'You are signed out everywhere',
  none: 'You are not signed in here',
} as const
const WHAT = {
  device: 'In this browser you are signed out of:',
  everywhere: 'On every device you are signed out of:',
  none: 'Nobody is signed in to Case Manager in this browser.',
} as const

export async function signedOutPage(deps: Deps, c: Context, done: Done | undefined, now: number): Promise<Response> {
  const simulated = deps.config.entra.simulated
  const standing = await currentStanding(deps, c, now)
  if (standing.state === 'live' || standing.state === 'marked') return signedInAgain(deps, c, personWords(standing.session.person))
  const scope = done?.scope ?? 'none'
  const rows = done === undefined ? [] : await instances(deps, done, now)
  const watching = done !== undefined && rows.some((row) => row.told === 'telling') && now - done.at < WATCH_SECONDS
  return page(
    c,
    { title: TITLE[scope], simulated, live: watching ? { seconds: WATCH_SECONDS } : undefined },
    <>
      {rows.length === 0 ? (
        <p>{scope === 'none' ? WHAT.none : 'You are signed out of Case Manager.'}</p>
      ) : (
        <Instances what={WHAT[scope]} rows={rows} />
      )}
      {rows.some((row) => row.told === 'waiting') ? (
        <p class="soft small">
          An instance that cannot be reached is told as soon as it is back. Until then it may show you as signed in, for a few minutes at most.
        </p>
      ) : null}
      {done?.elsewhere === undefined || done.elsewhere === 0 ? null : (
        <Notice kind="warn" title={`You are still signed in on ${done.elsewhere === 1 ? 'another device' : `${done.elsewhere} other devices`}`}>
          This device was signed out before you chose. Sign in and open “Where you are signed in” to sign out there too.
        </Notice>
      )}
      {scope === 'none' ? null : microsoftWords(done?.microsoft)}
      {wayBack(deps, done)}
    </>,
  )
}

const signedInAgain = (deps: Deps, c: Context, who: string): Response =>
  page(
    c,
    { title: 'You are signed in', simulated: deps.config.entra.simulated },
    <>
      <p>In this browser {who} is signed in to Case Manager.</p>
      <div class="row">
        <LinkButton href="/logout">Sign out</LinkButton>
        <LinkButton kind="quiet" href="/account">
          Where you are signed in
        </LinkButton>
      </div>
    </>,
  )

interface Row {
  name: string
  told: Told | undefined
}

const Instances = ({ what, rows }: { what: string; rows: readonly Row[] }) => (
  <div class="stack">
    <p>{what}</p>
    <ul class="rows" id="progress" data-live aria-live="polite">
      {rows.map(({ name, told }) => (
        <li>
          <div class="row apart">
            <span>{name}</span>
            {told === undefined ? null : <span class={TOLD[told].tag}>{TOLD[told].words}</span>}
          </div>
        </li>
      ))}
    </ul>
  </div>
)

/** Each instance by its name, with what its logout tokens have come to. One that has no logout address follows the feed and is told by that. */
async function instances(deps: Deps, done: Done, now: number): Promise<Row[]> {
  const deliveries = done.seq === undefined || now - done.at > 3600 ? undefined : await deps.store.listDeliveries({ seq: done.seq, limit: 500 })
  return done.clientIds.flatMap((clientId) => {
    const client = deps.clients.find(clientId)
    if (client === undefined) return []
    const followed = deliveries === undefined || client.metadata.logoutUris.length === 0
    return [{ name: client.metadata.name, told: followed ? undefined : progress(deliveries.filter((one) => one.clientId === clientId)) }]
  })
}

/** None yet: what a wide revocation owes is written in batches. */
function progress(deliveries: readonly Delivery[]): Told {
  if (deliveries.length === 0) return 'telling'
  if (deliveries.some((one) => one.state === 'dead' || one.state === 'refused' || (one.state === 'owed' && one.attempts > 1))) return 'waiting'
  return deliveries.every((one) => one.state === 'delivered' || one.state === 'superseded') ? 'told' : 'telling'
}

function microsoftWords(microsoft: Done['microsoft']): Child {
  if (microsoft === 'left') return <p>You have signed out of Microsoft 365 in this browser too.</p>
  if (microsoft === 'unreachable') {
    return (
      <Notice kind="warn" title="You may still be signed in to Microsoft 365">
        Microsoft could not be reached. Sign out there yourself, for instance in Outlook, or close every window of this browser.
      </Notice>
    )
  }
  return <p class="soft small">You may still be signed in to Microsoft 365 in this browser. On a computer that others use, sign out there too.</p>
}

function wayBack(deps: Deps, done: Done | undefined): Child {
  const name = clientName(deps.clients, done?.clientId)
  const href = done?.back ?? clientUri(deps.clients, done?.clientId)
  return (
    <div class="row">
      {href === undefined || name === undefined ? (
        <LinkButton href="/account">Sign in again</LinkButton>
      ) : (
        <LinkButton href={href}>Back to {name}</LinkButton>
      )}
    </div>
  )
}
