import { PageLinks } from '../../pages/components.tsx'
import { useTexts } from '../../pages/texts.ts'

/**
 * The navigation of the account pages: a row of links, and the same links behind a button on
 * phones.
 */

type AccountPath = '/' | '/account' | '/account/apps' | '/account/history' | '/account/ready'

export const AccountNav = ({ at }: { at: AccountPath | undefined }) => {
  const t = useTexts()
  const ways = [
    ['/', t.nav.apps],
    ['/account', t.nav.sessions],
    ['/account/apps', t.nav.grants],
    ['/account/history', t.nav.history],
    ['/account/ready', t.nav.ready],
  ] as const
  return (
    <nav class="tabs" aria-label={t.nav.label}>
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
  )
}
