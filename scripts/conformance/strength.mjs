// The cases in which an act demands how the user has authenticated (RFC 9470).
import { check, clockSet, feed, READY, set } from './words.mjs'

const MFA = 'urn:case-manager:acr:mfa'
const STRONG = { acr: 'phr' }
const RECENT = { max_age: 300 }
/** Asks about a token of these claims for an act of this demand. */
const demanding = (demand, expect, claims, more = { at_once: true }) =>
  check(expect, claims, { ...more, demand })
const strength = (name, why, steps, needs = []) =>
  feed(name, 'An act that demands a strength', why, steps, { needs: ['strength', ...needs] })

export const STRENGTH = [
  strength('an act that demands phishing-resistant', 'The token has to say what was proved.', [
    demanding(STRONG, 'accept', { acr: 'phr' }),
    ...[MFA, null, 'phrh', 'PHR', ''].map((acr) => demanding(STRONG, 'reject', { acr })),
  ]),
  strength('an act that demands MFA', 'A stronger proof includes a weaker one.', [
    ...[MFA, 'phr'].map((acr) => demanding({ acr: MFA }, 'accept', { acr })),
    ...[null, 'urn:case-manager:acr'].map((acr) => demanding({ acr: MFA }, 'reject', { acr })),
  ]),
  strength('an act that demands another acr', 'A value that is not known is met by itself alone.', [
    demanding({ acr: 'urn:other' }, 'accept', { acr: 'urn:other' }),
    ...[MFA, 'phr', null].map((acr) => demanding({ acr: 'urn:other' }, 'reject', { acr })),
  ]),
  strength(
    'an act that demands a recent authentication',
    'Without `auth_time` nothing shows when the user authenticated; `iat` does not.',
    [
      ...[0, -297].map((at) => demanding(RECENT, 'accept', { auth_time: at })),
      ...[-320, null].map((at) => demanding(RECENT, 'reject', { auth_time: at })),
    ],
  ),
  strength('an act that demands both', 'Both have to be shown.', [
    demanding({ ...STRONG, ...RECENT }, 'accept', { acr: 'phr', auth_time: -60 }),
    demanding({ ...STRONG, ...RECENT }, 'reject', { acr: MFA, auth_time: -60 }),
    demanding({ ...STRONG, ...RECENT }, 'reject', { acr: 'phr', auth_time: -320 }),
  ]),
  strength(
    'a recent authentication and a clock that is set ahead',
    'The age counts by the broker’s clock: by a wrong one the user would be asked again and again.',
    [
      ...READY,
      clockSet(120_000),
      demanding(RECENT, 'accept', { auth_time: -280 }),
      demanding(RECENT, 'reject', { auth_time: -320 }),
    ],
    ['clock'],
  ),
  strength('a demand without a lease', 'Only a token that is accepted is compared with a demand.', [
    ...READY,
    set({ silent: true }),
    demanding(STRONG, 'unavailable', {}, { never: 'accept' }),
  ]),
]
