/** The words that the pages of the console share. */

export const OVERVIEW = ['', 'Overview'] as const

/** The pages of the navigation below the overview, in groups: the path and the name of each. */
export const GROUPS = {
  People: [
    ['/users', 'Users'],
    ['/sign-ins', 'Sign-ins'],
    ['/sessions', 'Sessions'],
    ['/locks', 'Locks'],
    ['/tenants', 'Tenants'],
  ],
  Instances: [
    ['/clients', 'Instances'],
    ['/deliveries', 'Deliveries'],
  ],
  Log: [
    ['/revocations', 'Revocations'],
    ['/audit', 'Audit'],
  ],
  Broker: [
    ['/keys', 'Keys and webhooks'],
    ['/setup', 'Set-up'],
  ],
} as const

/** The path of a page of the navigation. */
export type NavPath = (typeof OVERVIEW)[0] | (typeof GROUPS)[keyof typeof GROUPS][number][0]

export const NOT_OURS =
  'The request does not come from a page of the console in this browser. Nothing was changed. Open the page again.'

export const NEEDS_ADMINISTRATOR =
  'This needs the app role Broker.Administrator. Operators may redrive deliveries, hide problems, and lock one user for at most 24 hours.'

/** Says what a role may do, and who may do more. */
export const LIMITS = {
  audit: 'Your role, auditor, reads only: a user with the app role Broker.Operator acts here.',
  operate:
    'Your role, operator, locks a user for at most 24 hours, redrives deliveries and hides problems. To revoke a session, close a delivery, lift a lock or change an instance, ask a user with the app role Broker.Administrator.',
  administer: undefined,
} as const

export const ROLE_WORDS = {
  audit: 'auditor, read only',
  operate: 'operator',
  administer: 'administrator',
} as const

/** The search box, for operators and for the administrators of one tenant. */
export const FIND = {
  all: {
    label: 'Search users, instances, cases, revocations, sessions and references',
    placeholder: 'User, instance, case, number, session, reference',
  },
  tenant: {
    label: 'Search users, sessions and references',
    placeholder: 'User, session or reference',
  },
} as const

export const LIVE = {
  connected: 'Live.',
  skipped: 'Live, except the part that has the focus: it updates when you leave it.',
  lost: 'Not live: the broker does not answer.',
  paused: 'Live updates are paused.',
  still: 'As it was when this page was opened.',
  resume: 'Resume live updates',
  refresh: 'Refresh',
  pause: 'Pause live updates',
} as const
