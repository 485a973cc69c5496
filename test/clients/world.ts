import type { ClientMetadata } from '../../src/protocol/client-metadata.ts'
import { createRig, type RegisteredClient } from '../rig.ts'
import { Browser, type Page } from '../browser.ts'

/**
 * A broker on a real listener, which is its issuer, by the machine's time, with the browser of a
 * user whom Microsoft knows. It tests client libraries unmodified.
 */

export const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange' as const
export const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'
export const METHODS = [
  'client_secret_basic',
  'client_secret_post',
  'private_key_jwt',
  'none',
] as const
export type Method = (typeof METHODS)[number]

/**
 * Returns the grants of a client. One without a credential can be registered only for the first
 * two.
 */
const grantsOf = (method: Method): ClientMetadata['grants'] => [
  'authorization_code',
  'refresh_token',
  ...(method === 'none' ? [] : (['client_credentials', EXCHANGE] as const)),
]
const ALL: Partial<ClientMetadata> = {
  scopes: ['openid', 'profile', 'email', 'offline_access', 'cases:read'],
}

export type ClientWorld = Awaited<ReturnType<typeof openClientWorld>>

export async function openClientWorld(method: Method, changes: Partial<ClientMetadata> = {}) {
  const rig = await createRig({ listening: true, realTime: true })
  const key = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
    'sign',
    'verify',
  ])
  const jwk = { ...(await crypto.subtle.exportKey('jwk', key.publicKey)), kid: 'k1' } as Record<
    string,
    unknown
  >
  const client: RegisteredClient = await rig.register('Sydney', {
    ...ALL,
    grants: grantsOf(method),
    authMethod: method,
    ...(method === 'private_key_jwt' && { jwks: { keys: [jwk] } }),
    ...changes,
  })
  const target = await rig.register('Melbourne', { exchangeFrom: [client.clientId] })
  const browser = new Browser({ follows: ({ origin }) => origin === rig.config.issuer })

  /**
   * Follows the client's own address to where the client gets its answer: its redirect URI, or the
   * page that posts to it.
   */
  const visit = async (address: URL): Promise<Page> => {
    const page = await browser.get(address.href)
    if (!page.html.includes('Sign in with Microsoft')) return page
    const microsoft = (await browser.press(page, 'Sign in with Microsoft')).left
    const state = microsoft?.searchParams.get('state') ?? ''
    return browser.get(
      `${rig.config.issuer}/signin/callback?${new URLSearchParams({ code: 'microsoft-code', state }).toString()}`,
    )
  }
  /** Returns the request that the client's own server gets, by GET or (form_post) by POST. */
  const answerTo = async (address: URL): Promise<Request> => {
    const page = await visit(address)
    if (page.left !== undefined) return new Request(page.left)
    const form = page.forms[0]
    if (form === undefined) throw new Error(`There is no form at ${page.url} (${page.status})`)
    return new Request(form.action, { method: 'POST', body: new URLSearchParams(form.fields) })
  }
  /**
   * Follows the client's link to sign out, confirms, and returns the address to which the user is
   * sent back.
   */
  const signOutBy = async (address: URL): Promise<string> => {
    const page = await browser.get(address.href)
    return (await browser.submit(page, { scope: 'device' }, 'Sign out')).left?.href ?? ''
  }
  const redirectUri = client.metadata.redirectUris[0] ?? ''
  const postLogoutRedirectUri = client.metadata.postLogoutRedirectUris[0] ?? ''
  return {
    rig,
    issuer: rig.config.issuer,
    client,
    target,
    key: key.privateKey,
    redirectUri,
    postLogoutRedirectUri,
    answerTo,
    signOutBy,
  }
}
