/** The words of the page of one user. */
export const USER = {
  unknown: 'The broker knows no user of that ID here. Search for a name in the box above.',
  revocations: 'Revocations of this user',
  audit: 'This user in the audit log',
  locked: 'This user is locked.',
  signedOut: 'Signed out. The broker is telling every instance now.',
  signedOutBefore: 'This was signed out already. Nothing was sent a second time.',
  locks: 'Locks of this user',
  notSignedIn: 'This user is not signed in. Ended sessions are in the history below.',
  outOfOne: 'Signed out of one instance',
  noHistory: 'The broker has no entry about this user.',
} as const
