import { Hono } from 'hono'
import type { Context } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { StoreUnavailable } from '../db/store.ts'
import { accountRoom } from './account/room.tsx'
import type { Deps } from './deps.ts'
import { discoveryRoom } from './discovery/room.ts'
import { logoutRoom } from './logout/room.tsx'
import { administratorAt } from './ops/console/administrator.ts'
import { healthRoom } from './ops/health.ts'
import { opsRoom } from './ops/room.ts'
import { pageAssets } from './page/assets.ts'
import { OAuthError } from './protocol/error.ts'
import { feedRoom } from './revocation/feed.ts'
import { signalRoom } from './signal/room.ts'
import { setupRoom } from './setup/room.tsx'
import { setupVisits } from './setup/visits.ts'
import { provesMfa } from './signin/mfa.ts'
import { signinRoom } from './signin/room.tsx'
import { tokenRoom } from './token/room.ts'

/**
 * The one place that mounts rooms, and the one place where an error becomes an answer: an `OAuthError` is the client's to read; a store that
 * cannot commit is a 503; whatever else is a bug, logged with its cause and never shown.
 */
export function createApp(deps: Deps): { app: Hono; opsApp: Hono } {
  const app = withErrors(new Hono(), deps)
  for (const room of [
    discoveryRoom(deps),
    tokenRoom(deps),
    feedRoom(deps),
    // Before the sign-in: Microsoft knows one address to come back to, and what was begun at /setup comes back there too.
    setupVisits(deps),
    signinRoom(deps),
    signalRoom(deps),
    logoutRoom(deps),
    accountRoom(deps),
    healthRoom(deps),
    pageAssets(),
  ])
    app.route('/', room)
  const opsApp = withErrors(new Hono(), deps)
  const setup = setupRoom(deps, { administrator: (c, now) => administratorAt(deps, c, now), proves: provesMfa })
  for (const room of [opsRoom(deps), setup, pageAssets()]) opsApp.route('/', room)
  return { app, opsApp }
}

function withErrors(app: Hono, deps: Deps): Hono {
  app.onError((error, c) => answer(error, c, deps))
  app.notFound((c) => c.json({ error: 'not_found', error_description: 'There is nothing at this address.' }, 404, { 'Cache-Control': 'no-store' }))
  return app
}

function answer(error: Error, c: Context, deps: Deps): Response {
  if (error instanceof HTTPException) return error.getResponse()
  c.header('Cache-Control', 'no-store')
  if (error instanceof OAuthError) return c.json(error.toJSON(), error.status as 400, { ...error.headers })
  if (error instanceof StoreUnavailable) {
    deps.log.error('store_unavailable', { path: c.req.path, cause: error })
    c.header('Retry-After', '2')
    return c.json({ error: 'temporarily_unavailable', error_description: 'Nothing was changed. Try again in a moment.' }, 503)
  }
  const reference = deps.random(6).toString('hex')
  deps.log.error('bug', { path: c.req.path, method: c.req.method, reference, cause: error })
  return c.json({ error: 'server_error', error_description: `Something went wrong here. Reference ${reference}.` }, 500)
}
