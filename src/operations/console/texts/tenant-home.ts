/** The words of the first page of a tenant's administrator. */
export const HOME = {
  yours: 'Your organization',
  title: 'Your tenant',
  search:
    'Search above for a user of your organization to see their sessions, sign them out or lock them. The page Sessions lists who is signed in now.',
  assertedBy: 'Proof of MFA asserted by',
  notAsserted: 'No administrator of your tenant has asserted that a policy demands MFA.',
  whoAsserts:
    'Operators of Case Manager cannot see the policies of your tenant. So a Global, Conditional Access or Security Administrator of the tenant asserts that one of them demands MFA.',
  consent: 'Consent and proof of MFA',
} as const

/** The words of the form for the help contact. */
export const HELP_CONTACT = {
  title: 'Whom your users ask for help',
  what: 'Each page on which a user of your organization cannot go on names this contact, with a message that says what happened. Without one it names the operator of Case Manager. Fill in an email address, a telephone number or a link.',
  save: 'Save the contact',
  saved: 'The contact is saved. Pages name it from now on.',
  fields: {
    name: { label: 'Name', hint: 'For example: IT help desk' },
    email: { label: 'Email address' },
    telephone: { label: 'Telephone' },
    link: { label: 'Link', hint: 'For example your help portal: an https address' },
  },
} as const
