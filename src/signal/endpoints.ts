import { type Context, Hono } from 'hono'
import type { Deps } from '../deps.ts'
import { described } from '../protocol/described.ts'
import { EVENTS, FRONT_CHANNEL, GRAPH, UPSTREAM_LOGOUT } from './described.ts'
import { frontChannelLogout } from './front-channel.ts'
import { graphNotification } from './graph-notification.ts'
import { openIssuers } from './issuers.ts'
import { securityEvent } from './security-event.ts'
import { upstreamLogout } from './upstream-logout.ts'

/**
 * What others tell us about users who are signed in here: Microsoft by front-channel logout and by Graph, and whoever is configured by security
 * events and logout tokens. It refuses whatever is not proved to come from them; what is not configured is not there.
 */
export function signalEndpoints(deps: Deps): Hono {
  const endpoints = new Hono()
  endpoints.get(
    '/signal/microsoft/front-channel-logout',
    described(FRONT_CHANNEL, (c: Context) => frontChannelLogout(deps, c)),
  )
  endpoints.post(
    '/signal/microsoft/graph',
    described(GRAPH, (c: Context) => graphNotification(deps, c)),
  )
  const issuers = openIssuers(deps)
  if (issuers.secevent.size > 0)
    endpoints.post(
      '/signal/events',
      described(EVENTS, (c: Context) => securityEvent(deps, issuers, c)),
    )
  if (issuers.oidc.size > 0)
    endpoints.post(
      '/signal/upstream/back-channel-logout',
      described(UPSTREAM_LOGOUT, (c: Context) => upstreamLogout(deps, issuers, c)),
    )
  return endpoints
}
