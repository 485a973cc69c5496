import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { auth as honoAuth } from '@auth0/auth0-hono'
import { getRequestListener } from '@hono/node-server'
import express from 'express'
import expressOidc from 'express-openid-connect'
import { Hono } from 'hono'

/**
 * Instances with public middleware, set up by its documentation. The middleware is not changed: a
 * fix here would be missing for everyone else.
 */

export interface RelyingParty {
  clientId: string
  baseUrl: string
  redirectUri: string
  logoutUri: string
  /** The address of the signed-in user as JSON; 401 where no user is signed in. */
  me: string
  /** The address that refreshes the access token: 200 where the broker gave one. */
  refresh: string
  login: string
  close(): Promise<void>
}

export interface Upstream {
  issuer: string
  clientId: string
  clientSecret: string
  /** The fetch with which the relying party reaches the broker. */
  fetch: typeof fetch
}

async function listening(
  answer: () => RequestListener,
): Promise<{ baseUrl: string; close(): Promise<void> }> {
  const server: Server = createServer((request, response) => answer()(request, response))
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  return {
    // Not localhost, so that the broker is another host with other cookies.
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}

/**
 * A store like those of express-session, which the middleware's documentation demands (EXAMPLES,
 * "Back-Channel Logout").
 */
class ExpressStore {
  readonly #kept = new Map<string, unknown>()
  get(sid: string, done: (error: unknown, session?: unknown) => void): void {
    done(null, this.#kept.get(sid))
  }
  set(sid: string, session: unknown, done?: (error?: unknown) => void): void {
    this.#kept.set(sid, session)
    done?.()
  }
  destroy(sid: string, done?: (error?: unknown) => void): void {
    this.#kept.delete(sid)
    done?.()
  }
}

export async function expressRelyingParty(upstream: Upstream): Promise<RelyingParty> {
  let app: RequestListener = (_request, response) => void response.writeHead(503).end()
  const { baseUrl, close } = await listening(() => app)
  const site = express()
  site.use(
    expressOidc.auth({
      issuerBaseURL: upstream.issuer,
      baseURL: baseUrl,
      clientID: upstream.clientId,
      clientSecret: upstream.clientSecret,
      clientAuthMethod: 'client_secret_basic',
      secret: 'the cookie secret of this test, long enough',
      authRequired: false,
      enableTelemetry: false,
      // Both middlewares use the same cookie name, and cookies ignore ports.
      session: { name: 'express_session' },
      authorizationParams: { response_type: 'code', scope: 'openid profile email offline_access' },
      // The middleware's types demand more than its code, which takes any store of express-session.
      backchannelLogout: { store: new ExpressStore() as never },
      customFetch: upstream.fetch,
    } as Parameters<typeof expressOidc.auth>[0]),
  )
  site.get('/me', (request, response) => {
    if (!request.oidc.isAuthenticated())
      return void response.status(401).json({ error: 'signed_out' })
    response.json(request.oidc.idTokenClaims)
  })
  site.get('/refresh', (request, response) => {
    const asked =
      request.oidc.accessToken?.refresh() ?? Promise.reject(new Error('There is no access token.'))
    void asked.then(
      () => response.json({ refreshed: true }),
      () => response.status(401).json({ refreshed: false }),
    )
  })
  app = site as unknown as RequestListener
  return {
    clientId: upstream.clientId,
    baseUrl,
    redirectUri: `${baseUrl}/callback`,
    logoutUri: `${baseUrl}/backchannel-logout`,
    me: `${baseUrl}/me`,
    refresh: `${baseUrl}/refresh`,
    login: `${baseUrl}/login`,
    close,
  }
}

interface HonoState {
  internal: { sid?: string }
  user?: { sub?: string }
  tokenSets: { expiresAt: number }[]
}

/** A store by the middleware's abstract SessionStore. `ageTokens` makes its tokens expire. */
class HonoStore {
  readonly kept = new Map<string, HonoState>()
  async get(id: string): Promise<HonoState | undefined> {
    return structuredClone(this.kept.get(id))
  }
  async set(id: string, state: HonoState): Promise<void> {
    this.kept.set(id, structuredClone(state))
  }
  async delete(id: string): Promise<void> {
    this.kept.delete(id)
  }
  async deleteByLogoutToken({ sid, sub }: { sid?: string; sub?: string }): Promise<void> {
    for (const [id, state] of this.kept)
      if (
        (sid !== undefined && state.internal.sid === sid) ||
        (sub !== undefined && state.user?.sub === sub)
      )
        this.kept.delete(id)
  }
  ageTokens(): void {
    for (const state of this.kept.values())
      for (const tokens of state.tokenSets) tokens.expiresAt = 0
  }
}

export async function honoRelyingParty(upstream: Upstream): Promise<RelyingParty> {
  let answer: RequestListener = (_request, response) => void response.writeHead(503).end()
  const { baseUrl, close } = await listening(() => answer)
  const store = new HonoStore()
  const site = new Hono()
  site.use(
    honoAuth({
      domain: new URL(upstream.issuer).host,
      baseURL: baseUrl,
      clientID: upstream.clientId,
      clientSecret: upstream.clientSecret,
      authRequired: false,
      authorizationParams: { scope: 'openid profile email offline_access' },
      session: { secret: 'the cookie secret of this test, long enough', store: store as never },
      fetch: upstream.fetch,
    }),
  )
  interface Client {
    getSession(
      c: unknown,
    ): Promise<{ user?: Record<string, unknown>; internal?: { sid?: string } } | undefined>
    getAccessToken(c: unknown): Promise<{ accessToken: string }>
  }
  const clientOf = (c: { get(name: never): unknown }): Client =>
    c.get('auth0Client' as never) as Client
  site.get('/me', async (c) => {
    const session = await clientOf(c).getSession(c)
    return session === undefined ? c.json({ error: 'signed_out' }, 401) : c.json(session.user)
  })
  site.get('/refresh', async (c) => {
    store.ageTokens()
    const token = await clientOf(c)
      .getAccessToken(c)
      .catch(() => undefined)
    return c.json({ refreshed: token !== undefined }, token === undefined ? 401 : 200)
  })
  answer = getRequestListener(site.fetch)
  return {
    clientId: upstream.clientId,
    baseUrl,
    redirectUri: `${baseUrl}/auth/callback`,
    logoutUri: `${baseUrl}/auth/backchannel-logout`,
    me: `${baseUrl}/me`,
    refresh: `${baseUrl}/refresh`,
    login: `${baseUrl}/auth/login`,
    close,
  }
}
