import { createHash, randomBytes } from 'node:crypto'
import { BROWSER_COOKIE } from '../../demo/entra/browser.ts'
import type { Entra } from '../../demo/entra/entra.ts'
import type { User } from '../../demo/entra/users.ts'
import { SESSION_COOKIE } from '../../src/session/cookie.ts'
import type { SignedIn, SignInRequest, Tokens } from './api.ts'
import type { DevClients } from './clients.ts'
import { ControlError } from './control-error.ts'

/**
 * Signs a user in over HTTP as a browser does, without a browser: the broker makes every check, and
 * the simulated Microsoft skips its pages.
 */

export type KnownClient = ReturnType<DevClients['known']>[number]

interface Place {
  issuer: string
  entra: Entra
}

/**
 * Signs a user in and, if a client is given, redeems the code.
 * @throws ControlError if the broker or Microsoft rejects the sign-in, with the text of the page
 */
export async function signIn(
  place: Place,
  user: User,
  client: KnownClient | undefined,
  request: SignInRequest,
): Promise<SignedIn> {
  const browser = new BrowserSession(place, user, request.session)
  if (client === undefined) {
    await browser.follow(
      `${place.issuer}/account`,
      ({ origin, pathname }, page) => page && origin === place.issuer && pathname === '/account',
    )
    return { cookie: browser.cookie() }
  }
  const redirectUri = client.redirectUris[0] ?? ''
  const verifier = randomBytes(32).toString('base64url')
  const asked = new URLSearchParams({
    response_type: 'code',
    client_id: client.clientId,
    redirect_uri: redirectUri,
    scope: request.scope ?? 'openid profile email offline_access',
    state: randomBytes(16).toString('base64url'),
    nonce: randomBytes(16).toString('base64url'),
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    ...(request.resource !== undefined && { resource: request.resource }),
  })
  const { searchParams: answer } = await browser.follow(
    `${place.issuer}/authorize?${asked}`,
    ({ href }, page) => !page && href.startsWith(redirectUri),
  )
  const code = answer.get('code')
  if (code === null)
    throw new ControlError(
      409,
      'sign_in_rejected',
      `The broker answered ${answer.get('error')}: ${answer.get('error_description') ?? ''}`,
    )
  const redeemable = { code, code_verifier: verifier, redirect_uri: redirectUri }
  const cookie = browser.cookie()
  if (client.authMethod !== 'none' && client.secret === undefined)
    return { cookie, code: redeemable }
  return { cookie, tokens: await exchange(place.issuer, client, redeemable) }
}

async function exchange(
  issuer: string,
  { clientId, secret, authMethod }: KnownClient,
  code: Record<string, string>,
): Promise<Tokens> {
  const basic = secret !== undefined && authMethod === 'client_secret_basic'
  const response = await fetch(`${issuer}/token`, {
    method: 'POST',
    headers: basic
      ? {
          authorization: `Basic ${Buffer.from([clientId, secret].map(encodeURIComponent).join(':')).toString('base64')}`,
        }
      : {},
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      ...code,
      ...(!basic && {
        client_id: clientId,
        ...(secret !== undefined && { client_secret: secret }),
      }),
    }),
  })
  const answer = (await response.json()) as Tokens & { error?: string; error_description?: string }
  if (!response.ok)
    throw new ControlError(
      409,
      'sign_in_rejected',
      `The token endpoint answered ${answer.error}: ${answer.error_description}`,
    )
  return answer
}

const MAX_STEPS = 25

/**
 * A browser session: keeps cookies, follows redirects, and follows the links of the broker's
 * pages to Microsoft.
 */
class BrowserSession {
  readonly #issuer: string
  /** Cookies by origin, then by name. */
  readonly #cookies: ReadonlyMap<string, Map<string, string>>

  constructor({ issuer, entra }: Place, user: User, session: string | undefined) {
    this.#issuer = issuer
    this.#cookies = new Map([
      [issuer, new Map(session === undefined ? [] : [[SESSION_COOKIE, session]])],
      [entra.origin, new Map([[BROWSER_COOKIE, entra.site.browsers.open(user).id]])],
    ])
  }

  /**
   * Follows redirects from `address` until `ends` returns true.
   * @param ends called with each address before its request (`page` false) and after a page was
   * returned (`page` true)
   */
  async follow(address: string, ends: (url: URL, page: boolean) => boolean): Promise<URL> {
    let url = new URL(address)
    let left = false
    for (let step = 0; step < MAX_STEPS; step++) {
      if (ends(url, false)) return url
      if (!this.#cookies.has(url.origin))
        throw new ControlError(
          409,
          'sign_in_rejected',
          `The sign-in led to ${url.origin}, which is neither the broker nor Microsoft.`,
        )
      const response = await this.#get(url)
      const location = response.headers.get('location')
      const html = await response.text()
      if (location === null && response.ok && ends(url, true)) return url
      // An error page after Microsoft offers the same link to retry, so the link is followed only
      // once. The page before a further authentication links to Microsoft itself.
      const next = location ?? (left ? linkOut(html) : linkToMicrosoft(html))
      left ||= location === null
      if (next === undefined) throw new ControlError(409, 'sign_in_rejected', wordsOf(html))
      url = new URL(next, url)
    }
    throw new ControlError(
      409,
      'sign_in_rejected',
      `The sign-in did not end within ${MAX_STEPS} redirects.`,
    )
  }

  cookie(): SignedIn['cookie'] {
    const value = this.#cookies.get(this.#issuer)?.get(SESSION_COOKIE)
    if (value === undefined)
      throw new ControlError(409, 'sign_in_rejected', 'The broker opened no session.')
    return {
      name: SESSION_COOKIE,
      value,
      url: this.#issuer.replace('http:', 'https:'),
      httpOnly: true,
      secure: true,
      sameSite: 'Lax',
    }
  }

  async #get(url: URL): Promise<Response> {
    const jar = this.#cookies.get(url.origin) ?? new Map<string, string>()
    const headers = {
      accept: 'text/html',
      'user-agent': 'broker-dev',
      cookie: [...jar].map((pair) => pair.join('=')).join('; '),
    }
    const response = await fetch(url, { redirect: 'manual', headers })
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      if (value === '' || /;\s*max-age=0/i.test(line)) jar.delete(name)
      else jar.set(name, value)
    }
    return response
  }
}

const linkToMicrosoft = (html: string): string | undefined =>
  unescaped(/href="(\/signin\/microsoft\?[^"]+)"/.exec(html)?.[1])
const linkOut = (html: string): string | undefined =>
  unescaped(/<a class="microsoft" href="(https?:[^"]+)"/.exec(html)?.[1])
const unescaped = (text: string | undefined): string | undefined =>
  text?.replaceAll('&amp;', '&').replaceAll('&#39;', "'").replaceAll('&quot;', '"')

/** Returns the visible text of a page, without markup. */
function wordsOf(html: string): string {
  const main = /<main[^>]*>([\s\S]*)<\/main>/.exec(html)?.[1] ?? html
  const text = main.replace(/<(style|script)[\s\S]*?<\/\1>/g, ' ').replace(/<[^>]+>/g, ' ')
  return unescaped(text)?.replace(/\s+/g, ' ').trim().slice(0, 500) ?? ''
}
