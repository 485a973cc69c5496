import {
  ConfidentialClientApplication,
  CryptoProvider,
  type AuthenticationResult,
  type NodeAuthOptions,
} from '@azure/msal-node'
import { onTestFinished } from 'vitest'
import { startEntra, type Entra, type EntraOptions } from '../../demo/entra/entra.ts'
import { Browser as Pages, type Page } from '../browser.ts'
import { APP_CLIENT_ID, APP_CLIENT_SECRET, CONTOSO } from '../../demo/entra/users.ts'

/** A small relying party in the broker's place: msal-node, unmodified, and a user's browser. */

export const REDIRECT = 'http://localhost:7400/signin/callback'
export const LOGOUT_RETURN = 'http://localhost:7400/logout/return'
export const LOGOUT_URL = 'http://localhost:7400/signal/frontchannel'

export async function entra(options: Partial<EntraOptions> = {}): Promise<Entra> {
  const started = await startEntra({
    port: 0,
    apps: [{ redirectUris: [REDIRECT, LOGOUT_RETURN], logoutUrl: LOGOUT_URL }],
    ...options,
  })
  onTestFinished(() => started.close())
  return started
}

/** Returns the settings of a broker whose Microsoft is this simulator. */
export const brokerSettings = (at: Entra, tenants: string[]) => ({
  tenants,
  clientId: APP_CLIENT_ID,
  credential: { kind: 'secret' as const, secret: APP_CLIENT_SECRET },
  authority: at.authority,
  simulated: true,
})

export type Credential = Partial<
  Pick<NodeAuthOptions, 'clientSecret' | 'clientCertificate' | 'clientAssertion'>
>

export async function application(
  at: Entra,
  tenant: string = CONTOSO.tid,
  credential: Credential = { clientSecret: APP_CLIENT_SECRET },
): Promise<ConfidentialClientApplication> {
  const metadata = await (
    await fetch(`${at.origin}/${tenant}/v2.0/.well-known/openid-configuration`)
  ).text()
  const { host } = new URL(at.origin)
  return new ConfidentialClientApplication({
    auth: {
      clientId: APP_CLIENT_ID,
      authority: `https://${host}/${tenant}`,
      knownAuthorities: [host],
      authorityMetadata: metadata,
      ...credential,
    },
    system: { loggerOptions: { loggerCallback: () => {} } },
  })
}

/** A user's browser at Microsoft. It stays on the page that redirects away from Microsoft. */
export class Browser extends Pages {
  constructor() {
    super({ follows: (to, from) => to.origin === from.origin })
  }

  /** Goes through every page of a sign-in with the user's answers. */
  async signIn(
    url: string,
    upn: string,
    { staySignedIn = false, password = `${upn.split('@')[0]}-demo` } = {},
  ): Promise<Page> {
    let page = await this.get(url)
    for (let i = 0; i < 12 && page.left === undefined && page.status === 200; i++) {
      const title = page.title
      if (title === 'Pick an account') page = await this.submit(page, { account: 'other' })
      else if (title === 'Sign in') page = await this.submit(page, { loginfmt: upn })
      else if (title === 'Enter password') page = await this.submit(page, { passwd: password })
      else if (title === 'Face, fingerprint, PIN or security key')
        page = await this.submit(page, { passkey: 'yes' })
      else if (title === 'Approve sign in request')
        page = await this.submit(page, { number: /id="number">(\d+)</.exec(page.html)![1]! })
      else if (title === 'Stay signed in?')
        page = await this.submit(page, { kmsi: staySignedIn ? 'yes' : 'no' })
      else return page
    }
    return page
  }
}

export interface Attempt {
  url: string
  redeem(left: URL | undefined): Promise<AuthenticationResult>
}

const CONTEXT = '{"id_token":{"acrs":{"essential":true,"value":"c1"}}}'

/** Makes the broker's authorization request and redeems its code. */
export async function attempt(
  app: ConfidentialClientApplication,
  extra: Record<string, string> = {},
  claims: string | null = CONTEXT,
): Promise<Attempt> {
  const { verifier, challenge } = await new CryptoProvider().generatePkceCodes()
  const scopes = ['openid', 'profile', 'email', 'offline_access']
  const url = await app.getAuthCodeUrl({
    scopes,
    redirectUri: REDIRECT,
    state: 'state-1',
    nonce: 'nonce-1',
    codeChallenge: challenge,
    codeChallengeMethod: 'S256',
    ...(claims ? { claims } : {}),
    extraQueryParameters: extra,
    responseMode: 'query',
  })
  return {
    url: url.replace('https://', 'http://'),
    redeem: (left) => {
      const code = left?.searchParams.get('code')
      if (!code) throw new Error(`no code: ${left?.href ?? 'still at Microsoft'}`)
      return app.acquireTokenByCode({
        code,
        scopes,
        redirectUri: REDIRECT,
        codeVerifier: verifier,
        nonce: 'nonce-1',
      })
    },
  }
}

export const refreshTokenOf = (app: ConfidentialClientApplication): string =>
  Object.values(
    (
      JSON.parse(app.getTokenCache().serialize()) as {
        RefreshToken: Record<string, { secret: string }>
      }
    ).RefreshToken,
  )[0]?.secret ?? ''

export async function control(at: Entra, path: string, body?: unknown): Promise<unknown> {
  const response = await fetch(
    `${at.origin}/_control/${path}`,
    body === undefined
      ? {}
      : {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
        },
  )
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
  return response.json()
}

/** Signs a user in without a page. */
export async function signedIn(
  at: Entra,
  upn = 'alice@contoso.example',
): Promise<ConfidentialClientApplication> {
  at.world.auto = upn
  const app = await application(at)
  const { url, redeem } = await attempt(app)
  await redeem((await new Browser().get(url)).left)
  return app
}

export interface TokenBody {
  error?: string
  error_description?: string
  error_codes?: number[]
  suberror?: string
  claims?: string
  refresh_token?: string
  id_token?: string
  client_info?: string
  access_token?: string
  [other: string]: unknown
}

export async function post(
  at: Entra,
  form: Record<string, string>,
  tenant: string = CONTOSO.tid,
): Promise<{ status: number; body: TokenBody; headers: Headers }> {
  const response = await fetch(`${at.origin}/${tenant}/oauth2/v2.0/token`, {
    method: 'POST',
    body: new URLSearchParams({
      client_id: APP_CLIENT_ID,
      client_secret: APP_CLIENT_SECRET,
      ...form,
    }),
  })
  return {
    status: response.status,
    body: (await response.json()) as TokenBody,
    headers: response.headers,
  }
}

export const refresh = (at: Entra, token: string) =>
  post(at, {
    grant_type: 'refresh_token',
    refresh_token: token,
    scope: 'openid profile offline_access',
  })
