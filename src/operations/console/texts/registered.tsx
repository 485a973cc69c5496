import type { Client } from '../../../protocol/client-metadata.ts'

/** The words of the lists of what is registered. */

export const SOURCE: Record<Client['source'], string> = {
  file: 'the clients file',
  command: 'cmb',
  api: 'the admin API',
  demo: 'the demo',
  broker: 'the broker',
}

export const NO_WEBHOOK = 'There is no webhook endpoint. Add one: cmb webhooks add --help'

/** Remarks below the lists. */
export const NOTES = {
  clients:
    'Change one where it was registered: in the clients file, with cmb clients, or by the admin API.',
  webhooks: (
    <>
      Change one with <code>cmb webhooks</code> or the admin API; <code>cmb webhooks test</code>{' '}
      sends a test event.
    </>
  ),
}

/** The words of the page of one instance. */
export const INSTANCE = {
  wrong: 'What is wrong',
  unknown: 'No instance of that ID is registered.',
  lock: 'Lock this instance',
  deliveries: 'Deliveries to this instance',
  revocations: 'Revocations of this instance',
  sessions: 'Live sessions in which it takes part',
  audit: 'What was changed, in the audit log',
} as const

export const NO_INSTANCE = 'No instance is registered yet: cmb clients add registers one.'

/** The states of a logout address, with the class of their tag. */
export const BREAKER = {
  closed: { words: 'answered', tag: 'tag' },
  failing: { words: 'failing', tag: 'tag wait' },
  open: { words: 'does not answer', tag: 'tag bad' },
  unknown: { words: 'not called yet', tag: 'tag calm' },
} as const

/** The address answers but rejects its deliveries, which the broker therefore does not retry. */
export const REJECTS = { words: 'rejects', tag: 'tag bad' } as const
