// The cases of events and pages of a poll that cannot be read.
import {
  start,
  connection,
  fromHere,
  check,
  reaches,
  LEASE_ENDS,
  session,
  set,
  answers,
  ORDINARY,
  READY,
  feed,
  poll,
  READY_BY_POLLS,
  FROM_NOTHING,
  polling,
} from './words.mjs'

const leaseOf = (lease_seconds, begin) => [
  begin,
  check('accept'),
  set({ lease_seconds }),
  ...LEASE_ENDS,
  set({ lease_seconds: 0 }),
  reaches('accept'),
]

/** @type {[string, object][]} */
const EVENTS = [
  ['reset', {}],
  ['reset', { epoch: 7 }],
  ['keys', { jwks: 'changed', retired_kids: 'es-1' }],
  ['keys', { jwks: 'changed', retired_kids: [7] }],
  ['keys', null],
  ['head', {}],
  ['head', { seq: '101' }],
  ['head', { seq: -1 }],
  ['head', { seq: 100.5 }],
  ['lease', { clock: 7, known_ms: 0, seconds: 30, seq: 100 }],
  ['lease', { clock: 'c', known_ms: '0', seconds: 30, seq: 100 }],
  ['lease', { clock: 'c', known_ms: 0, seq: 100 }],
  ['lease', { clock: 'c', known_ms: 0, seconds: 30 }],
  ...['30', true, 0.5, 61].map((seconds) => [
    'lease',
    { clock: 'c', known_ms: 0, seconds, seq: 100 },
  ]),
  ['anchor', { clock: 7, at_ms: 0 }],
  ['anchor', { clock: 'c', at_ms: '0' }],
  ['anchor', { clock: 'c', at_ms: 0, stream: 7 }],
  ['revocation', { seq: 101, selector: { kind: 'session', sid: 's_9' } }],
  ['revocation', { seq: 101, exp: 2_000_000_000 }],
  ['revocation', { selector: { kind: 'session', sid: 's_9' }, exp: 2_000_000_000 }],
  ['revocation', { seq: 101, selector: session('s_9'), exp: 2_000_000_000, session_exp: '2' }],
  ['revocation', { seq: 101, selector: null, exp: 2_000_000_000 }],
  ['revocation', { seq: 101, selector: 's_9', exp: 2_000_000_000 }],
  ['snapshot', { epoch: 'epoch-a', seq: 101, entries: [7] }],
  ['snapshot', { epoch: 'epoch-a', seq: 101, entries: [null] }],
  ['snapshot', { epoch: 'epoch-a', seq: 101, entries: {} }],
  ['snapshot', { epoch: 'epoch-a', seq: 101 }],
  ['snapshot', { epoch: 'epoch-a', entries: [] }],
  ['snapshot', { epoch: 'epoch-a', seq: 101.5, entries: [] }],
  ['snapshot', { seq: 101, entries: [] }],
  ['live', { epoch: 'epoch-a' }],
  ['live', { epoch: 'epoch-a', seq: 100.5 }],
  ['live', { epoch: 'epoch-b', seq: 100 }],
  ['live', { epoch: 'epoch-a', seq: 100, tenants: 't_1' }],
  ['live', { epoch: 'epoch-a', seq: 100, tenants: [7] }],
  ['live', { epoch: 'epoch-a', seq: 100, tenants: null }],
]

/** @type {[string, object][]} */
const PAGES = [
  ['an entry', { entries: [7] }],
  ['an entry without selector', { entries: [{ seq: 101, exp: 2_000_000_000 }] }],
  ['retired_kids', { retired_kids: 'es-1' }],
  ['tenants', { tenants: 't_1' }],
  ['stream', { stream: 7 }],
  ['a lease', { lease: { clock: 'c', at_ms: 0, known_ms: 0 } }],
]

export const UNREADABLE = [
  ...[-1, 3600].flatMap((lease_seconds) => [
    feed(
      `a lease of ${lease_seconds} s`,
      'What a member must be',
      'A lease of less than 1 s or more than 60 s cannot be read: nothing is accepted.',
      leaseOf(lease_seconds, start),
      { needs: ['stream'] },
    ),
    polling(
      `polling a lease of ${lease_seconds} s`,
      'What a member must be',
      'A lease of less than 1 s or more than 60 s cannot be read: nothing is accepted.',
      leaseOf(lease_seconds, poll),
    ),
  ]),
  ...EVENTS.map(([event, data]) =>
    feed(
      `unreadable: ${event} ${JSON.stringify(data)}`,
      'What a member must be',
      'What you cannot read may be a revocation: accept nothing, and connect again without a position.',
      [
        ...READY,
        connection(),
        set({ hold_live: true }),
        { do: 'send', event, data },
        connection({ within_ms: 1500, resumes: 'nothing' }),
        check('unavailable'),
      ],
      { needs: ['stream'] },
    ),
  ),
  ...PAGES.map(([what, members]) =>
    polling(
      `polling what cannot be read: ${what}`,
      'A poll that fails',
      'What you cannot read may be a revocation: accept nothing, and poll without a position.',
      [
        ...READY_BY_POLLS,
        fromHere('/revocations'),
        answers('/revocations', { members }),
        reaches('unavailable'),
        FROM_NOTHING,
        ORDINARY,
        reaches('accept'),
      ],
    ),
  ),
]
