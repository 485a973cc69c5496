import type { SigningAlg } from '../../../protocol/names.ts'

/** The words of the page of signing keys, and of the acts on them. */

/** The states of a signing key, with the class of their tag. */
export const KEY = {
  active: { words: 'signs', tag: 'tag' },
  next: { words: 'comes next', tag: 'tag calm' },
  retiring: { words: 'still published', tag: 'tag wait' },
  retired: { words: 'retired', tag: 'tag calm' },
} as const

/** The tokens that the keys of an algorithm sign. */
export const SIGNS: Record<SigningAlg, string> = {
  ES256: 'access tokens',
  RS256: 'ID tokens and logout tokens',
}

/** The results of an act, by the name in the address. */
export const DONE: Readonly<Record<string, string>> = {
  next: 'The new key is published. It signs in 24 hours.',
  activate: 'The new key signs. The former one stays published for 48 hours.',
  emergency:
    'The new key signs, and every other key of its algorithm is retired. Guards reject the tokens of retired keys.',
  retired: 'The key is retired. Guards reject its tokens.',
}

/** A rotation as planned, and that of keys that an attacker may have. */
export const HOW = {
  planned: {
    link: 'Rotate as planned',
    check: 'Check before you rotate signing keys',
    button: 'Rotate now',
    effect:
      'The new key is published at once. The former one stays published for 48 hours after its last signature.',
    users: 'Nobody is signed out, and no token is rejected.',
  },
  compromised: {
    link: 'Replace compromised keys',
    check: 'Check before you replace compromised keys',
    button: 'Replace them now',
    effect:
      'A new key signs at once, and every other key of its algorithm is retired. Guards reject the tokens of retired keys at once, other instances within 5 minutes.',
    users:
      'Their sessions go on, yours too: instances refresh their tokens. A request with a rejected token fails once.',
  },
} as const

export const KEYS = {
  title: 'Rotation',
  itself: 'Every 90 days the broker itself rotates the keys in its store.',
  of: (signed: string): string => `Key of ${signed}`,
  which: 'Which keys?',
  both: 'Both algorithms',
  when: 'When does the new key sign?',
  times: [
    ['next', 'In 24 hours, when every client has read it'],
    ['activate', 'At once'],
  ],
  ifSigned: 'If an attacker may have signed with the key:',
  signOut: 'sign everyone out',
  fromFiles:
    'The keys come from files. Put the next key’s file first in BROKER_KEY_FILES, and restart the broker.',
  changed: 'The keys have changed since you opened the page. Nothing was done.',
  gone: 'There is no such key that could be retired. The key that signs is replaced instead.',
  checkRetire: 'Check before you retire a key',
  retire: 'Retire now',
  nextGoes: 'It never signs. The broker makes another key when one is due.',
  retiringGoes:
    'It is not published any more. Guards reject its tokens at once, other instances within 5 minutes.',
} as const
