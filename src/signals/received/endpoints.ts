import { z } from 'zod'
import { type Context, Hono } from 'hono'
import {
  type Answer,
  type Description,
  form,
  json,
  rejected,
  text,
  described,
} from '../../protocol/described.ts'
import type { Deps } from '../deps.ts'
import { frontChannelLogout } from './front-channel.ts'
import { graphNotification } from './graph-notification.ts'
import { openIssuers } from './issuers.ts'
import { inTurn } from './queue.ts'
import { securityEvent } from './security-event.ts'
import { upstreamLogout } from './upstream-logout.ts'

/**
 * Endpoints for signals about users who are signed in here: from Microsoft by front-channel logout
 * and Graph, and from configured issuers by security events and logout tokens. Signals whose sender
 * is not proved are rejected. Endpoints for issuers exist only if one is configured.
 */

const later: Answer = [
  'The issuer’s keys cannot be read, the store cannot commit, or too many signals are waiting. Send it again after Retry-After.',
]
const unavailable = rejected(
  'The store cannot commit, or too many signals are waiting (Retry-After).',
)
const about = { tag: 'signals' } as const

const FRONT_CHANNEL: Description = {
  id: 'microsoftFrontChannelLogout',
  summary: 'Microsoft’s sign-out page loads it, with the sid of its own session',
  ...about,
  query: z.object({
    sid: text.optional(),
    iss: text.meta({ description: 'the issuer of a connected tenant' }).optional(),
  }),
  answers: {
    200: ['An empty page, whatever came of it.', { 'text/html': text }],
    503: unavailable,
  },
}

const GRAPH: Description = {
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

const EVENTS: Description = {
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

const UPSTREAM_LOGOUT: Description = {
  id: 'upstreamLogout',
  summary: 'Logout tokens of configured OpenID providers',
  ...about,
  body: form(z.object({ logout_token: text })),
  answers: { 200: ['Committed.'], 400: rejected('The logout token is rejected.'), 503: later },
}

export function signalEndpoints(deps: Deps): Hono {
  const endpoints = new Hono()
  const frontChannel = inTurn(deps, 'front_channel')
  const graph = inTurn(deps, 'graph')
  endpoints.get(
    '/signal/microsoft/front-channel-logout',
    described(FRONT_CHANNEL, (c: Context) => frontChannelLogout(deps, frontChannel, c)),
  )
  endpoints.post(
    '/signal/microsoft/graph',
    described(GRAPH, (c: Context) => graphNotification(deps, graph, c)),
  )
  const issuers = openIssuers(deps)
  if (issuers.secevent.size > 0) {
    const events = inTurn(deps, 'security_event')
    endpoints.post(
      '/signal/events',
      described(EVENTS, (c: Context) => securityEvent(deps, issuers, events, c)),
    )
  }
  if (issuers.oidc.size > 0) {
    const upstream = inTurn(deps, 'upstream_logout')
    endpoints.post(
      '/signal/upstream/back-channel-logout',
      described(UPSTREAM_LOGOUT, (c: Context) => upstreamLogout(deps, issuers, upstream, c)),
    )
  }
  return endpoints
}
