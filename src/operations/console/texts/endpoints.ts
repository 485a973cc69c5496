/** The words of the pages that answer a request which the console rejects. */

export const NOT_YOURS = {
  title: 'This page is not open to you',
  what: 'It is for users who administer their organization’s tenant here. You do not have the role that makes one, or none is set for your tenant.',
  next: 'If you administer your tenant, ask the operators of Case Manager which role they have set for it, and sign in again after it was assigned to you.',
  links: [
    { href: '/signin/start?return_to=/tenant&fresh=yes', label: 'Sign in again' },
    { href: '/account', label: 'Your account' },
  ],
} as const

export const TOO_LONG = {
  title: 'This request is not valid',
  what: 'The request is too long. Nothing was changed.',
} as const

export const NOT_WRITTEN = {
  title: 'Nothing was changed',
  what: 'The audit log could not be written, so nothing was done.',
} as const
