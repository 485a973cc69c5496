/** The words of the log of revocations, and of the page of one. */

/** The results of a revocation, by the name in the address. */
export const DONE: Readonly<Record<string, string>> = {
  yes: 'Revoked. The broker now rejects what it covers, and is delivering the logout tokens.',
  before:
    'You revoked this already. This page shows what was done. Nothing was sent a second time.',
}

export const RECEIPT = ['Instance', 'State', 'Tokens', 'Own sessions', 'Guards confirmed'] as const

/** The state of an instance in a receipt: the weaker of its tokens and its own sessions. */
export const CLAIM = {
  confirmed: { words: 'confirmed', tag: 'tag' },
  bounded: { words: 'ends by itself', tag: 'tag wait' },
  not_bounded: { words: 'not confirmed', tag: 'tag bad' },
} as const

export const LOG = {
  none: 'No revocation matches.',
  unknown: 'The log has no revocation of that number.',
  signedOutThere: 'Sessions signed out there',
  ended: 'Sessions ended',
  notCounted: 'not counted yet',
  soFar: (sessions: string): string => `${sessions} so far`,
  evidence: 'Download signed evidence',
  ofUser: 'Download signed evidence of this user in this period',
  receipt: 'Receipt: which instances accept no token and have ended their own sessions',
  noReceipt: 'The sessions of this revocation are no longer kept.',
  noInstance: 'No instance took part.',
  noJob:
    'No job: it is done, or the server of the queue does not answer. The deliveries say which.',
  retry: 'Retry rejected and failed deliveries',
  earlier: (attempts: number): string => `${attempts} earlier`,
  attempts: 'Request and answer',
  deliveries: 'Deliveries of logout tokens',
  noDelivery: 'No deliveries: no instance with a logout address took part.',
}
