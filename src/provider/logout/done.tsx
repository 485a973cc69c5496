import type { Child } from 'hono/jsx'
import type { Deps } from '../deps.ts'
import { LinkButton, Notice, userWords } from '../../pages/components.tsx'
import type { PageAnswer, PageRequest } from '../page-request.ts'
import { type Done, signedOutAddress } from '../../pages/signed-out.ts'
import type { Client } from '../../protocol/client-metadata.ts'
import { type Participant, receiptOf } from '../../revocation/receipt.ts'
import { readDone } from './after.ts'
import type { Texts } from '../../pages/texts.ts'
import { Moment } from '../../pages/times.tsx'
import { endedClass, sessionHere } from '../../session/current.ts'
import { clientName, clientUri } from './names.ts'

/**
 * The signed-out page: what the user is signed out of, and what is known of each instance: that it
 * gives no access by tokens, that its own session has ended, or both. It stays correct when opened
 * again later.
 */

type OpenText = 'ownPages' | 'ownPagesUntil' | 'tokensEnd' | 'accessEnds' | 'allEnds'
type Progress = keyof Texts['signedOut']['progress']
const TAG: Record<Progress, string> = {
  delivered: 'tag',
  accessEnded: 'tag wait',
  sessionEnded: 'tag wait',
  pending: 'tag wait',
  unconfirmed: 'tag bad',
}

/** Seconds during which the page polls for confirmations: longer than the longest lease. */
const WATCH_SECONDS = 65
/** Seconds after which an instance that has not confirmed counts as not reached. */
const PATIENCE_SECONDS = 3

export async function signedOutPage(deps: Deps, request: PageRequest): Promise<PageAnswer> {
  const { now, t, fields, after } = request
  const { status, session: live, isByBrowser } = await sessionHere(deps, request, now)
  if (live !== undefined)
    return isByBrowser ? { to: '/logout' } : signedInAgain(userWords(live.user, t), t)
  // An app links here without `about`. The cookie of a later session says more than that sign-out.
  const kept = status.state === 'unknown' ? after : undefined
  const done = readDone(deps, fields.get('about') ?? kept, now)
  if (done?.microsoft === 'next') return onToMicrosoft(deps, done, now, t)
  const scope = done?.scope ?? 'none'
  const why = done === undefined ? endedClass(status) : done.why
  const rows = done === undefined ? [] : await instances(deps, done, now)
  const watching =
    done !== undefined && rows.some((row) => row.mayChange) && now - done.at < WATCH_SECONDS
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
        {done?.elsewhere === undefined || done.elsewhere === 0 ? null : (
          <Notice kind="warn" title={t.signedOut.elsewhereTitle({ devices: done.elsewhere })}>
            {t.signedOut.elsewhere}
          </Notice>
        )}
        {scope === 'everywhere' ? <p class="soft">{t.signedOut.nextSignIn}</p> : null}
        {done === undefined || scope === 'none' ? null : microsoftPart(deps, done, now, t)}
        {returnLink(deps, done, t)}
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
  /** The words for that which may go on there, and when it ends at the latest. */
  open?: { text: OpenText; untilMs?: number | undefined }
  /** True while the app may still confirm more. */
  mayChange?: boolean
}

const Instances = ({ what, rows, t }: { what: string; rows: readonly Row[]; t: Texts }) => (
  <div class="stack">
    <p>{what}</p>
    <div class="stack" id="progress" data-live aria-live="polite">
      <ul class="rows">
        {rows.map(({ name, progress, open }) => (
          <li>
            <div class="row apart">
              <span>{name}</span>
              {progress === undefined ? null : (
                <span class={open?.text === 'allEnds' ? TAG.pending : TAG[progress]}>
                  {t.signedOut.progress[progress]}
                </span>
              )}
            </div>
            {open === undefined ? null : <p class="soft small">{openText(name, open, t)}</p>}
          </li>
        ))}
      </ul>
      {rows.every(({ progress }) => progress === 'delivered') ? (
        <p>{t.signedOut.allConfirmed({ apps: rows.length })}</p>
      ) : null}
      {rows.some(({ progress }) => progress === 'unconfirmed') ? (
        <p class="soft small">{t.signedOut.unconfirmed}</p>
      ) : null}
    </div>
  </div>
)

/** Says what is not known to have ended at an app, and when it ends. Times are rounded up. */
const openText = (app: string, { text, untilMs }: Required<Row>['open'], t: Texts): Child =>
  text === 'ownPages' || untilMs === undefined
    ? t.signedOut.ownPages({ app })
    : t.signedOut[text]<Child>({
        app,
        at: <Moment at={Math.ceil(untilMs / 60_000) * 60} t={t} />,
      })

/** Returns each instance with its progress, as the receipt has it. */
async function instances(deps: Deps, done: Done, now: number): Promise<Row[]> {
  const receipt =
    done.seq === undefined || now - done.at > 3600 ? undefined : await receiptOf(deps, done.seq)
  return done.clientIds.flatMap((clientId) => {
    const client = deps.clients.find(clientId)
    if (client === undefined) return []
    const part = receipt?.participants.find((participant) => participant.clientId === clientId)
    return { name: client.metadata.name, ...progressOf(part, client, now - done.at) }
  })
}

/**
 * Returns how far the sign-out has come at an instance: `delivered` once it accepts no token and
 * its own session has ended; before that, what has ended and until when the rest may last.
 * Undefined for an instance that confirms nothing by itself, and one that took no part.
 */
function progressOf(
  part: Participant | undefined,
  { metadata: { logoutUris } }: Client,
  seconds: number,
): Omit<Row, 'name'> {
  if (part === undefined) return { progress: undefined }
  const { state, tokens, sessions, guards, noLaterThanMs: untilMs } = part
  if (state === 'confirmed') return { progress: 'delivered' }
  const getsTokens = logoutUris.length > 0
  const isSilent = guards.listening === 0 && !getsTokens
  const mayChange =
    !isSilent && (getsTokens || sessions.state === 'bounded' || tokens.state === 'bounded')
  if (sessions.by === 'logout_token' && sessions.state === 'confirmed')
    return { progress: 'sessionEnded', open: { text: 'tokensEnd', untilMs }, mayChange }
  if (mayChange && seconds < PATIENCE_SECONDS) return { progress: 'pending', mayChange }
  if (tokens.state === 'confirmed') {
    const text = sessions.state === 'bounded' ? 'ownPagesUntil' : 'ownPages'
    return { progress: 'accessEnded', open: { text, untilMs }, mayChange }
  }
  const open: Row['open'] =
    sessions.state === 'not_bounded'
      ? { text: 'accessEnds', untilMs: tokens.noLaterThanMs }
      : { text: 'allEnds', untilMs }
  return { progress: isSilent ? undefined : 'unconfirmed', open, mayChange }
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

function returnLink(deps: Deps, done: Done | undefined, t: Texts): Child {
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
