import type { Hono } from 'hono'
import { expect } from 'vitest'
import { CHALLENGE, createRig, ISSUER, type RegisteredClient, type Rig } from '../rig.ts'

/** A browser as far as these tests need one: it keeps cookies, follows nothing by itself, and reads forms and links. */
export function createBrowser(app: Hono, userAgent = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0') {
  const cookies = new Map<string, string>()
  const send = async (path: string, init: RequestInit = {}): Promise<Response> => {
    const headers = new Headers(init.headers)
    headers.set('user-agent', userAgent)
    if (cookies.size > 0) headers.set('cookie', [...cookies].map(([name, value]) => `${name}=${value}`).join('; '))
    const response = await app.request(new URL(path, ISSUER).href, { ...init, headers })
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      if (value === '' || /Max-Age=0/i.test(line)) cookies.delete(name)
      else cookies.set(name, value)
    }
    return response
  }
  return {
    cookies,
    get: (path: string) => send(path),
    post: (path: string, form: Record<string, string>) =>
      send(path, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded', origin: ISSUER, 'sec-fetch-site': 'same-origin' },
        body: new URLSearchParams(form).toString(),
      }),
  }
}

export type Browser = ReturnType<typeof createBrowser>

/** A good request of Sydney's; `undefined` leaves a parameter out. */
export function authorizePath(client: Pick<RegisteredClient, 'clientId' | 'metadata'>, changes: Record<string, string | undefined> = {}): string {
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

const unescape = (text: string): string => text.replaceAll('&amp;', '&').replaceAll('&quot;', '"').replaceAll('&#39;', "'")

/** The address of the link or button that says so. */
export function linkOf(html: string, label: string): string {
  for (const [, href = '', inside = ''] of html.matchAll(/<a [^>]*href="([^"]*)"[^>]*>(.*?)<\/a>/gs)) {
    if (inside.replace(/<[^>]*>/g, '').trim() === label) return unescape(href)
  }
  throw new Error(`There is no link "${label}" in: ${html.replace(/<[^>]*>/g, ' ').slice(0, 600)}`)
}

/** The hidden fields of the page's form. */
export const fieldsOf = (html: string): Record<string, string> =>
  Object.fromEntries(
    [...html.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)].map(([, name = '', value = '']) => [unescape(name), unescape(value)]),
  )

export const location = (response: Response): URL => {
  expect(response.status).toBe(303)
  return new URL(response.headers.get('location') ?? '', ISSUER)
}

/** What an instance was told, by its query. */
export const delivered = (response: Response): Record<string, string> => Object.fromEntries(location(response).searchParams)

/** From the sign-in page to the address that Microsoft sends the browser back to. */
export async function atMicrosoft(rig: Rig, browser: Browser, page: Response, label = 'Sign in with Microsoft'): Promise<string> {
  const url = location(await browser.get(linkOf(await page.text(), label)))
  expect(url.origin).toBe('https://login.microsoftonline.com')
  expect(rig.microsoft.started.at(-1)?.state).toBe(url.searchParams.get('state'))
  return `/signin/callback?${new URLSearchParams({ code: 'microsoft-code', state: url.searchParams.get('state') ?? '' })}`
}

/** The whole way, every page. */
export async function signIn(rig: Rig, browser: Browser, path: string): Promise<Response> {
  return browser.get(await atMicrosoft(rig, browser, await browser.get(path)))
}

/** Sydney, and a browser that has a session already: whatever is good comes back with a code at once. */
export async function signedIn(changes: Parameters<Awaited<ReturnType<typeof createRig>>['register']>[1] = {}) {
  const rig = await createRig()
  const client = await rig.register('Sydney', changes)
  const other = await rig.register('Melbourne')
  const browser = createBrowser(rig.app)
  await signIn(rig, browser, authorizePath(other))
  const ask = (parameters: Record<string, string | undefined> = {}) => browser.get(authorizePath(client, parameters))
  return { rig, client, other, browser, ask }
}
