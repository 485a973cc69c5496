// The cases of what a guard sends: its requests, their limits, and its reports.
import {
  REPORT,
  start,
  connection,
  reported,
  atMost,
  atLeast,
  fromHere,
  check,
  revoke,
  session,
  set,
  READY,
  feed,
  passes,
  times,
  LONG,
  judge,
  judging,
  sessions,
  poll,
  polling,
  SILENT,
  REQUESTS,
  LEASE,
  ASK,
  ASKED,
} from './words.mjs'

const CLOCK = '/revocations/clock'
const DISCOVERY = '/.well-known/openid-configuration'
const NONCE = { $is: '^[A-Za-z0-9_-]{16,64}$' }
const NAME = 'conformance-1'
const NO_STORE = { 'cache-control': { $is: 'no-store' } }
const answers = (path, answer) => set({ answers: { [path]: answer } })
const ordinary = set({ answers: {} })

/** @type {[string, object, string][]} */
const BOTH = [
  ['', start, 'stream'],
  ['polling and ', poll, 'polling'],
]

export const ASKING = [
  feed(
    'the requests for a stream',
    'Follow',
    '`guard` is the name in the reports, and `nonce` is new with each request.',
    [
      ...READY,
      {
        ...atLeast('/revocations', 1),
        each: {
          method: 'GET',
          headers: { accept: 'text/event-stream', authorization: { $is: '^Basic ' } },
          query: { guard: NAME, nonce: NONCE, sessions: null },
        },
      },
      connection(),
      { do: 'cut' },
      connection(),
      { ...atLeast('/revocations', 1), distinct: 'nonce' },
      set({ known_ago_ms: 50_000 }),
      {
        ...atLeast(CLOCK, 3),
        each: { query: { nonce: NONCE } },
        distinct: 'nonce',
        apart_ms: 800,
      },
    ],
    { needs: ['stream'] },
  ),
  polling(
    'polling and its requests',
    'Poll',
    'Ask every quarter of the lease, with the name in the last answer and a new `nonce`.',
    [
      poll,
      check('accept'),
      {
        ...atLeast('/revocations', 1),
        each: {
          headers: { accept: { $is: 'application/json' }, ...NO_STORE },
          query: { guard: NAME, nonce: NONCE, sessions: null },
        },
      },
      check('accept', {}, { for_leases: 0.6 }),
      {
        ...atMost('/revocations', 5, 10),
        each: {
          query: { stream: { $streams: [-1] }, epoch: 'epoch-a', after: { $is: '^[0-9]+$' } },
        },
        distinct: 'nonce',
      },
      check('accept', {}, { for_leases: 0.6 }),
      { ...atLeast('/revocations', 1), distinct: 'nonce' },
    ],
  ),
  feed(
    'the request for the keys',
    'What you need besides the feed',
    'Send `Cache-Control: no-store`: a cached answer may have a key that was withdrawn.',
    [start, { ...atLeast('/jwks', 1), each: { headers: NO_STORE } }],
  ),
  ...[401, 429].map((status) =>
    feed(
      `a broker that answers ${status}`,
      'Who may follow it',
      'An operator may correct the registration at any time: connect again without end.',
      [
        answers('/revocations', { status }),
        start,
        atLeast('/revocations', 2),
        check('unavailable'),
        ordinary,
        check('accept', {}, { never: 'reject' }),
      ],
    ),
  ),
  ...[401, 409, 429].map((status) =>
    polling(
      `polling a broker that answers ${status}`,
      'A poll that fails',
      'No status ends the guard: poll again.',
      [
        answers('/revocations', { status }),
        poll,
        atLeast('/revocations', 2),
        check('unavailable'),
        ordinary,
        check('accept', {}, { never: 'reject' }),
      ],
    ),
  ),
  ...[DISCOVERY, '/jwks', REPORT].map((path) =>
    feed(
      `${path} whose end does not come`,
      REQUESTS,
      'The time for an answer counts to its last byte: give it up after 5 s.',
      [
        // An answer 204 has no end of its own.
        answers(path, {
          ...(path === REPORT ? { hangs: true } : { body_delay_ms: 30_000 }),
          times: 1,
        }),
        start,
        atLeast(path, 1),
        // The next request shows that the guard waits no longer.
        path === REPORT
          ? atLeast(path, 1)
          : check('accept', {}, { never: 'reject', within_ms: 15_000 }),
      ],
      { needs: ['stream'] },
    ),
  ),
  polling(
    'polling an answer whose end does not come',
    'A poll that fails',
    'An answer whose last byte comes later than 5 s is none: poll again.',
    [
      answers('/revocations', { body_delay_ms: 30_000, times: 1 }),
      poll,
      atLeast('/revocations', 2),
      check('accept', {}, { never: 'reject' }),
    ],
  ),
  polling('polling an answer that is too large', REQUESTS, 'Read 4 MiB at most.', [
    answers('/revocations', { padding: 5_000_000 }),
    poll,
    atLeast('/revocations', 2),
    check('unavailable'),
    ordinary,
    check('accept', {}, { never: 'reject' }),
  ]),
  feed(
    'a broker that is down, without a storm',
    SILENT,
    'Wait 0.1 to 0.5 s before you connect again.',
    [
      ...READY,
      connection(),
      fromHere('/revocations'),
      set({ down: true }),
      { ...atMost('/revocations', 22, 2000), apart_ms: 60 },
      set({ down: false }),
      check('accept'),
    ],
    { needs: ['stream'] },
  ),
  feed(
    'a rev that never arrives',
    SILENT,
    'A `rev` that never arrives closes one stream, not each.',
    [
      ...READY,
      connection(),
      check('accept', { sid: 's_2', rev: 500 }),
      connection({ within_ms: 5000 }),
      check('accept', { sid: 's_2', rev: 500 }),
      atMost('/revocations', 2, 2500),
    ],
    { needs: ['stream'] },
  ),
  feed('members of a report', 'Report', 'A receipt counts the streams that a report names.', [
    start,
    check('accept'),
    reported(100, {
      members: {
        streams: { $streams: [-1] },
        version: { $is: '^[A-Za-z0-9./_+-]{1,64}$' },
        without_lease: { $is: '^(reject|undefined)$' },
        clock_drift_ppm: null,
        every_seconds: { $is: '^([1-9][0-9]?|[12][0-9][0-9]|300|undefined)$' },
        sessions: { $is: '^(false|undefined)$' },
      },
    }),
  ]),
  feed(
    'the streams of a report',
    'Report',
    'Name each stream whose last lease is at most 2 minutes old: each may still have a lease.',
    [
      set({ lease_seconds: 60 }),
      start,
      check('accept', LONG),
      connection(),
      reported(100, { members: { streams: { $streams: [0] } } }),
      { do: 'cut' },
      connection(),
      reported(100, { again: true, members: { streams: { $streams: [0, 1] } } }),
      ...times(13, [passes(10_000), check('accept', LONG, { for_ms: 60 })]),
      revoke(101, session('s_2')),
      reported(101, { members: { streams: { $streams: [-1] } } }),
    ],
    { needs: ['timers', 'stream'] },
  ),
  feed(
    'a report of a lease that ran out',
    'Report',
    '`lease_ran_out` counts. Report as soon as you hold a lease again.',
    [
      ...READY,
      reported(100),
      set({ silent: true }),
      check('unavailable', {}, { never: 'reject' }),
      set({ silent: false }),
      check('accept', {}, { never: 'reject' }),
      reported(100, { again: true, members: { lease_ran_out: { count: { $between: [1, 9] } } } }),
    ],
    { needs: ['stream'] },
  ),
  feed(
    'reports of many revocations',
    'Report',
    'At most one a second, and of several positions the newest only.',
    [
      ...READY,
      reported(100),
      fromHere(REPORT),
      ...times(5, [0]).map((_, at) => revoke(101 + at, session(`s_many${at}`))),
      reported(105),
      { ...atMost(REPORT, 2, 10), apart_ms: 800 },
    ],
  ),
  feed(
    'a report that is not taken again and again',
    'Report',
    'Send it again after 2 s, doubling: a new position does not shorten that wait.',
    [
      ...READY,
      reported(100),
      answers(REPORT, { status: 503 }),
      revoke(101, session('s_1')),
      reported(101, { answered: 503 }),
      fromHere(REPORT),
      revoke(102, session('s_2')),
      { ...atMost(REPORT, 1, 4000) },
      ordinary,
      reported(102),
    ],
  ),
  feed(
    'how far a head and a lease go',
    'Follow',
    'After `head` and `lease` you enforce everything up to their `seq`: report it.',
    [
      ...READY,
      reported(100),
      revoke(150, session('s_x'), { unsent: true }),
      { do: 'send', event: 'head', id: 'epoch-a.150', data: { seq: 150 } },
      reported(150),
      revoke(160, session('s_x'), { unsent: true }),
      set({ events: { lease: { seq: 160 } } }),
      reported(160),
    ],
    { needs: ['stream'] },
  ),
  ...BOTH.map(([name, begin, need]) =>
    feed(
      `${name}requests for sessions`,
      'Your own sessions',
      'A guard that judges sessions says so in each request.',
      [
        { ...begin, sessions: true },
        judge('accept'),
        { ...atLeast('/revocations', 1), each: { query: { sessions: '1' } } },
      ],
      { needs: ['sessions', need] },
    ),
  ),
  sessions(
    'the question about a session',
    'A form with `sid` and `sub`, and with `rev` if the session has one.',
    [
      set({ complete_from: 95 }),
      judging,
      judge('accept', { rev: 94 }),
      {
        ...atLeast(ASKED, 1),
        each: { method: 'POST', query: { sid: 's_1', sub: 'u_1', rev: '94' } },
      },
      judge('accept', { sid: 's_2', rev: null }),
      { ...atLeast(ASKED, 1), each: { query: { sid: 's_2', sub: 'u_1', rev: null } } },
    ],
    [],
    ASK,
  ),
  feed(
    'how often an anchor is asked for',
    LEASE,
    'Ask for a new anchor at most once a second, also if no lease extends yours.',
    [
      ...READY,
      fromHere(CLOCK),
      set({ known_ago_ms: 90_000 }),
      { ...atMost(CLOCK, 4, 2500), apart_ms: 800 },
    ],
    { needs: ['stream'] },
  ),
]
