import { expect } from 'vitest'
import { type Browser, browserAt, FIREFOX, ONCE_MORE, Page, plain } from '../browser.ts'
import { CHALLENGE, createRig, ISSUER, type RegisteredClient, type Rig } from '../rig.ts'

/** Returns a browser that follows no redirect by itself. */
export const createBrowser = (rig: Rig, userAgent = FIREFOX): Browser =>
  browserAt(rig, { userAgent, follows: () => false })

/** Returns a valid request of Sydney's; `undefined` leaves a parameter out. */
export function authorizePath(
  client: Pick<RegisteredClient, 'clientId' | 'metadata'>,
  changes: Record<string, string | undefined> = {},
): string {
  const all: Record<string, string | undefined> = {
    client_id: client.clientId,
    redirect_uri: client.metadata.redirectUris[0],
    response_type: 'code',
    scope: 'openid profile offline_access',
    state: 'state-1',
    nonce: 'nonce-1',
    code_challenge: CHALLENGE,
    code_challenge_method: 'S256',
    ...changes,
  }
  return `/authorize?${new URLSearchParams(Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined))}`
}

/** Returns the address of the link or button with this label. */
export const linkOf = (html: string, label: string): string =>
  new Page({ url: ISSUER, response: new Response(), html }).link(label)

/** Returns the hidden fields of the page's form. */
export const fieldsOf = (html: string): Record<string, string> =>
  Object.fromEntries(
    [...html.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)].map(
      ([, name = '', value = '']) => [plain(name), plain(value)],
    ),
  )

export const location = (response: Pick<Response, 'status' | 'headers'>): URL => {
  if (response instanceof Page && response.title === ONCE_MORE)
    return response.left ?? expect.unreachable()
  expect(response.status).toBe(303)
  return new URL(response.headers.get('location') ?? '', ISSUER)
}

/** Returns what an instance got in the query of its redirect. */
export const delivered = (response: Pick<Response, 'status' | 'headers'>): Record<string, string> =>
  Object.fromEntries(location(response).searchParams)

/**
 * Goes from the sign-in page to Microsoft, and returns the address to which Microsoft sends the
 * browser back.
 */
export async function atMicrosoft(
  rig: Rig,
  browser: Browser,
  page: Page,
  label = 'Sign in with Microsoft',
): Promise<string> {
  const url = location(await browser.press(page, label))
  expect(url.origin).toBe('https://login.microsoftonline.com')
  expect(rig.microsoft.started.at(-1)?.state).toBe(url.searchParams.get('state'))
  return `/signin/callback?${new URLSearchParams({ code: 'microsoft-code', state: url.searchParams.get('state') ?? '' })}`
}

/** Signs in through every page. */
export async function signIn(rig: Rig, browser: Browser, path: string): Promise<Page> {
  return browser.get(await atMicrosoft(rig, browser, await browser.get(path)))
}

/**
 * Returns Sydney and a browser that already has a session, so that a valid request gets its code at
 * once.
 */
export async function signedIn(
  changes: Parameters<Awaited<ReturnType<typeof createRig>>['register']>[1] = {},
) {
  const rig = await createRig()
  const client = await rig.register('Sydney', changes)
  const other = await rig.register('Melbourne')
  const browser = createBrowser(rig)
  await signIn(rig, browser, authorizePath(other))
  const ask = (parameters: Record<string, string | undefined> = {}) =>
    browser.get(authorizePath(client, parameters))
  return { rig, client, other, browser, ask }
}
