import type { Hono } from 'hono'
import { ISSUER } from '../rig.ts'

/** A browser without a screen: keeps cookies, follows redirects within the broker, and sends a page's form as it stands. */
export class Browser {
  readonly cookies = new Map<string, string>()
  readonly #app: Hono
  constructor(app: Hono, ...cookieHeaders: string[]) {
    this.#app = app
    for (const header of cookieHeaders) this.#keep(header)
  }

  get(path: string): Promise<Shown> {
    return this.#go(path, { method: 'GET' })
  }

  /** A form of our own page, unless `headers` or `cross` say that another site sends it: then without our SameSite=Lax cookies. */
  post(path: string, form: Record<string, string>, options: { cross?: boolean; headers?: Record<string, string> } = {}): Promise<Shown> {
    const origin = options.cross ? 'https://sydney.case-manager.example' : ISSUER
    const headers = {
      'content-type': 'application/x-www-form-urlencoded',
      origin,
      'sec-fetch-site': options.cross ? 'cross-site' : 'same-origin',
      ...options.headers,
    }
    return this.#go(path, { method: 'POST', headers, body: new URLSearchParams(form).toString() }, options.cross === true)
  }

  /** Presses a button of the page: its form's fields, with `changes`. */
  submit(shown: Shown, changes: Record<string, string> = {}, form = 0): Promise<Shown> {
    const { action, fields } = shown.forms[form] ?? { action: '/there-is-no-form', fields: {} }
    return this.post(action, { ...fields, ...changes })
  }

  async #go(path: string, init: RequestInit, withoutCookies = false): Promise<Shown> {
    const headers = new Headers(init.headers)
    if (!withoutCookies && this.cookies.size > 0) headers.set('cookie', [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; '))
    const response = await this.#app.request(path.startsWith('http') ? path : `${ISSUER}${path}`, { ...init, headers })
    for (const cookie of response.headers.getSetCookie()) this.#keep(cookie)
    const to = response.headers.get('location')
    if (to !== null && response.status === 303 && to.startsWith('/') && !to.startsWith('/signin/')) return this.get(to)
    return new Shown(path, response, await response.text())
  }

  #keep(header: string): void {
    const [pair = ''] = header.split(';', 1)
    const name = pair.slice(0, pair.indexOf('='))
    const value = pair.slice(name.length + 1)
    if (/max-age=0(?:;|$)/i.test(header) || value === '') this.cookies.delete(name)
    else this.cookies.set(name, value)
  }
}

export class Shown {
  /** Its address, after redirects. */
  readonly path: string
  readonly response: Response
  readonly html: string
  constructor(path: string, response: Response, html: string) {
    this.path = path
    this.response = response
    this.html = html
  }
  get status(): number {
    return this.response.status
  }
  /** Where it leads outside the broker. */
  get location(): string | null {
    return this.response.headers.get('location')
  }
  get title(): string {
    return unescape(/<h1>(.*?)<\/h1>/s.exec(this.html)?.[1] ?? '')
  }
  /** The page's words without its markup. */
  get text(): string {
    return unescape(
      this.html
        .replace(/^.*<main/s, '<main')
        .replace(/<[^>]+>/g, ' ')
        .replace(/\s+/g, ' '),
    )
  }
  get forms(): { action: string; fields: Record<string, string> }[] {
    return [...this.html.matchAll(/<form[^>]* action="([^"]*)"[^>]*>(.*?)<\/form>/gs)].map(([, action = '', body = '']) => {
      const fields: Record<string, string> = {}
      for (const [tag] of body.matchAll(/<input[^>]*>/g)) {
        const attribute = (name: string) => unescape(new RegExp(` ${name}="([^"]*)"`).exec(tag)?.[1] ?? '')
        const ticked = !/type="(?:radio|checkbox)"/.test(tag) || / checked/.test(tag)
        if (ticked) fields[attribute('name')] = attribute('value')
      }
      return { action: unescape(action), fields }
    })
  }
}

const unescape = (text: string): string =>
  text.replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&')
