import { z } from 'zod'
import {
  asClient,
  clientInForm,
  type Description,
  form,
  formRejections,
  json,
  limited,
  rejected,
  text,
} from '../../protocol/described.ts'
import { GRANT } from '../../protocol/names.ts'

/**
 * The token endpoints in /openapi.json. The endpoints parse requests themselves and ignore unknown
 * parameters (RFC 6749 §3.2).
 */

const tokens = z
  .object({
    access_token: text,
    token_type: z.literal('Bearer'),
    expires_in: z.int(),
    scope: text,
    refresh_token: text.optional(),
    id_token: text.optional(),
    issued_token_type: text
      .meta({ description: 'of a token exchange (RFC 8693 §2.2.1)' })
      .optional(),
  })
  .meta({ id: 'Tokens' })

export const TOKEN: Description = {
  id: 'issueTokens',
  summary:
    'Issues tokens for a code, a refresh token, a client or another token (RFC 6749 §3.2, RFC 8693)',
  tag: 'oauth',
  security: asClient,
  body: form(
    z.object({
      grant_type: z.enum(GRANT),
      ...Object.fromEntries(
        [
          'code',
          'redirect_uri',
          'code_verifier',
          'refresh_token',
          'scope',
          'resource',
          'subject_token',
          'subject_token_type',
          'audience',
        ].map((name) => [name, text.optional()]),
      ),
      ...clientInForm,
    }),
  ),
  answers: { 200: ['The tokens.', json(tokens)], ...formRejections, ...limited },
}

export const INTROSPECT: Description = {
  id: 'introspectToken',
  summary: 'Says whether a token is active (RFC 7662)',
  tag: 'oauth',
  security: asClient,
  body: form(z.object({ token: text.min(1), token_type_hint: text.optional(), ...clientInForm })),
  answers: {
    200: ['Whether it is active; if so, its claims.', json(z.looseObject({ active: z.boolean() }))],
    ...formRejections,
    ...limited,
  },
}

export const REVOKE: Description = {
  id: 'revokeToken',
  summary: 'Revokes the grant of a token (RFC 7009)',
  tag: 'oauth',
  security: asClient,
  body: form(z.object({ token: text.min(1), token_type_hint: text.optional(), ...clientInForm })),
  answers: { 200: ['The grant is revoked, or the token was not the client’s.'], ...formRejections },
}

const info = {
  tag: 'oauth',
  security: [{ access: [] }],
  answers: {
    200: [
      'The claims that the token’s scopes allow.',
      json(
        z.looseObject({
          sub: text,
          session_expires_at: z
            .int()
            .meta({ description: 'when the session ends at the latest (epoch seconds)' }),
        }),
      ),
    ],
    400: rejected('The request has more than one access token, or none that can be read.'),
    401: rejected('The access token is missing, expired or revoked.'),
    403: rejected('The access token lacks the scope openid.'),
    503: rejected('The store cannot be read, or the broker’s clock is wrong.'),
  },
} as const

export const USERINFO: Readonly<Record<string, Description>> = {
  GET: { id: 'readUserInfo', summary: 'The user’s claims (OpenID Connect Core 1.0 §5.3)', ...info },
  POST: {
    id: 'postUserInfo',
    summary: 'The user’s claims, with the access token in the header or the form (RFC 6750 §2.2)',
    ...info,
  },
}
