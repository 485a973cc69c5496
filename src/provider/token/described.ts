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
import { SAY } from '../texts/described.ts'

/**
 * The token endpoints in /openapi.json. The endpoints parse requests themselves and ignore unknown
 * parameters (RFC 6749 §3.2).
 */

const tokens = z
  .object({
    access_token: text,
    token_type: z.enum(['Bearer', 'DPoP']),
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
  summary: SAY.token,
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
  summary: SAY.introspect,
  tag: 'oauth',
  security: asClient,
  body: form(z.object({ token: text.min(1), token_type_hint: text.optional(), ...clientInForm })),
  answers: {
    200: [SAY.isActive, json(z.looseObject({ active: z.boolean() }))],
    ...formRejections,
    ...limited,
  },
}

export const REVOKE: Description = {
  id: 'revokeToken',
  summary: SAY.revoke,
  tag: 'oauth',
  security: asClient,
  body: form(z.object({ token: text.min(1), token_type_hint: text.optional(), ...clientInForm })),
  answers: { 200: [SAY.revoked], ...formRejections },
}

const info = {
  tag: 'oauth',
  security: [{ access: [] }],
  answers: {
    200: [
      SAY.claims,
      json(
        z.looseObject({
          sub: text,
          session_expires_at: z.int().meta({ description: SAY.sessionEnd }),
        }),
      ),
    ],
    400: rejected(SAY.unreadable),
    401: rejected(SAY.invalid),
    403: rejected(SAY.noOpenid),
    ...limited,
    503: rejected(SAY.unavailable),
  },
} as const

export const USERINFO: Readonly<Record<string, Description>> = {
  GET: { id: 'readUserInfo', summary: SAY.userinfo, ...info },
  POST: {
    id: 'postUserInfo',
    summary: SAY.userinfoByForm,
    ...info,
  },
}
