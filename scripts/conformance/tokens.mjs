// The vectors of access tokens and logout tokens.
import { LOGOUT_EVENT } from '../../guard/src/conformance/sign.ts'

const TYP =
  'A token of another kind must not pass as an access token (RFC 8725 §3.11): compare `typ` exactly.'
const CLAIM = 'Each claim that a decision reads must be there, of its own type.'
const BOUND =
  'RFC 7800 §3.1: a token with `cnf` is bound to a key; without a proof of the key, reject it.'
const CLOCK =
  'A new token would seem wrong too, so 401 would send the client into a loop of refreshes: answer 503.'
const vectorOf = (kind, section) => (name, expect, why, token) => ({
  name,
  kind,
  section,
  why,
  expect,
  ...token,
})
const access = vectorOf('access', 'An access token')
const without = (claim, why = CLAIM) =>
  access(`without ${claim}`, 'reject', why, { claims: { [claim]: null } })
export const ACCESS = [
  access('valid', 'accept', 'A valid token must be accepted.', {}),
  access('typ in full', 'accept', 'RFC 7515 §4.1.9: application/at+jwt is the same type.', {
    header: { typ: 'application/at+jwt' },
  }),
  access('typ in capitals', 'accept', 'RFC 7515 §4.1.9: a type is the same in any case.', {
    header: { typ: 'AT+JWT' },
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
    claims: { iss: '$ISSUER/' },
  }),
  access('issuer that begins alike', 'reject', '`iss` must be exactly the configured issuer.', {
    claims: { iss: '$ISSUER.other.example' },
  }),
  access('another audience', 'reject', 'A token for another instance must not be accepted.', {
    claims: { aud: 'https://other.example' },
  }),
  access('audience that begins alike', 'reject', 'Compare `aud` exactly.', {
    claims: { aud: 'https://conformance.example.evil.example' },
  }),
  access('audiences that begin alike', 'reject', 'Compare each of the audiences exactly.', {
    claims: { aud: ['https://conformance.example.evil.example', 'https://conformance.example/'] },
  }),
  access('audience in capitals', 'reject', 'Compare `aud` exactly.', {
    claims: { aud: 'https://CONFORMANCE.example' },
  }),
  access('audience with a slash', 'reject', 'Compare `aud` exactly.', {
    claims: { aud: 'https://conformance.example/' },
  }),
  access('issuer as its audience', 'reject', 'A token for the broker is none for an instance.', {
    claims: { aud: '$ISSUER' },
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
  access('expired a moment ago', 'accept', 'Allow for 5 s of difference.', {
    claims: { iat: -302, exp: -2 },
  }),
  access('expired a minute ago', 'reject', 'A tolerance for clocks is at most a minute.', {
    claims: { iat: -365, exp: -65 },
  }),
  access('issued in the future', 'unavailable', CLOCK, { claims: { iat: 900, exp: 1200 } }),
  access('not valid yet', 'unavailable', CLOCK, { claims: { nbf: 900 } }),
  ...['aud', 'iss', 'exp', 'iat', 'sub', 'client_id', 'jti'].map((claim) => without(claim)),
  ...['exp', 'iat', 'nbf'].map((claim) =>
    access(`${claim} that is no number`, 'reject', CLAIM, { claims: { [claim]: '1795510800' } }),
  ),
  ...['sub', 'client_id', 'jti', 'sid', 'tid'].map((claim) =>
    access(`${claim} that is empty`, 'reject', CLAIM, { claims: { [claim]: '' } }),
  ),
  without('rev', 'Without `rev` no revocation can cover the token: reject it.'),
  ...[-1, 1.5, '100', true, 9_007_199_254_740_992].map((rev) =>
    access(`rev ${JSON.stringify(rev)}`, 'reject', '`rev` is a whole number from 0 to 2⁵³ − 1.', {
      claims: { rev },
    }),
  ),
  ...[{ jkt: '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I' }, {}, 'x'].map((cnf) =>
    access(`cnf ${JSON.stringify(cnf)}`, 'reject', BOUND, { claims: { cnf } }),
  ),
  ...['sid', 'tid', 'nbf', 'cnf'].map((claim) =>
    access(`${claim} null`, 'reject', 'A claim that is null is there, and is of another type.', {
      claims: { [claim]: '$NULL' },
    }),
  ),
  ...['exp', 'iat'].map((claim) =>
    access(`${claim} true`, 'reject', CLAIM, { claims: { [claim]: true } }),
  ),
  access('empty list of critical headers', 'reject', '`crit` must be absent (RFC 7515 §4.1.11).', {
    header: { crit: [] },
  }),
  access('sid that is not a string', 'reject', CLAIM, { claims: { sid: ['s_1'] } }),
  access('tid that is not a string', 'reject', CLAIM, { claims: { tid: 1 } }),
  ...['image/at+jwt', 'not-at+jwt'].map((typ) =>
    access(`typ ${typ}`, 'reject', TYP, { header: { typ } }),
  ),
]

const FINAL =
  'Answer 400 to what can never be a logout token: the broker then stops, and an operator learns of it.'
const AGAIN =
  'Only a time speaks against it, and a clock may be wrong: 400 is final, and the sign-out would be lost. Answer 503.'
const logout = vectorOf('logout', 'Logout tokens')
export const LOGOUT = [
  logout('of a session', 'ended', 'A valid logout token must be accepted.', {
    claims: { jti: 'logout-1' },
  }),
  logout('of a user', 'ended', 'Without `sid` it covers every session of `sub`.', {
    claims: { sid: null, sub: 'u_logout' },
  }),
  logout('without typ', 'ended', 'Back-Channel Logout 1.0 §2.4 only recommends `typ`.', {
    header: { typ: null },
  }),
  logout('access token with the claims of a logout token', 'final', FINAL, {
    header: { typ: 'at+jwt' },
  }),
  logout('ID token with the claims of a logout token', 'final', FINAL, { header: { typ: 'JWT' } }),
  logout(
    'typ in full and in capitals',
    'ended',
    'RFC 7515 §4.1.9: a type is the same in any case.',
    {
      header: { typ: 'application/LOGOUT+JWT' },
    },
  ),
  logout('signed by another key of the same kid', 'final', 'The signature must be verified.', {
    key: 'another rs-1',
  }),
  logout('without kid', 'final', 'The header must name the key.', { header: { kid: null } }),
  logout('unknown critical header', 'final', FINAL, { header: { crit: ['b64x'], b64x: true } }),
  logout('several audiences', 'ended', 'One of several audiences is enough (RFC 7519 §4.1.3).', {
    claims: { aud: ['other', 'conformance'] },
  }),
  logout('audiences that begin alike', 'final', 'Compare each of the audiences exactly.', {
    claims: { aud: ['conformance-2', 'conformance/'] },
  }),
  logout('issuer with a slash', 'final', '`iss` must be exactly the configured issuer.', {
    claims: { iss: '$ISSUER/' },
  }),
  ...Object.entries({
    'that are a list': [LOGOUT_EVENT],
    'whose member is a text': { [LOGOUT_EVENT]: 'yes' },
    'whose member is a list': { [LOGOUT_EVENT]: [] },
    'whose member is null': { [LOGOUT_EVENT]: null },
    'of two kinds': { [LOGOUT_EVENT]: {}, 'https://other.example/event': {} },
  }).map(([what, events]) => logout(`events ${what}`, 'final', FINAL, { claims: { events } })),
  ...['iat', 'exp', 'aud', 'iss'].map((claim) =>
    logout(`without ${claim}`, 'final', FINAL, { claims: { [claim]: null } }),
  ),
  ...['iat', 'exp'].map((claim) =>
    logout(`${claim} that is no number`, 'final', FINAL, { claims: { [claim]: '1795510800' } }),
  ),
  ...['sid', 'sub', 'jti'].flatMap((claim) =>
    ['', 7].map((value) =>
      logout(`${claim} ${JSON.stringify(value)}`, 'final', FINAL, {
        claims: { sub: 'u_logout', [claim]: value },
      }),
    ),
  ),
  ...[-1, 1.5, '101', true, 9_007_199_254_740_992].map((rev) =>
    logout(`rev ${JSON.stringify(rev)}`, 'final', '`rev` is a whole number from 0 to 2⁵³ − 1.', {
      claims: { rev },
    }),
  ),
  logout('with a nonce', 'final', 'Back-Channel Logout 1.0 §2.4: `nonce` is prohibited.', {
    claims: { nonce: 'n' },
  }),
  logout('with a nonce that is null', 'final', '`nonce` must be absent.', {
    claims: { nonce: '$NULL' },
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
  logout('issued long ago', 'again', AGAIN, { claims: { iat: -700, exp: 120 } }),
  logout('issued in the future', 'again', AGAIN, { claims: { iat: 900, exp: 1020 } }),
  ...['rev', 'sid', 'sub'].map((claim) =>
    logout(`${claim} null`, 'final', 'A claim that is null is there, and is of another type.', {
      claims: { sub: 'u_logout', [claim]: '$NULL' },
    }),
  ),
]
