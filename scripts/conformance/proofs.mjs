// The cases of tokens that are bound to a key, with the proofs that a client sends (DPoP, RFC 9449).
import { calculateJwkThumbprint } from 'jose'
import { API } from '../../guard/src/conformance/sign.ts'
import { TEST_KEYS } from './test-keys.mjs'
import { check, clockSet, feed, passes, READY, revoke, session, set, start } from './words.mjs'

/** Returns the `cnf` of a token that is bound to a key of the kit. */
const boundTo = async (name) => ({ cnf: { jkt: await calculateJwkThumbprint(TEST_KEYS[name]) } })
const BOUND = await boundTo('proof')
const BOUND_RSA = await boundTo('proof rsa')
const PATH = '/cases?page=1'

/** Checks a token that a request brings. */
const brought = (expect, { claims = BOUND, more = { at_once: true }, ...request }) =>
  check(expect, claims, {
    ...more,
    request: { scheme: 'DPoP', method: 'POST', path: PATH, proofs: [{}], ...request },
  })
const accepted = (proof = {}, claims = BOUND) => brought('accept', { claims, proofs: [proof] })
const rejected = (proof, claims = BOUND) => brought('reject', { claims, proofs: [proof] })

const bound = (name, why, steps, needs = []) => ({
  ...feed(name, 'A token that is bound to a key', why, steps, { needs: ['dpop', ...needs] }),
  name: `proof/${name}`,
})
/** Rejects a proof, and accepts the valid one after it. */
const wrong = (name, why, ...proofs) =>
  bound(name, why, [...proofs.map((proof) => rejected(proof)), accepted()])
const claim = (claims) => ({ claims })
const header = (changes) => ({ header: changes })

const ONE = 'A request has one proof (RFC 9449 §4.3, 1).'
const KIND = 'A JWT of another kind must not pass as a proof (RFC 8725 §3.11).'
const ALG = 'A proof is signed by ES256, PS256 or EdDSA (RFC 9449 §4.3, 5).'
const PUBLIC = 'The header has the public key, and no private one (RFC 9449 §4.3, 7).'
const KEY = 'The key of the proof is the one that the token is bound to (RFC 9449 §4.3, 12).'
const ADDRESS =
  'A proof is for one address: the one by which clients reach the API (RFC 9449 §4.3, 9).'
const TIME = 'A proof is a minute old at most, by the clock of the broker (RFC 9449 §4.3, 11).'
const ONCE = 'Each proof is accepted once (RFC 9449 §11.1).'
const SCHEME = 'Who has stolen a bound token has no proof: reject it as Bearer (RFC 9449 §7.2).'

export const PROOFS = [
  bound('valid', 'A bound token with its proof must be accepted.', [accepted(), accepted()]),
  bound('by a key for PS256', 'Clients choose one of three algorithms.', [
    accepted({ key: 'proof rsa' }, BOUND_RSA),
  ]),
  bound('by a key for EdDSA', 'Clients choose one of three algorithms.', [
    accepted({ key: 'proof ed' }, await boundTo('proof ed')),
  ]),
  bound('typ in full and in capitals', 'RFC 7515 §4.1.9: it is the same type.', [
    accepted(header({ typ: 'application/DPOP+JWT' })),
  ]),
  bound('a bound token as Bearer', SCHEME, [
    check('reject', BOUND, { at_once: true }),
    brought('reject', { scheme: 'Bearer', proofs: [] }),
    brought('reject', { scheme: 'Bearer' }),
    accepted(),
  ]),
  bound('a token that is not bound', 'Nothing says whose proof it is (RFC 9449 §7.1).', [
    brought('reject', { claims: {} }),
    brought('accept', { claims: {}, scheme: 'Bearer', proofs: [] }),
  ]),
  bound('no proof', ONE, [brought('reject', { proofs: [] }), accepted()]),
  bound('two proofs', ONE, [brought('reject', { proofs: [{}, {}] }), accepted()]),
  wrong('not a JWT', 'It must be a signed JWT.', { text: 'proof' }, { text: 'a.b.c' }),
  wrong('two in one header', ONE, { text: '$PROOF, $PROOF' }),
  wrong('too long', 'It has 4,096 characters at most.', claim({ more: 'x'.repeat(4096) })),
  wrong('without typ', KIND, header({ typ: null })),
  wrong('another typ', KIND, ...['JWT', 'at+jwt', ''].map((typ) => header({ typ }))),
  wrong('alg none', ALG, header({ alg: 'none' })),
  wrong('HS256 with the public key', ALG, header({ alg: 'HS256' })),
  bound('RS256', ALG, [rejected({ key: 'proof rsa', header: { alg: 'RS256' } }, BOUND_RSA)]),
  bound('alg of another key', 'The algorithm and the key must fit.', [
    rejected({ key: 'proof rsa', header: { alg: 'ES256' } }, BOUND_RSA),
    rejected(header({ alg: 'EdDSA' })),
  ]),
  wrong('without jwk', PUBLIC, header({ jwk: null })),
  wrong(
    'jwk that is no key',
    PUBLIC,
    ...['x', {}, [], { kty: 'EC', crv: 'P-256' }].map((jwk) => header({ jwk })),
  ),
  wrong('a private key in jwk', PUBLIC, header({ jwk: TEST_KEYS['proof'] })),
  bound('a symmetric key in jwk', PUBLIC, [
    rejected({ header: { jwk: { kty: 'oct', k: 'c2VjcmV0' } } }),
  ]),
  wrong(
    'by another key',
    KEY,
    ...['another proof', 'proof rsa', 'proof ed'].map((key) => ({ key })),
  ),
  wrong(
    'signed by another key',
    'The signature must be verified by `jwk` (RFC 9449 §4.3, 6).',
    { key: 'another proof', jwk: 'proof' },
    { key: 'proof', jwk: 'another proof' },
  ),
  wrong('another signature', 'The signature must be verified.', { is_forged: true }),
  wrong(
    'critical headers',
    '`crit` must be absent (RFC 7515 §4.1.11).',
    header({ crit: [] }),
    header({ crit: ['b64'], b64: true }),
  ),
  wrong('without htm', 'A proof is for one method.', claim({ htm: null })),
  wrong(
    'another htm',
    'A proof is for one method, which is written in capitals (RFC 9449 §4.3, 8).',
    ...['GET', 'post', 'POST ', ['POST'], ''].map((htm) => claim({ htm })),
  ),
  wrong('without htu', ADDRESS, claim({ htu: null })),
  wrong(
    'another htu',
    ADDRESS,
    ...[
      `${API}/case`,
      `${API}/cases/`,
      API,
      '/cases',
      'https://other.example/cases',
      'https://api.example.other.example/cases',
      'https://api.example:8443/cases',
      'https://user@api.example/cases',
      'http://api.example/cases',
      [`${API}/cases`],
      '',
    ].map((htu) => claim({ htu })),
  ),
  bound('htu in another spelling', 'Addresses are compared in their normal form, without query.', [
    ...[
      'HTTPS://API.example/cases',
      'https://api.example:443/cases',
      `${API}/cases?page=2#top`,
    ].map((htu) => accepted(claim({ htu }))),
    brought('accept', { path: '/cases' }),
  ]),
  wrong(
    'without ath',
    'A proof is for one access token (RFC 9449 §4.3, 12).',
    claim({ ath: null }),
  ),
  wrong(
    'another ath',
    'A proof is for one access token: its SHA-256 in base64url.',
    ...['', 'fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo'].map((ath) => claim({ ath })),
  ),
  wrong('without iat', TIME, claim({ iat: null })),
  wrong('iat that is no number', TIME, claim({ iat: '1795510800' }), claim({ iat: true })),
  wrong('iat too long ago', TIME, claim({ iat: -75 }), claim({ iat: -3600 })),
  wrong('iat in the future', TIME, claim({ iat: 45 }), claim({ iat: 3600 })),
  bound('iat and nbf near now', 'Clocks of clients differ by seconds.', [
    accepted(claim({ iat: -50 })),
    accepted(claim({ iat: 20, nbf: 20, exp: 60 })),
  ]),
  wrong('nbf in the future', TIME, claim({ nbf: 45 }), claim({ nbf: '0' })),
  wrong('exp that is over', TIME, claim({ exp: -15 }), claim({ exp: 'x' })),
  wrong('without jti', ONCE, claim({ jti: null })),
  wrong(
    'jti that is no id',
    '`jti` is a string of 1 to 255 characters.',
    ...['', 7, 'x'.repeat(256)].map((jti) => claim({ jti })),
  ),
  bound('a proof that was used', ONCE, [
    set({ lease_seconds: 60 }),
    ...READY,
    accepted({ same: 'used' }),
    rejected({ same: 'used' }),
    accepted(claim({ jti: 'used' })),
    rejected(claim({ jti: 'used' })),
    rejected(claim({ jti: 'used', iat: -30 })),
    // The `jti` of another key is another one.
    accepted({ key: 'another proof', claims: { jti: 'used' } }, await boundTo('another proof')),
    accepted(),
  ]),
  bound(
    'a proof that was used 50 s ago',
    'A `jti` is remembered as long as its `iat` is accepted.',
    [
      set({ lease_seconds: 60 }),
      ...READY,
      accepted({ same: 'used 50 s ago', claims: { iat: 25 } }),
      ...[passes(25_000), passes(25_000)],
      brought('reject', { proofs: [{ same: 'used 50 s ago' }], more: { never: 'accept' } }),
      brought('accept', { more: {} }),
    ],
    ['clock', 'timers'],
  ),
  bound(
    'a proof and a clock that is wrong',
    TIME,
    [
      ...READY,
      accepted(),
      clockSet(120_000),
      brought('accept', { more: {} }),
      rejected(claim({ iat: 120 })),
    ],
    ['clock'],
  ),
  bound('a proof of a revoked token', 'A proof does not outweigh a revocation.', [
    start,
    brought('accept', { more: {} }),
    revoke(101, session('s_1')),
    brought('reject', { more: {} }),
  ]),
]
