/** A browser without a screen, for tests over plain HTTP: one cookie jar (cookies ignore ports), redirects followed, forms read off the page and sent. */

export interface Form {
  action: string
  method: 'GET' | 'POST'
  fields: Record<string, string>
  /** Submit buttons that carry a name, and the words on all of them. */
  buttons: { name: string | undefined; value: string; label: string }[]
}

export interface Page {
  url: string
  status: number
  html: string
  headers: Headers
  /** Every address that was gone through, the last one included. */
  visited: string[]
}

const attribute = (tag: string, name: string): string | undefined => {
  const match = new RegExp(`\\s${name}="([^"]*)"`, 'i').exec(tag)
  return match?.[1]?.replaceAll('&amp;', '&').replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&lt;', '<').replaceAll('&gt;', '>')
}

export function formsOf(page: Page): Form[] {
  return [...page.html.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/gi)].map(([, head = '', body = '']) => {
    const fields: Record<string, string> = {}
    for (const [tag] of body.matchAll(/<input\b[^>]*>/gi)) {
      const name = attribute(tag, 'name')
      const type = attribute(tag, 'type') ?? 'text'
      if (name === undefined || type === 'submit' || type === 'button') continue
      if ((type === 'radio' || type === 'checkbox') && !/\schecked\b/i.test(tag)) continue
      fields[name] = attribute(tag, 'value') ?? (type === 'checkbox' ? 'on' : '')
    }
    const buttons = [...body.matchAll(/<button\b([^>]*)>([\s\S]*?)<\/button>/gi)].map(([, tag = '', label = '']) => ({
      name: attribute(` ${tag}`, 'name'),
      value: attribute(` ${tag}`, 'value') ?? '',
      label: label.replace(/<[^>]*>/g, '').trim(),
    }))
    return {
      action: new URL(attribute(` ${head}`, 'action') ?? page.url, page.url).href,
      method: (attribute(` ${head}`, 'method') ?? 'get').toUpperCase() === 'POST' ? 'POST' : 'GET',
      fields,
      buttons,
    }
  })
}

/** What a user reads there, shortened. */
const textOf = (page: Page): string =>
  page.html
    .replace(/<style[\s\S]*?<\/style>|<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ')
    .slice(0, 400)

export class HttpBrowser {
  readonly #cookies = new Map<string, string>()
  readonly #stopAt: ((url: string) => boolean) | undefined
  readonly #route: (url: string) => string

  /**
   * @param stopAt addresses that are not asked for: their URL is what the test wants (a client's redirect URI with a code in it)
   * @param route where an address is really served, as a name server and a proxy that ends TLS would have it
   */
  constructor(options: { stopAt?: (url: string) => boolean; route?: (url: string) => string } = {}) {
    this.#stopAt = options.stopAt
    this.#route = options.route ?? ((url) => url)
  }

  cookie(name: string): string | undefined {
    return this.#cookies.get(name)
  }
  setCookie(name: string, value: string): void {
    this.#cookies.set(name, value)
  }

  async open(url: string, init: { method?: string; body?: string; origin?: string } = {}): Promise<Page> {
    const visited: string[] = []
    let method = init.method ?? 'GET'
    let body = init.body
    for (let hop = 0; hop < 25; hop++) {
      visited.push(url)
      if (this.#stopAt?.(url)) return { url, status: 0, html: '', headers: new Headers(), visited }
      const response = await fetch(this.#route(url), {
        method,
        redirect: 'manual',
        headers: this.#headers(body, init.origin),
        ...(body === undefined ? {} : { body }),
      })
      this.#keep(response)
      const location = response.headers.get('location')
      const html = await response.text()
      if (location === null || response.status < 300 || response.status > 399)
        return { url, status: response.status, html, headers: response.headers, visited }
      url = new URL(location, url).href
      if (response.status !== 307 && response.status !== 308) {
        method = 'GET'
        body = undefined
      }
    }
    throw new Error(`More than 25 redirects; the last one to ${new URL(url).origin}${new URL(url).pathname}`)
  }

  /** Follows the link with those words. */
  async follow(page: Page, label: string): Promise<Page> {
    for (const [, tag = '', content = ''] of page.html.matchAll(/<a\b([^>]*)>([\s\S]*?)<\/a>/gi)) {
      const href = attribute(` ${tag}`, 'href')
      if (href !== undefined && content.replace(/<[^>]*>/g, '').includes(label)) return this.open(new URL(href, page.url).href)
    }
    throw new Error(`No link "${label}" at ${page.url} (${page.status}): ${textOf(page)}`)
  }

  /** Sends a form of the page: the one with that button where `button` is given, else the first. */
  async submit(page: Page, changes: Record<string, string> = {}, button?: string): Promise<Page> {
    const forms = formsOf(page)
    const form = button === undefined ? forms[0] : forms.find((one) => one.buttons.some((candidate) => candidate.label.includes(button)))
    if (!form)
      throw new Error(`No form ${button === undefined ? '' : `with the button "${button}" `}at ${page.url} (${page.status}): ${textOf(page)}`)
    const pressed = form.buttons.find((candidate) => button !== undefined && candidate.label.includes(button))
    const fields = new URLSearchParams({ ...form.fields, ...(pressed?.name === undefined ? {} : { [pressed.name]: pressed.value }), ...changes })
    if (form.method === 'GET') return this.open(`${form.action.split('?')[0]}?${fields}`)
    return this.open(form.action, { method: 'POST', body: fields.toString(), origin: new URL(page.url).origin })
  }

  #headers(body: string | undefined, origin: string | undefined): Record<string, string> {
    const headers: Record<string, string> = {
      accept: 'text/html',
      'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
    }
    if (this.#cookies.size > 0) headers.cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    if (body !== undefined) headers['content-type'] = 'application/x-www-form-urlencoded'
    if (origin !== undefined) headers.origin = origin
    return headers
  }

  #keep(response: Response): void {
    for (const line of response.headers.getSetCookie()) {
      const [pair = '', ...rest] = line.split(';')
      const at = pair.indexOf('=')
      const name = pair.slice(0, at).trim()
      const gone = rest.some((part) => /^\s*max-age=0\s*$/i.test(part) || /^\s*expires=Thu, 01 Jan 1970/i.test(part)) || pair.slice(at + 1) === ''
      if (gone) this.#cookies.delete(name)
      else this.#cookies.set(name, pair.slice(at + 1))
    }
  }
}
