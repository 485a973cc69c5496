import { plural } from '../format.ts'

/** The words of the first page of a tenant's administrator. */
export const HOME = {
  yours: 'Your organization',
  title: 'Your tenant',
  reports: 'Reported by your users',
  whatToDo:
    'The session that a user reported has ended. Call the user: was a device lost or stolen, was their account used by another person? Then lock the user until their password and their sign-in methods are changed. Then mark the report as done.',
  isLocked: 'Locked',
  aSignIn: 'a sign-in that was rejected',
  noReport:
    'No report of a device or a sign-in in the last 7 days is open. There is nothing to do.',
  doneReports: (number: number): string => `${plural(number, 'report')} marked as done`,
  locked: 'Locked users',
  noLock: 'No user of your organization is locked.',
  rejected: 'Rejected sign-ins in the last 24 hours',
  noneRejected: 'None was rejected here after Microsoft had identified the user.',
  signedIn: 'Signed in now',
  nobody: 'No user of your organization is signed in.',
  all: 'All who are signed in',
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
