import { type Context, Hono } from 'hono'
import type { Deps } from '../deps.ts'
import { described } from '../../protocol/described.ts'
import { EVENTS, FRONT_CHANNEL, GRAPH, UPSTREAM_LOGOUT } from './described.ts'
import { frontChannelLogout } from './front-channel.ts'
import { graphNotification } from './graph-notification.ts'
import { openIssuers } from './issuers.ts'
import { inTurn } from './queue.ts'
import { securityEvent } from './security-event.ts'
import { upstreamLogout } from './upstream-logout.ts'

/**
 * What others tell us about users who are signed in here: Microsoft by front-channel logout and by Graph, and configured issuers by security
 * events and logout tokens. It refuses whatever is not proved to come from them; what is not configured is not there.
 */
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
