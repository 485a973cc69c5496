import type { Session } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { MicrosoftButton, Trouble } from '../../pages/components.tsx'
import type { PageAnswer, PageRequest } from '../page-request.ts'
import { ANOTHER_ACCOUNT } from '../../pages/places.ts'
import type { Texts } from '../../pages/texts.ts'
import type { ClientMetadata } from '../../protocol/client-metadata.ts'
import { appsOf } from './apps.ts'
import { AccountNav } from './nav.tsx'

/**
 * The broker's home page: the instances that a user may open. A visitor without a session sees only
 * what the sign-in page says.
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

export function homeFor(deps: Deps, { t }: PageRequest, session: Session): PageAnswer {
  const { open } = appsOf(deps, session)
  return {
    page: { title: t.home.title, wide: true, nav: <AccountNav at="/" /> },
    body: (
      <>
        {open.length === 0 ? <p>{t.ready.noApps}</p> : <Apps apps={open} t={t} />}
        <p class="small">
          <a href={ANOTHER_ACCOUNT}>{t.offers.another_account}</a>
        </p>
      </>
    ),
  }
}

const Apps = ({ apps, t }: { apps: readonly ClientMetadata[]; t: Texts }) => (
  <ul class="apps">
    {apps.map(({ name, uri }) => (
      <li>
        {uri === undefined ? (
          <span class="app">
            <strong>{name}</strong>
            <span class="soft small">{t.home.noAddress}</span>
          </span>
        ) : (
          <a class="app" href={uri}>
            <strong>{name}</strong>
            <span class="soft small">{new URL(uri).host}</span>
          </a>
        )}
      </li>
    ))}
  </ul>
)
