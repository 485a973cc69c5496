import type { Child } from 'hono/jsx'
import type { Lock } from '../../../../db/types.ts'
import type { Config } from '../../../config/config.ts'

/** The words and links of the pages about signing in to the console. */

export const SIGN_IN = 'Sign in'
export const ANYWAY = 'Try to sign in anyway'

export const signedOut = ({ issuer }: Config) => ({
  title: 'You have left the console',
  what: 'You are still signed in to Case Manager in this browser. On a computer that others use, sign out there too.',
  links: [
    { href: '/ops', label: 'Back to the console' },
    { href: `${issuer}/logout`, label: 'Sign out of Case Manager' },
  ],
})

const TITLE = 'Operators’ console'
export const NOT_SIGNED_IN = {
  never: {
    title: TITLE,
    what: 'For operators of this broker. Sign in with your Microsoft account.',
  },
  over: {
    title: TITLE,
    what: 'Your sign-in to the console has ended. It lasts an hour, and ends earlier with your session or your role, or when you are locked: the next sign-in says by whom.',
  },
} as const

export const MICROSOFT_DOWN = {
  title: 'You cannot sign in now',
  what: 'The console needs a sign-in at Microsoft. Nothing was changed.',
} as const

const ANOTHER_USER = [{ href: '/ops/sign-in?fresh=yes', label: 'Sign in as another user' }]
const NOT_OPEN = { title: 'The console is not open to you', links: ANOTHER_USER }
/** Why a user may not use the console. @param who the name of the user */
export const REJECTED = {
  other_tenant: (who: string) => ({
    ...NOT_OPEN,
    what: `${who} is of another Microsoft tenant than the one that operates this broker. An administrator of your tenant acts on that tenant alone, and not by this console.`,
    next: 'If you operate this broker, sign in with your account of the operator tenant.',
  }),
  no_role: (who: string) => ({
    ...NOT_OPEN,
    what: `${who} has none of the app roles Broker.Auditor, Broker.Operator and Broker.Administrator.`,
    next: 'Ask for one of them to be assigned to you in Microsoft Entra (Enterprise applications, Users and groups), then sign in again.',
  }),
} as const

export const closed = ({ opsOrigin }: Config) => ({
  title: 'The console is closed',
  what: (
    <>
      No user can be an operator yet, because the broker does not know the operator tenant. Finish
      the <a href="/setup">set-up</a>, or set <code>BROKER_OPERATOR_TENANT</code> to the id of that
      Microsoft tenant and start the broker again.
    </>
  ),
  next: (
    <>
      The tenant must also be connected, and you must open this page at{' '}
      <code>BROKER_OPS_ORIGIN</code> (now <code>{opsOrigin}</code>). Until then <code>cmb</code>{' '}
      operates the broker.
    </>
  ),
})

export const lost = ({ opsOrigin }: Config) => ({
  title: 'That sign-in cannot be continued',
  what: 'It began in another browser, at another address or more than ten minutes ago, or it was used already.',
  next: (
    <>
      Start again at <code>{opsOrigin}/ops</code>.
    </>
  ),
  links: [{ href: '/ops/sign-in', label: SIGN_IN }],
})

export const turnedAway = (error: string | undefined) => ({
  title: 'You are not signed in',
  what:
    error === 'temporarily_unavailable'
      ? 'The broker cannot sign users in at the moment. Nothing was changed.'
      : 'The sign-in was not finished.',
  links: [{ href: '/ops/sign-in', label: 'Try again' }],
})

const LOCKED = {
  user: {
    title: 'You are locked',
    lift: 'Ask another administrator to lift it, on the page Locks or on the broker’s machine:',
  },
  /** A tenant that was locked before it became the operators’. */
  tenant: {
    title: 'Your tenant is locked',
    lift: 'No operator can sign in. Lift the lock on the broker’s machine:',
  },
} as const
const lockedWords = ({ kind }: Lock['target']) => LOCKED[kind === 'tenant' ? kind : 'user']

/** Says by whom an operator or their tenant is locked, and how the lock is lifted. */
export const locked = ({ id, target, caseReference }: Lock, by: string, until: Child) => ({
  title: lockedWords(target).title,
  what: (
    <>
      By: {by}.{caseReference === undefined ? '' : ` Case: ${caseReference}.`} Until: {until}. You
      can sign in nowhere until then.
    </>
  ),
  next: (
    <>
      {lockedWords(target).lift} <code>cmb unlock {id}</code>
    </>
  ),
  links: ANOTHER_USER,
})

export const notRegistered = (id: string) => ({
  title: 'The console cannot be opened',
  what: (
    <>
      A client of the id <code>{id}</code> is registered elsewhere, and that id is reserved for the
      broker. Remove it with <code>cmb clients remove</code>.
    </>
  ),
})
