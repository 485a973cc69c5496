import { randomBytes } from 'node:crypto'
import { Hono } from 'hono'
import { expect, test } from 'vitest'
import type { Config } from '../../src/config/config.ts'
import { createSealer } from '../../src/keys/sealer.ts'
import { csrfHolds, csrfToken } from '../../src/pages/csrf.ts'

const OLD = Buffer.alloc(32, 'the secret of last year, retired')
const NEW = Buffer.alloc(32, 'the secret of today, just made..')
const config = { issuer: 'https://login.case-manager.example' } as Config

function room(...secrets: Buffer[]) {
  const deps = {
    config,
    random: (bytes: number) => randomBytes(bytes),
    sealer: createSealer(secrets),
  }
  const app = new Hono()
  app.get('/:purpose', (c) =>
    c.json([
      csrfToken(deps, c, c.req.param('purpose')),
      csrfToken(deps, c, c.req.param('purpose')),
    ]),
  )
  app.post('/:purpose', async (c) =>
    c.json(csrfHolds(deps, c, c.req.param('purpose'), await c.req.text())),
  )
  return app
}

async function shown(app: Hono, purpose: string, cookie?: string) {
  const response = await app.request(
    `/${purpose}`,
    cookie === undefined ? {} : { headers: { cookie } },
  )
  const [token = '', again] = (await response.json()) as string[]
  expect(again).toBe(token)
  return { token, set: response.headers.getSetCookie()[0] }
}
const sent = async (
  app: Hono,
  purpose: string,
  token: string,
  headers: Record<string, string>,
): Promise<unknown> =>
  (await app.request(`/${purpose}`, { method: 'POST', headers, body: token })).json()
const pair = (set: string | undefined): string => (set ?? '').split(';')[0] ?? ''

test('a form holds in the browser and for the purpose it was made for', async () => {
  const app = room(NEW)
  const { token, set } = await shown(app, 'sign-out')
  expect(set).toMatch(/^__Host-cmb_browser=[\w-]{43}; Path=\/; HttpOnly; Secure; SameSite=Lax$/)
  const cookie = pair(set)
  expect(await sent(app, 'sign-out', token, { cookie })).toBe(true)
  expect(
    await sent(app, 'sign-out', token, {
      cookie,
      origin: config.issuer,
      'sec-fetch-site': 'same-origin',
    }),
  ).toBe(true)
  expect(await sent(app, 'another', token, { cookie })).toBe(false)
  expect(await sent(app, 'sign-out', token, {})).toBe(false)
  expect(await sent(app, 'sign-out', '', { cookie })).toBe(false)
  expect(
    await sent(app, 'sign-out', token, { cookie: pair((await shown(app, 'sign-out')).set) }),
  ).toBe(false)
})

test('a browser keeps its cookie from page to page, so that an older tab still works', async () => {
  const app = room(NEW)
  const first = await shown(app, 'sign-out')
  const second = await shown(app, 'sign-out', pair(first.set))
  expect(second).toEqual({ token: first.token, set: undefined })
})

test('a cookie that is none of ours is replaced, not trusted', async () => {
  const { set } = await shown(room(NEW), 'sign-out', '__Host-cmb_browser=short')
  expect(set).toMatch(/^__Host-cmb_browser=/)
})

test.each([
  { 'sec-fetch-site': 'cross-site' },
  { 'sec-fetch-site': 'same-site' },
  { origin: 'https://evil.example' },
  { origin: 'null' },
  { origin: 'http://login.case-manager.example' },
])('what the browser says of another origin (%o) is believed before any token', async (headers) => {
  const app = room(NEW)
  const { token, set } = await shown(app, 'sign-out')
  expect(await sent(app, 'sign-out', token, { cookie: pair(set), ...headers })).toBe(false)
})

test('a form shown before the secret was rotated still holds', async () => {
  const { token, set } = await shown(room(OLD), 'sign-out')
  expect(await sent(room(NEW, OLD), 'sign-out', token, { cookie: pair(set) })).toBe(true)
  expect(await sent(room(NEW), 'sign-out', token, { cookie: pair(set) })).toBe(false)
})
