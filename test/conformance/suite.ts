import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from 'jose'
import { afterAll, beforeAll, expect } from 'vitest'
import type { ClientMetadata } from '../../src/protocol/client-metadata.ts'
import type { Page } from '../browser.ts'
import { createRig, ISSUER, type RegisteredClient, type Rig } from '../rig.ts'
import { createBrowser, fieldsOf, linkOf } from '../signin/browser.ts'
import { claimsOf, headerOf, type Tokens } from '../token/tokens.ts'

/**
 * The certification suite's part, as far as its modules need it: a client, a browser, and the
 * checks of each sign-in.
 */

export type Mode = 'query' | 'form_post'

/** The answer of the authorization endpoint, and what was seen before it. */
export interface Answered {
  parameters: Record<string, string>
  /** True if the user was asked to sign in at Microsoft. */
  signedIn: boolean
}

export type Parameters = Record<string, string | undefined>
export type Suite = ReturnType<typeof createSuite>
export interface Provider {
  rig: Rig
  client: RegisteredClient
  client2: RegisteredClient
}

/**
 * Opens one broker for all modules of a file, as the suite does, with two clients in the suite's
 * form: every scope, no PKCE, a secret by Basic or in the form.
 */
export function openProvider(changes: Partial<ClientMetadata> = {}): { provider: () => Provider } {
  let provider: Provider | undefined
  let close: (() => Promise<void>) | undefined
  beforeAll(async () => {
    const rig = await createRig({ onEnd: (given) => (close = given) })
    const metadata = {
      requirePkce: false,
      scopes: ['openid', 'profile', 'email', 'offline_access'],
      ...changes,
    }
    provider = {
      rig,
      client: await rig.register('Sydney', metadata),
      client2: await rig.register('Melbourne', metadata),
    }
  })
  afterAll(() => close?.())
  return { provider: () => provider ?? expect.fail('The provider is not open yet.') }
}

/** Returns what a module needs: the provider, and a new browser. */
export function createSuite({ rig, client, client2 }: Provider, mode: Mode = 'query') {
  const browser = createBrowser(rig)

  const pathOf = (parameters: Parameters): string => `/authorize?${query(parameters)}`
  const query = (parameters: Parameters): string => {
    const all: Parameters = {
      client_id: client.clientId,
      redirect_uri: client.metadata.redirectUris[0],
      response_type: 'code',
      response_mode: mode === 'query' ? undefined : mode,
      scope: 'openid',
      state: 'state-of-the-suite',
      nonce: 'nonce-of-the-suite',
      ...parameters,
    }
    return new URLSearchParams(
      Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined),
    ).toString()
  }

  /**
   * Follows the first answer of the authorization endpoint to the client's answer, through
   * Microsoft and the consent page where they are shown.
   */
  const follow = async (first: Page, signedIn = false): Promise<Answered> => {
    const location = first.headers.get('location')
    if (location?.startsWith('/')) return follow(await browser.get(location), signedIn)
    if (location !== null) {
      const url = new URL(location)
      expect([first.status, `${url.origin}${url.pathname}`]).toEqual([
        303,
        client.metadata.redirectUris[0],
      ])
      expect(mode).toBe('query')
      return { parameters: Object.fromEntries(url.searchParams), signedIn }
    }
    const html = first.html
    if (html.includes('Sign in with Microsoft'))
      return follow(await visitMicrosoft(linkOf(html, 'Sign in with Microsoft')), true)
    if (html.includes('value="allow"'))
      return follow(
        await browser.post('/signin/consent', { ...fieldsOf(html), decision: 'allow' }),
        signedIn,
      )
    expect(html).toContain(`action="${client.metadata.redirectUris[0]}"`)
    expect([first.status, mode]).toEqual([200, 'form_post'])
    return { parameters: fieldsOf(html), signedIn }
  }
  const visitMicrosoft = async (link: string): Promise<Page> => {
    const microsoft = new URL((await browser.get(link)).headers.get('location') ?? '')
    return browser.get(
      `/signin/callback?${new URLSearchParams({ code: 'microsoft-code', state: microsoft.searchParams.get('state') ?? '' })}`,
    )
  }
  const authorize = async (parameters: Parameters = {}): Promise<Answered> =>
    follow(await browser.get(pathOf(parameters)))

  const exchange = (
    code: string | undefined,
    more: Record<string, string> = {},
    by: RegisteredClient = client,
  ): Promise<Response> =>
    Promise.resolve(
      rig.post(
        '/token',
        {
          grant_type: 'authorization_code',
          code: code ?? '',
          redirect_uri: client.metadata.redirectUris[0] ?? '',
          ...more,
        },
        { authorization: by.basic },
      ),
    )

  /** Signs in and gets tokens, with the checks that every module of the suite makes. */
  const flow = async (parameters: Parameters = {}, more: Record<string, string> = {}) => {
    const answered = await authorize(parameters)
    expect(answered.parameters).toMatchObject({
      code: expect.stringMatching(/^[\w-]{43}$/),
      iss: ISSUER,
      state: 'state-of-the-suite',
    })
    const response = await exchange(answered.parameters.code, more)
    const tokens = await checkedTokens(response)
    const claims = await checkedIdToken(
      rig,
      tokens,
      'nonce' in parameters ? parameters.nonce : 'nonce-of-the-suite',
    )
    return { ...answered, tokens, claims }
  }

  const userinfo = async (
    accessToken: string,
    init: RequestInit = {},
  ): Promise<Record<string, unknown>> => {
    const response = await rig.app.request(`${ISSUER}/userinfo`, {
      headers: { authorization: `Bearer ${accessToken}` },
      ...init,
    })
    expect([response.status, response.headers.get('content-type')]).toEqual([
      200,
      'application/json',
    ])
    return (await response.json()) as Record<string, unknown>
  }
  return {
    rig,
    client,
    client2,
    browser,
    pathOf,
    query,
    follow,
    authorize,
    exchange,
    flow,
    userinfo,
  }
}

async function checkedTokens(response: Response): Promise<Tokens> {
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toBe('application/json')
  expect(response.headers.get('cache-control')).toContain('no-store')
  expect(response.headers.get('pragma')).toBe('no-cache')
  const tokens = (await response.json()) as Tokens
  expect(tokens.token_type.toLowerCase()).toBe('bearer')
  expect(tokens.expires_in).toBeGreaterThan(0)
  return tokens
}

/**
 * Returns the claims of an ID token, verified with the keys of the JWKS (OpenID Connect Core 1.0
 * §3.1.3.7).
 */
async function checkedIdToken(
  rig: Rig,
  tokens: Tokens,
  nonce: string | undefined,
): Promise<Record<string, unknown>> {
  const idToken = tokens.id_token ?? expect.fail('There is no ID token.')
  const jwks = (await (await rig.app.request(`${ISSUER}/jwks`)).json()) as JSONWebKeySet
  const { payload, protectedHeader } = await jwtVerify(idToken, createLocalJWKSet(jwks), {
    issuer: ISSUER,
    audience: 'sydney',
    algorithms: ['RS256'],
    currentDate: new Date(rig.clock.nowMs()),
    requiredClaims: ['sub', 'iat', 'exp'],
  })
  expect(protectedHeader.kid).toBe(headerOf(idToken).kid)
  expect(payload.nonce).toBe(nonce)
  expect((payload.sub ?? '').length).toBeLessThanOrEqual(255)
  expect(payload.sub).toMatch(/^[\x20-\x7e]+$/)
  return claimsOf(idToken)
}
