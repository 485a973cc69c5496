// The steps of which the cases of the guard conformance kit are made.

export const start = { do: 'start' }
export const connection = (more = {}) => ({ do: 'expect_connection', ...more })
export const reported = (seq, more = {}) => ({
  do: 'expect_report',
  epoch: 'epoch-a',
  seq,
  ...more,
})
export const atMost = (path, at_most, for_ms) => ({ do: 'expect_requests', path, at_most, for_ms })
export const atLeast = (path, at_least) => ({ do: 'expect_requests', path, at_least })
/** The count begins here. */
export const fromHere = (path) => atLeast(path, 0)
/** The same token once more: what a guard remembers of it must not decide. */
export const checkAgain = (expect, more = {}) => ({
  do: 'check',
  token: { same: 'it' },
  expect,
  ...more,
})
export const check = (expect, claims = {}, more = {}) => ({
  do: 'check',
  token: { claims },
  expect,
  ...more,
})
/** Expects this answer within the usual time, and no rejection before it. */
export const reaches = (expect, claims = {}) => check(expect, claims, { never: 'reject' })
/** The lease ends, and none follows it. */
export const LEASE_ENDS = [reaches('unavailable'), check('unavailable', {}, { for_ms: 600 })]
export const checkAtOnce = (expect, claims) => check(expect, claims, { at_once: true })
export const revoke = (seq, selector, more = {}) => ({ do: 'revoke', seq, selector, ...more })
export const REPORT = '/revocations/enforced'
export const CLOCK = '/revocations/clock'
export const DISCOVERY = '/.well-known/openid-configuration'
export const session = (sid) => ({ kind: 'session', sid })
export const set = (changes) => ({ do: 'broker', set: changes })
/** Changes the answers to requests for one path. All others are ordinary. */
export const answers = (path, answer) => set({ answers: { [path]: answer } })
/** Makes the answers to all requests ordinary again. */
export const ORDINARY = set({ answers: {} })
export const keysChanged = (retired_kids = []) => ({
  do: 'send',
  event: 'keys',
  data: { jwks: 'changed', retired_kids },
})
export const READY = [start, check('accept')]
/**
 * Revokes a session of its own. Once that is enforced, everything before it on the stream is
 * enforced too.
 */
export const applied = (seq) => [revoke(seq, session('s_last')), check('reject', { sid: 's_last' })]
export const feed = (name, section, why, steps, more = {}) => ({
  name: `feed/${name}`,
  section,
  why,
  ...more,
  steps,
})

/** Checks a token that es-2 has signed, a key that the broker publishes later. */
export const byNewKey = (expect, claims, more = {}) => ({
  do: 'check',
  token: { key: 'es-2', claims },
  expect,
  ...more,
})

export const poll = { do: 'start', poll: true }
export const READY_BY_POLLS = [poll, check('accept')]
/**
 * Both ways to follow the log, for cases that differ in nothing else.
 * @type {[prefix: string, begin: object, need: string][]}
 */
export const STREAM_AND_POLL = [
  ['', start, 'stream'],
  ['polling and ', poll, 'polling'],
]
/** Expects a poll that asks for the whole log. */
export const FROM_NOTHING = {
  do: 'expect_requests',
  path: '/revocations',
  like: { query: { epoch: null } },
  at_least: 1,
}
/** Time that passes for both machines. */
export const passes = (ms) => ({
  do: 'clock',
  wall_ms: ms,
  monotonic_ms: ms,
  elapsed_ms: ms,
  broker_ms: ms,
})
/** Time that passes while the guard's machine is suspended. */
export const suspended = (ms, broker_ms = ms) => ({
  do: 'clock',
  wall_ms: ms,
  elapsed_ms: ms,
  broker_ms,
})
/** A clock that counts suspension jumps, and no other does. */
export const elapses = (elapsed_ms) => ({ do: 'clock', elapsed_ms })
export const DAYS = 30 * 86_400_000
export const clockSet = (wall_ms) => ({ do: 'clock', wall_ms })
export const times = (count, steps) => Array.from({ length: count }, () => steps).flat()
/** The claims of a token that outlives the time that passes in a case. */
export const LONG = { iat: -4000, exp: 4000 }
/** Starts a guard, which then holds a lease of a minute. */
export const longLease = (begin) => [set({ lease_seconds: 60 }), begin, check('accept', LONG)]
/** Sends a snapshot of another log, which has no entries, and no lease. */
export const OTHER_LOG = [
  set({ epoch: 'epoch-b', seq: 50, no_lease: true }),
  {
    do: 'send',
    event: 'snapshot',
    id: 'epoch-b.50',
    data: { epoch: 'epoch-b', seq: 50, entries: [], retired_kids: [] },
  },
]
export const DOWN = [
  set({
    down: true,
    answers: { '/revocations': { status: 503, headers: { 'retry-after': '30' } } },
  }),
  ...times(3, [passes(5_000), check('unavailable', {}, { for_ms: 80 })]),
  // On a busy machine a request of the guard may arrive late.
  check('unavailable', {}, { for_ms: 1000 }),
]
/** A clock is ahead, by default a day, for so long that entries are forgotten by it, and is set back. */
export const clockAhead = (step, ms = 86_400_000) => [
  clockSet(ms),
  ...times(4, [passes(10_000), step]),
  clockSet(-ms),
]
export const polling = (name, section, why, steps, needs = []) =>
  feed(name, section, why, steps, { needs: ['polling', ...needs] })

/** @type {[string, object, object][]} */
export const KINDS = [
  ['session', session('s_1'), { sid: 's_2' }],
  ['grant', { kind: 'grant', sid: 's_1', client_id: 'conformance' }, { client_id: 'other' }],
  ['grant alone', { kind: 'grant', sid: 's_1', client_id: 'conformance' }, { sid: 's_2' }],
  ['subject', { kind: 'subject', sub: 'u_1' }, { sub: 'u_2' }],
  ['client', { kind: 'client', client_id: 'conformance' }, { client_id: 'other' }],
  ['tenant', { kind: 'tenant', tid: 't_1' }, { tid: 't_2' }],
]
/** Checks a session of the instance. */
export const checkSession = (expect, claims = {}, more = {}) => ({
  do: 'session',
  claims,
  expect,
  ...more,
})
export const checkSessionAtOnce = (expect, claims) =>
  checkSession(expect, claims, { at_once: true })
export const startWithSessions = { do: 'start', sessions: true }
export const sessions = (name, why, steps, needs = [], section = 'Your own sessions') =>
  feed(name, section, why, steps, { needs: ['sessions', ...needs] })
export const ASK_ABOUT_SESSION = 'Ask about one session'
export const SESSION_QUESTION = '/revocations/session'
export const ONE_CLOCK = 'A session is ended by its own end, and by an entry until `session_exp`.'
export const ID_TOKEN = 'Only what an ID token of this broker for this client said opens a session.'

export const LATE = 180_000_000_000_000
export const LAST = Number.MAX_SAFE_INTEGER
export const LEASE = 'The lease'
export const SILENT = 'When you hear nothing, and connecting again'
export const OWN_CLOCK = 'Your clock'
export const REQUESTS = 'Requests'
export const REDIRECT =
  'Follow no redirect: it leads keys, credentials and revocations to whom you do not know.'
export const TENANTS =
  'The broker sends no revocations of other tenants: reject their tokens. When it sends those of one more, read everything again.'
/** The client is registered for t_1 alone, then for t_2 too, of which a session ended before. */
export const tenantsOf = (begin, change) => [
  set({ tenants: ['t_1'] }),
  begin,
  check('accept'),
  checkAgain('accept'),
  checkAtOnce('reject', { tid: 't_2' }),
  checkAtOnce('accept', { tid: null, sid: null, sub: 'conformance' }),
  revoke(101, session('s_2'), { members: { tid: 't_2' } }),
  revoke(102, session('s_3'), { members: { tid: 't_3' } }),
  revoke(103, session('s_4'), { members: { tid: 't_4' } }),
  // So far on that the entries are in no overlap.
  ...applied(1000),
  set({ tenants: ['t_1', 't_2'] }),
  ...change,
  check('accept', { tid: 't_2' }),
  checkAtOnce('reject', { tid: 't_2', sid: 's_2' }),
  set({ tenants: ['t_2'] }),
  ...change,
  checkAgain('reject'),
  checkAtOnce('accept', { tid: 't_2' }),
  // The list is as long as before.
  set({ tenants: ['t_3'] }),
  ...change,
  check('accept', { tid: 't_3' }),
  checkAtOnce('reject', { tid: 't_3', sid: 's_3' }),
  checkAtOnce('reject', { tid: 't_2' }),
  // Without a list the client is registered for all.
  set({ tenants: [] }),
  ...change,
  check('accept', { tid: 't_2' }),
  checkAtOnce('reject', { tid: 't_2', sid: 's_2' }),
  checkAtOnce('reject', { tid: 't_4', sid: 's_4' }),
]
/** Sends a logout token. The first answer counts. */
export const logout = (expect, claims) => ({
  do: 'logout',
  token: { claims },
  expect,
  at_once: true,
})
