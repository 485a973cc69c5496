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
import { SAY } from '../texts/described.ts'

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
      'acr_values',
      'claims',
      'resource',
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
    200: [SAY.asks, page],
    303: [SAY.goesOn],
    400: [SAY.uncertain, page],
    413: [SAY.tooLarge, page],
    415: [SAY.noForm, page],
    429: [SAY.tooMany, page],
    503: [SAY.noStore, page],
  },
} as const

export const AUTHORIZE: Readonly<Record<'get' | 'post', Description>> = {
  get: {
    id: 'authorize',
    summary: SAY.authorize,
    ...authorization,
    query: inBrowser,
  },
  post: {
    id: 'postAuthorize',
    summary: SAY.authorizeByForm,
    ...authorization,
    body: form(inBrowser),
  },
}

export const PUSH: Description = {
  id: 'pushAuthorizationRequest',
  summary: SAY.push,
  tag: 'sign-in',
  security: asClient,
  body: form(request.partial().extend({ redirect_uri: text, ...clientInForm })),
  answers: {
    201: ['The reference to it.', json(z.object({ request_uri: text, expires_in: z.int() }))],
    ...formRejections,
    ...limited,
  },
}
