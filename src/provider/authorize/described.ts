import { z } from 'zod'
import {
  asClient,
  clientInForm,
  type Description,
  form,
  formRejections,
  json,
  limited,
  text,
} from '../../protocol/described.ts'

/**
 * The authorization endpoint and pushed requests in /openapi.json. Unknown parameters are ignored
 * (RFC 6749 §3.1).
 */

const request = z.object({
  client_id: text,
  response_type: text,
  redirect_uri: text,
  ...Object.fromEntries(
    [
      ...[
        'scope',
        'state',
        'response_mode',
        'nonce',
        'code_challenge',
        'code_challenge_method',
        'prompt',
        'max_age',
        'login_hint',
        'id_token_hint',
      ],
      ...['acr_values', 'claims', 'resource'],
    ].map((name) => [name, text.optional()]),
  ),
})
const inBrowser = request.partial().extend({
  request_uri: text.meta({ description: 'of a pushed request (RFC 9126 §4)' }).optional(),
})
const page = { 'text/html': text }
const authorization = {
  tag: 'sign-in',
  answers: {
    200: [
      'A page: an account to choose, consent, or the answer as a form (response_mode=form_post).',
      page,
    ],
    303: ['To Microsoft, or to the client with a code or an error.'],
    400: [
      'A page: the client or its address is not certain, so that no browser is sent there.',
      page,
    ],
    413: ['A page: the request is too large.', page],
    415: ['A page: the body is not application/x-www-form-urlencoded.', page],
    429: ['A page: too many requests. Retry-After says when to try again.', page],
    503: ['A page: the store cannot be read.', page],
  },
} as const

export const AUTHORIZE: Readonly<Record<'get' | 'post', Description>> = {
  get: {
    id: 'authorize',
    summary: 'The authorization endpoint (OpenID Connect Core 1.0 §3.1.2)',
    ...authorization,
    query: inBrowser,
  },
  post: {
    id: 'postAuthorize',
    summary: 'The authorization endpoint, by a form',
    ...authorization,
    body: form(inBrowser),
  },
}

export const PUSH: Description = {
  id: 'pushAuthorizationRequest',
  summary: 'Stores an authorization request for one minute (RFC 9126)',
  tag: 'sign-in',
  security: asClient,
  body: form(request.partial().extend({ redirect_uri: text, ...clientInForm })),
  answers: {
    201: ['The reference to it.', json(z.object({ request_uri: text, expires_in: z.int() }))],
    ...formRejections,
    ...limited,
  },
}
