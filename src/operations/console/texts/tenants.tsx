import type { Child } from 'hono/jsx'

/** The words of the list of tenants. */

export const NO_TENANT = 'No tenant is connected yet.'

export const OPERATORS = 'operators’ tenant'

export const howToNameOne = (tid: string): Child => (
  <>
    To name a tenant: <code>cmb tenants change {tid} --name "Contoso"</code>, or its page of the
    set-up.
  </>
)

/** The words of the page of one tenant. */
export const TENANT = {
  unknown: 'No tenant with that ID is connected.',
  wrong: 'What is wrong with this tenant',
  operators: 'The operators of the broker are users of this tenant.',
  by: (who: string, at: Child): Child => (
    <>
      by {who}, {at}
    </>
  ),
  unnamed: 'an operator',
  consented: 'granted',
  noConsent: 'not confirmed',
  noProof: 'not chosen: every sign-in is rejected',
  noAdministrators: 'none: operators alone administer its users',
  noContact: 'none: pages name the operator of the broker',
  probes: 'running',
  paused: (at: Child): Child => (
    <>
      paused since {at}: <code>cmb tenants resume-probe</code>
    </>
  ),
  locked: 'Locked',
  rejected: 'Its rejected sign-ins',
  audit: 'What was changed, in the audit log',
} as const
