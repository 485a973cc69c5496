import { createHash } from 'node:crypto'
import { Hono } from 'hono'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../src/config/config.ts'
import { lookOf, pageAssets } from '../../src/pages/look.ts'
import { Facts, HiddenFields, MicrosoftButton } from '../../src/pages/components.tsx'
import { page, type PageOptions } from '../../src/pages/layout.tsx'
import { messagePage } from '../../src/pages/message.tsx'

const LEAST = {
  BROKER_ISSUER: 'https://login.case-manager.example',
  BROKER_SECRET: 'b6f1'.repeat(8) + 'c2d3e4a5907f1846'.repeat(2),
}
const CONFIG = loadConfig(LEAST)
const SIMULATED = { ...CONFIG, entra: { ...CONFIG.entra, simulated: true } }

const shown = async (
  options: Partial<PageOptions>,
  body: Parameters<typeof page>[2] = <p>Hello.</p>,
) => {
  const app = new Hono().get('/', (c) =>
    page(c, { title: 'A page', config: CONFIG, ...options }, body),
  )
  const response = await app.request('/')
  const policy = Object.fromEntries(
    (response.headers.get('content-security-policy') ?? '').split('; ').map((directive) => {
      const [name = '', ...values] = directive.split(' ')
      return [name, values]
    }),
  )
  return { response, html: await response.text(), policy }
}

const hashed = (script: string): string =>
  `'sha256-${createHash('sha256').update(script).digest('base64')}'`

describe('every page', () => {
  test('has a policy that allows nothing but our own style sheet and script, and no site may frame it', async () => {
    const { response, policy } = await shown({})
    expect(policy).toEqual({
      'default-src': ["'none'"],
      'style-src': ["'self'"],
      'img-src': ["'self'", 'data:'],
      'script-src': [expect.stringMatching(/^'sha256-.{44}'$/)],
      'form-action': ["'self'"],
      'frame-ancestors': ["'none'"],
      'base-uri': ["'none'"],
    })
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'same-origin',
      'cross-origin-opener-policy': 'same-origin',
      'content-type': 'text/html; charset=UTF-8',
    })
  })

  test('lets its forms lead to the origins it names, each once, and to the scheme of an address that has no origin', async () => {
    const formAction = [
      'https://sydney.example/callback?x=1',
      'https://sydney.example/',
      undefined,
      'not an address',
    ]
    const { policy } = await shown({ formAction })
    expect(policy['form-action']).toEqual(["'self'", 'https://sydney.example'])
  })

  test('cannot be made to hold a second policy by an address with a semicolon in it', async () => {
    const { response } = await shown({
      formAction: ["https://a.example;script-src 'unsafe-inline'"],
    })
    expect(response.headers.get('content-security-policy')).not.toContain('unsafe-inline')
  })

  test('allows the scripts in it by their hashes and by nothing else', async () => {
    const { policy, html } = await shown({ script: 'document.forms[0].submit()' })
    const scripts = [...html.matchAll(/<script>([^]*?)<\/script>/g)].map(([, text = '']) => text)
    expect(scripts).toHaveLength(2)
    expect(scripts[1]).toBe('document.forms[0].submit()')
    expect(policy['script-src']).toEqual(scripts.map(hashed))
  })

  test('carries one script for its live parts, allowed by hash, with what it follows in its attributes', async () => {
    const hashes = await Promise.all(
      [{ events: '/ops/live' }, { seconds: 30 }].map(async (live) => {
        const { policy, html } = await shown({ live })
        const [, attributes, text = ''] = /<script ([^>]*)>([^]*)<\/script>/.exec(html) ?? []
        expect(attributes).toBe('events' in live ? 'data-events="/ops/live"' : 'data-seconds="30"')
        expect(policy['connect-src']).toEqual(["'self'"])
        expect(policy['script-src']).toContain(hashed(text))
        return policy['script-src']
      }),
    )
    expect(hashes[0]).toEqual(hashes[1])
  })

  test('escapes what users are called', async () => {
    const hostile = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
    const { html } = await shown(
      { title: hostile },
      <>
        <p>{hostile}</p>
        <Facts items={[['Name', hostile]]} />
        <HiddenFields fields={{ name: hostile }} />
      </>,
    )
    expect(html).not.toContain('<script>alert')
    expect(html).not.toContain('<img')
    expect(html).not.toContain('value=""&gt;')
  })

  test('says that Microsoft is simulated, where it is', async () => {
    expect((await shown({ config: SIMULATED })).html).toContain('Microsoft is simulated')
    expect((await shown({})).html).not.toContain('Microsoft is simulated')
  })

  test('carries no inline style, no event attribute, one heading and a language', async () => {
    const { html } = await shown({ config: SIMULATED }, <MicrosoftButton href="/signin/start" />)
    expect(html).toMatch(/^<!doctype html><html lang="en">/)
    expect(html).not.toMatch(/ (style|on\w+)=/)
    expect(html.match(/<h1/g)).toHaveLength(1)
    expect(html).toContain('Sign in with Microsoft')
  })
})

test('a message says what happened, what to do, and the reference to give', async () => {
  const app = new Hono().get('/', (c) =>
    messagePage(c, {
      title: 'That did not work',
      config: CONFIG,
      status: 400,
      what: 'It went wrong.',
      next: 'Try again.',
      reference: 'BCDF-GHJK',
    }),
  )
  const response = await app.request('/')
  expect(response.status).toBe(400)
  const html = await response.text()
  for (const part of ['It went wrong.', 'Try again.', 'BCDF-GHJK']) expect(html).toContain(part)
})

describe('the style sheet', () => {
  const get = (path: string, headers: Record<string, string> = {}) =>
    pageAssets(CONFIG).request(path, { headers })

  test('is for good at the address with its hash, asked about again at any other', async () => {
    const named = await get(lookOf(CONFIG).sheet.href)
    expect(named.status).toBe(200)
    expect(named.headers.get('content-type')).toBe('text/css; charset=utf-8')
    expect(named.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
    expect((await get('/assets/broker.css?v=old')).headers.get('cache-control')).toBe(
      'public, no-cache',
    )
  })

  test('answers 304 to a browser that has it', async () => {
    const etag = (await get(lookOf(CONFIG).sheet.href)).headers.get('etag') ?? ''
    const again = await get('/assets/broker.css', { 'if-none-match': `W/${etag}, "other"` })
    expect(again.status).toBe(304)
    expect(await again.text()).toBe('')
  })
})
