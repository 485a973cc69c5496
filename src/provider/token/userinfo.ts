import type { Context } from 'hono'
import { DPOP_ALGS, judgedProof } from '../../clients/dpop.ts'
import { isForm, readForm } from '../../clients/form.ts'
import { readUnverified, sameType } from '../../keys/jws.ts'
import { OAuthError, type ErrorCode } from '../../protocol/error.ts'
import { TYP } from '../../protocol/names.ts'
import { splitList } from '../../protocol/params.ts'
import { mustBeWithin } from '../../runtime/rate-limits.ts'
import { readAccessToken, userInfo } from './tokens.ts'
import { onlyFor } from './cors.ts'
import type { TokenDeps } from './grant.ts'

/**
 * Answers `GET|POST /userinfo` (OpenID Connect Core §5.3) with the claims of the token's scopes. It
 * counts as activity in the session.
 */
export async function userinfo(deps: TokenDeps, c: Context): Promise<Response> {
  const now = deps.clock.now()
  const { token, scheme } = await presentedToken(c)
  const claims = await readAccessToken(deps, token, now)
  if (!claims) {
    const typ = readUnverified(token)?.header.typ
    if (typ !== undefined && !sameType(typ, TYP.accessToken))
      throw rejected(
        'invalid_token',
        'This is not an access token, but another JWT, such as an ID token. Send the access_token.',
      )
    throw rejected(
      'invalid_token',
      'The access token is not valid or has expired. Refresh it, and send the new one.',
    )
  }
  onlyFor(deps, c, deps.clients.find(claims.clientId))
  if ((claims.jkt !== undefined) !== (scheme === 'dpop'))
    throw rejected(
      'invalid_token',
      claims.jkt === undefined
        ? 'The access token is not bound to a key. Send it as Bearer.'
        : 'The access token is bound to a key. Send it as DPoP, with a proof.',
    )
  if (claims.jkt !== undefined) {
    const proof = await judgedProof(deps, c, now, { token, jkt: claims.jkt })
    // The user of a public client holds the key, and each proof is a row.
    mustBeWithin(deps.rateLimits, 'proofs', { clientId: claims.clientId, sub: claims.sub })
    await proof?.use()
  }
  const scope = splitList(claims.scope)
  if (claims.sid === undefined || !scope.includes('openid'))
    throw rejected(
      'insufficient_scope',
      'The access token needs the scope openid.',
      ', scope="openid"',
    )
  const access = await deps.store.checkAccess({
    sid: claims.sid,
    sub: claims.sub,
    clientId: claims.clientId,
    rev: claims.rev,
    now,
    touch: true,
  })
  if (access.outcome === 'rejected')
    throw rejected('invalid_token', 'The session has ended. Start a new sign-in.')
  // With this an instance can warn its user before the session ends, however active the user is.
  const ends = { session_expires_at: access.session.absoluteAt }
  return c.json({ sub: claims.sub, ...userInfo(access.session.user, scope), ...ends }, 200, {
    'Cache-Control': 'no-store',
  })
}

/**
 * Returns the token from the Authorization header or the form (RFC 6750 §2). The query is not
 * accepted, because it ends up in logs.
 */
async function presentedToken(c: Context): Promise<{ token: string; scheme: string }> {
  const authorization = c.req.header('authorization')
  const [, scheme = 'bearer', inHeader] =
    /^(bearer|dpop) +([\w.~+/-]+=*) *$/i.exec(authorization ?? '') ?? []
  const inBody =
    c.req.method === 'POST' && isForm(c) ? (await readForm(c)).get('access_token') : undefined
  if (authorization !== undefined && inBody !== undefined)
    throw rejected(
      'invalid_request',
      'Send the access token once: in the Authorization header or in the form.',
    )
  const token = inHeader ?? inBody
  if (token !== undefined) return { token, scheme: scheme.toLowerCase() }
  if (authorization !== undefined)
    throw rejected(
      'invalid_request',
      'The Authorization header must be: Bearer or DPoP, a space, the access token.',
    )
  // §3.1: the challenge has no error code where the request has no token.
  throw new OAuthError(
    'invalid_token',
    'Send an access token in the Authorization header, as Bearer, or as DPoP where it is bound to a key.',
    {
      headers: { 'WWW-Authenticate': `Bearer ${REALM}, DPoP ${REALM}, ${DPOP_ALGS}` },
    },
  )
}

const REALM = 'realm="Case Manager Identity Broker"'

/** Returns an error with its challenge in `WWW-Authenticate` (RFC 6750 §3). */
const rejected = (code: ErrorCode, description: string, more = ''): OAuthError =>
  new OAuthError(code, description, {
    headers: {
      'WWW-Authenticate': `Bearer ${REALM}, error="${code}", error_description="${description}"${more}`,
    },
  })
