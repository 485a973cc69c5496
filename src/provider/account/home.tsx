import type { Session } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import {
  Button,
  Facts,
  HiddenFields,
  MicrosoftButton,
  Notice,
  Trouble,
} from '../../pages/components.tsx'
import { CSRF_FIELD } from '../../pages/csrf.ts'
import type { PageAnswer, PageRequest } from '../page-request.ts'
import { ANOTHER_ACCOUNT, homeOf, startsAnew } from '../../pages/places.ts'
import type { Texts } from '../../pages/texts.ts'
import { Moment } from '../../pages/times.tsx'
import type { ClientMetadata } from '../../protocol/client-metadata.ts'
import { splitList } from '../../protocol/params.ts'
import { requestRevocation } from '../../revocation/revoke.ts'
import { appsOf } from './apps.ts'
import { AccountNav } from './nav.tsx'
import { forged } from './rejected-form.ts'

/**
 * The broker's home page: the instances that a user may open, where the user is signed in to each,
 * and a form that signs out of one. A visitor without a session sees only what the sign-in page
 * says.
 */

export const homeForAnybody = ({ t }: PageRequest): PageAnswer => ({
  page: { title: t.home.title },
  body: (
    <>
      <p>{t.home.intro}</p>
      <MicrosoftButton href="/signin/start?return_to=/" />
      <Trouble />
    </>
  ),
})

const purposeOf = ({ sub }: Session): string => `apps ${sub}`

interface App {
  clientId: string
  metadata: ClientMetadata
  /** Sessions in which the app has a grant. */
  sids: string[]
  since?: number | undefined
  consent?: { scope: string; at: number } | undefined
}

/** Returns the user's apps by name: those that may be opened, and those with a grant or consent. */
async function listed(deps: Deps, session: Session, now: number): Promise<App[]> {
  const { grants, consents } = await deps.store.appsOfUser(session.sub, now)
  const ids = [...appsOf(deps, session).open, ...grants, ...consents].map(
    ({ clientId }) => clientId,
  )
  return [...new Set(ids)]
    .flatMap((clientId): App[] => {
      // The removal of an app has revoked its grants.
      const client = deps.clients.find(clientId)
      if (client === undefined) return []
      const held = grants.filter((grant) => grant.clientId === clientId)
      const since = held.length === 0 ? undefined : Math.min(...held.map(({ firstAt }) => firstAt))
      const consent = consents.find((candidate) => candidate.clientId === clientId)
      return [
        { clientId, metadata: client.metadata, sids: held.map(({ sid }) => sid), since, consent },
      ]
    })
    .toSorted((a, b) => a.metadata.name.localeCompare(b.metadata.name))
}

export async function homeFor(
  deps: Deps,
  request: PageRequest,
  session: Session,
  ended?: string,
): Promise<PageAnswer> {
  const { t } = request
  const apps = await listed(deps, session, request.now)
  const csrf = request.csrf(purposeOf(session))
  return {
    page: {
      title: t.home.title,
      said: ended,
      wide: true,
      nav: <AccountNav at="/" session={session} />,
    },
    body: (
      <>
        {ended === undefined ? null : (
          <Notice kind="good" title={ended} focused>
            <p>{t.home.endedHint}</p>
            <p>
              <a href="/account">{t.shared.whereSignedIn}</a>
            </p>
          </Notice>
        )}
        {apps.length === 0 ? <p>{t.ready.noApps}</p> : null}
        <ul class="rows">
          {apps.map((app) => (
            <Row app={app} issuer={deps.config.issuer} csrf={csrf} t={t} />
          ))}
        </ul>
        <p class="small">
          <a href={ANOTHER_ACCOUNT}>{t.shared.switchAccount}</a>
        </p>
      </>
    ),
  }
}

function Row({
  app: { clientId, metadata, sids, since, consent },
  issuer,
  csrf,
  t,
}: {
  app: App
  issuer: string
  csrf: string
  t: Texts
}) {
  const { name } = metadata
  const home = homeOf(metadata)
  // At its home, a browser that was signed out would only read so.
  const opens = startsAnew(metadata, issuer) ?? home
  const scopes: Readonly<Record<string, string>> = t.consent.scopes
  return (
    <li>
      <div class="row apart">
        <div class="tight">
          <h2>{opens === undefined ? name : <a href={opens}>{name}</a>}</h2>
          <p class="soft small">{opens === undefined ? t.home.noAddress : new URL(opens).host}</p>
          <Facts
            items={[
              [
                sids.length === 0 ? '' : t.home.devices({ devices: sids.length }),
                since === undefined ? undefined : t.home.since({ at: <Moment at={since} t={t} /> }),
              ],
              [t.home.agreed, consent === undefined ? undefined : <Moment at={consent.at} t={t} />],
              [
                t.home.may,
                consent === undefined
                  ? undefined
                  : splitList(consent.scope)
                      .map((scope) => scopes[scope] ?? scope)
                      .join(' · '),
              ],
            ]}
          />
        </div>
        {sids.length === 0 && consent === undefined ? null : (
          <form method="post" action="/">
            <HiddenFields fields={{ [CSRF_FIELD]: csrf, client: clientId }} />
            <Button kind="quiet" small label={t.home.endOf({ app: name })}>
              {t.home.end}
            </Button>
          </form>
        )}
      </div>
    </li>
  )
}

/**
 * Signs the user out of one app, on every device: revokes each of its grants, and withdraws the
 * consent. The user's sessions stay.
 */
export async function signOutOfApp(
  deps: Deps,
  request: PageRequest,
  session: Session,
): Promise<PageAnswer> {
  const { now, t, fields } = request
  if (!request.isOurs(purposeOf(session))) return forged(t)
  const app = (await listed(deps, session, now)).find(
    ({ clientId }) => clientId === fields.get('client'),
  )
  if (app === undefined) return { to: '/' }
  const { clientId, metadata } = app
  // Withdrawn first: an app that asks for a new grant meanwhile finds no consent.
  await deps.store.withdrawConsent({ sub: session.sub, clientId, now })
  const actor = { kind: 'user', id: session.sub } as const
  // Read after the withdrawal: a code redeemed shortly before it has added a grant.
  const { grants } = await deps.store.appsOfUser(session.sub, now)
  for (const { sid } of grants.filter((grant) => grant.clientId === clientId))
    await requestRevocation(deps, {
      selector: { kind: 'grant', sid, clientId },
      reason: sid === session.sid ? 'signed_out' : 'signed_out_remotely',
      actor,
      now,
    })
  return homeFor(deps, request, session, t.home.ended({ app: metadata.name }))
}
