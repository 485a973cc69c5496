import { freeze, type AccessClaims, type Why } from './claims.ts'
import type { KeySet } from './keys.ts'
import { isSeq } from './selector.ts'
import type { JWTPayload } from 'jose'
import { verifyJwt } from './verify-jwt.ts'

const REQUIRED = ['exp', 'iat', 'sub', 'client_id', 'jti', 'rev']

const isText = (value: unknown): boolean => typeof value === 'string' && value !== ''
const optional = (value: unknown, holds: (value: unknown) => boolean): boolean => value === undefined || holds(value)
const isTexts = (value: unknown): boolean => Array.isArray(value) && value.every((item) => typeof item === 'string')

/** RFC 9068 §2.2, and what is ours in it: claims of another type than they say would be compared with nothing and match nothing. */
function areClaims(claims: Record<string, unknown>): boolean {
  return (
    ['sub', 'client_id', 'jti'].every((name) => isText(claims[name])) &&
    isSeq(claims.rev) &&
    ['sid', 'tid', 'oid', 'acr'].every((name) => optional(claims[name], isText)) &&
    optional(claims.scope, (value) => typeof value === 'string') &&
    ['roles', 'amr'].every((name) => optional(claims[name], isTexts))
  )
}

/** Verifies an access token as RFC 9068 §4 says. Whether it is revoked is another question. @throws KeysUnavailable */
export async function verifyAccessToken(
  token: string,
  keys: KeySet,
  expected: { issuer: string; audience: string | string[]; now: number; toleranceSeconds: number },
): Promise<{ ok: true; claims: AccessClaims; kid: string } | { ok: false; why: Why; description: string; claims?: JWTPayload }> {
  const verified = await verifyJwt(token, keys, { ...expected, typ: 'at+jwt', required: REQUIRED })
  if (!verified.ok) return verified
  if (!areClaims(verified.claims)) return { ok: false, why: 'claims', description: 'Its claims are not those of an access token of this broker.' }
  return { ok: true, kid: verified.kid, claims: freeze(verified.claims as unknown as AccessClaims) }
}
