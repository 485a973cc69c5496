// Writes the vectors of the guard conformance kit (guard/conformance/*.json): node --import tsx
// scripts/conformance-vectors.mjs The keys are made once and are for tests only. A signature is
// made again only where what it signs has changed.
import { generateKeyPairSync } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LOGOUT_EVENT, signToken } from '../guard/src/conformance/sign.ts'

const HOME = join(import.meta.dirname, '..', 'guard', 'conformance')
const NOW = 1_795_510_800
const ISSUER = 'https://broker.example'

/**
 * Reads the keys of the vectors, or generates them if there are none.
 * @returns {import('../guard/src/conformance/sign.ts').Keys}
 */
function readKeys() {
  const file = join(HOME, 'keys.json')
  if (!existsSync(file)) {
    const ec = (kid, namedCurve = 'P-256', alg = 'ES256') => ({
      ...generateKeyPairSync('ec', { namedCurve }).privateKey.export({ format: 'jwk' }),
      kid,
      alg,
    })
    const rsa = (kid) => ({
      ...generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' }),
      kid,
      alg: 'RS256',
    })
    const keys = {
      'es-1': ec('es-1'),
      'es-2': ec('es-2'),
      'rs-1': rsa('rs-1'),
      'another es-1': ec('es-1'),
      unpublished: ec('es-9'),
      'es-384': ec('es-384', 'P-384', 'ES384'),
      client: ec('client-1'),
    }
    writeFileSync(file, `${JSON.stringify(keys, null, 2)}\n`)
  }
  return JSON.parse(readFileSync(file, 'utf8'))
}

const TYP =
  'A token of another kind must not pass as an access token (RFC 8725 §3.11): compare `typ` exactly.'
const CLAIM = 'Each claim that a decision reads must be there, of its own type.'
const CLOCK =
  'A new token would seem wrong too, so 401 would send the client into a loop of refreshes: answer 503.'
const access = (name, expect, why, token) => ({ name, kind: 'access', why, expect, ...token })
const without = (claim, why = CLAIM) =>
  access(`without ${claim}`, 'reject', why, { claims: { [claim]: null } })
const ACCESS = [
  access('valid', 'accept', 'A valid token must be accepted.', {}),
  access('typ in full', 'accept', 'RFC 7515 §4.1.9: application/at+jwt is the same type.', {
    header: { typ: 'application/at+jwt' },
  }),
  access('several audiences', 'accept', 'One of several audiences is enough (RFC 7519 §4.1.3).', {
    claims: { aud: ['https://other.example', 'https://conformance.example'] },
  }),
  access('unknown claim', 'accept', 'Unknown claims must be ignored.', {
    claims: { later: { than: 'this' } },
  }),
  access('ID token', 'reject', TYP, {
    key: 'rs-1',
    header: { typ: 'JWT' },
    claims: {
      aud: 'conformance',
      nonce: 'n',
      auth_time: -5,
      client_id: null,
      rev: null,
      scope: null,
    },
  }),
  access('ID token with the claims of an access token', 'reject', TYP, { header: { typ: 'JWT' } }),
  access('logout token', 'reject', TYP, {
    key: 'rs-1',
    header: { typ: 'logout+jwt' },
    claims: { aud: 'conformance', events: { [LOGOUT_EVENT]: {} }, client_id: null, scope: null },
  }),
  access('logout token with the claims of an access token', 'reject', TYP, {
    header: { typ: 'logout+jwt' },
    claims: { events: { [LOGOUT_EVENT]: {} } },
  }),
  access('security event token', 'reject', TYP, { header: { typ: 'secevent+jwt' } }),
  access('client assertion', 'reject', TYP, { header: { typ: 'client-authentication+jwt' } }),
  access('signed authorization request', 'reject', TYP, { header: { typ: 'oauth-authz-req+jwt' } }),
  access('signed introspection answer', 'reject', TYP, {
    header: { typ: 'token-introspection+jwt' },
  }),
  access('without typ', 'reject', TYP, { header: { typ: null } }),
  access('refresh token', 'reject', 'Only the broker reads refresh tokens.', {
    text: 'rt_2bVJ5m1Wn0g8vXo5hPz0wQ',
  }),
  access('not a JWT', 'reject', 'Anything may arrive as a token.', { text: 'a.b.c' }),
  access('alg none', 'reject', 'Accept only algorithms of your list (RFC 8725 §3.1).', {
    header: { alg: 'none' },
  }),
  access(
    'HS256 with the public key as its secret',
    'reject',
    'Accept only algorithms of your list (RFC 8725 §2.1).',
    { header: { alg: 'HS256' } },
  ),
  access('signed by another key of the same kid', 'reject', 'The signature must be verified.', {
    key: 'another es-1',
  }),
  access('signed by a key that is not published', 'reject', 'Only keys of the JWKS sign tokens.', {
    key: 'unpublished',
  }),
  access('without kid', 'reject', 'The header must name the key.', { header: { kid: null } }),
  access('alg of another key', 'reject', "The key's algorithm decides, not the header.", {
    header: { kid: 'rs-1' },
  }),
  access(
    'unknown critical header',
    'reject',
    'RFC 7515 §4.1.11: a critical header that is not understood rejects the token.',
    {
      header: { crit: ['b64x'], b64x: true },
    },
  ),
  access('another issuer', 'reject', '`iss` must be exactly the configured issuer.', {
    claims: { iss: 'https://other.example' },
  }),
  access('issuer with a slash', 'reject', '`iss` must be exactly the configured issuer.', {
    claims: { iss: `${ISSUER}/` },
  }),
  access('another audience', 'reject', 'A token for another instance must not be accepted.', {
    claims: { aud: 'https://other.example' },
  }),
  access('audience that begins alike', 'reject', 'Compare `aud` exactly.', {
    claims: { aud: 'https://conformance.example.evil.example' },
  }),
  access('audience in capitals', 'reject', 'Compare `aud` exactly.', {
    claims: { aud: 'https://CONFORMANCE.example' },
  }),
  access('audience with a slash', 'reject', 'Compare `aud` exactly.', {
    claims: { aud: 'https://conformance.example/' },
  }),
  access('client_id as its audience', 'reject', 'A `client_id` is no audience of access tokens.', {
    claims: { aud: 'conformance' },
  }),
  access('of a service', 'accept', 'A service has no session and no tenant of its own.', {
    claims: { sid: null, tid: null },
  }),
  access('ES384', 'reject', 'Access tokens are signed with ES256, and no other algorithm.', {
    key: 'es-384',
  }),
  access('RS256', 'reject', 'Access tokens are signed with ES256, and no other algorithm.', {
    key: 'rs-1',
  }),
  access('expired', 'reject', '`exp` must be checked.', { claims: { iat: -700, exp: -400 } }),
  access('expired a minute ago', 'reject', 'A tolerance for clocks is at most a minute.', {
    claims: { iat: -365, exp: -65 },
  }),
  access('issued in the future', 'unavailable', CLOCK, { claims: { iat: 900, exp: 1200 } }),
  access('not valid yet', 'unavailable', CLOCK, { claims: { nbf: 900 } }),
  ...['aud', 'iss', 'exp', 'sub', 'client_id', 'jti'].map((claim) => without(claim)),
  without('rev', 'Without `rev` no revocation can cover the token: reject it.'),
  ...[-1, 1.5, '100', 9_007_199_254_740_992].map((rev) =>
    access(`rev ${JSON.stringify(rev)}`, 'reject', '`rev` is a whole number from 0 to 2⁵³ − 1.', {
      claims: { rev },
    }),
  ),
  access('sid that is not a string', 'reject', CLAIM, { claims: { sid: ['s_1'] } }),
  access('tid that is not a string', 'reject', CLAIM, { claims: { tid: 1 } }),
]

const FINAL =
  'Answer 400 to what can never be a logout token: the broker then stops, and an operator learns of it.'
const AGAIN =
  'Only a time speaks against it, and a clock may be wrong: 400 is final, and the sign-out would be lost. Answer 503.'
const logout = (name, expect, why, token) => ({ name, kind: 'logout', why, expect, ...token })
const LOGOUT = [
  logout('of a session', 'ended', 'A valid logout token must be accepted.', {
    claims: { jti: 'logout-1' },
  }),
  logout('of a user', 'ended', 'Without `sid` it covers every session of `sub`.', {
    claims: { sid: null, sub: 'u_logout' },
  }),
  logout('without typ', 'ended', 'Back-Channel Logout 1.0 §2.4 only recommends `typ`.', {
    header: { typ: null },
  }),
  logout('access token', 'final', FINAL, {
    key: 'es-1',
    header: { typ: 'at+jwt' },
    claims: { aud: 'https://conformance.example' },
  }),
  logout('access token with the claims of a logout token', 'final', FINAL, {
    header: { typ: 'at+jwt' },
  }),
  logout('ID token', 'final', FINAL, {
    header: { typ: 'JWT' },
    claims: { events: null, nonce: 'n', sub: 'u_1' },
  }),
  logout('security event token', 'final', FINAL, {
    header: { typ: 'secevent+jwt' },
    claims: {
      exp: null,
      events: { 'https://schemas.openid.net/secevent/caep/event-type/session-revoked': {} },
    },
  }),
  logout('with a nonce', 'final', 'Back-Channel Logout 1.0 §2.4: `nonce` is prohibited.', {
    claims: { nonce: 'n' },
  }),
  logout('without events', 'final', FINAL, { claims: { events: null } }),
  logout('with another event', 'final', FINAL, {
    claims: { events: { 'https://other.example/event': {} } },
  }),
  logout('with neither sid nor sub', 'final', FINAL, { claims: { sid: null } }),
  logout('without jti', 'final', FINAL, { claims: { jti: null } }),
  logout('for another client', 'final', '`aud` is your client_id.', { claims: { aud: 'other' } }),
  logout('of another issuer', 'final', '`iss` must be exactly the configured issuer.', {
    claims: { iss: 'https://other.example' },
  }),
  logout(
    'by another algorithm',
    'final',
    'Logout tokens are signed by `id_token_signed_response_alg`, by default RS256.',
    { key: 'es-1' },
  ),
  logout('alg none', 'final', FINAL, { header: { alg: 'none' } }),
  logout('not a JWT', 'final', FINAL, { text: 'a.b.c' }),
  logout('expired', 'again', AGAIN, { claims: { iat: -520, exp: -400 } }),
  logout('issued in the future', 'again', AGAIN, { claims: { iat: 900, exp: 1020 } }),
]

const start = { do: 'start' }
const connection = (more = {}) => ({ do: 'expect_connection', ...more })
const reported = (seq, more = {}) => ({ do: 'expect_report', epoch: 'epoch-a', seq, ...more })
const atMost = (path, at_most, for_ms) => ({ do: 'expect_requests', path, at_most, for_ms })
const atLeast = (path, at_least) => ({ do: 'expect_requests', path, at_least })
/** The count begins here. */
const fromHere = (path) => atLeast(path, 0)
/** The same token once more: what a guard remembers of it must not decide. */
const same = (expect, more = {}) => ({ do: 'check', token: { same: 'it' }, expect, ...more })
const check = (expect, claims = {}, more = {}) => ({
  do: 'check',
  token: { claims },
  expect,
  ...more,
})
const now = (expect, claims) => check(expect, claims, { at_once: true })
const revoke = (seq, selector, more = {}) => ({ do: 'revoke', seq, selector, ...more })
const session = (sid) => ({ kind: 'session', sid })
const set = (changes) => ({ do: 'broker', set: changes })
const READY = [start, check('accept')]
/**
 * Revokes a session of its own. Once that is enforced, everything before it on the stream is
 * enforced too.
 */
const applied = (seq) => [revoke(seq, session('s_last')), check('reject', { sid: 's_last' })]
const feed = (name, section, why, steps, more = {}) => ({
  name: `feed/${name}`,
  section,
  why,
  ...more,
  steps,
})

/** A check of a token that the restored broker's key has signed. */
const restored = (expect, claims, more = {}) => ({
  do: 'check',
  token: { key: 'es-2', claims },
  expect,
  ...more,
})

const poll = { do: 'start', poll: true }
/** Time that passes for both machines. */
const passes = (ms) => ({
  do: 'clock',
  wall_ms: ms,
  monotonic_ms: ms,
  elapsed_ms: ms,
  broker_ms: ms,
})
/** Time that passes while the guard's machine is suspended. */
const suspended = (ms, broker_ms = ms) => ({ do: 'clock', wall_ms: ms, elapsed_ms: ms, broker_ms })
/** A clock that counts suspension jumps, and no other does. */
const elapses = (elapsed_ms) => ({ do: 'clock', elapsed_ms })
const DAYS = 30 * 86_400_000
const clockSet = (wall_ms) => ({ do: 'clock', wall_ms })
const times = (count, steps) => Array.from({ length: count }, () => steps).flat()
/** The claims of a token that outlives the time that passes in a case. */
const LONG = { iat: -4000, exp: 4000 }
const DOWN = [
  set({ down: true, retry_after: 30 }),
  ...times(3, [passes(5_000), check('unavailable', {}, { for_ms: 80 })]),
]
const polling = (...given) => feed(...given, { needs: ['polling'] })

/** @type {[string, object, object][]} */
const KINDS = [
  ['session', session('s_1'), { sid: 's_2' }],
  ['grant', { kind: 'grant', sid: 's_1', client_id: 'conformance' }, { client_id: 'other' }],
  ['grant alone', { kind: 'grant', sid: 's_1', client_id: 'conformance' }, { sid: 's_2' }],
  ['subject', { kind: 'subject', sub: 'u_1' }, { sub: 'u_2' }],
  ['client', { kind: 'client', client_id: 'conformance' }, { client_id: 'other' }],
  ['tenant', { kind: 'tenant', tid: 't_1' }, { tid: 't_2' }],
]
/** Checks a session of the instance. */
const judge = (expect, claims = {}, more = {}) => ({ do: 'session', claims, expect, ...more })
const judgeNow = (expect, claims) => judge(expect, claims, { at_once: true })
const judging = { do: 'start', sessions: true }
const sessions = (name, why, steps, needs = [], section = 'Your own sessions') =>
  feed(name, section, why, steps, { needs: ['sessions', ...needs] })
const ASK = 'Ask about one session'
const ASKED = '/revocations/session'
const ONE_CLOCK = 'A session is ended by its own end, and by an entry until `session_exp`.'
const ID_TOKEN = 'Only what an ID token of this broker for this client said opens a session.'

/** @type {[string, object, object][]} */
const SESSION_KINDS = [
  ['session', session('s_1'), { sid: 's_2' }],
  ['grant', { kind: 'grant', sid: 's_1', client_id: 'conformance' }, { sid: 's_2' }],
  ['subject', { kind: 'subject', sub: 'u_1' }, { sub: 'u_2' }],
  ['client', { kind: 'client', client_id: 'conformance' }, { rev: 101 }],
  ['tenant', { kind: 'tenant', tid: 't_1' }, { tenant: 't_2' }],
  ['everything', { kind: 'everything' }, { rev: 101 }],
]

const SESSIONS = [
  ...SESSION_KINDS.map(([kind, selector, other]) =>
    sessions(
      `a session is covered by ${kind}`,
      'A session is covered if the selector matches and its `rev` is lower than `seq`.',
      [
        judging,
        judge('accept'),
        revoke(101, selector),
        judge('reject'),
        judgeNow('accept', { rev: 101 }),
        judgeNow('accept', other),
        fromHere(ASKED),
        atMost(ASKED, 0, 50),
      ],
    ),
  ),
  sessions(
    'a session after its entry has expired for tokens',
    'An entry counts for sessions until `session_exp`, also where `exp` is over.',
    [revoke(101, session('s_1'), { unsent: true, exp_in: -10 }), judging, judge('reject')],
  ),
  sessions(
    'a session hours after its revocation',
    'An entry counts for sessions until `session_exp`: keep it as long.',
    [
      set({ lease_seconds: 60 }),
      judging,
      judge('accept'),
      revoke(101, session('s_1')),
      judge('reject'),
      passes(4_000_000),
      judge('accept', { sid: 's_2' }),
      judgeNow('reject'),
    ],
    ['timers'],
  ),
  sessions(
    'a session whose older entry lasts longer',
    'Of each selector keep the highest `seq` and the highest `session_exp`.',
    [
      set({ lease_seconds: 60 }),
      judging,
      judge('accept'),
      revoke(101, { kind: 'subject', sub: 'u_1' }),
      revoke(102, { kind: 'subject', sub: 'u_1' }, { session_exp_in: 60, exp_in: 60 }),
      // So far on that the entries are in no overlap.
      revoke(1000, session('s_last')),
      judge('reject'),
      passes(4_000_000),
      judge('accept', { sub: 'u_2' }),
      judgeNow('reject'),
    ],
    ['timers'],
  ),
  sessions('a session past its end', ONE_CLOCK, [
    judging,
    judge('accept'),
    judgeNow('reject', { session_expiry: -60 }),
    judgeNow('accept', { session_expiry: 60 }),
  ]),
  sessions('a session of another token', ID_TOKEN, [
    judging,
    judge('accept'),
    ...[
      { iss: 'https://other.example' },
      { aud: 'https://conformance.example' },
      { aud: ['conformance', 'other'] },
      { aud: null },
      { sub: null },
      { sid: null },
      { iat: null },
      { session_expiry: null },
    ].map((claims) => judgeNow('reject', claims)),
    judgeNow('accept', { aud: ['conformance'] }),
    fromHere(ASKED),
    atMost(ASKED, 0, 50),
  ]),
  sessions(
    'a session older than what is complete',
    'Below `complete_from` the entries do not tell: ask the broker, once.',
    [
      set({ complete_from: 95, inactive_sids: ['s_3'] }),
      judging,
      judge('accept', { rev: 95 }),
      fromHere(ASKED),
      judge('accept', { rev: 94 }),
      judge('accept', { rev: 94 }),
      atLeast(ASKED, 1),
      judge('accept', { rev: 94 }),
      atMost(ASKED, 0, 50),
      judge('reject', { rev: 94, sid: 's_3' }, { never: 'accept' }),
      atLeast(ASKED, 1),
      revoke(101, session('s_1')),
      judge('reject', { rev: 94 }),
      judgeNow('reject', { rev: 95 }),
    ],
    [],
    ASK,
  ),
  sessions(
    'a session that has no rev',
    'Without `rev` the entries do not tell: ask the broker.',
    [
      revoke(90, { kind: 'subject', sub: 'u_1' }, { unsent: true }),
      set({ inactive_sids: ['s_2'] }),
      judging,
      judge('accept', { rev: null }),
      judge('reject', { rev: null, sid: 's_2' }, { never: 'accept' }),
      revoke(101, { kind: 'subject', sub: 'u_1' }),
      judge('reject', { rev: null }),
    ],
    [],
    ASK,
  ),
  sessions(
    'a session that has no tenant',
    'Without `tenant` the entries of tenants do not tell: ask the broker.',
    [
      judging,
      judge('accept', { tenant: null }),
      set({ inactive_sids: ['s_1', 's_2'] }),
      revoke(101, { kind: 'tenant', tid: 't_1' }),
      judge('reject', { tenant: 't_1' }),
      judge('reject', { sid: 's_2', tenant: null }, { never: 'accept' }),
    ],
    [],
    ASK,
  ),
  sessions(
    'a session that cannot be asked about',
    'Without an answer in 2 s a session is not known: 503, and the session stays.',
    [
      set({ complete_from: 95, hangs: ASKED }),
      judging,
      judge('accept'),
      judge('unavailable', { rev: 94 }, { never: 'reject' }),
      set({ hangs: '' }),
      judge('accept', { rev: 94 }),
    ],
    [],
    ASK,
  ),
  sessions(
    'a session without a lease',
    'Without a lease a session is not known; one that is covered stays ended.',
    [
      judging,
      judge('accept'),
      revoke(101, session('s_2')),
      judge('reject', { sid: 's_2' }),
      fromHere(ASKED),
      set({ silent: true }),
      judge('unavailable', {}, { never: 'reject' }),
      judgeNow('reject', { sid: 's_2' }),
      atMost(ASKED, 0, 50),
      set({ silent: false }),
      judge('accept', {}, { never: 'reject' }),
    ],
  ),
  sessions(
    'a session without a lease, with introspect',
    'With `introspect` the broker is asked about each session, each time.',
    [
      { ...judging, without_lease: 'introspect' },
      judge('accept'),
      set({ no_lease: true, silent: true }),
      set({ inactive_sids: ['s_1'] }),
      judge('reject'),
      fromHere(ASKED),
      judgeNow('accept', { sid: 's_2' }),
      judgeNow('accept', { sid: 's_2' }),
      atLeast(ASKED, 2),
    ],
    ['introspection'],
  ),
  sessions(
    'a session before live',
    'Before `live` no session is known.',
    [
      set({ hold_live: true }),
      revoke(101, session('s_2'), { unsent: true }),
      judging,
      { do: 'expect_connection' },
      judge('unavailable'),
      judgeNow('unavailable', { sid: 's_2' }),
      { do: 'live' },
      judge('accept'),
      judgeNow('reject', { sid: 's_2' }),
    ],
    ['stream'],
  ),
  sessions(
    'a session of a former log',
    'The mark of a former log lives as long as sessions: ask the broker.',
    [
      judging,
      judge('accept'),
      set({ epoch: 'epoch-b', seq: 50, inactive_sids: ['s_2'] }),
      { do: 'cut' },
      judge('reject', { sid: 's_2', rev: 90 }),
      passes(4_000_000),
      judge('reject', { sid: 's_2', rev: 91 }, { never: 'accept' }),
    ],
    ['timers'],
  ),
  sessions(
    'a session that a logout token ends',
    'A logout token ends sessions also while the feed is silent.',
    [
      judging,
      judge('accept'),
      { do: 'hush' },
      {
        do: 'logout',
        token: { claims: { sid: 's_1', rev: 101 } },
        expect: 'ended',
        at_once: true,
      },
      judgeNow('reject'),
      judgeNow('accept', { rev: 101 }),
    ],
    ['logout'],
  ),
  sessions(
    'a session by polls',
    'A guard that polls sends `sessions=1` with each poll.',
    [
      revoke(100, session('s_2'), { unsent: true, exp_in: -10 }),
      set({ complete_from: 95 }),
      { ...judging, poll: true },
      judge('accept'),
      judgeNow('reject', { sid: 's_2', rev: 99 }),
      fromHere(ASKED),
      atMost(ASKED, 0, 50),
      revoke(101, session('s_1')),
      judge('reject'),
    ],
    ['polling'],
  ),
  sessions(
    'a report of sessions',
    'A report says whether the process judges sessions.',
    [
      judging,
      judge('accept'),
      { do: 'expect_report', epoch: 'epoch-a', seq: 100, members: { sessions: true } },
    ],
    [],
    'Report',
  ),
]

const LATE = 180_000_000_000_000
const LAST = Number.MAX_SAFE_INTEGER
const LEASE = 'The lease'
const SILENT = 'When you hear nothing, and connecting again'
const OWN_CLOCK = 'Your clock'
const REQUESTS = 'Requests'
const REDIRECT =
  'Follow no redirect: it leads keys, credentials and revocations to whom you do not know.'
const TENANTS =
  'The broker sends no revocations of other tenants: reject their tokens. When it sends those of one more, read everything again.'
/** The client is registered for t_1 alone, then for t_2 too, of which a session ended before. */
const tenantsOf = (begin, change) => [
  set({ tenants: ['t_1'] }),
  begin,
  check('accept'),
  same('accept'),
  now('reject', { tid: 't_2' }),
  now('accept', { tid: null, sid: null, sub: 'conformance' }),
  revoke(101, session('s_2'), { members: { tid: 't_2' } }),
  // So far on that the entry is in no overlap.
  ...applied(1000),
  set({ tenants: ['t_1', 't_2'] }),
  ...change,
  check('accept', { tid: 't_2' }),
  now('reject', { tid: 't_2', sid: 's_2' }),
  set({ tenants: ['t_2'] }),
  ...change,
  same('reject'),
  now('accept', { tid: 't_2' }),
]
const CASES = [
  ...KINDS.map(([kind, selector, other]) =>
    feed(
      `covers a ${kind}`,
      'An entry',
      'A token is covered if the selector matches and its `rev` is lower than `seq`.',
      [
        ...READY,
        same('accept'),
        revoke(101, selector),
        check('reject'),
        same('reject', { at_once: true }),
        now('accept', other),
        now('accept', { rev: 101 }),
      ],
    ),
  ),
  feed('covers everything', 'An entry', 'It covers each token whose `rev` is lower than `seq`.', [
    ...READY,
    revoke(101, { kind: 'everything' }),
    check('reject'),
    now('reject', { sid: 's_2', sub: 'u_2', tid: null }),
    now('accept', { rev: 101 }),
  ]),
  feed('unknown selector kind', 'An entry', 'Treat an unknown `kind` as `everything`.', [
    ...READY,
    revoke(101, { kind: 'device', device: 'd_1' }),
    check('reject'),
    now('reject', { sid: 's_2', sub: 'u_2' }),
    now('accept', { rev: 101 }),
  ]),
  feed('a selector without its member', 'An entry', 'Treat what you cannot read as `everything`.', [
    ...READY,
    revoke(101, { kind: 'session' }),
    check('reject', { sid: 's_2', sub: 'u_2' }),
    revoke(103, { kind: 'grant', sid: 's_1' }),
    check('reject', { sid: 's_2', rev: 102 }),
    now('accept', { rev: 103 }),
  ]),
  feed(
    'unknown selector kind in a snapshot',
    'An entry',
    'Treat an unknown `kind` as `everything`.',
    [
      revoke(101, { kind: 'device', device: 'd_1' }, { unsent: true }),
      start,
      check('accept', { rev: 101 }),
      now('reject'),
    ],
  ),
  feed('unknown members and events', 'An entry', 'Ignore unknown members and unknown events.', [
    ...READY,
    fromHere('/revocations'),
    { do: 'send', event: 'weather', data: { is: 'fine' } },
    revoke(101, session('s_1'), { members: { reason: { code: 7 } } }),
    check('reject'),
    now('accept', { sid: 's_2' }),
    atMost('/revocations', 0, 300),
  ]),
  feed('nothing before live', 'Follow', 'Tokens may be accepted only after the first `live`.', [
    set({ hold_live: true }),
    revoke(90, session('s_1'), { unsent: true }),
    start,
    { do: 'expect_connection' },
    // Leases come meanwhile, as heartbeats.
    check('unavailable', { sid: 's_2' }, { for_ms: 600 }),
    { do: 'live' },
    check('accept', { sid: 's_2' }),
    now('reject', { rev: 80 }),
  ]),
  feed(
    'snapshots are merged',
    'Follow',
    'A snapshot never replaces entries, also not the first one.',
    [
      set({ page: 1 }),
      ...['s_a', 's_b', 's_c'].map((sid, n) => revoke(101 + n, session(sid), { unsent: true })),
      start,
      check('accept'),
      ...['s_a', 's_b', 's_c'].map((sid) => now('reject', { sid })),
    ],
  ),
  feed('duplicate', 'Follow', 'The same entry again changes nothing.', [
    ...READY,
    revoke(101, session('s_1')),
    revoke(101, session('s_1')),
    ...applied(102),
    now('reject'),
    now('accept', { rev: 101 }),
  ]),
  feed(
    'an older entry after a newer one',
    'Follow',
    'Ignore an entry because it was applied, never because its `seq` is below your position.',
    [
      ...READY,
      revoke(105, session('s_a')),
      revoke(103, session('s_b')),
      ...applied(106),
      now('reject', { sid: 's_a' }),
      now('reject', { sid: 's_b' }),
    ],
  ),
  feed(
    'an older entry of the same selector',
    'Follow',
    'The newest `seq` of a selector counts; an older one never lowers it.',
    [
      ...READY,
      revoke(105, session('s_1')),
      revoke(103, session('s_1')),
      ...applied(106),
      now('reject', { rev: 104 }),
      now('accept', { rev: 105 }),
    ],
  ),
  feed(
    'missed while disconnected',
    SILENT,
    'Resume where you were: what was missed arrives before `live`.',
    [
      ...READY,
      revoke(101, session('s_0')),
      check('reject', { sid: 's_0' }),
      { do: 'expect_connection' },
      set({ down: true }),
      revoke(102, session('s_1'), { unsent: true }),
      set({ down: false }),
      connection({ within_ms: 1500, resumes: { epoch: 'epoch-a', at_most: 101 } }),
      check('reject'),
      now('reject', { sid: 's_0' }),
      now('accept', { sid: 's_2' }),
    ],
  ),
  feed('the broker ends the stream', 'Follow', 'After `end`, connect again and resume.', [
    ...READY,
    { do: 'expect_connection' },
    { do: 'send', event: 'end', data: { why: 'shutdown' } },
    { do: 'expect_connection', within_ms: 1500, resumes: { epoch: 'epoch-a', at_most: 100 } },
    ...applied(101),
    now('accept'),
  ]),
  feed(
    'a jump of seq',
    'What you need besides the feed',
    '`seq` and `rev` are below 2⁵³ and not contiguous: a jump is not a loss.',
    [
      ...READY,
      fromHere('/revocations'),
      revoke(LATE, session('s_1')),
      check('reject', { rev: LATE - 1 }),
      now('accept', { rev: LATE }),
      now('accept', { sid: 's_2' }),
      revoke(LAST, session('s_2')),
      check('reject', { sid: 's_2', rev: LAST - 1 }),
      now('accept', { sid: 's_2', rev: LAST }),
      atMost('/revocations', 0, 100),
    ],
  ),
  feed(
    'a restored database',
    'Follow',
    'At `reset` forget the entries, and from `live` on reject older tokens with a higher `rev`: they are of the former log.',
    [
      ...READY,
      revoke(101, session('s_1')),
      check('reject'),
      { do: 'expect_connection' },
      set({ epoch: 'epoch-b', seq: 50, hold_live: true, jwks: ['es-2', 'rs-1'] }),
      revoke(60, { kind: 'everything' }, { unsent: true }),
      fromHere('/jwks'),
      { do: 'cut' },
      { do: 'expect_connection', within_ms: 2500 },
      check('unavailable', { sid: 's_2', rev: 60 }),
      { ...atLeast('/jwks', 1), within_ms: 500 },
      check('unavailable', { sid: 's_2', rev: 60 }, { for_ms: 300 }),
      { do: 'live' },
      restored('accept', { sid: 's_2', rev: 60 }),
      restored('accept', { rev: 60 }, { at_once: true }),
      restored('reject', { sid: 's_2', rev: 59 }, { at_once: true }),
      restored('reject', { sid: 's_2', rev: 90, iat: -60 }, { at_once: true }),
      // Issued after the reset, further on in the log than the guard has come.
      restored('accept', { sid: 's_2', rev: 90, iat: 3 }, { at_once: true }),
      now('reject', { sid: 's_2', rev: 60 }),
    ],
  ),
  feed(
    'a log that lost its newest part',
    'Follow',
    'If the `seq` of `live` is lower than yours, connect again with exactly your position.',
    [
      ...READY,
      revoke(200, session('s_1')),
      check('reject'),
      set({ seq: 150 }),
      { do: 'cut' },
      check('reject', { sid: 's_2', rev: 190, iat: -60 }),
      check('accept', { sid: 's_2', rev: 150 }),
    ],
  ),
  feed(
    'a log that goes back',
    'Follow',
    'If the `seq` of `live` is lower than yours, connect again with exactly your position.',
    [
      ...READY,
      revoke(200, session('s_1')),
      check('reject'),
      connection(),
      set({ seq: 150, hold_live: true }),
      { do: 'send', event: 'live', id: 'epoch-a.150', data: { epoch: 'epoch-a', seq: 150 } },
      connection({
        within_ms: 1500,
        resumes: { epoch: 'epoch-a', at_least: 200, at_most: 200 },
      }),
      check('unavailable', { sid: 's_2' }),
      { do: 'live' },
      check('reject', { sid: 's_2', rev: 190, iat: -60 }),
      check('accept', { sid: 's_2', rev: 150 }),
    ],
    { needs: ['stream'] },
  ),
  feed(
    'another log without a reset',
    'Follow',
    'An `id` of another epoch without a `reset` before it cannot be understood: connect again without a position.',
    [
      ...READY,
      connection(),
      set({ hold_live: true }),
      { do: 'send', event: 'head', id: 'epoch-b.300', data: { seq: 300 } },
      connection({ within_ms: 1500, resumes: 'nothing' }),
      check('unavailable'),
      { do: 'live' },
      check('accept'),
    ],
    { needs: ['stream'] },
  ),
  feed(
    'entries are kept until they end',
    'An entry',
    '`exp` says when an entry may be deleted, the difference of clocks included.',
    [
      ...READY,
      revoke(300, session('s_1'), { exp_in: 240 }),
      ...applied(400),
      { do: 'cut' },
      ...applied(401),
      now('reject'),
    ],
  ),
  feed('a retired key', 'Follow', 'Reject retired keys at once, whatever a cached JWKS says.', [
    ...READY,
    same('accept'),
    set({ retired_kids: ['es-1'], jwks: ['es-1', 'es-2', 'rs-1'] }),
    { do: 'send', event: 'keys', data: { jwks: 'changed', retired_kids: ['es-1'] } },
    check('reject'),
    { do: 'check', token: { key: 'es-2' }, expect: 'accept' },
    now('reject'),
    same('reject', { at_once: true }),
  ]),
  feed(
    'a key that was retired before',
    'Follow',
    '`retired_kids` of a snapshot counts as that of `keys`.',
    [
      set({ retired_kids: ['es-1'], jwks: ['es-1', 'es-2', 'rs-1'] }),
      start,
      { do: 'check', token: { key: 'es-2' }, expect: 'accept' },
      now('reject'),
    ],
  ),
  feed(
    'a new key',
    'What you need besides the feed',
    'When the keys have changed, fetch the JWKS again.',
    [
      ...READY,
      fromHere('/jwks'),
      set({ jwks: ['es-1', 'es-2', 'rs-1'] }),
      { do: 'send', event: 'keys', data: { jwks: 'changed', retired_kids: [] } },
      atLeast('/jwks', 1),
      { do: 'check', token: { key: 'es-2' }, expect: 'accept' },
    ],
    { needs: ['stream'] },
  ),
  feed(
    'a key that is no longer published',
    'What you need besides the feed',
    'When the keys have changed, a key that the JWKS no longer has signs nothing, also not what was verified before.',
    [
      ...READY,
      same('accept'),
      set({ jwks: ['es-2', 'rs-1'] }),
      { do: 'send', event: 'keys', data: { jwks: 'changed', retired_kids: [] } },
      check('reject'),
      same('reject', { at_once: true }),
    ],
    { needs: ['stream'] },
  ),
  feed(
    'keys that nothing has',
    'What you need besides the feed',
    'An unknown `kid` fetches the JWKS at most once in some seconds: anything may be in a token.',
    [
      ...READY,
      fromHere('/jwks'),
      ...Array.from({ length: 20 }, () => ({
        do: 'check',
        token: { key: 'unpublished' },
        expect: ['reject', 'unavailable'],
        at_once: true,
      })),
      atMost('/jwks', 2, 100),
    ],
  ),
  feed('silence', SILENT, 'Without a lease answer 503, never 401 and never 200.', [
    ...READY,
    same('accept'),
    set({ silent: true }),
    check('unavailable', {}, { never: 'reject' }),
    same('unavailable', { for_ms: 300 }),
    set({ silent: false }),
    check('accept', {}, { never: 'reject' }),
  ]),
  feed(
    'heartbeats before live',
    SILENT,
    'Only what follows `live` on its connection counts, whatever an earlier connection has brought.',
    [
      ...READY,
      connection(),
      set({ hold_live: true }),
      { do: 'cut' },
      connection({ within_ms: 1500 }),
      check('unavailable', {}, { never: 'reject' }),
      check('unavailable', {}, { for_ms: 600 }),
      { do: 'live' },
      check('accept', {}, { never: 'reject' }),
    ],
    { needs: ['stream'] },
  ),
  feed(
    'a proxy that holds the stream back',
    SILENT,
    'The headers of a stream say nothing of what is revoked.',
    [
      set({ buffered: true }),
      start,
      connection(),
      check('unavailable', {}, { for_ms: 500 }),
      set({ buffered: false }),
      { do: 'cut' },
      check('accept', {}, { never: 'reject' }),
    ],
    { needs: ['stream'] },
  ),
  feed(
    'an answer that is no stream',
    'Follow',
    'A stream has the content type text/event-stream: a proxy that answers 200 by itself is none.',
    [
      set({ type: 'text/html' }),
      start,
      connection(),
      check('unavailable', {}, { for_ms: 500 }),
      set({ type: 'text/event-stream' }),
      check('accept', {}, { never: 'reject' }),
    ],
    { needs: ['stream'] },
  ),
  feed(
    'a broker that does not answer',
    SILENT,
    'Give up a request after 5 s without an answer, and ask again.',
    [
      set({ hangs: '/revocations' }),
      start,
      atLeast('/revocations', 2),
      set({ hangs: '' }),
      check('accept', {}, { never: 'reject' }),
    ],
  ),
  feed(
    'keys that do not come',
    SILENT,
    'What is held open does not wait for other answers: go on checking and following meanwhile.',
    [
      ...READY,
      set({ hangs: '/jwks' }),
      { do: 'send', event: 'keys', data: { jwks: 'changed', retired_kids: [] } },
      revoke(101, session('s_1')),
      check('reject'),
      now('accept', { sid: 's_2' }),
    ],
    { needs: ['stream'] },
  ),
  ...['/jwks', '/revocations'].map((moved) =>
    feed(`${moved} moved`, REQUESTS, REDIRECT, [
      set({ moved }),
      start,
      atLeast(moved, 1),
      check(['unavailable', 'reject'], {}, { for_ms: 500 }),
      atMost(`/moved${moved}`, 0, 100),
    ]),
  ),
  ...['/.well-known/openid-configuration', '/revocations/enforced'].map((moved) =>
    feed(`${moved} moved`, REQUESTS, REDIRECT, [
      set({ moved }),
      start,
      atLeast(moved, 1),
      atMost(`/moved${moved}`, 0, 300),
    ]),
  ),
  feed(
    '/revocations/clock moved',
    REQUESTS,
    REDIRECT,
    [
      ...READY,
      set({ moved: '/revocations/clock', known_ago_ms: 50_000 }),
      atLeast('/revocations/clock', 1),
      atMost('/moved/revocations/clock', 0, 300),
    ],
    { needs: ['stream'] },
  ),
  feed(
    '/introspect moved',
    REQUESTS,
    REDIRECT,
    [
      { ...start, without_lease: 'introspect' },
      check('accept'),
      set({ moved: '/introspect', silent: true }),
      check('unavailable', {}, { never: 'reject' }),
      atLeast('/introspect', 1),
      atMost('/moved/introspect', 0, 100),
    ],
    { needs: ['introspection', 'stream'] },
  ),
  polling('a poll moved', REQUESTS, REDIRECT, [
    set({ moved: '/revocations' }),
    poll,
    atLeast('/revocations', 1),
    check('unavailable', {}, { for_ms: 300 }),
    atMost('/moved/revocations', 0, 100),
  ]),
  feed('live alone', LEASE, '`live` grants nothing: only a lease does.', [
    set({ no_lease: true }),
    start,
    connection(),
    check('unavailable', {}, { for_ms: 600 }),
    set({ no_lease: false }),
    check('accept', {}, { never: 'reject' }),
  ]),
  feed(
    'leases that come late',
    LEASE,
    'A lease counts from when the log was known, never from when it arrives.',
    [
      ...READY,
      same('accept'),
      set({ known_ago_ms: 90_000 }),
      check('unavailable', {}, { never: 'reject' }),
      same('unavailable', { for_ms: 600 }),
      set({ known_ago_ms: 0 }),
      check('accept', {}, { never: 'reject' }),
    ],
  ),
  feed(
    'an anchor that comes late',
    LEASE,
    'A lease counts from before the request for its anchor was sent, never from when the anchor arrives.',
    [set({ late: true }), start, connection(), check('unavailable', {}, { for_leases: 1.6 })],
    { needs: ['stream'] },
  ),
  feed(
    'a line that brings nothing',
    LEASE,
    'After half of the lease without a byte the connection is lost: connect again.',
    [
      ...READY,
      connection(),
      { do: 'hush' },
      revoke(101, session('s_1'), { unsent: true }),
      connection({ within_ms: 3500 }),
      check('reject'),
    ],
    { needs: ['stream'] },
  ),
  feed(
    'a reset on the line',
    LEASE,
    '`reset` ends the lease, and none before the next `live` counts.',
    [
      ...READY,
      same('accept'),
      { do: 'send', event: 'reset', data: { epoch: 'epoch-b' } },
      same('unavailable', { within_ms: 700 }),
      // Leases come meanwhile.
      same('unavailable', { for_ms: 500 }),
      set({ epoch: 'epoch-b', seq: 50, no_lease: true }),
      {
        do: 'send',
        event: 'snapshot',
        id: 'epoch-b.50',
        data: { epoch: 'epoch-b', seq: 50, entries: [], retired_kids: [] },
      },
      { do: 'live' },
      check('unavailable', { rev: 40 }, { for_ms: 300 }),
      set({ no_lease: false }),
      check('accept', { rev: 40 }),
    ],
    { needs: ['stream'] },
  ),
  feed(
    'leases of another clock',
    LEASE,
    'A lease of a clock of which there is no anchor grants nothing.',
    [
      ...READY,
      set({ lease_clock: 'another' }),
      check('unavailable', {}, { never: 'reject' }),
      check('unavailable', {}, { for_ms: 600 }),
      set({ lease_clock: '' }),
      check('accept', {}, { never: 'reject' }),
    ],
    { needs: ['stream'] },
  ),
  feed(
    'an anchor of another clock',
    LEASE,
    'A request for an anchor that another process answers gives none: open the stream again.',
    [
      ...READY,
      connection(),
      fromHere('/revocations/clock'),
      set({ known_ago_ms: 50_000, clock_answers: 'another clock' }),
      connection({ within_ms: 8000 }),
      check('unavailable', {}, { never: 'reject' }),
      check('unavailable', {}, { for_ms: 600 }),
      atMost('/revocations/clock', 6, 100),
    ],
    { needs: ['stream'] },
  ),
  feed(
    'an anchor of another request',
    LEASE,
    'An answer that does not repeat the nonce is one to another request: from a cache, it is too old.',
    [
      ...READY,
      fromHere('/revocations/clock'),
      // The leases are as old as that answer, so that none is longer than its length.
      set({ known_ago_ms: 60_000, clock_answers: 'another nonce' }),
      atLeast('/revocations/clock', 1),
      check('unavailable', {}, { never: 'reject' }),
      check('unavailable', {}, { for_ms: 1200 }),
    ],
    { needs: ['stream'] },
  ),
  feed(
    'a stream of another request',
    LEASE,
    'An `anchor` that does not repeat the nonce is one of another request: ask for a new one.',
    [
      set({ replays: true }),
      start,
      connection(),
      check('unavailable', {}, { for_ms: 1500 }),
      set({ replays: false }),
      check('accept', {}, { never: 'reject' }),
    ],
    { needs: ['stream'] },
  ),
  feed('tenants', 'Who may follow it', TENANTS, tenantsOf(start, [{ do: 'cut' }])),
  polling('polling tenants', 'Who may follow it', TENANTS, tenantsOf(poll, [])),
  feed(
    'a machine that was suspended',
    OWN_CLOCK,
    'The lease runs while the machine is suspended: count by a clock that does too.',
    [
      start,
      check('accept', LONG),
      same('accept'),
      set({ silent: true }),
      suspended(90_000),
      same('unavailable', { at_once: true }),
      check('unavailable', LONG, { for_ms: 300 }),
      set({ silent: false }),
      check('accept', LONG, { never: 'reject' }),
      check('reject', { iat: -350, exp: -50 }),
    ],
    { needs: ['clock'] },
  ),
  feed(
    'a clock that is set back',
    OWN_CLOCK,
    'The wall clock may be set: never count a lease by it.',
    [
      start,
      check('accept', LONG),
      set({ silent: true }),
      clockSet(-3_600_000),
      check(['accept', 'unavailable'], LONG, { for_leases: 1.2 }),
      check('unavailable', LONG, { at_once: true }),
      check('unavailable', LONG, { for_ms: 300 }),
      set({ silent: false }),
      check('accept', LONG, { never: 'reject' }),
      check(['reject', 'unavailable'], { iat: -400, exp: -100 }),
    ],
    { needs: ['clock'] },
  ),
  feed(
    'a clock that is set back by less than has passed',
    OWN_CLOCK,
    'The wall clock may be set: never count a lease by it.',
    [
      start,
      check('accept', LONG),
      set({ silent: true }),
      passes(1_200),
      clockSet(-1_000),
      check(['accept', 'unavailable'], LONG, { for_leases: 0.6 }),
      check('unavailable', LONG, { for_ms: 300 }),
    ],
    { needs: ['clock', 'timers'] },
  ),
  feed(
    'a clock that jumps ahead and back',
    OWN_CLOCK,
    'No lease has more than its length left, and a clock that went back ends it: take a new anchor.',
    [
      start,
      check('accept', LONG),
      elapses(DAYS),
      check('accept', LONG),
      set({ silent: true }),
      elapses(-DAYS),
      check(['accept', 'unavailable'], LONG, { for_leases: 1.2 }),
      check('unavailable', LONG, { for_ms: 300 }),
      set({ silent: false }),
      check('accept', LONG),
    ],
    { needs: ['clock'] },
  ),
  feed(
    'a clock that goes back a little',
    OWN_CLOCK,
    'A clock that went back ends the lease, also where less than its length is left: compare each reading with the one before.',
    [
      start,
      check('accept', LONG),
      elapses(3_000),
      check('accept', LONG),
      set({ silent: true }),
      check(['accept', 'unavailable'], LONG, { for_ms: 1_000 }),
      elapses(-1_000),
      check(['accept', 'unavailable'], LONG, { for_leases: 0.6 }),
      check('unavailable', LONG, { for_ms: 300 }),
    ],
    { needs: ['clock'] },
  ),
  feed(
    'a clock of the broker that jumps ahead',
    LEASE,
    'No lease has more than its length left: end it, and take a new anchor.',
    [
      start,
      check('accept', LONG),
      { do: 'clock', broker_ms: 10_000 },
      check(['accept', 'unavailable'], LONG, { for_leases: 0.5 }),
      check('accept', LONG),
      set({ silent: true }),
      check(['accept', 'unavailable'], LONG, { for_leases: 1.2 }),
      check('unavailable', LONG, { for_ms: 300 }),
    ],
    { needs: ['clock', 'stream'] },
  ),
  feed(
    'a clock that is set ahead',
    SILENT,
    'A new token seems expired: 401 would send the client into a loop of refreshes. Answer 503.',
    [
      ...READY,
      clockSet(3_600_000),
      check(['accept', 'unavailable']),
      check(['accept', 'unavailable'], {}, { for_ms: 500 }),
      clockSet(-3_600_000),
      check('accept'),
    ],
    { needs: ['clock'] },
  ),
  feed(
    'clocks of different speed',
    LEASE,
    'Two anchors show the speed of the clocks. Above 1,000 ppm there is no lease.',
    [
      ...READY,
      connection(),
      suspended(70_000, 61_000),
      { do: 'cut' },
      connection(),
      reported(100, { between: { clock_drift_ppm: [100_000, 150_000] } }),
      check('unavailable', LONG, { for_ms: 500 }),
      suspended(70_000),
      { do: 'cut' },
      check('accept', LONG, { never: 'reject' }),
    ],
    { needs: ['clock', 'stream'] },
  ),
  feed(
    'a clock that goes faster',
    LEASE,
    'The clocks may differ in speed by 1,000 ppm: take that off the lease.',
    [
      set({ lease_seconds: 60 }),
      start,
      check('accept', LONG),
      // No heartbeat comes between the moves of both clocks.
      { do: 'hush' },
      suspended(1_000_000),
      { do: 'hush', over: true },
      check('accept', LONG),
      // A new stream brings no anchor.
      set({ buffered: true }),
      { do: 'hush' },
      suspended(59_500),
      check('unavailable', LONG, { at_once: true }),
    ],
    { needs: ['clock', 'stream'] },
  ),
  feed(
    'entries of a quiet hour',
    'An entry',
    '`exp` says when you may delete an entry, not before.',
    [
      set({ lease_seconds: 60 }),
      start,
      check('accept', LONG),
      revoke(101, session('s_1'), { exp_in: 500 }),
      check('reject', LONG),
      ...times(7, [passes(10_000), check('accept', { ...LONG, sid: 's_2' }, { for_ms: 60 })]),
      now('reject', LONG),
    ],
    { needs: ['timers', 'stream'] },
  ),
  feed(
    'reports of a quiet hour',
    'Report',
    'A report every five minutes, also if nothing was revoked, shows that the guard is there.',
    [
      set({ lease_seconds: 60 }),
      start,
      check('accept', LONG),
      reported(100),
      ...times(34, [passes(10_000), check('accept', LONG, { for_ms: 60 })]),
      reported(100, { again: true }),
    ],
    { needs: ['timers', 'stream'] },
  ),
  feed(
    'a broker that is down for long',
    SILENT,
    'Do not back off: after a long failure too, connect again within two seconds.',
    [
      ...READY,
      connection(),
      set({ down: true }),
      ...times(6, [passes(15_000), check('unavailable', {}, { for_ms: 80 })]),
      set({ down: false }),
      connection({ within_ms: 3500 }),
      check('accept', LONG),
    ],
    { needs: ['timers', 'stream'] },
  ),
  feed(
    'a broker that asks for time',
    SILENT,
    '`Retry-After` of more than 2 s counts once the broker has been away for 10 s.',
    [
      ...READY,
      ...DOWN,
      fromHere('/revocations'),
      ...times(4, [passes(3_000), check('unavailable', {}, { for_ms: 80 })]),
      atMost('/revocations', 1, 10),
    ],
    { needs: ['timers', 'stream'] },
  ),
  feed(
    'a token while the guard waits',
    SILENT,
    'A token with a newer `rev` shows that the broker is up: connect at once.',
    [
      ...READY,
      connection(),
      ...DOWN,
      set({ down: false }),
      check('unavailable', { rev: 100 }, { for_ms: 100 }),
      check(['accept', 'unavailable'], { rev: 105 }, { at_once: true }),
      connection({ within_ms: 3000 }),
    ],
    { needs: ['timers', 'stream'] },
  ),
  feed(
    'a logout token while the guard waits',
    SILENT,
    'A logout token shows that the broker is up: connect at once.',
    [
      ...READY,
      connection(),
      ...DOWN,
      set({ down: false }),
      { do: 'logout', token: { claims: { rev: 105 } }, expect: 'ended' },
      connection({ within_ms: 3000 }),
    ],
    { needs: ['logout', 'timers', 'stream'] },
  ),
  feed(
    'introspection without a lease',
    LEASE,
    'Ask about each token, with a timeout of 2 s; before the first `live` not even that.',
    [
      set({ hold_live: true }),
      { ...start, without_lease: 'introspect' },
      connection(),
      check('unavailable', {}, { for_ms: 300 }),
      { do: 'live' },
      check('accept'),
      reported(100, { members: { without_lease: 'introspect' } }),
      set({ silent: true }),
      same('accept', { for_leases: 1.3 }),
      atLeast('/introspect', 1),
      revoke(101, session('s_1'), { unsent: true }),
      same('reject', { at_once: true }),
      check('accept', { sid: 's_2' }, { at_once: true }),
      set({ hangs: '/introspect' }),
      check('unavailable', { sid: 's_2' }, { at_once: true }),
    ],
    { needs: ['introspection', 'stream'] },
  ),
  feed(
    'a clock behind the broker',
    SILENT,
    'A new token seems issued in the future: accept it by the broker’s `Date`, or answer 503.',
    [
      set({ clock_ahead_seconds: 600 }),
      start,
      check(['accept', 'unavailable'], {}, { never: 'reject' }),
      ...[1, 2, 3].map(() => now(['accept', 'unavailable'])),
      {
        do: 'expect_report',
        epoch: 'epoch-a',
        seq: 100,
        between: { clock_offset_seconds: [590, 610] },
      },
      now(['reject', 'unavailable'], { iat: -400, exp: -100 }),
    ],
  ),
  feed(
    'a clock ahead of the broker',
    SILENT,
    'A new token seems expired: 401 would send the client into a loop of refreshes. Answer 503.',
    [
      set({ clock_ahead_seconds: -600 }),
      start,
      check('unavailable', {}, { never: 'reject' }),
      reported(100),
      ...[1, 2, 3].map(() => now('unavailable')),
    ],
  ),
  feed(
    'an expired token that was seen',
    SILENT,
    '`exp` counts at each check, by the clock that is ahead, also of a token that was verified before.',
    [
      ...READY,
      same('accept'),
      set({ clock_ahead_seconds: 600 }),
      { do: 'cut' },
      same(['reject', 'unavailable']),
    ],
  ),
  feed(
    'a wrong Date',
    SILENT,
    'A broker whose clock was wrong for an answer makes a guard reject no longer than until the next one.',
    [
      ...READY,
      revoke(101, session('s_2')),
      check('reject', { sid: 's_2' }),
      set({ clock_ahead_seconds: 20_000 }),
      { do: 'cut' },
      check(['reject', 'unavailable'], { iat: -20_000, exp: -19_700 }),
      // A heartbeat comes meanwhile, with which entries are deleted.
      check(['reject', 'unavailable'], { iat: -20_000, exp: -19_700 }, { for_ms: 1_000 }),
      set({ clock_ahead_seconds: 0 }),
      { do: 'cut' },
      check('accept'),
      check('reject', { sid: 's_2' }),
    ],
    { needs: ['stream'] },
  ),
  feed(
    'a logout token and a clock ahead',
    SILENT,
    'Only the times speak against it: answer 503, or 200 by the broker’s `Date`, never 400.',
    [
      set({ clock_ahead_seconds: -600 }),
      start,
      { do: 'expect_connection' },
      { do: 'logout', token: {}, expect: ['ended', 'again'], at_once: true },
    ],
    { needs: ['logout'] },
  ),
  feed(
    'a logout token before the feed',
    'What you need besides the feed',
    'A logout token counts at once, also where the feed has not said it.',
    [
      ...READY,
      {
        do: 'logout',
        token: { claims: { sid: 's_1', jti: 'before-the-feed' } },
        expect: 'ended',
        at_once: true,
      },
      now('reject'),
      now('accept', { rev: 101 }),
      now('accept', { sid: 's_2' }),
      {
        do: 'logout',
        token: { claims: { sid: 's_1', jti: 'before-the-feed' } },
        expect: ['ended', 'final'],
        at_once: true,
      },
    ],
    { needs: ['logout'] },
  ),
  feed(
    'a logout token and a restored database',
    'Follow',
    'At `reset` keep what logout tokens have ended: the new log may know nothing of it.',
    [
      ...READY,
      {
        do: 'logout',
        token: { claims: { sid: 's_1', jti: 'before-the-reset' } },
        expect: 'ended',
        at_once: true,
      },
      revoke(102, session('s_2')),
      check('reject', { sid: 's_2' }),
      set({ epoch: 'epoch-b', seq: 200 }),
      { do: 'cut' },
      ...applied(201),
      check('accept', { sid: 's_2' }),
      now('reject'),
    ],
    { needs: ['logout'] },
  ),
  feed(
    'a logout token of a user',
    'What you need besides the feed',
    'Without `sid` it ends every session of `sub`, those of access tokens too.',
    [
      ...READY,
      {
        do: 'logout',
        token: { claims: { sid: null, sub: 'u_1' } },
        expect: 'ended',
        at_once: true,
      },
      now('reject'),
      now('accept', { sub: 'u_2' }),
      now('accept', { rev: 101 }),
    ],
    { needs: ['logout'] },
  ),
  feed(
    'a logout token while the keys cannot be read',
    'What you need besides the feed',
    '400 is final, and the sign-out would be lost: answer 503.',
    [set({ down: true }), start, { do: 'logout', token: {}, expect: 'again', at_once: true }],
    { needs: ['logout'] },
  ),
  feed(
    '100,000 entries',
    'Follow',
    'All of them are enforced, and none covers more than it says.',
    [
      { do: 'fill', count: 100_000 },
      start,
      check('accept', { rev: 100_100 }),
      now('reject', { sid: 's_f1' }),
      now('reject', { sid: 's_f50000' }),
      now('reject', { sid: 's_f100000' }),
      now('accept', { sid: 's_f100000', rev: 100_100 }),
      now('accept', { sid: 's_other', rev: 100_099 }),
    ],
  ),
  feed(
    'a stream in pieces',
    'Follow',
    'Events may arrive in pieces, end lines with CRLF, and spread data over lines (the HTML standard, server-sent events).',
    [
      ...READY,
      revoke(101, session('s_1'), { unsent: true }),
      {
        do: 'raw',
        pieces: [
          'eve',
          'nt: revocation\r\nid: epoch-a.101\r',
          '\ndata: {"seq": 101, "selector": {"kind": "session",\r\nda',
          'ta: "sid": "s_1"}, "exp": $EXP}\r\n',
          '\r\n',
        ],
      },
      check('reject'),
      now('accept', { sid: 's_2' }),
    ],
    { needs: ['stream'] },
  ),
  feed(
    'an event that cannot be read',
    'Follow',
    'Half understood is not understood: connect again without a position.',
    [
      ...READY,
      { do: 'expect_connection' },
      set({ hold_live: true }),
      { do: 'raw', pieces: ['event: revocation\nid: epoch-a.101\ndata: {"seq": 101, "selec\n\n'] },
      connection({ within_ms: 1500, resumes: 'nothing' }),
      check('unavailable', {}, { for_ms: 300 }),
      { do: 'live' },
      check('accept'),
    ],
    { needs: ['stream'] },
  ),
  feed(
    'another issuer',
    'The revocation feed',
    'Compare the `issuer` of the discovery document at start: under an alias each token is rejected.',
    [
      set({ issuer: 'https://other.example' }),
      start,
      atLeast('/.well-known/openid-configuration', 1),
      check('unavailable', {}, { for_ms: 700 }),
      set({ issuer: '$ISSUER' }),
      check('accept', {}, { never: 'reject' }),
    ],
  ),
  feed(
    'a newer rev on a stream that is stuck',
    SILENT,
    'A token with a `rev` above what you enforce shows that the broker went on: a stream that does not bring it within a second is stuck. Close it.',
    [
      ...READY,
      revoke(101, session('s_0')),
      check('reject', { sid: 's_0' }),
      { do: 'expect_connection' },
      revoke(102, session('s_1'), { unsent: true }),
      now('accept', { sid: 's_2', rev: 102 }),
      { do: 'expect_connection', within_ms: 5000, resumes: { epoch: 'epoch-a', at_most: 101 } },
      check('reject'),
      now('accept', { sid: 's_2', rev: 102 }),
    ],
    { needs: ['stream'] },
  ),
  feed(
    'a report of another log',
    'Report',
    'After 409 connect again with the reported position as `Last-Event-ID`: the `reset` that follows says what the log is now.',
    [
      ...READY,
      { do: 'expect_report', epoch: 'epoch-a', seq: 100 },
      { do: 'expect_connection' },
      set({ epoch: 'epoch-b', seq: 50 }),
      revoke(60, { kind: 'everything' }, { unsent: true }),
      { do: 'send', event: 'head', id: 'epoch-a.101', data: { seq: 101 } },
      { do: 'expect_report', epoch: 'epoch-a', seq: 101, answered: 409 },
      { do: 'expect_connection', within_ms: 5000, resumes: { epoch: 'epoch-a', at_most: 101 } },
      // The former log accepts both of the next two tokens. A guard that rejects the first one has
      // read the new log.
      check('reject', { sid: 's_2', rev: 59 }),
      check('accept', { sid: 's_2', rev: 60 }),
      now('reject', { sid: 's_2', rev: 90, iat: -60 }),
    ],
    { needs: ['stream'] },
  ),
  feed(
    'a report that was not taken',
    'Report',
    'After another answer than 204, 400 or 409 send it again after 2 s.',
    [
      ...READY,
      { do: 'expect_report', epoch: 'epoch-a', seq: 100 },
      set({ report_status: 503 }),
      revoke(101, session('s_1')),
      fromHere('/revocations/enforced'),
      { do: 'expect_report', epoch: 'epoch-a', seq: 101, answered: 503 },
      set({ report_status: 0 }),
      atMost('/revocations/enforced', 1, 1000),
      { do: 'expect_report', epoch: 'epoch-a', seq: 101 },
      now('reject'),
    ],
  ),
  feed(
    'a report that is wrong',
    'Report',
    '400 says what is wrong with it: the same report again would be as wrong.',
    [
      set({ report_status: 400 }),
      ...READY,
      reported(100, { answered: 400 }),
      fromHere('/revocations/enforced'),
      atMost('/revocations/enforced', 0, 2500),
    ],
  ),
  feed(
    'a report before live',
    'Report',
    'A report says that everything up to `seq` is enforced: not before `live`.',
    [
      set({ hold_live: true }),
      revoke(101, session('s_1'), { unsent: true }),
      start,
      connection(),
      atMost('/revocations/enforced', 0, 500),
      { do: 'live' },
      reported(101),
    ],
    { needs: ['stream'] },
  ),
  feed(
    'private_key_jwt',
    'Who may follow it',
    'A client with `private_key_jwt` asks by `POST` with an assertion that is good once; its reports hold one too.',
    [
      { do: 'start', by: 'key' },
      check('accept'),
      { do: 'expect_report', epoch: 'epoch-a', seq: 100 },
      revoke(101, session('s_1')),
      check('reject'),
      { do: 'expect_connection' },
      { do: 'cut' },
      revoke(102, session('s_2'), { unsent: true }),
      { do: 'expect_connection', within_ms: 5000, resumes: { epoch: 'epoch-a', at_most: 101 } },
      check('reject', { sid: 's_2' }),
      { do: 'expect_report', epoch: 'epoch-a', seq: 102 },
    ],
    { needs: ['private_key_jwt', 'stream'] },
  ),
  polling('polling', 'Poll', 'A poller enforces a revocation at its next poll.', [
    poll,
    check('accept'),
    same('accept'),
    reported(100),
    revoke(101, session('s_1')),
    check('reject'),
    same('reject', { at_once: true }),
    now('accept', { sid: 's_2' }),
    reported(101),
  ]),
  polling('polling without a lease', 'Poll', 'An answer without a lease grants nothing.', [
    set({ no_lease: true }),
    poll,
    check('unavailable', {}, { for_ms: 600 }),
    set({ no_lease: false }),
    check('accept', {}, { never: 'reject' }),
  ]),
  polling(
    'polling what was known long ago',
    'Poll',
    'The lease of a poll counts from when the log was known.',
    [
      poll,
      check('accept'),
      set({ known_ago_ms: 90_000 }),
      check('unavailable', {}, { never: 'reject' }),
      check('unavailable', {}, { for_ms: 600 }),
    ],
  ),
  polling(
    'polling an answer to another request',
    'Poll',
    'An answer that does not repeat the nonce is one to another request: from a cache, it is too old.',
    [
      poll,
      check('accept'),
      set({ replays: true }),
      check('unavailable', {}, { never: 'reject' }),
      check('unavailable', {}, { for_ms: 600 }),
      set({ replays: false }),
      check('accept', {}, { never: 'reject' }),
    ],
  ),
  polling('polling retired keys', 'Poll', '`retired_kids` of a poll counts as that of `keys`.', [
    poll,
    check('accept'),
    same('accept'),
    set({ retired_kids: ['es-1'], jwks: ['es-1', 'es-2', 'rs-1'] }),
    check('reject'),
    same('reject', { at_once: true }),
  ]),
  polling(
    'polling from a position',
    'Poll',
    'Ask with `after` and `epoch` for what is new, not for everything.',
    [
      { do: 'fill', count: 1500 },
      poll,
      check('accept', { rev: 1600 }),
      revoke(1601, session('s_1')),
      fromHere('/revocations'),
      check('reject', { rev: 1600 }),
      // A guard that reads the whole log again would need two pages.
      atMost('/revocations', 1, 100),
    ],
  ),
  polling(
    'polling half of a reset',
    'Poll',
    'Between the pages of a `reset` nothing is accepted: the entries are not complete.',
    [
      poll,
      check('accept'),
      revoke(101, session('s_1')),
      check('reject'),
      set({ epoch: 'epoch-b', seq: 50, page: 1, last_page_fails: true }),
      revoke(60, session('s_2'), { unsent: true }),
      revoke(61, session('s_1'), { unsent: true }),
      check('unavailable', { sid: 's_3', rev: 55 }, { never: 'reject' }),
      check('unavailable', { sid: 's_3', rev: 55 }, { for_ms: 300 }),
      set({ last_page_fails: false }),
      check('accept', { sid: 's_3', rev: 55 }),
      now('reject', { rev: 55 }),
    ],
  ),
  feed(
    'polling with private_key_jwt',
    'Who may follow it',
    'Each poll has an assertion of its own, in a form.',
    [
      { ...poll, by: 'key' },
      check('accept'),
      revoke(101, session('s_1')),
      check('reject'),
      reported(101),
    ],
    { needs: ['polling', 'private_key_jwt'] },
  ),
  polling(
    'polling several pages',
    'Poll',
    '`more`: ask again at once with `after` = the `seq` of the answer.',
    [
      { do: 'fill', count: 2500 },
      poll,
      check('accept', { rev: 2600 }),
      now('reject', { sid: 's_f1' }),
      now('reject', { sid: 's_f2500' }),
      now('accept', { sid: 's_f2500', rev: 2600 }),
    ],
  ),
  polling(
    'polling a restored database',
    'Poll',
    '`reset`: forget what you had, then apply the answer. Tokens of the former log are rejected.',
    [
      poll,
      check('accept'),
      revoke(101, session('s_1')),
      check('reject'),
      set({ epoch: 'epoch-b', seq: 50 }),
      revoke(60, { kind: 'everything' }, { unsent: true }),
      check('reject', { sid: 's_2', rev: 59 }),
      now('accept', { rev: 60 }),
      now('reject', { sid: 's_2', rev: 90, iat: -60 }),
    ],
  ),
  feed(
    'polling in time',
    'Poll',
    'Poll every quarter of the lease, and report every five minutes.',
    [
      set({ lease_seconds: 60 }),
      poll,
      check('accept', LONG),
      reported(100),
      fromHere('/revocations'),
      passes(16_000),
      check('accept', LONG),
      atLeast('/revocations', 1),
      passes(301_000),
      check('accept', LONG),
      reported(100, { again: true }),
    ],
    { needs: ['timers', 'polling'] },
  ),
  polling('polling in vain', 'Poll', 'Without a lease: 503, never 401 and never 200.', [
    poll,
    check('accept'),
    set({ down: true }),
    check('unavailable', {}, { never: 'reject' }),
    set({ down: false }),
    check('accept', {}, { never: 'reject' }),
  ]),
  feed('reports', 'Report', 'The report is the broker’s proof that a revocation is enforced.', [
    ...READY,
    { do: 'expect_report', epoch: 'epoch-a', seq: 100 },
    revoke(101, session('s_1')),
    { do: 'expect_report', epoch: 'epoch-a', seq: 101 },
    now('reject'),
    { do: 'send', event: 'head', id: 'epoch-a.101', data: { seq: 101 } },
  ]),
  ...SESSIONS,
]

export function tokensFile() {
  const keys = readKeys()
  const file = join(HOME, 'tokens.json')
  const before = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).vectors : []
  const vectors = [...ACCESS, ...LOGOUT].map((vector, index) => {
    const fixed = vector.claims?.jti === null ? {} : { jti: `vector-${index}` }
    const made = signToken(
      vector.kind,
      { ...vector, claims: { ...fixed, ...vector.claims } },
      { keys, issuer: ISSUER, now: NOW },
    )
    const input = (token) => token?.split('.').slice(0, 2).join('.')
    const signed =
      before.map((each) => each.signed).find((each) => input(each) === input(made)) ?? made
    return { ...vector, signed }
  })
  return `${JSON.stringify({ issuer: ISSUER, audience: 'https://conformance.example', client_id: 'conformance', now: NOW, vectors }, null, 2)}\n`
}
export const feedFile = () => `${JSON.stringify({ cases: CASES }, null, 2)}\n`

if (process.argv[1] === import.meta.filename) {
  writeFileSync(join(HOME, 'tokens.json'), tokensFile())
  writeFileSync(join(HOME, 'feed.json'), feedFile())
}
