// `npm run mutations`: puts faults into the guard for Node one by one, and says which of them the
// conformance kit finds. A guard in any language is trusted by the kit, so a fault that it does not
// find is a hole of the kit. Each mutation replaces texts of a source, each of which must be there once.
// `node scripts/guard-mutations.mjs TEXT` runs those whose names contain it.
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { completeClock } from '../guard/src/clock.ts'
import { openAdapter } from '../guard/src/conformance/adapter.ts'
import { runKit } from '../guard/src/conformance/kit.ts'

const ROOT = join(import.meta.dirname, '..')
const AT_ONCE = 3

/**
 * `only`: the cases that should find it, which run before the others. `because`: why the kit need
 * not find it.
 * @type {[name: string, file: string, from: string | string[], to: string | string[], only: string, because?: string][]}
 */
const MUTATIONS = [
  // The check of a token.
  [
    'a decision is remembered by its token',
    'check',
    '    const { catchUp } = this.#parts\n    if (catchUp',
    '    const memory = (this as unknown as { m: Map<string, CheckResult> }).m ??= new Map()\n    const before = memory.get(token)\n    if (before !== undefined) return before\n    const { catchUp: _ } = this.#parts\n    const found = await (this.#now(token) ?? this.#later(token))\n    if (found.ok) memory.set(token, found)\n    if (found.ok) return found\n    const { catchUp } = this.#parts\n    if (catchUp',
    'feed/covers a session',
  ],
  [
    'exp is not checked again of a token that was seen',
    'check',
    'validity.secondsLeft(claims) <= 0',
    'validity.secondsLeft(claims) <= -1e9',
    'feed/an expired token that was seen',
  ],
  [
    'tokens of a withdrawn key that were verified stay valid',
    'check',
    'if (validity.isKeyWithdrawn(verified.kid))',
    'if (false)',
    'feed/a key that is no longer published',
    'the cache forgets such tokens when the key goes',
  ],
  [
    'typ is not compared',
    'verify-jwt',
    'typ === undefined ? expected.typMayBeAbsent !== true : !sameTyp(typ, expected.typ)',
    'false',
    'access-token/',
  ],
  [
    'a typ may be absent',
    'verify-jwt',
    'expected.typMayBeAbsent !== true :',
    'false :',
    'access-token/without typ',
  ],
  ['RS256 signs access tokens', 'verify-jwt', "algorithms: ['ES256'],", '', 'access-token/RS256'],
  [
    'iss is not compared',
    'verify-jwt',
    '      issuer: expected.issuer,\n',
    '',
    'access-token/another issuer',
  ],
  [
    'aud is not compared',
    'verify-jwt',
    '      audience: expected.audience,\n',
    '',
    'access-token/another audience',
  ],
  [
    'the client_id is an audience',
    'check',
    'audience,\n        toleranceSeconds,',
    "audience: [audience, 'conformance'].flat(),\n        toleranceSeconds,",
    'access-token/client_id as its audience',
  ],
  [
    'aud is compared without its case',
    'verify-jwt',
    '      audience: expected.audience,\n',
    "      audience: [expected.audience, 'https://CONFORMANCE.example'].flat(),\n",
    'access-token/audience in capitals',
  ],
  [
    'aud may end with a slash',
    'verify-jwt',
    '      audience: expected.audience,\n',
    "      audience: [expected.audience].flat().flatMap((one) => [one, one + '/']),\n",
    'access-token/audience with a slash',
  ],
  [
    'iat may be in the future',
    'verify-jwt',
    'payload.iat > expected.now + expected.toleranceSeconds',
    'payload.iat > 9e9',
    'access-token/issued in the future',
  ],
  [
    '401 where the time is wrong',
    'check',
    "result.why === 'not_yet_valid'",
    'false',
    'access-token/issued in the future',
  ],
  [
    'a token without kid is tried with a key',
    'verify-jwt',
    'const { alg, kid, typ } = header',
    "const { alg, kid = 'es-1', typ } = header",
    'access-token/without kid',
  ],
  [
    'rev may be absent',
    'verify-jwt',
    ["'jti', 'rev']", 'rev: { holds: isSeq, expected'],
    ["'jti']", 'rev: { holds: (value) => optional(value, isSeq), expected'],
    'access-token/without rev',
  ],
  ['sid is required', 'verify-jwt', 'sid: TEXT_IF_ANY', 'sid: TEXT', 'access-token/of a service'],
  ['tid is required', 'verify-jwt', 'tid: TEXT_IF_ANY', 'tid: TEXT', 'access-token/of a service'],
  [
    'the own clock alone decides',
    'broker-clock',
    '+ Math.max(0, this.offsetSeconds ?? 0)',
    '',
    'feed/a clock behind the broker',
  ],
  [
    '401 where the clock is ahead',
    'check',
    'if (ahead <= this.#parts.settings.clockToleranceSeconds || ahead * 2 < lifetime)',
    'if (true)',
    'feed/a clock ahead of the broker',
  ],
  // The keys.
  [
    'a kid that nothing has fetches the JWKS each time',
    'keys',
    '>= this.#options.minRefetchSeconds * 1000',
    '>= 0',
    'feed/keys that nothing has',
  ],
  [
    'retired keys are kept',
    'keys',
    'if (this.#keys.delete(kid)) gone.add(kid)',
    'void gone',
    'feed/a retired key',
  ],
  [
    'a retired key comes back with the JWKS',
    'keys',
    'for (const kid of this.#retired) fresh.delete(kid)',
    '',
    'feed/a retired key',
  ],
  [
    'the JWKS is not fetched at keys',
    'feed-reader',
    'this.#parts.keys.refresh()',
    'Promise.resolve()',
    'feed/a new key',
  ],
  [
    'retired_kids of keys is ignored',
    'feed-reader',
    '    this.#keysRetired(data?.retired_kids)\n',
    '',
    'feed/a retired key',
  ],
  [
    'retired_kids of a snapshot is ignored',
    'feed-reader',
    '    this.#keysRetired(data.retired_kids)\n',
    '',
    'feed/a key that was retired before',
  ],
  [
    'keys are kept at reset',
    'feed-reader',
    '    keys.refresh().catch(() => {})\n    hooks.reset',
    '    void keys\n    hooks.reset',
    'feed/a restored database',
  ],
  [
    'redirects of the JWKS are followed',
    'keys',
    "redirect: 'manual'",
    "redirect: 'follow'",
    'feed//jwks moved',
  ],
  [
    'redirects of the feed are followed',
    'broker',
    "redirect: 'manual'",
    "redirect: 'follow'",
    'feed//revocations moved',
  ],
  // Entries.
  [
    'an unknown kind is ignored',
    'selector',
    "return { kind: 'everything' }",
    "return { kind: 'session', sid: 'none' }",
    'feed/unknown selector kind',
  ],
  [
    'a kind without its member is ignored',
    'selector',
    "if (kind === 'session' && isText(sid)) return { kind, sid }",
    "if (kind === 'session') return { kind, sid: String(sid) }",
    'feed/a selector without its member',
  ],
  [
    'a grant is matched by its client alone',
    'selector',
    'return `g:${selector.sid}\\n${selector.client_id}`',
    'return `c:${selector.client_id}`',
    'feed/covers a grant',
  ],
  [
    'a grant is matched by its session alone',
    'selector',
    'return `g:${selector.sid}\\n${selector.client_id}`',
    'return `s:${selector.sid}`',
    'feed/covers a grant',
  ],
  [
    'an entry covers tokens of its own seq',
    'ledger',
    'rev < entry.seq',
    'rev <= entry.seq',
    'feed/covers a session',
  ],
  [
    'an older entry replaces a newer one',
    'ledger',
    'before.seq >= seq',
    'before.seq === seq',
    'feed/an older entry of the same selector',
  ],
  [
    'an entry below the position is ignored',
    'feed-reader',
    '    this.#apply(entry)\n    return this.#reached',
    '    if (entry.seq > this.enforcedSeq) this.#apply(entry)\n    return this.#reached',
    'feed/an older entry after a newer one',
  ],
  [
    'entries are forgotten ten minutes early',
    'ledger',
    'if (entry.until < now) this.#entries.delete(key)',
    'if (entry.until < now + 600) this.#entries.delete(key)',
    'feed/entries of a quiet hour',
  ],
  [
    'a snapshot replaces what is there',
    'feed-reader',
    '    this.epoch = data.epoch\n    for',
    '    this.#parts.ledger.clear()\n    this.epoch = data.epoch\n    for',
    'feed/snapshots are merged',
  ],
  // The stream.
  [
    'accepts from the snapshot on',
    'feed-reader',
    '    this.#keysRetired(data.retired_kids)\n',
    '    this.#keysRetired(data.retired_kids)\n    this.ready = true\n    this.freshness.heard()\n',
    'feed/nothing before live',
  ],
  [
    'accepts between reset and live',
    'feed-reader',
    '    lease.end()\n    this.ready = false\n    this.#liveAtMs = undefined\n',
    '    void lease\n    if (this.epoch === undefined) this.#liveAtMs = undefined\n',
    'feed/a restored database',
  ],
  [
    'entries are kept at reset',
    'feed-reader',
    '    ledger.clear()\n',
    '    void ledger\n',
    'feed/a restored database',
  ],
  [
    'a reset forgets what logout tokens have ended',
    'ledger',
    'this.#all.copy(this.#loggedOut)',
    'this.#all.copy(new NewestSeqs(1))',
    'feed/a logout token and a restored database',
  ],
  [
    'tokens of the former log are accepted',
    'feed-reader',
    'if (this.#turned) ledger.turned',
    'if (false) ledger.turned',
    'feed/a restored database',
  ],
  [
    'tokens above the new head are rejected for good',
    'ledger',
    ' && iat < turn.at',
    '',
    'feed/a restored database',
  ],
  [
    'a live below the position is accepted',
    'feed-reader',
    'if (data.seq < this.enforcedSeq) {',
    'if (false) {',
    'feed/a log that goes back',
  ],
  [
    'another epoch is merged without a reset',
    'feed-reader',
    "    this.startOver()\n    return 'it spoke of another log'\n  }\n\n  #becomeLive",
    '    return undefined\n  }\n\n  #becomeLive',
    'feed/another log without a reset',
  ],
  [
    'goes on after an event that cannot be read',
    'feed-reader',
    "    this.startOver()\n    return 'it could not be read'",
    '    return undefined as unknown as string',
    'feed/an event that cannot be read',
  ],
  [
    'resumes after an event that cannot be read',
    'feed-reader',
    '    this.generation++\n    this.#fromNothing = true\n  }',
    '    this.generation++\n  }',
    'feed/an event that cannot be read',
  ],
  [
    'accepts after an event that cannot be read',
    'feed-reader',
    '    this.ready = false\n    this.generation++\n    this.#fromNothing = true\n  }',
    '    this.generation++\n    this.#fromNothing = true\n  }',
    'feed/an event that cannot be read',
  ],
  [
    'end is ignored',
    'feed-reader',
    'return `the broker ended it: ${String(data?.why)}`',
    'return undefined',
    'feed/the broker ends the stream',
  ],
  [
    'an unknown event is an error',
    'feed-reader',
    '        // A newer broker may send events that this guard does not know.\n        return undefined',
    '        return this.#nonsense(name)',
    'feed/unknown members and events',
  ],
  [
    'a jump of seq is a loss',
    'feed-reader',
    '    if (seq <= this.enforcedSeq) return undefined\n',
    "    if (seq <= this.enforcedSeq) return undefined\n    if (seq > this.enforcedSeq + 1000) return 'a jump'\n",
    'feed/a jump of seq',
  ],
  [
    'the content type is not looked at',
    'follower',
    " || !type.startsWith('text/event-stream')",
    '',
    'feed/an answer that is no stream',
  ],
  [
    'the issuer is not compared',
    'follower',
    'if (issuer !== broker.issuer)',
    'if (false)',
    'feed/another issuer',
  ],
  [
    'the first wait is 1.9 s',
    'follower',
    'const RESTART_RETRY_MS = 500',
    'const RESTART_RETRY_MS = 9500',
    'feed/missed while disconnected',
  ],
  [
    'a stuck stream is trusted',
    'follower',
    'feed.enforcedSeq >= seq)\n        return',
    'true)\n        return',
    'feed/a newer rev',
  ],
  [
    'a request for the stream waits without end',
    'follower',
    'const CONNECT_MS = 5_000',
    'const CONNECT_MS = 5_000_000',
    'feed/a broker that does not answer',
  ],
  [
    '409 is ignored',
    'reporter',
    '        onConflict(report)\n',
    '',
    'feed/a report of another log',
  ],
  // Reports.
  [
    'a report that got 400 is sent again',
    'reporter',
    'return status === 400',
    'return false',
    'feed/a report that is wrong',
  ],
  [
    'a report that failed is not sent again',
    'reporter',
    '      return false\n',
    '      return true\n',
    '',
    'the kit answers each report: a lost connection is the same fault as the 503 that it finds',
  ],
  [
    'a report that got 503 is dropped',
    'reporter',
    'return status === 400',
    'return true',
    'feed/a report that was not taken',
  ],
  [
    'a report that failed is sent again at once',
    'reporter',
    'Math.min(retryMs * 2, MAX_RETRY_MS)',
    '20',
    'feed/a report that was not taken',
  ],
  [
    'a report is sent before live',
    'feed-reader',
    'if (this.#liveAtMs !== undefined && this.epoch !== undefined)\n      this.#parts.onEnforced',
    'if (this.epoch !== undefined)\n      this.#parts.onEnforced',
    '',
    'a snapshot reports nothing, and no other event comes before live',
  ],
  [
    'the clock is reported the wrong way round',
    'parts',
    'clock_offset_seconds: offsetSeconds',
    'clock_offset_seconds: -offsetSeconds',
    'feed/a clock behind',
  ],
  [
    'reports are sent seldom only',
    'reporter',
    '    if (!this.#running) void this.#run()',
    '    void 0',
    'feed/reports',
  ],
  // Polls.
  [
    'the position of a poll is lost',
    'poller',
    'let { position, stream } = feed',
    'let position = undefined as typeof feed.position\n    let { stream } = feed',
    'feed/polling from a position',
  ],
  [
    'only the first page is read',
    'poller',
    '|| !answer.more) return again',
    '|| true) return again',
    'feed/polling several pages',
  ],
  [
    'accepts between the pages of a poll',
    'poller',
    'if (wrong !== undefined || more) return wrong',
    'if (wrong !== undefined) return wrong',
    'feed/polling half of a reset',
  ],
  [
    'reset is ignored when polling',
    'poller',
    'if (reset) feed.apply',
    'if (false) feed.apply',
    '',
    'a snapshot of another epoch is a reset too',
  ],
  [
    'retired_kids of a poll is ignored',
    'poller',
    'entries, retired_kids }, id)',
    'entries, retired_kids: [] }, id)',
    'feed/polling retired keys',
  ],
  [
    'an assertion is in the address',
    'broker',
    'body: sent }',
    "body: '' }",
    'feed/private_key_jwt',
  ],
  [
    'an assertion is used twice',
    'credentials',
    'jti: crypto.randomUUID(),',
    "jti: 'one',",
    'feed/private_key_jwt',
  ],
  [
    'an assertion is for the endpoint',
    'credentials',
    'aud: issuer,',
    "aud: issuer + '/token',",
    'feed/private_key_jwt',
  ],
  [
    'the secret is not form-encoded',
    'credentials',
    'encode(clientSecret)',
    'clientSecret',
    'feed/covers a session',
  ],
  // Logout tokens.
  [
    '200, and no session is ended',
    'guard',
    "end(rev, { kind: 'session', sid })",
    'void end',
    'feed/a logout token before',
  ],
  [
    'a logout token of a user ends nothing',
    'guard',
    "end(rev, { kind: 'subject', sub })",
    'void end',
    'feed/a logout token of a user',
  ],
  [
    '400 while the keys cannot be read',
    'logout-receiver',
    "return later('The keys of the issuer cannot be read at the moment.')",
    "return reject('no keys')",
    'feed/a logout token while',
  ],
  [
    '400 to a logout token that is expired',
    'logout-token',
    'certain: verified.certain && verified.claims === undefined,',
    'certain: verified.certain,',
    'logout-token/expired',
  ],
  [
    'a logout token may have a nonce',
    'logout-token',
    "if ('nonce' in claims)",
    'if (false)',
    'logout-token/',
  ],
  [
    'the event of a logout token is not looked at',
    'logout-token',
    '!isLogoutEvent(claims.events)',
    'false',
    'logout-token/',
  ],
  [
    'a logout token by ES256',
    'logout-token',
    "algorithms: expected.algorithms ?? ['RS256'],",
    '',
    'logout-token/by another algorithm',
  ],
  // Leases.
  [
    'a lease counts from when it arrives',
    'lease',
    'Math.max(this.#untilMs, until(one, knownMs, lengthMs))',
    'Math.max(this.#untilMs, until(one, one.brokerMs, 0) * 0 + this.#clock.elapsedMs() + lengthMs)',
    'feed/leases that come late',
  ],
  [
    'a lease counts from when its anchor arrives',
    'feed-reader',
    '    const sentMs = this.#sentMs\n',
    '    const sentMs = this.#sentMs === undefined ? undefined : this.#parts.clock.elapsedMs()\n',
    'feed/an anchor that comes late',
  ],
  [
    'the clock of a lease is not compared',
    'lease',
    '.filter((one) => one.clock === clock)',
    '.filter((one) => one.clock !== clock || true)',
    'feed/leases of another clock',
  ],
  [
    'the length is not read',
    'lease',
    'const lengthMs = seconds * 1000',
    'const lengthMs = seconds * 0 + 30_000',
    'feed/silence',
  ],
  [
    'a lease outlasts a reset',
    'feed-reader',
    '    lease.end()\n',
    '    void lease\n',
    'feed/a reset on the line',
  ],
  [
    'a lease before live counts',
    'feed-reader',
    '    if (this.#liveAtMs === undefined) return undefined\n',
    '',
    'feed/a reset on the line',
  ],
  [
    'live grants a lease',
    'check',
    'if (this.#parts.lease.held) return this.#accept',
    'if (this.#parts.lease.held || feed.live) return this.#accept',
    'feed/live alone',
  ],
  [
    'an anchor of another clock counts',
    'feed-reader',
    'if (anchor.clock !== this.#clock) return false',
    'anchor = { ...anchor, clock: this.#clock ?? anchor.clock }',
    'feed/an anchor of another clock',
  ],
  [
    'the nonce is not compared',
    'broker',
    'answer?.nonce !== nonce || ',
    '',
    'feed/an anchor of another request',
  ],
  [
    'no new anchor is asked for',
    'feed-reader',
    'if (lease.grant({ clock, knownMs, seconds })) onAnchorDue()',
    'lease.grant({ clock, knownMs, seconds })',
    'feed/an anchor of another clock',
  ],
  [
    'a silent line is kept',
    'follower',
    'Math.max(lengthMs / 2, 1_000)',
    'Math.max(lengthMs / 2, 1_000_000)',
    'feed/a line that brings nothing',
  ],
  [
    'introspection is not asked',
    'check',
    'if (!(await this.#ask(token)))',
    'if (false)',
    'feed/introspection',
  ],
  [
    'introspection has no timeout',
    'broker',
    'const INTROSPECTION_MS = 2000',
    'const INTROSPECTION_MS = 2_000_000',
    'feed/introspection',
  ],
  [
    'introspection before the first live',
    'check',
    "    if (!feed.ready)\n      return this.#starting('The guard",
    "    if (!feed.ready && this.#parts.settings.withoutLease !== 'introspect')\n      return this.#starting('The guard",
    'feed/introspection',
    'the guard for Node looks again once the token is verified',
  ],
  [
    'an anchor of a stream counts for any request',
    'feed-reader',
    ' && nonce === this.#nonce)',
    ')',
    'feed/a stream of another request',
  ],
  [
    'the answer to a poll counts for any request',
    'broker',
    '    if (answer?.nonce !== nonce)\n      throw new Error(\n',
    '    if (answer === null)\n      throw new Error(\n',
    'feed/polling an answer to another request',
  ],
  [
    'tokens of tenants whose revocations are not sent are accepted',
    'ledger',
    "(this.brings(bearer.tid) ? undefined : 'tenant')",
    'undefined',
    'tenants',
  ],
  [
    'the earlier revocations of one more tenant are not read',
    'feed-reader',
    'if (!this.#fromNothing && !ledger.bringsAll(tenants)) {',
    'if (false) {',
    'tenants',
  ],
  [
    'the drift of clocks is not taken off',
    'lease',
    ' - DRIFT * (Math.abs(since) + lengthMs) - STEPS_MS',
    '',
    'feed/a clock that goes faster',
  ],
  [
    'the speed of the clocks is not compared',
    'lease',
    '    this.#compareRate(anchor)\n',
    '',
    'feed/clocks of different speed',
  ],
  [
    'a lease is counted by the monotonic clock',
    'clock',
    'elapsedMs: () => given.elapsedMs?.() ?? sum(),',
    'elapsedMs: () => (sum(), given.monotonicMs?.() ?? 0),',
    'feed/a machine that was suspended',
  ],
  [
    'a lease is counted by the wall clock',
    'clock',
    'elapsedMs: () => given.elapsedMs?.() ?? sum(),',
    'elapsedMs: () => (sum(), given.nowMs()),',
    'feed/a clock that is set back by less than has passed',
  ],
  [
    'a lease outlives a clock that went back',
    'lease',
    'nowMs < this.#readMs || ',
    '',
    'feed/a clock that goes back a little',
  ],
  [
    'a lease may have more than its length left',
    'lease',
    ' || this.#untilMs - nowMs > this.lengthMs',
    '',
    'feed/a clock of the broker that jumps ahead',
  ],
  [
    'an anchor outlives a clock that went back',
    'lease',
    '      this.#anchors = []\n      this.#rateFrom = undefined\n      this.#untilMs = -Infinity\n',
    '      this.#untilMs = -Infinity\n',
    'feed/a clock that jumps ahead and back',
  ],
  [
    'a clock that was set decides alone until the broker answers',
    'broker-clock',
    'slept ? undefined :',
    'slept || true ? undefined :',
    'feed/a clock that is set ahead',
  ],
  [
    'no report without a revocation',
    'sweeper',
    '    reporter.repeat()\n',
    '    void reporter\n',
    'feed/reports of a quiet hour',
  ],
  [
    'a poll every length of the lease',
    'poller',
    'lease.lengthMs / 4',
    'lease.lengthMs',
    'feed/polling in time',
  ],
  [
    'waits up to 20 s',
    'follower',
    'const RETRY_MS = 2_000',
    'const RETRY_MS = 20_000',
    'feed/a broker that is down for long',
  ],
  [
    'Retry-After is ignored',
    'follower',
    'if (!mayRestart && this.#askedMs > RETRY_MS)',
    'if (false)',
    'feed/a broker that asks for time',
  ],
  [
    'a token does not hasten connecting',
    'check',
    '    this.#parts.onIssued(verified.claims.rev)\n',
    '',
    'feed/a token while the guard waits',
  ],
  [
    'a logout token does not hasten connecting',
    'guard',
    '  if (rev !== undefined) follower.catchUpTo(rev)\n',
    '',
    'feed/a logout token while the guard waits',
  ],
  // Sessions of the instance.
  [
    'a session of another issuer is live',
    'session-check',
    'iss === issuer &&',
    '',
    'feed/a session of another token',
  ],
  [
    'a session of another client is live',
    'session-check',
    'audiences.every((each) => each === clientId) &&',
    '',
    'feed/a session of another token',
  ],
  [
    'one of several audiences is enough for a session',
    'session-check',
    'audiences.every((each) => each === clientId)',
    'audiences.some((each) => each === clientId)',
    'feed/a session of another token',
  ],
  [
    'the end of a session is not compared',
    'session-check',
    "<= brokerClock.now()) return ended('expired')",
    "<= 0) return ended('expired')",
    'feed/a session past its end',
  ],
  [
    'sessions are live without a lease',
    'session-check',
    'if (!lease.held) {',
    'if (false) {',
    'feed/a session without a lease',
  ],
  [
    'without a lease the broker is asked about sessions, whatever the policy',
    'session-check',
    "if (settings.withoutLease === 'reject') return unknown('no_lease')",
    '',
    'feed/a session without a lease',
  ],
  [
    'an answer of the broker holds for all sessions without a lease',
    'session-check',
    "      if (!answered) return 'ask'\n",
    '',
    'feed/a session without a lease, with introspect',
  ],
  [
    'sessions are known before live',
    'session-check',
    '!feed.ready || ledger.completeFrom === undefined',
    'false',
    'feed/a session before live',
  ],
  [
    'complete_from is ignored',
    'session-check',
    'const { completeFrom, cutoffSeq = 0, tenantSeq } = ledger',
    'const { cutoffSeq = 0, tenantSeq } = ledger\n    const completeFrom = 0',
    'feed/a session older than what is complete',
  ],
  [
    'a session without tenant needs no question',
    'session-check',
    'session.tenant === undefined ? tenantSeq : 0',
    '0',
    'feed/a session that has no tenant',
  ],
  [
    'a session without rev is live',
    'session-check',
    'const own = isOfThisLog ? rev : undefined',
    'const own = isOfThisLog ? rev : (rev ?? 1e9)',
    'feed/a session that has no rev',
  ],
  [
    'a session of a former log is live',
    'session-check',
    '!this.#parts.ledger.isOfFormerLog({ rev, iat })',
    'iat > -1',
    'feed/a session of a former log',
  ],
  [
    'the mark of a former log is forgotten for sessions after an hour',
    'ledger',
    'at + LONGEST_SESSION_SECONDS',
    'at + 3600',
    'feed/a session of a former log',
  ],
  [
    'an answer that a session is not active is ignored',
    'session-check',
    ['if (!answer.active) return after', "if (isRevoked) return ended('revoked')"],
    ["if (!answer.active) return { state: 'live', rev: 0 }\n    if (false) return after", ''],
    'feed/a session older than what is complete',
  ],
  [
    'a session that cannot be asked about is live',
    'session-check',
    "return unknown(lease.held ? 'not_known' : 'no_lease')",
    "return { state: 'live', rev: 0 }",
    'feed/a session that cannot be asked about',
  ],
  [
    'a session that cannot be asked about is ended',
    'session-check',
    "return unknown(lease.held ? 'not_known' : 'no_lease')",
    "return ended('revoked')",
    'feed/a session that cannot be asked about',
  ],
  [
    'the broker is asked about a session each time',
    'session-check',
    '    this.#remember(session, answer)\n',
    '',
    'feed/a session older than what is complete',
  ],
  [
    'after an answer the entries are not compared',
    'session-check',
    'const ending = from === undefined ? undefined',
    'const ending = from === undefined || told !== undefined ? undefined',
    'feed/a session older than what is complete',
  ],
  [
    'session_exp is ignored',
    'ledger',
    'const until = Math.max(exp, sessionExp, before?.until ?? 0)',
    'const until = Math.max(exp, before?.until ?? 0)',
    'feed/a session hours after its revocation',
  ],
  [
    'an entry of a shorter session_exp replaces a longer one',
    'ledger',
    'const until = Math.max(exp, sessionExp, before?.until ?? 0)',
    'const until = Math.max(exp, sessionExp)',
    'feed/a session whose older entry lasts longer',
  ],
  [
    'a stream does not ask for sessions',
    'follower',
    'sessions: feed.sessions,',
    'sessions: false,',
    'feed/a session older than what is complete',
  ],
  [
    'a poll does not ask for sessions',
    'poller',
    'sessions: feed.sessions',
    'sessions: false',
    'feed/a session by polls',
  ],
  [
    'a report does not say that sessions are judged',
    'parts',
    '...(ledger.completeFrom === undefined ? {} : { sessions: true }),',
    '',
    'feed/a report of sessions',
  ],
  [
    'a logout token ends no session',
    'ledger',
    "const isNew = this.#all.add(source === 'log' ? entry : { ...entry, sessionExp: undefined })",
    "const isNew = source === 'log' && this.#all.add(entry)",
    'feed/a session that a logout token ends',
  ],
]

const clock = completeClock(undefined)
const without = []

/**
 * Returns the source with one mutation in it.
 * @throws Error if a text is not there once
 */
function sourceOf([name, file, from, to]) {
  let source = readFileSync(join(ROOT, 'guard', 'src', `${file}.ts`), 'utf8')
  for (const [index, text] of [from].flat().entries()) {
    const count = source.split(text).length - 1
    if (count !== 1) throw new Error(`${name}: guard/src/${file}.ts has ${count} of ${text}`)
    source = source.replace(text, () => [to].flat()[index])
  }
  return source
}

/** Checks that each mutation can be made. @returns their number */
export const possible = () => MUTATIONS.map(sourceOf).length

/** Writes the guard with a mutation, and its adapter. @returns the folder */
function mutated(mutation) {
  const home = mkdtempSync(join(tmpdir(), 'guard-mutation-'))
  cpSync(join(ROOT, 'guard', 'src'), join(home, 'src'), { recursive: true })
  cpSync(join(ROOT, 'guard', 'package.json'), join(home, 'package.json'))
  symlinkSync(join(ROOT, 'node_modules'), join(home, 'node_modules'))
  const conformance = join(ROOT, 'guard', 'conformance')
  cpSync(join(conformance, 'movable-clock.mjs'), join(home, 'movable-clock.mjs'))
  const adapter = readFileSync(join(conformance, 'adapter.example.mjs'), 'utf8')
  writeFileSync(join(home, 'adapter.mjs'), adapter.replace('@case-manager/guard', './src/index.ts'))
  const [, file] = mutation
  writeFileSync(join(home, 'src', `${file}.ts`), sourceOf(mutation))
  return home
}

/** Returns the case that finds the fault, with its problem, or undefined. */
async function findIn(home, only) {
  let found
  const command = `${process.execPath} ${join(home, 'adapter.mjs')}`
  const adapters = [openAdapter(command, clock), openAdapter(command, clock)]
  const onResult = ({ name, outcome, problem }) => {
    if (outcome !== 'fail' || found !== undefined) return
    found = { name, problem }
    throw new Error('found')
  }
  try {
    await runKit({ adapters, clock, leaseSeconds: 2, only, without, onResult })
  } catch (error) {
    if (found === undefined) throw error
  } finally {
    await Promise.all(adapters.map((adapter) => adapter.close()))
  }
  return found
}

async function judge(mutation) {
  const home = mutated(mutation)
  try {
    const [, , , , only] = mutation
    return (only === '' ? undefined : await findIn(home, only)) ?? (await findIn(home, ''))
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

async function main() {
  const chosen = MUTATIONS.filter(([name]) => name.includes(process.argv[2] ?? ''))
  possible()
  const survivors = []
  let next = 0
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (next < chosen.length) {
        const mutation = chosen[next++]
        const [name, , , , , because] = mutation
        const found = await judge(mutation)
        if (found === undefined) survivors.push({ name, because })
        console.log(found ? `found     ${name}: ${found.name}` : `SURVIVED  ${name}`)
      }
    }),
  )
  console.log(`\n${chosen.length - survivors.length} of ${chosen.length} found.`)
  for (const { name, because } of survivors)
    console.log(
      `${name}: ${because === undefined ? 'A HOLE of the kit.' : `no fault, because ${because}.`}`,
    )
  process.exitCode = survivors.every(({ because }) => because !== undefined) ? 0 : 1
}

if (process.argv[1] === import.meta.filename) await main()
