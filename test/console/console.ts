import { sha256 } from '../../src/protocol/compare.ts'
import { ROLE } from '../../src/protocol/names.ts'
import { SESSION_COOKIE } from '../../src/session/interface.ts'
import { OTHER_TENANT, type Rig } from '../rig.ts'
import { Shown } from '../page/browser.ts'

/** The console as an operator's browser meets it: both listeners on localhost, whose cookies ignore ports. */

export const OPS = 'http://localhost:7401'

export const USERS = {
  operator: { oid: '00000000-0000-4000-8000-0000000000b1', name: 'Olga Operator', username: 'olga@contoso.example', roles: [ROLE.operator] },
  administrator: {
    oid: '00000000-0000-4000-8000-0000000000b2',
    name: 'Adam Administrator',
    username: 'adam@contoso.example',
    roles: [ROLE.administrator],
  },
  foreigner: {
    oid: '00000000-0000-4000-8000-0000000000b3',
    name: 'Fiona Foreign',
    username: 'fiona@fabrikam.example',
    roles: [ROLE.administrator],
    tid: OTHER_TENANT,
  },
  nobody: { oid: '00000000-0000-4000-8000-0000000000b4', name: 'Nick Nobody', username: 'nick@contoso.example', roles: ['CaseManager.User'] },
} as const

export class ConsoleBrowser {
  readonly cookies = new Map<string, string>()
  readonly #rig: Rig
  constructor(rig: Rig) {
    this.#rig = rig
  }

  get(path: string): Promise<Shown> {
    return this.#go(path.startsWith('http') ? path : OPS + path, { method: 'GET' })
  }

  post(path: string, form: Record<string, string>, headers: Record<string, string> = {}): Promise<Shown> {
    const own = { 'content-type': 'application/x-www-form-urlencoded', origin: OPS, 'sec-fetch-site': 'same-origin' }
    return this.#go(OPS + path, { method: 'POST', headers: { ...own, ...headers }, body: new URLSearchParams(form).toString() })
  }

  /** Presses the button of the form that leads to `action`. */
  submit(shown: Shown, action: string, changes: Record<string, string> = {}, headers: Record<string, string> = {}): Promise<Shown> {
    const form = shown.forms.find((one) => one.action === action)
    if (form === undefined) throw new Error(`${shown.path} has no form for ${action}: ${shown.text}`)
    return this.post(action, { ...form.fields, ...changes }, headers)
  }

  /** A request of any kind, with the cookies and nothing followed. */
  raw(path: string, init: RequestInit = {}): Promise<Response> {
    return this.#send(OPS + path, init)
  }

  async #send(url: string, init: RequestInit): Promise<Response> {
    const headers = new Headers(init.headers)
    if (this.cookies.size > 0) headers.set('cookie', [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; '))
    const response = await (url.startsWith(OPS) ? this.#rig.opsApp : this.#rig.app).request(url, { ...init, headers })
    for (const header of response.headers.getSetCookie()) this.#keep(header)
    return response
  }

  async #go(url: string, init: RequestInit): Promise<Shown> {
    const response = await this.#send(url, init)
    const to = response.headers.get('location')
    if (to !== null && response.status === 303) {
      const next = new URL(to, url)
      if (next.origin === OPS || next.origin === this.#rig.config.issuer) return this.#go(next.href, { method: 'GET' })
    }
    return new Shown(url, response, await response.text())
  }

  #keep(header: string): void {
    const [pair = ''] = header.split(';', 1)
    const name = pair.slice(0, pair.indexOf('='))
    const value = pair.slice(name.length + 1)
    if (/max-age=0(?:;|$)/i.test(header) || value === '') this.cookies.delete(name)
    else this.cookies.set(name, value)
  }
}

export type Somebody = keyof typeof USERS

/** Somebody with a session of the broker, as of now, in a browser of their own. */
export async function browserOf(rig: Rig, who: Somebody): Promise<ConsoleBrowser & { sid: string; sub: string }> {
  const { roles, ...user } = USERS[who]
  const { session, cookie } = await rig.openSession({ user, roles: [...roles], device: 'Firefox on Linux' })
  const browser = new ConsoleBrowser(rig)
  browser.cookies.set(SESSION_COOKIE, cookie)
  return Object.assign(browser, { sid: session.sid, sub: session.sub })
}

/** The same, at the console. */
export async function atConsole(rig: Rig, who: Somebody) {
  const browser = await browserOf(rig, who)
  await browser.get('/ops/sign-in')
  return browser
}

/** How the store knows the browser of somebody's session. */
export const cookieHash = (browser: ConsoleBrowser): string => sha256(browser.cookies.get(SESSION_COOKIE) ?? '')

/** Sessions at Sydney, each with one delivery owed as soon as it is revoked. */
export async function sessionsAt(rig: Rig, city: string, users: readonly string[]) {
  const client = await rig.register(city)
  const sessions = []
  for (const [index, name] of users.entries()) {
    const { session } = await rig.openSession({
      user: { oid: `00000000-0000-4000-8000-0000000001${String(index).padStart(2, '0')}`, name, username: `${name.toLowerCase()}@contoso.example` },
      device: `Safari on iPhone`,
    })
    await rig.signInAt(session.sid, client)
    sessions.push(session)
  }
  return { client, sessions }
}

/** The outcome of the next attempt at a delivery. */
export async function attempted(rig: Rig, id: string, outcome: 'delivered' | 'rejected' | 'failed'): Promise<void> {
  const delivery = await rig.store.findDelivery(id)
  const number = (delivery?.attempts ?? 0) + 1
  const nowMs = rig.clock.nowMs()
  await rig.store.leaseDelivery({ id, attempt: number, nowMs, untilMs: nowMs + 10_000, early: true })
  const attempt = {
    attempt: number,
    atMs: nowMs,
    outcome,
    latencyMs: 12,
    jti: `jti-${number}`,
    ...(outcome === 'delivered' ? { status: 200 } : { status: 400, error: 'invalid_request' }),
  }
  await rig.store.recordDelivery({ id, result: { outcome, attempt } })
}
