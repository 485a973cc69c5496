import { plural } from '../format.ts'

/** The words of the page that confirms a revocation, and of its result. */

export const GONE = 'There is no such user, session or instance here. Nothing was changed.'

export const REVOKE = {
  pick: 'Pick at least one user. Nothing was done.',
  check: 'Check before you revoke',
  checkOfTenant: 'Check before you sign out',
  /** Follows the number to type in the label of its field. */
  number: ', the number of users,',
  these: (users: number): string => `Sign these ${users} users out everywhere`,
  change: 'Change',
  everythingOf: (users: number): string => `Everything of ${plural(users, 'user')}`,
  wouldBeOut: 'Would be signed out there',
  wouldEnd: 'Would end',
  first: 'The first users',
  you: 'You will be signed out too. A revocation cannot be undone: sign in again afterwards.',
  sessionsGoOn:
    'The sessions go on: a user who opens the instance again comes back without a password. To end the sessions, sign the users out everywhere.',
  noSession:
    'No user has a session that it covers. It still revokes the codes and tokens that it covers.',
  withoutPassword: (users: number): string =>
    `${users} of these users can sign in again without entering their password.`,
  noAuthTime: 'Their tenant has never sent auth_time, so the broker cannot demand a fresh sign-in.',
  ended: 'It had already ended. Nothing was revoked.',
  done: 'This was revoked',
  nothingMore: 'You have revoked this. Nothing more is sent from here.',
}

interface Ending {
  sessions: number
  subjects: number
  clients: number
  deliveries: number
  otherSubjects: string[]
}

/** Says how much a revocation or a lock ends: its messages and other tenants to operators alone. */
export const howMany = (end: Ending, isOperator: boolean): string => {
  const others = isOperator ? othersWords(end.otherSubjects) : ''
  if (end.sessions + end.deliveries === 0) return `No user is signed in: nothing ends now${others}.`
  const sessions = `${plural(end.sessions, 'session')} of ${plural(end.subjects, 'user')}, at ${plural(end.clients, 'instance')}`
  return isOperator
    ? `${sessions}; ${plural(end.deliveries, 'logout token')} to deliver${others}`
    : sessions
}
const othersWords = ({ length }: string[]): string =>
  length === 0
    ? ''
    : `. It also concerns ${plural(length, 'account')} of the same user in other tenants`
