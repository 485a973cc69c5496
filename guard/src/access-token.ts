import { freeze, type AccessClaims, type Why } from './claims.ts'
import type { KeySet } from './keys.ts'
import { isSeq, isText } from './selector.ts'
import type { JWTPayload } from 'jose'
import { quoted } from './quoted.ts'
import { verifyJwt } from './verify-jwt.ts'

const REQUIRED = ['exp', 'iat', 'sub', 'client_id', 'jti', 'rev']

const optional = (value: unknown, holds: (value: unknown) => boolean): boolean => value === undefined || holds(value)
const isTexts = (value: unknown): boolean => Array.isArray(value) && value.every((item) => typeof item === 'string')

const TEXT = { holds: isText, expected: 'a string that is not empty' }
const TEXT_IF_ANY = { holds: (value: unknown) => optional(value, isText), expected: 'absent or a string that is not empty' }
const LIST_IF_ANY = { holds: (value: unknown) => optional(value, isTexts), expected: 'absent or a list of strings' }

function isActor(value: unknown): boolean {
  if (value === undefined) return true
  if (typeof value !== 'object' || value === null) return false
  const { act, sub } = value as Record<string, unknown>
  return isText(sub) && isActor(act)
}

/** RFC 9068 §2.2, and what is ours in it: claims of another type than they say would be compared with nothing and match nothing. */
const CLAIMS: Readonly<Record<string, { holds: (value: unknown) => boolean; expected: string }>> = {
  sub: TEXT,
  client_id: TEXT,
  jti: TEXT,
  rev: { holds: isSeq, expected: 'a whole number of 0 or more' },
  sid: TEXT_IF_ANY,
  tid: TEXT_IF_ANY,
  oid: TEXT_IF_ANY,
  acr: TEXT_IF_ANY,
  scope: { holds: (value) => optional(value, (scope) => typeof scope === 'string'), expected: 'absent or a string' },
  roles: LIST_IF_ANY,
  amr: LIST_IF_ANY,
  act: { holds: isActor, expected: 'absent or an actor with a sub (RFC 8693 §4.1)' },
}

/** Verifies an access token as RFC 9068 §4 says. Whether it is revoked is another question. @throws KeysUnavailable */
export async function verifyAccessToken(
  token: string,
  keys: KeySet,
  expected: { issuer: string; audience: string | string[]; now: number; toleranceSeconds: number },
): Promise<{ ok: true; claims: AccessClaims; kid: string } | { ok: false; why: Why; description: string; claims?: JWTPayload }> {
  const verified = await verifyJwt(token, keys, { ...expected, typ: 'at+jwt', required: REQUIRED })
  if (!verified.ok) return verified
  for (const [name, { holds, expected: wanted }] of Object.entries(CLAIMS)) {
    const value = verified.claims[name]
    if (!holds(value)) return { ok: false, why: 'claims', description: `Its claim ${name} must be ${wanted}, and is ${quoted(value)}.` }
  }
  return { ok: true, kid: verified.kid, claims: freeze(verified.claims as unknown as AccessClaims) }
}
