import { createHash } from 'node:crypto'
import * as oidc from 'openid-client'
import { expect } from 'vitest'
import { Browser } from '../browser.ts'
import { until } from '../process/broker-process.ts'
import type { Stack } from './stack.ts'

/** The client of these tests, and its users. */

export const SYDNEY = {
  id: 'sydney',
  redirect: 'https://sydney.case-manager.example/callback',
  audience: 'https://sydney.case-manager.example',
}

export const newBrowser = (stack: Stack): Browser =>
  new Browser({
    fetch: stack.fetch,
    at: stack.issuer,
    follows: (to) => !to.href.startsWith(SYDNEY.redirect),
  })

/**
 * Registers the client.
 * @returns its secret
 */
export async function register(stack: Stack, broker: string): Promise<string> {
  const added = await stack.sh(
    `docker compose exec -T ${broker} cmb clients add ${SYDNEY.id} --name Sydney --redirect-uri ${SYDNEY.redirect} --audience ${SYDNEY.audience} --grant authorization_code --grant refresh_token --grant client_credentials --json`,
  )
  return (JSON.parse(added) as { client_secret: string }).client_secret
}

/**
 * Signs in by the code flow of a library, at the simulated Microsoft.
 * @param secret the client's, or how it proves itself to the broker without one
 */
export async function signIn(
  stack: Stack,
  browser: Browser,
  secret: string | oidc.ClientAuth,
  clientId = SYDNEY.id,
): Promise<oidc.TokenEndpointResponse> {
  stack.entra.auto('alice@contoso.example')
  const config = await oidc.discovery(
    new URL(stack.issuer),
    clientId,
    {},
    typeof secret === 'string' ? oidc.ClientSecretBasic(secret) : secret,
    {
      [oidc.customFetch]: stack.fetch as never,
    },
  )
  const verifier = oidc.randomPKCECodeVerifier()
  const url = oidc.buildAuthorizationUrl(config, {
    redirect_uri: SYDNEY.redirect,
    scope: 'openid profile offline_access',
    code_challenge_method: 'S256',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
  })
  // If the store cannot be read at the moment, the browser starts again.
  const page = await until('the browser comes back', async () => {
    let at = await browser.get(url.href)
    for (let pages = 0; at.left === undefined && at.status !== 503 && pages < 5; pages++)
      at = await browser.press(at, 'Sign in with Microsoft')
    return at.left === undefined ? undefined : at
  })
  return oidc.authorizationCodeGrant(config, page.left ?? expect.fail(page.url), {
    pkceCodeVerifier: verifier,
  })
}
export const signOut = async (
  stack: Stack,
  browser: Browser,
  scope: 'device' | 'everywhere' = 'everywhere',
): Promise<unknown> =>
  browser.submit(await browser.get(`${stack.issuer}/logout`), { scope }, 'Sign out')

/**
 * Sends a form as the client Sydney.
 * @param at the address of one broker. Default: the issuer's
 */
export async function ask(
  stack: Stack,
  secret: string,
  path: string,
  form: Record<string, string>,
  at = stack.issuer,
): Promise<Response> {
  const authorization = `Basic ${Buffer.from(`${SYDNEY.id}:${secret}`).toString('base64')}`
  const body = new URLSearchParams(form)
  return stack.fetch(`${at}${path}`, {
    method: 'POST',
    headers: { authorization },
    body,
    signal: AbortSignal.timeout(10_000),
  })
}
async function statusOf(
  stack: Stack,
  secret: string,
  form: Record<string, string>,
): Promise<number> {
  const response = await ask(stack, secret, '/token', form)
  await response.text()
  return response.status
}
export const refresh = (stack: Stack, secret: string, token = ''): Promise<number> =>
  statusOf(stack, secret, { grant_type: 'refresh_token', refresh_token: token })
/** Requests a token of the client's own, and returns the status. */
export const newToken = (stack: Stack, secret: string): Promise<number> =>
  statusOf(stack, secret, { grant_type: 'client_credentials' })
