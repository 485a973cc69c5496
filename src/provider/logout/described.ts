import { z } from 'zod'
import { type Description, form, text } from '../../protocol/described.ts'
import { SAY } from '../texts/described.ts'

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
    summary: SAY.logout,
    ...about,
    query: request,
    answers: {
      200: [SAY.chooses, page],
      303: [SAY.toAddress],
      400: [SAY.wrong, page],
      503: [SAY.noStore, page],
    },
  },
  post: {
    id: 'postLogout',
    summary: SAY.logoutByForm,
    ...about,
    body: form(request),
    bodyOptional: true,
    answers: {
      303: [SAY.toChoice],
      413: [SAY.tooLarge, page],
    },
  },
}
