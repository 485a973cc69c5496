import { plural } from '../format.ts'

/** The words of the page of deliveries, and of the acts on them. */

/** The results of an act, by the name in the address. */
export const DONE = {
  redriven: (number: number): string =>
    `${plural(number, 'delivery', 'deliveries')} will be retried now.`,
  closed: (number: number): string =>
    `${plural(number, 'delivery was', 'deliveries were')} closed.`,
  tried:
    'The next attempt is due now. If the instance does not answer, it is made as the next probe.',
}

/** The next attempt while the address does not answer. */
export const PROBED = 'every few seconds until the address answers'

/** The words of the page of one delivery. */
export const DELIVERY = {
  title: (of: string): string => `Delivery of ${of}`,
  unknown: 'There is no such delivery, or it is no longer kept.',
  attempts: (all: number, most: number): string =>
    all > most ? `The latest ${most} attempts` : 'Attempts',
  none: 'No attempt yet.',
  number: (attempt: string): string => `Attempt ${attempt}`,
  retry: { words: 'retried', tag: 'tag wait' },
  request: 'Request:',
  answer: 'Answer:',
  after: (duration: string): string => `after ${duration}`,
} as const

export const ACT = { tryNow: 'Try now', close: 'Close this delivery' } as const

export const MANY = {
  title: 'Many at once',
  tries:
    'Every rejected or failed delivery becomes pending again and is attempted at once. A delivered logout token is not sent again.',
  closes:
    'Close all to an instance that no longer exists, or to an address that was replaced: all pending, rejected and failed deliveries.',
  tryTo: (to: string): string => `Try all to ${to} now`,
  closeTo: (to: string): string => `Close all to ${to}`,
  tryAll: 'Try all rejected and failed ones now',
}

export const CLOSE = {
  check: 'Check before you close',
  gone: 'There is no such delivery. Nothing was changed.',
  all: 'Close all of them',
  allTo: (to: string): string => `All pending, rejected and failed deliveries to ${to}`,
  one: (delivery: string): string => `One delivery: ${delivery}`,
  reason: 'It becomes part of the proof of delivery and of the audit log.',
  effect:
    'The broker never sends it. Without a guard, the instance does not learn that the session has ended.',
}
