import { onTestFinished } from 'vitest'
import { type Entra, startEntra } from '../../demo/entra/entra.ts'
import { APP_CLIENT_ID, APP_CLIENT_SECRET, CONTOSO, FABRIKAM } from '../../demo/entra/users.ts'
import type { Config } from '../../src/config/config.ts'
import { createMicrosoft } from '../../src/microsoft/microsoft.ts'
import { newSetupToken } from '../../src/session/setup-token.ts'
import { createRig, ISSUER, type Rig } from '../rig.ts'

/** A fresh broker, the simulated Microsoft, and a browser that goes between the broker's two listeners and Microsoft, as the pages and redirects lead. */

export const OPS = 'http://localhost:7401'
export { APP_CLIENT_ID, APP_CLIENT_SECRET, CONTOSO, FABRIKAM }
export const ADAM = 'adam@contoso.example'
export const ALICE = 'alice@contoso.example'

export async function createWorld(changes: Partial<Config> = {}) {
  // The simulator's libraries know no other clock than the machine's; this one can be put ahead of it.
  const clock = {
    ahead: 0,
    now: () => Math.floor(clock.nowMs() / 1000),
    nowMs: () => Date.now() + clock.ahead * 1000,
    steadyMs: () => clock.nowMs(),
  }
  const entra = await startEntra({ port: 0, apps: [{ redirectUris: [`${ISSUER}/signin/callback`, `${ISSUER}/logout/return`] }] })
  onTestFinished(() => entra.close())
  entra.set({ consent: { [CONTOSO.tid]: 'admin', [FABRIKAM.tid]: 'admin' } })
  const config = {
    entra: { tenants: [], clientId: undefined, credential: undefined, authority: entra.authority, simulated: true },
    operatorTenant: undefined,
    ...changes,
  }
  const log = { info: () => {}, warn: () => {}, error: () => {} }
  const connection = () => rig.deps.connection.current()
  const microsoft = createMicrosoft({ config: { ...config, issuer: ISSUER }, connection, clock, log })
  const rig: Rig = await createRig({ config, deps: { clock, microsoft } })
  const browser = createBrowser(rig, entra)
  const token = async (): Promise<string> => (await newSetupToken(rig.deps, clock.now()))?.token ?? 'there is an operator'
  return { rig, entra, clock, browser, token }
}
export type World = Awaited<ReturnType<typeof createWorld>>

export interface Shown {
  url: string
  status: number
  html: string
  headers: Headers
}

/** The page's words without its markup. */
export const textOf = ({ html }: Shown): string =>
  plain(
    html
      .replace(/^.*<main/s, '<main')
      .replace(/<[^>]+>/g, ' ')
      .replace(/\s+/g, ' '),
  )
export const titleOf = ({ html }: Shown): string => plain(/<h1>(.*?)<\/h1>/s.exec(html)?.[1] ?? '')

const plain = (text: string): string =>
  text.replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&')

/** One jar for all of localhost: cookies ignore ports. */
export function createBrowser(rig: Rig, entra: Entra) {
  const cookies = new Map<string, string>()
  const send = (url: string, init: RequestInit): Promise<Response> => {
    const request = new Request(url, { ...init, redirect: 'manual' })
    const { origin } = new URL(url)
    if (origin === ISSUER) return Promise.resolve(rig.app.request(request))
    if (origin === OPS) return Promise.resolve(rig.opsApp.request(request))
    if (origin === entra.origin) return fetch(request)
    throw new Error(`This browser reaches nothing at ${url}`)
  }
  const go = async (url: string, init: RequestInit = {}): Promise<Shown> => {
    const headers = new Headers(init.headers)
    headers.set('cookie', [...cookies].map(([name, value]) => `${name}=${value}`).join('; '))
    const response = await send(url, { ...init, headers })
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      if (value === '' || /Max-Age=0/i.test(line)) cookies.delete(name)
      else cookies.set(name, value)
    }
    const to = response.headers.get('location')
    if (to !== null && response.status >= 300 && response.status < 400) {
      const next = new URL(to, url)
      if (browser.stopAt?.test(next.href)) return { url: next.href, status: response.status, html: '', headers: response.headers }
      return go(next.href)
    }
    return { url, status: response.status, html: await response.text(), headers: response.headers }
  }
  const browser = {
    cookies,
    /** Where a redirect is not followed. */
    stopAt: undefined as RegExp | undefined,
    get: (path: string) => go(new URL(path, OPS).href),
    /** The link or button-like link of that label. */
    press: (shown: Shown, label: string): Promise<Shown> => {
      for (const [, href = '', inside = ''] of shown.html.matchAll(/<a [^>]*href="([^"]*)"[^>]*>(.*?)<\/a>/gs))
        if (plain(inside.replace(/<[^>]*>/g, '')).trim() === label) return go(new URL(plain(href), shown.url).href)
      throw new Error(`There is no link "${label}" on: ${textOf(shown).slice(0, 800)}`)
    },
    /** Sends the form to that address as it stands, with what was filled in. */
    submit: (shown: Shown, action: string, filled: Record<string, string> = {}, headers: Record<string, string> = {}): Promise<Shown> => {
      const form = formsOf(shown).find((one) => one.action === action)
      if (form === undefined) throw new Error(`There is no form to ${action} on: ${textOf(shown).slice(0, 800)}`)
      const body = new URLSearchParams({ ...form.fields, ...filled })
      if (form.method === 'get') return go(new URL(`${action}?${body}`, shown.url).href)
      return browser.post(new URL(action, shown.url).href, body, headers)
    },
    post: (url: string, body: URLSearchParams, headers: Record<string, string> = {}): Promise<Shown> =>
      go(url, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded', origin: new URL(url).origin, 'sec-fetch-site': 'same-origin', ...headers },
        body: body.toString(),
      }),
  }
  return browser
}
export type Browser = ReturnType<typeof createBrowser>

export function formsOf(shown: Shown): { action: string; method: string; fields: Record<string, string> }[] {
  return [...shown.html.matchAll(/<form([^>]*)>(.*?)<\/form>/gs)].map(([, attributes = '', body = '']) => {
    const fields: Record<string, string> = {}
    for (const [tag] of body.matchAll(/<input[^>]*>/g)) {
      const attribute = (name: string) => plain(new RegExp(` ${name}="([^"]*)"`).exec(tag)?.[1] ?? '')
      if (!/type="(?:radio|checkbox)"/.test(tag) || / checked/.test(tag)) fields[attribute('name')] = attribute('value')
    }
    for (const [, name = '', options = ''] of body.matchAll(/<select[^>]* name="([^"]*)"[^>]*>(.*?)<\/select>/gs))
      fields[name] = (/value="([^"]*)" selected/.exec(options) ?? /value="([^"]*)"/.exec(options))?.[1] ?? ''
    return { action: plain(/ action="([^"]*)"/.exec(attributes)?.[1] ?? ''), method: / method="get"/.test(attributes) ? 'get' : 'post', fields }
  })
}

/** Through the door with a token. */
export async function enter({ browser, token }: World): Promise<Shown> {
  return browser.submit(await browser.get('/setup'), '/setup/token', { token: await token() })
}

/** The application and the first tenant, as Entra's pages say them. */
export async function connect(world: World): Promise<Shown> {
  await enter(world)
  return world.browser.submit(await world.browser.get('/setup/connect'), '/setup/connect', {
    client_id: APP_CLIENT_ID,
    client_secret: APP_CLIENT_SECRET,
    tid: CONTOSO.tid,
  })
}

export const tenantPath = (tid = CONTOSO.tid): string => `/setup/tenants/${tid}`

/** Consent given and confirmed by Contoso's own administrator. */
export async function consented(world: World): Promise<Shown> {
  const page = await connect(world)
  world.entra.auto(ADAM)
  return world.browser.press(await world.browser.press(page, 'Granting consent'), 'Confirm by signing in')
}

/** Connected whole: consent confirmed, the proof tried and asserted. */
export async function connected(world: World): Promise<Shown> {
  await consented(world)
  const chosen = await world.browser.submit(await world.browser.get(`${tenantPath()}/proof`), `${tenantPath()}/proof`)
  const tried = await world.browser.press(chosen, 'Try it with a sign-in')
  return world.browser.post(`${OPS}${tenantPath()}/proof`, assertion(tried))
}

/** The form that asserts, ticked. Its address is also that of the form which chooses. */
export function assertion(shown: Shown, filled: Record<string, string> = { asserted: 'yes' }): URLSearchParams {
  const form = formsOf(shown).find((one) => one.method === 'post' && one.action.endsWith('/proof'))
  if (form === undefined) throw new Error(`Nothing can be asserted on: ${textOf(shown).slice(0, 800)}`)
  return new URLSearchParams({ ...form.fields, ...filled })
}
