import { Hono } from 'hono'
import { describe, expect, test } from 'vitest'
import {
  clearSessionCookie,
  newSessionCookie,
  SESSION_COOKIE,
  sessionCookieHash,
  setSessionCookie,
} from '../../src/session/cookie.ts'
import { currentStatus } from '../../src/session/current.ts'
import { deviceName } from '../../src/session/device.ts'
import { sessionLimits } from '../../src/session/lifetimes.ts'
import { sha256 } from '../../src/runtime/compare.ts'

const limits = { idleSeconds: 8 * 3600, absoluteSeconds: 12 * 3600, staySignedInSeconds: 24 * 3600 }

describe('the session cookie', () => {
  const value = 'A'.repeat(43)
  const app = new Hono()
    .get('/set', (c) => (setSessionCookie(c, value), c.text('')))
    .get(
      '/stay',
      (c) => (setSessionCookie(c, value, { staySignedInUntil: 1_800_000_000 }), c.text('')),
    )
    .get('/clear', (c) => (clearSessionCookie(c), c.text('')))
    .get('/read', (c) => c.json({ hash: sessionCookieHash(c) ?? null }))
  const setCookie = async (path: string) =>
    (await app.request(path)).headers.get('set-cookie') ?? ''

  test('is __Host-, Secure, HttpOnly, SameSite=Lax, for the whole host, and ends with the window', async () => {
    const cookie = await setCookie('/set')
    expect(cookie.startsWith(`${SESSION_COOKIE}=${value};`)).toBe(true)
    for (const attribute of ['Path=/', 'Secure', 'HttpOnly', 'SameSite=Lax'])
      expect(cookie).toContain(attribute)
    expect(cookie).not.toMatch(/Domain|Expires|Max-Age/i)
  })

  test('outlives the window where the user stays signed in', async () => {
    expect(await setCookie('/stay')).toContain('Expires=Fri, 15 Jan 2027 08:00:00 GMT')
  })

  test('is cleared with the attributes it was set with', async () => {
    expect(await setCookie('/clear')).toMatch(
      /__Host-cmb_session=; Max-Age=0; Path=\/; HttpOnly; Secure; SameSite=Lax/,
    )
  })

  test('is read only where it can be one of ours', async () => {
    const read = async (cookie: string) =>
      (await app.request('/read', { headers: { cookie } })).json()
    expect(await read(`${SESSION_COOKIE}=${value}`)).toEqual({ hash: sha256(value) })
    for (const other of ['', 'short', `${value}B`, `${'A'.repeat(42)}%`])
      expect(await read(`${SESSION_COOKIE}=${other}`)).toEqual({ hash: null })
  })

  test('holds 256 random bits, of which the store gets the hash', () => {
    const { value: made, hash } = newSessionCookie((bytes) => Buffer.alloc(bytes, 7))
    expect(Buffer.from(made, 'base64url')).toHaveLength(32)
    expect(hash).toBe(sha256(made))
  })

  test('a browser without one costs no query', async () => {
    const store = { statusByCookie: () => Promise.reject(new Error('asked')) }
    const asked = new Hono().get('/', async (c) =>
      c.json(await currentStatus({ store } as never, sessionCookieHash(c), 0)),
    )
    expect(await (await asked.request('/')).json()).toEqual({ state: 'unknown' })
  })
})

describe('the limits of a session', () => {
  const tenant = { tid: 't', mfaProof: 'amr', connectedAt: 0 }

  test('are 8 hours idle and 12 hours at most', () => {
    expect(sessionLimits({ limits }, undefined, undefined)).toEqual({
      idleSeconds: 28_800,
      absoluteSeconds: 43_200,
    })
    expect(sessionLimits({ limits }, tenant, false)).toEqual({
      idleSeconds: 28_800,
      absoluteSeconds: 43_200,
    })
  })

  test('are 24 hours, absolute, only where Microsoft says that the user stays signed in', () => {
    expect(sessionLimits({ limits }, tenant, true)).toEqual({
      idleSeconds: 86_400,
      absoluteSeconds: 86_400,
    })
  })

  test('are the tenant’s own where it has them', () => {
    const own = { ...tenant, idleSeconds: 900, absoluteSeconds: 600, staySignedInSeconds: 3600 }
    expect(sessionLimits({ limits }, own, undefined)).toEqual({
      idleSeconds: 600,
      absoluteSeconds: 600,
    })
    expect(sessionLimits({ limits }, own, true)).toEqual({
      idleSeconds: 3600,
      absoluteSeconds: 3600,
    })
  })
})

test.each([
  [
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0',
    'Firefox on Windows',
  ],
  [
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0',
    'Edge on Windows',
  ],
  [
    'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15',
    'Safari on macOS',
  ],
  [
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/140.0 Mobile/15E148 Safari/604.1',
    'Chrome on iPhone',
  ],
  [
    'Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36',
    'Chrome on Android',
  ],
  [
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/140.0.0.0 Safari/537.36',
    'Chrome on Linux',
  ],
  ['curl/8.9', 'Unknown browser'],
  [undefined, 'Unknown browser'],
  [`${'x'.repeat(100_000)} Firefox/1 Windows`, 'Unknown browser'],
  ['<script>Firefox/</script> (Windows)', 'Firefox on Windows'],
])('a device in words: %.60s', (header, words) => {
  expect(deviceName(header)).toBe(words)
})
