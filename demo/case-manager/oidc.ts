import { createHash, randomBytes } from 'node:crypto'
import type { Guard, StepUp } from '@case-manager/guard'
import * as oidc from 'openid-client'
import type { InstanceSession } from './sessions.ts'

/**
 * The instance as a relying party: code flow with PKCE, refresh and sign-out by `openid-client`.
 * The guard checks access tokens.
 */

export interface RelyingPartyOptions {
  issuer: string
  clientId: string
  clientSecret: string
  redirectUri: string
  signedOutUri: string
  guard: Guard
  /** Epoch seconds. */
  now: () => number
}

interface Begun {
  browser: string
  verifier: string
  nonce: string
  at: number
  /** The page to which the user returns. */
  to: string
}

type Tokens = oidc.TokenEndpointResponse & oidc.TokenEndpointResponseHelpers

const BEGUN_SECONDS = 600
const MOST_BEGUN = 1000

const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined

/** The error of a failed sign-in, with a message for the user. */
export class SignInFailed extends Error {
  readonly status: 400 | 503
  constructor(message: string, status: 400 | 503, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'SignInFailed'
    this.status = status
  }
}

export class RelyingParty {
  readonly #options: RelyingPartyOptions
  readonly #begun = new Map<string, Begun>()
  #config: oidc.Configuration | undefined

  constructor(options: RelyingPartyOptions) {
    this.#options = options
  }

  /**
   * Begins a sign-in and returns the address to which the browser goes.
   * @param browser binds the answer to this browser
   * @param stepUp what an act demands of the user's authentication
   */
  async begin(browser: string, to = '/', stepUp: StepUp = {}): Promise<URL> {
    const { now, redirectUri } = this.#options
    const verifier = oidc.randomPKCECodeVerifier()
    const [state, nonce] = [oidc.randomState(), oidc.randomNonce()]
    for (const [old, { at }] of this.#begun)
      if (at < now() - BEGUN_SECONDS || this.#begun.size >= MOST_BEGUN) this.#begun.delete(old)
    this.#begun.set(state, { browser, verifier, nonce, at: now(), to })
    return oidc.buildAuthorizationUrl(await this.#discover(), {
      redirect_uri: redirectUri,
      scope: 'openid profile email offline_access',
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
      state,
      nonce,
      ...stepUp,
    })
  }

  /**
   * Finishes a sign-in and returns its session, with the page to which the user returns.
   * `canceled`: the user turned back, which is no failure. `unmet`: the user's organization has no
   * such proof. `stale`: it was finished before, for example in another tab, or is too old.
   * @throws SignInFailed
   */
  async finish(
    query: URLSearchParams,
    browser: string | undefined,
  ): Promise<{ session: InstanceSession; to: string } | 'canceled' | 'unmet' | 'stale'> {
    const state = query.get('state') ?? ''
    const begun = this.#begun.get(state)
    if (
      begun === undefined ||
      begun.browser !== browser ||
      begun.at < this.#options.now() - BEGUN_SECONDS
    )
      return 'stale'
    this.#begun.delete(state)
    const tokens = await this.#exchange(
      new URL(`${this.#options.redirectUri}?${query.toString()}`),
      state,
      begun,
    )
    if (typeof tokens === 'string') return tokens
    const claims = tokens.claims()
    if (claims === undefined || tokens.id_token === undefined)
      throw new SignInFailed('The broker sent no ID token. Sign in again.', 400)
    const session: InstanceSession = {
      sid: '',
      claims,
      sub: claims.sub,
      rev: 0,
      name: text(claims.name) ?? text(claims.preferred_username) ?? 'Somebody',
      email: text(claims.email),
      idToken: tokens.id_token,
      accessToken: '',
      refreshToken: undefined,
      refreshAt: 0,
      ended: false,
      signOutState: undefined,
      pages: new Set(),
    }
    // The guard rejects a token that was revoked meanwhile. If the guard cannot decide, no user is
    // signed in.
    if (!(await this.#take(session, tokens)))
      throw new SignInFailed(
        'Case Manager cannot reach the broker at the moment. Sign in again.',
        503,
      )
    return { session, to: begun.to }
  }

  async #exchange(answer: URL, state: string, begun: Begun) {
    try {
      return await oidc.authorizationCodeGrant(await this.#discover(), answer, {
        pkceCodeVerifier: begun.verifier,
        expectedState: state,
        expectedNonce: begun.nonce,
        idTokenExpected: true,
      })
    } catch (cause) {
      const error = cause instanceof oidc.AuthorizationResponseError ? cause.error : undefined
      if (error === 'access_denied') return 'canceled'
      if (error === 'unmet_authentication_requirements') return 'unmet'
      throw new SignInFailed('Signing in did not work. Sign in again.', 400, { cause })
    }
  }

  /**
   * Refreshes the session's tokens. `over`: the broker reports that the session has ended.
   * `failed`: the state of the session is unknown, and its present token stays valid until it
   * expires.
   */
  async refresh(session: InstanceSession): Promise<'refreshed' | 'over' | 'failed'> {
    if (session.refreshToken === undefined) return 'over'
    try {
      const tokens = await oidc.refreshTokenGrant(await this.#discover(), session.refreshToken)
      return (await this.#take(session, tokens)) ? 'refreshed' : 'failed'
    } catch (error) {
      return error instanceof oidc.ResponseBodyError && error.error === 'invalid_grant'
        ? 'over'
        : 'failed'
    }
  }

  /**
   * Stores new tokens in a session if the guard accepts them. Their `sid` and `rev` decide which
   * revocations cover the session.
   */
  async #take(session: InstanceSession, tokens: Tokens): Promise<boolean> {
    // Only the new refresh token can be used next, even if the access token is rejected.
    session.refreshToken = tokens.refresh_token ?? session.refreshToken
    const checked = await this.#options.guard.check(tokens.access_token)
    if (!checked.ok || checked.claims.sub !== session.sub || checked.claims.sid === undefined)
      return false
    const { client_id, exp, iat, rev, sid, tid } = checked.claims
    const early = Math.min(60, (exp - iat) / 2)
    Object.assign(session, {
      accessToken: tokens.access_token,
      claims: tokens.claims() ?? session.claims,
      sid,
      client_id,
      tid,
      rev,
      refreshAt: exp - early,
    })
    return true
  }

  /**
   * Returns the address to which the browser goes to sign out. There the broker asks the user how
   * far.
   */
  async signOut(session: InstanceSession): Promise<URL> {
    session.signOutState = randomBytes(16).toString('base64url')
    return oidc.buildEndSessionUrl(await this.#discover(), {
      id_token_hint: session.idToken,
      post_logout_redirect_uri: this.#options.signedOutUri,
      state: session.signOutState,
    })
  }

  /** Returns the broker's metadata, read once it answers. */
  async #discover(): Promise<oidc.Configuration> {
    const { clientId, clientSecret, issuer } = this.#options
    const execute = issuer.startsWith('http:') ? [oidc.allowInsecureRequests] : []
    try {
      this.#config ??= await oidc.discovery(
        new URL(issuer),
        clientId,
        {},
        oidc.ClientSecretBasic(clientSecret),
        { execute },
      )
      return this.#config
    } catch (cause) {
      throw new SignInFailed(
        'Case Manager cannot reach the broker at the moment. Try again shortly.',
        503,
        { cause },
      )
    }
  }
}
