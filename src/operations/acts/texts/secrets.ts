/** The words that operators read about the secrets of a client. */

/** The steps that replace a secret in the clients file. @param id of the client */
export const stepsInFile = (file: string, id: string): string[] => [
  'Run cmb clients new-secret. It prints a new client_secret and its client_secret_hash.',
  `Edit ${file}: at client_id: ${id}, write both hashes as a list, the new one below the old one. If the entry has client_secret_file instead, name a second file there, with the new secret in it.`,
  'Give the instance the new secret. The broker reads the file again by itself, and both secrets work until you remove the old line.',
  'Remove the old line. From then on the broker rejects the old secret.',
]

/** The name of a clients file that this broker does not read. */
export const FORMER_FILE = 'the clients file of the broker that registered it'

/** The entry of the clients file during a replacement. @param known hashes, shortened */
export const entryInFile = (id: string, known: readonly string[]): string =>
  [
    `- client_id: ${id}`,
    '  client_secret_hash:',
    ...known.map((hash) => `    - ${hash}`),
    '    - <the new client_secret_hash>',
  ].join('\n')

export const SECRETS = {
  what: 'The ID names a secret in the audit log and for cmb. It is no part of the secret.',
  whatInFile: 'The ID is f_ and the beginning of the client_secret_hash in the clients file.',
  until: 'It works until an administrator removes it.',
  use: 'A first use shows here within five minutes, later ones within about an hour.',
  unused: 'no use was seen',
  leaked: 'If a secret leaked',
  leakedThen:
    'Make a new one, give it to the instance, and remove the leaked one. Then sign every user of the instance out.',
  leakedThenInFile: 'Then sign every user of the instance out.',
  replace: 'Replace the secret',
  remove: 'Remove now',
  newFirst: 'The broker makes a new secret and shows it once.',
  oldGoesOn: 'The present secret works until you remove it.',
  only: 'It is the only secret of this instance. Without one, nobody can sign in there and no token is refreshed. Replace it first.',
  removedThen:
    'The broker rejects this secret at once. An instance that still uses it can sign nobody in.',
  removed: 'The secret is removed. The broker rejects it from now on.',
  once: 'This page shows it only once.',
  next: 'Give it to the instance now. When the instance uses it, come back and remove the old one.',
  none: 'It has no secret yet.',
  checkReplace: 'Check before you replace the secret',
  make: 'Make a new secret',
  newOf: (name: string): string => `The new secret of ${name}`,
  back: 'Back to the instance',
  checkRemove: 'Check before you remove a secret',
  removeNow: 'Remove the secret now',
} as const

/** Says which secret a third one replaces. */
export const stops = (id: string): string =>
  `At most two secrets work at a time: ${id} stops working at once.`
export const CHANGED =
  'The secrets of this instance have changed since you opened the page. Nothing was done.'
