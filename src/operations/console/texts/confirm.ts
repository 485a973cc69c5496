import { FRESH_SECONDS } from '../../../session/lifetimes.ts'

/** The words of the page that confirms an act. */

const MINUTES = FRESH_SECONDS / 60

export const CONFIRM = {
  check: (button: string): string => `Nothing was done yet. Check, then press “${button}”.`,
  needsFresh: `This needs a sign-in that is no older than ${MINUTES} minutes`,
  comesBack:
    'Nothing was done yet. After the sign-in you come back to this page, and decide there.',
  signInThen: (button: string): string =>
    `Sign in again, then ${button.charAt(0).toLowerCase()}${button.slice(1)}`,
  allTheSame: 'Try to sign in all the same',
  otherTab: 'Sign in again (in a new tab)',
  thenPress: (button: string): string =>
    `, then press “${button}” here. What you entered is below.`,
  signedIn: 'You have signed in again',
  otherTabGoesOn: `Close this tab and continue in the other tab. You have ${MINUTES} minutes.`,
}

/** Why a form was not carried out. */
export const PROBLEMS = {
  notFresh: 'Nothing was done yet: sign in again first.',
  notTyped: (word: string): string => `Nothing was done: what was typed is not ${word}.`,
  longCase: (most: number): string =>
    `Nothing was done: the case reference has at most ${most} characters.`,
  longComment: (most: number): string =>
    `Nothing was done: the comment has at most ${most} characters.`,
  noReason: 'Nothing was done: give a reason.',
}

/** The labels and hints of the fields. */
export const FIELDS = {
  caseReference: { label: 'Case reference', hint: 'Optional. It is kept in the audit log.' },
  comment: { label: 'Comment', hint: 'Optional. It is kept in the audit log.' },
  commentOnUsers: {
    label: 'Comment',
    hint: 'Optional. It is kept in the audit log: do not name the user.',
  },
  reason: { label: 'Reason' },
} as const
