import type { Session } from '../../../db/types.ts'
import { PageLinks } from '../../pages/components.tsx'
import { useTexts } from '../../pages/texts.ts'

/**
 * The navigation of the account pages: a row of links, and the same links behind a button on
 * phones. Beneath it, each page names the user.
 */

type AccountPath = '/' | '/account' | '/account/history' | '/account/ready'

export const AccountNav = ({
  at,
  session: { user },
}: {
  at: AccountPath | undefined
  session: Pick<Session, 'user'>
}) => {
  const t = useTexts()
  const ways = [
    ['/', t.nav.apps],
    ['/account', t.shared.whereSignedIn],
    ['/account/history', t.nav.history],
    ['/account/ready', t.nav.ready],
  ] as const
  return (
    <>
      <nav
        class="tabs"
        aria-label={t.nav.label}
        data-start={`/signin/start?return_to=${at ?? '/account'}`}
      >
        <div class="across">
          <PageLinks links={ways} at={at} />
        </div>
        <details class="menu">
          <summary>{t.nav.label}</summary>
          <PageLinks links={ways} at={at} />
        </details>
        <a class="leave" href="/logout">
          {t.shared.signOut}
        </a>
      </nav>
      <p class="soft small whose">
        {[user.name, user.username ?? user.email].filter(Boolean).join(' · ')}
      </p>
    </>
  )
}
