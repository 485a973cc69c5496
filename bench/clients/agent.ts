import { createHash, randomBytes } from 'node:crypto'
import { basic } from '../servers/stage.ts'

/**
 * A browser and an instance of the benches that run the whole broker: cookies, redirects, the link
 * on the sign-in page, and tokens for a code.
 */

export interface Instance {
  clientId: string
  secret: string
  redirectUri: string
}

export interface Tokens {
  accessToken: string
  refreshToken: string
}

const MOST_STEPS = 20

export class Agent {
  readonly #issuer: string
  readonly #cookies = new Map<string, string>()

  constructor(issuer: string) {
    this.#issuer = issuer
  }

  get cookie(): string {
    return [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  }

  async signIn(instance: Instance, upn: string): Promise<Tokens> {
    const verifier = randomBytes(32).toString('base64url')
    const asked = new URLSearchParams({
      response_type: 'code',
      client_id: instance.clientId,
      redirect_uri: instance.redirectUri,
      scope: 'openid offline_access',
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
      login_hint: upn,
    })
    const { left } = await this.get(`${this.#issuer}/authorize?${asked}`, instance.redirectUri)
    const code = left?.searchParams.get('code')
    if (code === null || code === undefined)
      throw new Error(`A sign-in ended without a code: ${left}`)
    return this.tokens(instance, {
      grant_type: 'authorization_code',
      code,
      redirect_uri: instance.redirectUri,
      code_verifier: verifier,
    })
  }

  refresh(instance: Instance, { refreshToken }: Tokens): Promise<Tokens> {
    return this.tokens(instance, { grant_type: 'refresh_token', refresh_token: refreshToken })
  }

  async tokens(instance: Instance, form: Record<string, string>): Promise<Tokens> {
    const answer = await fetch(`${this.#issuer}/token`, {
      method: 'POST',
      headers: { authorization: basic(instance.clientId, instance.secret) },
      body: new URLSearchParams(form),
    })
    const text = await answer.text()
    if (answer.status !== 200)
      throw new Error(`/token answered with ${answer.status}: ${text.slice(0, 300)}`)
    const { access_token, refresh_token } = JSON.parse(text) as Record<string, string>
    return { accessToken: access_token ?? '', refreshToken: refresh_token ?? '' }
  }

  /** Signs out on this device, by the page. */
  async signOut(): Promise<void> {
    const { text } = await this.get(`${this.#issuer}/logout`)
    const answer = await this.submit(text, { scope: 'device' }, '/logout/confirm')
    await answer.body?.cancel()
    if (answer.status >= 400) throw new Error(`The sign-out was answered with ${answer.status}`)
  }

  /**
   * Posts the form of a page: its hidden fields and these.
   * @param action by default that of the page's first form
   */
  submit(html: string, more: Record<string, string>, action?: string): Promise<Response> {
    const form = new URLSearchParams(more)
    for (const [tag] of html.matchAll(/<input[^>]*type="hidden"[^>]*>/g))
      form.set(attribute(tag, 'name'), attribute(tag, 'value'))
    const to = action ?? attribute(/<form[^>]*>/.exec(html)?.[0] ?? '', 'action')
    return this.#ask(new URL(to, this.#issuer).href, {
      method: 'POST',
      headers: { origin: this.#issuer, 'sec-fetch-site': 'same-origin' },
      body: form,
    })
  }

  /**
   * Follows redirects, and the link with which a user goes on to Microsoft.
   * @param until an address that is not asked: `left` is where it led
   */
  async get(
    address: string,
    until?: string,
  ): Promise<{ status: number; text: string; left?: URL }> {
    let url = address
    for (let step = 0; step < MOST_STEPS; step++) {
      const answer = await this.#ask(url, { headers: { accept: 'text/html' } })
      const location = answer.headers.get('location')
      const text = await answer.text()
      const link = /<a[^>]*class="[^"]*microsoft[^>]*>/.exec(text)?.[0]
      const next = location ?? (link && attribute(link, 'href'))
      if (next === undefined) return { status: answer.status, text }
      url = new URL(next, url).href
      if (until !== undefined && url.startsWith(until))
        return { status: answer.status, text, left: new URL(url) }
    }
    throw new Error(`More than ${MOST_STEPS} steps, the last to ${url}`)
  }

  async #ask(url: string, init: RequestInit): Promise<Response> {
    const headers = new Headers(init.headers)
    headers.set('cookie', this.cookie)
    headers.set('user-agent', 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0')
    const answer = await fetch(url, { ...init, headers, redirect: 'manual' })
    for (const line of answer.headers.getSetCookie()) {
      const [pair = ''] = line.split(';')
      const at = pair.indexOf('=')
      if (/max-age=0/i.test(line)) this.#cookies.delete(pair.slice(0, at))
      else this.#cookies.set(pair.slice(0, at), pair.slice(at + 1))
    }
    return answer
  }
}

const attribute = (tag: string, name: string): string =>
  new RegExp(`${name}="([^"]*)"`).exec(tag)?.[1]?.replaceAll('&amp;', '&') ?? ''
