import { Notice } from '../../pages/components.tsx'
import { FRESH_SECONDS } from '../../clients/session/fresh.ts'

export const NOT_FRESH = 'Nothing was done yet: sign in again first.'

/** What an attacker at an open console must not do needs a recent sign-in: it happens in another tab, so that nothing filled in is lost. */
export const SignInAgain = ({ what, href = '/ops/sign-in?fresh=yes&return_to=/ops/fresh' }: { what: string; href?: string }) => (
  <Notice kind="warn" title={`${what} needs a sign-in that is no older than ${FRESH_SECONDS / 60} minutes`}>
    <p>
      <a href={href} target="_blank" rel="noopener">
        Sign in again (in a new tab)
      </a>
      , then come back here and go on. What you filled in stays.
    </p>
  </Notice>
)
