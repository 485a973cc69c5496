import type { Rig } from './rig.ts'
import { CookieJar } from './cookie-jar.ts'

/**
 * A browser without a screen: it keeps cookies, follows redirects, reads a page's links and forms,
 * and sends forms with the page's own fields.
 */

export type Fetch = (address: string, init: RequestInit) => Response | Promise<Response>

export interface BrowserOptions {
  /** How requests are sent; the default is real HTTP. */
  fetch?: Fetch
  /** The base for relative addresses before the first page. */
  at?: string
  nowMs?: () => number
  userAgent?: string
  /** Decides which redirects are followed; the default is all. */
  follows?: (to: URL, from: URL) => boolean
  /** A `Cookie` header for `at`, with which the browser starts. */
  cookies?: string
}

/**
 * A sender of another origin than the receiver of the form, and headers that differ from a
 * browser's own.
 */
export interface Sending {
  from?: string
  headers?: Record<string, string>
}

export const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'

export class Browser {
  readonly cookies: CookieJar
  readonly #fetch: Fetch
  readonly #at: string
  readonly #userAgent: string
  follows: (to: URL, from: URL) => boolean

  constructor(options: BrowserOptions = {}) {
    this.cookies = new CookieJar(options.nowMs)
    this.#fetch = options.fetch ?? fetch
    this.#at = options.at ?? 'http://localhost'
    this.#userAgent = options.userAgent ?? FIREFOX
    this.follows = options.follows ?? (() => true)
    this.addCookies(options.cookies ?? '')
  }

  /** Adds the pairs of a `Cookie` header, as if the starting address had set them. */
  addCookies(header: string): void {
    for (const pair of header.split('; ')) this.cookies.keep(this.#at, `${pair}; Path=/; Secure`)
  }
  get cookieHeader(): string {
    return this.cookies.header(this.#at)
  }

  /** Sends one request with its cookies, and follows no redirect. */
  async send(
    address: string,
    init: RequestInit = {},
    postFromOtherSite = false,
  ): Promise<Response> {
    const url = new URL(address, this.#at).href
    const headers = new Headers({ accept: 'text/html', 'user-agent': this.#userAgent })
    for (const [name, value] of new Headers(init.headers)) headers.set(name, value)
    const cookies = this.cookies.header(url, postFromOtherSite)
    if (cookies !== '') headers.set('cookie', cookies)
    const response = await this.#fetch(url, { ...init, headers, redirect: 'manual' })
    for (const line of response.headers.getSetCookie()) this.cookies.keep(url, line)
    return response
  }

  get(address: string): Promise<Page> {
    return this.#open(address)
  }

  post(
    address: string,
    form: Record<string, string> | URLSearchParams,
    { from, headers }: Sending = {},
  ): Promise<Page> {
    const to = new URL(address, this.#at)
    const origin = new URL(from ?? to).origin
    // Here a site is a host name: no test has two hosts of one registrable domain.
    const site =
      origin === to.origin
        ? 'same-origin'
        : new URL(origin).hostname === to.hostname
          ? 'same-site'
          : 'cross-site'
    const own = {
      'content-type': 'application/x-www-form-urlencoded',
      origin,
      'sec-fetch-site': site,
    }
    const init = {
      method: 'POST',
      headers: { ...own, ...headers },
      body: new URLSearchParams(form).toString(),
    }
    return this.#open(to.href, init, site === 'cross-site')
  }

  /** Follows the page's link with this label. */
  press(page: Page, label: string): Promise<Page> {
    return this.get(page.link(label))
  }

  /** Sends a form of the page, filled in: the one with this button or number, or the first. */
  submit(
    page: Page,
    filled: Record<string, string> = {},
    which: string | number = 0,
    sending: Sending = {},
  ): Promise<Page> {
    const isMeant = ({ buttons }: Form, index: number) =>
      typeof which === 'number'
        ? index === which
        : buttons.some(({ label }) => label.includes(which))
    const form = page.forms.find(isMeant) ?? missing(page, `form "${which}"`)
    const pressed = form.buttons.find(
      ({ label, name }) => name !== undefined && typeof which === 'string' && label.includes(which),
    )
    return this.#sendForm(
      page,
      form,
      { ...(pressed?.name !== undefined && { [pressed.name]: pressed.value }), ...filled },
      sending,
    )
  }

  /** Sends the page's form for this address, filled in. */
  submitTo(
    page: Page,
    action: string,
    filled: Record<string, string> = {},
    headers: Record<string, string> = {},
  ): Promise<Page> {
    const form =
      page.forms.find((candidate) => candidate.action === action) ??
      missing(page, `form to ${action}`)
    return this.#sendForm(page, form, filled, { headers })
  }

  #sendForm(
    page: Page,
    form: Form,
    filled: Record<string, string>,
    sending: Sending,
  ): Promise<Page> {
    const to = new URL(form.action || page.url, page.url)
    const fields = new URLSearchParams({ ...form.fields, ...filled })
    if (form.method === 'GET') return this.get(`${to.origin}${to.pathname}?${fields}`)
    return this.post(to.href, fields, { from: page.url, ...sending })
  }

  async #open(address: string, init: RequestInit = {}, postFromOtherSite = false): Promise<Page> {
    let url = new URL(address, this.#at)
    let request: Parameters<Browser['send']> = [url.href, init, postFromOtherSite]
    const visited: string[] = []
    while (visited.length < 25) {
      visited.push(url.href)
      const response = await this.send(...request)
      const page = new Page({ url: url.href, response, html: await response.text(), visited })
      if (page.left === undefined || !this.follows(page.left, url)) return page
      url = page.left
      request =
        response.status === 307 || response.status === 308
          ? [url.href, init, postFromOtherSite]
          : [url.href]
    }
    throw new Error(`More than 25 redirects; the last one to ${url.origin}${url.pathname}`)
  }
}

export interface Form {
  /** The action of the form; '' where the page gives none. */
  action: string
  method: 'GET' | 'POST'
  fields: Record<string, string>
  buttons: { name: string | undefined; value: string; label: string }[]
}

const formOf = (head: string, body: string): Form => ({
  action: attributeOf(head, 'action') ?? '',
  method: attributeOf(head, 'method')?.toUpperCase() === 'POST' ? 'POST' : 'GET',
  fields: fieldsOf(body),
  buttons: [...body.matchAll(/<button\b([^>]*)>(.*?)<\/button>/gs)].map(
    ([, tag = '', label = '']) => ({
      name: attributeOf(tag, 'name'),
      value: attributeOf(tag, 'value') ?? '',
      label: textOf(label).trim(),
    }),
  ),
})

/** The title of the page that explains a further authentication before it happens. */
export const ONCE_MORE = 'Confirm once more that it is you'

export class Page {
  /** The address of the page, after redirects. */
  readonly url: string
  readonly response: Response
  readonly html: string
  /** Every address of the redirects, with its own at the end. */
  readonly visited: readonly string[]
  constructor(of: { url: string; response: Response; html: string; visited?: readonly string[] }) {
    this.url = of.url
    this.response = of.response
    this.html = of.html
    this.visited = of.visited ?? [of.url]
  }
  get status(): number {
    return this.response.status
  }
  get headers(): Headers {
    return this.response.headers
  }
  get path(): string {
    const { pathname, search } = new URL(this.url)
    return pathname + search
  }
  /** The address of a redirect that was not followed, as it was sent. */
  get location(): string | null {
    return this.status >= 300 && this.status < 400 ? this.headers.get('location') : null
  }
  /**
   * The same as an absolute URL. The page before a further authentication at Microsoft leads on by
   * its button.
   */
  get left(): URL | undefined {
    if (this.location !== null) return new URL(this.location, this.url)
    return this.title === ONCE_MORE ? new URL(this.link('Sign in with Microsoft')) : undefined
  }
  get title(): string {
    return plain(/<h1[^>]*>(.*?)<\/h1>/s.exec(this.html)?.[1] ?? '')
  }
  /** The text that a user reads on the page. */
  get text(): string {
    const main = this.html.replace(/^.*<main/s, '<main')
    return textOf(main.replace(/<(style|script)[\s\S]*?<\/\1>|<\/?time[^>]*>/g, ''))
  }
  /** Returns the address of the link or button with this label. */
  link(label: string): string {
    const links = [...this.html.matchAll(/<a\b([^>]*)>(.*?)<\/a>/gs)]
    const [, tag = ''] =
      links.find(([, , inside = '']) => textOf(inside).trim() === label) ??
      missing(this, `link "${label}"`)
    return new URL(attributeOf(tag, 'href') ?? '', this.url).href
  }
  /** Every link to a page of this origin. */
  get links(): string[] {
    return [...this.html.matchAll(/<a\b([^>]*)>/g)]
      .map(([, tag = '']) => attributeOf(tag, 'href') ?? '')
      .filter((href) => /^\/[^#]*$/.test(href))
  }
  /** The forms of the page, without the choice of a language, which every page has. */
  get forms(): Form[] {
    return [...this.html.matchAll(/<form\b([^>]*)>(.*?)<\/form>/gs)]
      .map(([, head = '', body = '']) => formOf(head, body))
      .filter(({ action }) => action !== '/language')
  }
}

/** Returns the fields with their present values: what is ticked, chosen or written. */
function fieldsOf(body: string): Record<string, string> {
  const fields: Record<string, string> = {}
  for (const [, tag = ''] of body.matchAll(/<input\b([^>]*)>/g)) {
    const [name, type = 'text'] = [attributeOf(tag, 'name'), attributeOf(tag, 'type')]
    const isChoice = type === 'radio' || type === 'checkbox'
    if (name === undefined || type === 'submit' || (isChoice && !/\schecked\b/.test(tag))) continue
    fields[name] = attributeOf(tag, 'value') ?? (isChoice ? 'on' : '')
  }
  for (const [, tag = '', options = ''] of body.matchAll(/<select\b([^>]*)>(.*?)<\/select>/gs))
    fields[attributeOf(tag, 'name') ?? ''] =
      (/value="([^"]*)" selected/.exec(options) ?? /value="([^"]*)"/.exec(options))?.[1] ?? ''
  return fields
}

function attributeOf(tag: string, name: string): string | undefined {
  const value = new RegExp(`\\s${name}="([^"]*)"`).exec(tag)?.[1]
  return value === undefined ? undefined : plain(value)
}
const textOf = (html: string): string => plain(html.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' '))
/** Returns the text with HTML's escapes decoded. */
export const plain = (text: string): string =>
  text
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&')

function missing(page: Page, what: string): never {
  throw new Error(`There is no ${what} at ${page.url} (${page.status}): ${page.text.slice(0, 800)}`)
}

/**
 * Returns a browser for both listeners of a rig, by the rig's clock. It follows redirects between
 * them.
 */
export function browserAt(
  rig: Pick<Rig, 'app' | 'opsApp' | 'config' | 'deps'>,
  options: BrowserOptions = {},
): Browser {
  const { issuer, opsOrigin } = rig.config
  return new Browser({
    at: issuer,
    fetch: (address, init) =>
      (address.startsWith(opsOrigin) ? rig.opsApp : rig.app).request(address, init),
    nowMs: () => rig.deps.clock.nowMs(),
    follows: ({ origin }) => origin === issuer || origin === opsOrigin,
    ...options,
  })
}
