/** The words of the list of sessions. */
export const SESSIONS = {
  hidden: 'The network of each sign-in is hidden.',
  none: 'No live session matches.',
  who: 'Name, username, sub or sid',
  newest: 'Live sessions, newest first',
} as const
