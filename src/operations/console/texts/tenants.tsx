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
