import { z } from 'zod'
import { type Answer, type Description, form, json, rejected, text } from '../../protocol/described.ts'

/** The endpoints for signals as /openapi.json describes them. Their senders authenticate by what they send. */

const later: Answer = ['The issuer’s keys cannot be read, the store cannot commit, or too many signals are waiting. Send it again after Retry-After.']
const unavailable = rejected('The store cannot commit, or too many signals are waiting (Retry-After).')
const about = { tag: 'signals' } as const

export const FRONT_CHANNEL: Description = {
  id: 'microsoftFrontChannelLogout',
  summary: 'Microsoft’s sign-out page loads it, with the sid of its own session',
  ...about,
  query: z.object({ sid: text.optional(), iss: text.meta({ description: 'the issuer of a connected tenant' }).optional() }),
  answers: { 200: ['An empty page, whatever came of it.', { 'text/html': text }], 503: unavailable },
}

export const GRAPH: Description = {
  id: 'microsoftGraphNotification',
  summary: 'Change notifications of Microsoft Graph, and its handshake',
  ...about,
  query: z.object({ validationToken: text.meta({ description: 'the handshake' }).optional() }),
  body: json(z.object({ value: z.array(z.looseObject({})) })),
  answers: {
    200: ['The token of the handshake.', { 'text/plain': text }],
    202: ['Accepted. What belongs to no known subscription is ignored.'],
    400: rejected('The body is not a notification.'),
    404: rejected('No tenant’s changes are followed.'),
    413: rejected('The body is too large.'),
    503: unavailable,
  },
}

export const EVENTS: Description = {
  id: 'securityEvent',
  summary: 'Security event tokens (RFC 8935) of configured issuers',
  ...about,
  body: { 'application/secevent+jwt': text },
  answers: {
    202: ['Committed.'],
    400: ['Rejected (RFC 8935 §2.4).', json(z.object({ err: text, description: text }))],
    503: later,
  },
}

export const UPSTREAM_LOGOUT: Description = {
  id: 'upstreamLogout',
  summary: 'Logout tokens of configured OpenID providers',
  ...about,
  body: form(z.object({ logout_token: text })),
  answers: { 200: ['Committed.'], 400: rejected('The logout token is rejected.'), 503: later },
}
