/** The words that the pages of /setup share. */

export const FRESH = {
  title: 'Please sign in again',
  why: 'What you are about to change decides who can sign in, so your own sign-in at Microsoft has to be at most five minutes old. Nothing was changed.',
  otherTab: 'Sign in again (in a new tab)',
  sendAgain: ', then go back and send the form once more.',
  goOn: ', then come back here and go on. What you typed is kept for 15 minutes.',
  button: 'Go on',
} as const

export const NOT_OUR_FORM = {
  title: 'That form cannot be used',
  what: 'It was not sent from a page that this browser was shown, or the page is too old. Nothing was changed.',
  links: [{ href: '/setup', label: 'All steps' }],
}

/** Says that nothing was done, because the audit log or the store failed. */
export const NOT_WRITTEN = {
  form: { title: 'Nothing was changed', what: 'It could not be written down.' },
  answer: {
    title: 'Nothing was changed',
    what: 'The answer of Microsoft could not be written down.',
  },
} as const
