import type { Session } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { Button, Facts, HiddenFields, Notice } from '../../pages/components.tsx'
import { CSRF_FIELD } from '../../pages/csrf.ts'
import type { PageAnswer, PageRequest } from '../page-request.ts'
import { homeOf } from '../../pages/places.ts'
import type { Texts } from '../../pages/texts.ts'
import { Moment } from '../../pages/times.tsx'
import type { ClientMetadata } from '../../protocol/client-metadata.ts'
import { splitList } from '../../protocol/params.ts'
import { revoke } from '../../revocation/revoke.ts'
import { forged } from './rejected-form.ts'
import { AccountNav } from './nav.tsx'

/**
 * The page "Apps and consents": the apps with a grant or consent of the user, each with a form that
 * ends both.
 */

const purposeOf = ({ sub }: Session): string => `apps ${sub}`

interface App {
  clientId: string
  metadata: ClientMetadata
  /** Sessions in which the app has a grant. */
  sids: string[]
  since?: number | undefined
  consent?: { scope: string; at: number } | undefined
}

/** Returns the user's apps, sorted by name. The removal of an app has revoked its grants. */
async function appsOf({ store, clients }: Deps, { sub }: Session, now: number): Promise<App[]> {
  const { grants, consents } = await store.appsOfUser(sub, now)
  const ids = new Set([...grants, ...consents].map(({ clientId }) => clientId))
  return [...ids]
    .flatMap((clientId): App[] => {
      const client = clients.find(clientId)
      if (client === undefined) return []
      const held = grants.filter((one) => one.clientId === clientId)
      const since = held.length === 0 ? undefined : Math.min(...held.map(({ firstAt }) => firstAt))
      const consent = consents.find((one) => one.clientId === clientId)
      return [
        { clientId, metadata: client.metadata, sids: held.map(({ sid }) => sid), since, consent },
      ]
    })
    .toSorted((one, other) => one.metadata.name.localeCompare(other.metadata.name))
}

export async function grantsPage(
  deps: Deps,
  request: PageRequest,
  session: Session,
  ended?: string,
): Promise<PageAnswer> {
  const { t } = request
  const apps = await appsOf(deps, session, request.now)
  const csrf = request.csrf(purposeOf(session))
  return {
    page: {
      title: t.grants.title,
      said: ended,
      wide: true,
      nav: <AccountNav at="/account/apps" />,
    },
    body: (
      <>
        {ended === undefined ? null : (
          <Notice kind="good" title={ended} focused>
            {t.grants.endedHint}
          </Notice>
        )}
        <p class="soft">{apps.length === 0 ? t.grants.none : t.grants.intro}</p>
        <ul class="rows">
          {apps.map((app) => (
            <Row app={app} csrf={csrf} t={t} />
          ))}
        </ul>
      </>
    ),
  }
}

function Row({
  app: { clientId, metadata, sids, since, consent },
  csrf,
  t,
}: {
  app: App
  csrf: string
  t: Texts
}) {
  const { name } = metadata
  const home = homeOf(metadata)
  const scopes: Readonly<Record<string, string>> = t.consent.scopes
  return (
    <li>
      <div class="row apart">
        <div class="tight">
          <h2>{home === undefined ? name : <a href={home}>{name}</a>}</h2>
          <p class="soft">
            {sids.length === 0 ? t.grants.notSignedIn : t.grants.devices({ devices: sids.length })}
          </p>
          <Facts
            items={[
              [t.sessions.since, since === undefined ? undefined : <Moment at={since} t={t} />],
              [
                t.grants.agreed,
                consent === undefined ? undefined : <Moment at={consent.at} t={t} />,
              ],
              [
                t.grants.may,
                consent === undefined
                  ? undefined
                  : splitList(consent.scope)
                      .map((scope) => scopes[scope] ?? scope)
                      .join(' · '),
              ],
            ]}
          />
        </div>
        <form method="post" action="/account/apps">
          <HiddenFields fields={{ [CSRF_FIELD]: csrf, client: clientId }} />
          <Button kind="quiet" small label={t.grants.endOf({ app: name })}>
            {t.grants.end}
          </Button>
        </form>
      </div>
    </li>
  )
}

/**
 * Revokes each grant of the app and withdraws the consent. The app is signed out on every device;
 * the user's sessions stay.
 */
export async function endAccess(
  deps: Deps,
  request: PageRequest,
  session: Session,
): Promise<PageAnswer> {
  const { now, t, fields } = request
  if (!request.isOurs(purposeOf(session))) return forged(t)
  const app = (await appsOf(deps, session, now)).find(
    ({ clientId }) => clientId === fields.get('client'),
  )
  if (app === undefined) return { to: '/account/apps' }
  const { clientId, metadata } = app
  // Withdrawn first: an app that asks for a new grant meanwhile finds no consent.
  await deps.store.withdrawConsent({ sub: session.sub, clientId, now })
  const actor = { kind: 'user', id: session.sub } as const
  // Read after the withdrawal: a code redeemed shortly before it has added a grant.
  const { grants } = await deps.store.appsOfUser(session.sub, now)
  for (const { sid } of grants.filter((one) => one.clientId === clientId))
    await revoke(deps, {
      selector: { kind: 'grant', sid, clientId },
      reason: 'signed_out',
      actor,
      now,
    })
  return grantsPage(deps, request, session, t.grants.ended({ app: metadata.name }))
}
