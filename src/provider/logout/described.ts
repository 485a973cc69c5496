import { z } from 'zod'
import { type Description, form, text } from '../../protocol/described.ts'

/** The end session endpoint in /openapi.json. */

const request = z.object({
  id_token_hint: text.optional(),
  client_id: text.optional(),
  post_logout_redirect_uri: text.optional(),
  state: text.optional(),
})
const page = { 'text/html': text }
const about = { tag: 'sign-in' } as const

export const LOGOUT: Readonly<Record<'get' | 'post', Description>> = {
  get: {
    id: 'logout',
    summary:
      'The end session endpoint (OpenID Connect RP-Initiated Logout 1.0): asks the user what to end',
    ...about,
    query: request,
    answers: {
      200: ['A page: the user chooses.', page],
      303: ['To the registered address, or to a page.'],
      400: ['A page: the request is wrong, so that the browser is not sent anywhere.', page],
      503: ['A page: the store cannot be read.', page],
    },
  },
  post: {
    id: 'postLogout',
    summary: 'The end session endpoint, by a form',
    ...about,
    body: form(request),
    bodyOptional: true,
    answers: {
      303: ['To the page on which the user chooses.'],
      413: ['A page: the request is too large.', page],
    },
  },
}
