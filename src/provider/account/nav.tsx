import { PageLinks } from '../../pages/components.tsx'
import { useTexts } from '../../pages/texts.ts'

/**
 * The ways between the pages of an account, on each of them. The links are there twice, as in the
 * console: in a row, and behind a button on a phone.
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
