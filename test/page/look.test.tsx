import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Hono } from 'hono'
import { beforeAll, describe, expect, test } from 'vitest'
import { ConfigError, loadConfig } from '../../src/config/config.ts'
import { page } from '../../src/pages/layout.tsx'
import { pageAssets } from '../../src/pages/look.ts'
import { messagePage } from '../../src/pages/message.tsx'
import { accentsOf, contrast, GROUND_TEXT, judgeAccent } from '../../src/config/contrast.ts'

/**
 * Users see the organization that runs the broker: names, links, images and a color, from the
 * settings.
 */

const LEAST = {
  BROKER_ISSUER: 'https://login.contoso.example',
  BROKER_SECRET: 'b6f1'.repeat(8) + 'c2d3e4a5907f1846'.repeat(2),
}
const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'look-'))
  return () => rmSync(directory, { recursive: true })
})

const file = (name: string, content: Buffer | string): string => {
  const path = join(directory, name)
  writeFileSync(path, content)
  return path
}

const configOf = (env: Record<string, string>) => loadConfig({ ...LEAST, ...env })

function problemsOf(env: Record<string, string>): string {
  try {
    configOf(env)
  } catch (error) {
    if (error instanceof ConfigError)
      return error.problems.map(({ name, problem }) => `${name} ${problem}`).join('\n')
    throw error
  }
  return ''
}

async function shown(env: Record<string, string>) {
  const config = configOf(env)
  const app = pageAssets(config).get('/page', (c) =>
    page(c, { title: 'Sign in', config }, <p>Hello.</p>),
  )
  return { app, html: await (await app.request('/page')).text() }
}

describe('the look of pages', () => {
  test('every page names the product and the organization, and links to help and the statements', async () => {
    const { html } = await shown({
      BROKER_PRODUCT_NAME: 'Contoso Cases',
      BROKER_ORGANIZATION_NAME: 'Contoso & Söhne',
      BROKER_SUPPORT_URL: 'mailto:help@contoso.example',
      BROKER_PRIVACY_URL: 'https://contoso.example/privacy',
      BROKER_TERMS_URL: 'https://contoso.example/terms',
      BROKER_ACCESSIBILITY_URL: 'https://contoso.example/accessibility',
    })
    expect(html).toContain('<title>Sign in · Contoso Cases</title>')
    expect(html).toContain('Contoso &amp; Söhne')
    expect(html).not.toContain('Case Manager')
    for (const href of [
      'mailto:help@contoso.example',
      ...['privacy', 'terms', 'accessibility'].map((path) => `https://contoso.example/${path}`),
    ])
      expect(html).toContain(`href="${href}"`)
  })

  test('without settings there is no foot, and the icon is our own', async () => {
    const { app, html } = await shown({})
    expect(html).not.toContain('<footer class="foot"><p')
    expect(html).not.toMatch(/<footer.*<a /)
    const icon = /rel="icon" href="([^"]+)"/.exec(html)?.[1] ?? ''
    expect(icon).toMatch(/^\/assets\/icon\.svg\?v=/)
    expect((await app.request(icon)).headers.get('content-type')).toBe('image/svg+xml')
  })

  test('an error page names the support contact beside its reference', async () => {
    const config = configOf({ BROKER_SUPPORT_URL: 'tel:+4930123456' })
    const app = new Hono().get('/', (c) =>
      messagePage(c, {
        title: 'That did not work',
        status: 500,
        what: 'Our fault.',
        reference: 'BCDF-GHJK',
        config,
      }),
    )
    const html = await (await app.request('/')).text()
    expect(html).toMatch(/BCDF-GHJK.*href="tel:\+4930123456">Help: \+4930123456/)
  })

  test('images are served by the broker, by what their bytes are, for good and without sniffing', async () => {
    const logo = file('logo.txt', PNG)
    const { app, html } = await shown({
      BROKER_LOGO_FILE: logo,
      BROKER_LOGO_DARK_FILE: logo,
      BROKER_ICON_FILE: logo,
    })
    const addresses = [...html.matchAll(/"(\/assets\/(?:logo|logo-dark|icon)\?v=[^"]+)"/g)].map(
      ([, address = '']) => address,
    )
    expect(addresses).toHaveLength(3)
    for (const address of addresses) {
      const answer = await app.request(address)
      expect(Object.fromEntries(answer.headers)).toMatchObject({
        'content-type': 'image/png',
        'x-content-type-options': 'nosniff',
        'cache-control': 'public, max-age=31536000, immutable',
      })
      expect(Buffer.from(await answer.arrayBuffer())).toEqual(PNG)
    }
    expect(html).toContain('alt="Case Manager"')
  })

  test.each([
    [
      'an SVG, which could hold scripts',
      '<svg xmlns="http://www.w3.org/2000/svg"/>',
      'is neither PNG nor WebP',
    ],
    ['a PNG by name alone', 'GIF89a', 'is neither PNG nor WebP'],
    ['one beyond 100 kB', Buffer.concat([PNG, Buffer.alloc(100_000)]), 'has 101 kB'],
  ])('%s is not taken for an image', (_what, content, problem) => {
    expect(problemsOf({ BROKER_LOGO_FILE: file('bad.png', content) })).toContain(problem)
  })

  test('a missing image, a link that is not https and a name over two lines are named at start, all at once', () => {
    const env = {
      BROKER_LOGO_FILE: join(directory, 'none.png'),
      BROKER_PRIVACY_URL: 'javascript:alert(1)',
      BROKER_SUPPORT_URL: 'http://help.example',
      BROKER_PRODUCT_NAME: 'a\nb',
    }
    const problems = problemsOf(env)
    for (const name of Object.keys(env)) expect(problems).toContain(name)
    expect(problems).toContain('cannot be read (ENOENT)')
  })

  test('a color that cannot be read on the pages is rejected with its contrast, and one that can be is used in light and dark', async () => {
    expect(problemsOf({ BROKER_ACCENT_COLOR: '#ffcc00' })).toMatch(
      /its contrast to the pages’ background is 1\.\d:1, and text needs 4\.5:1/,
    )
    expect(problemsOf({ BROKER_ACCENT_COLOR: 'red;}' })).toContain('must be a color such as')
    const { app, html } = await shown({ BROKER_ACCENT_COLOR: '#7A1FA2' })
    const css = await (
      await app.request(/rel="stylesheet" href="([^"]+)"/.exec(html)?.[1] ?? '')
    ).text()
    const [light = '', dark = ''] = [...css.matchAll(/:root\{--act:(#[0-9a-f]{6})/g)].map(
      ([, color = '']) => color,
    )
    expect(light).toBe('#7a1fa2')
    expect(contrast(dark, '#1a2027')).toBeGreaterThanOrEqual(4.5)
  })

  test('a background that text cannot be read on is rejected with its contrast; one that can be is that of users’ pages in light alone', async () => {
    expect(problemsOf({ BROKER_BACKGROUND_COLOR: '#0b5563' })).toMatch(
      /the contrast of text on it is 1\.\d:1, and text needs 4\.5:1/,
    )
    expect(problemsOf({ BROKER_BACKGROUND_COLOR: 'url(x)' })).toContain('must be a color such as')
    const { app, html } = await shown({ BROKER_BACKGROUND_COLOR: '#FFF4E0' })
    expect(html).toContain('<body class="users">')
    const css = await (
      await app.request(/rel="stylesheet" href="([^"]+)"/.exec(html)?.[1] ?? '')
    ).text()
    expect(css).toContain(
      '@media not all and (prefers-color-scheme:dark){.users{--ground:#fff4e0}}',
    )
    expect(css).toContain(`--soft: ${GROUND_TEXT};`)
  })

  test('whatever color is accepted, text in it and on it can be read in light and dark', () => {
    const grounds = {
      light: ['#ffffff', '#f4f6f8', '#e9f1f4'],
      dark: ['#12161b', '#1a2027', '#18272d'],
    }
    let accepted = 0
    for (let n = 0; n < 4096; n++) {
      const color = `#${[n >> 8, (n >> 4) & 15, n & 15].map((part) => part.toString(16).repeat(2)).join('')}`
      if (judgeAccent(color) !== undefined) continue
      accepted++
      const { light, dark } = accentsOf(color)
      const lowest = Math.min(
        ...grounds.light.map((ground) => contrast(light.act, ground)),
        ...grounds.dark.map((ground) => contrast(dark.act, ground)),
        ...[light, dark].flatMap(({ act, over, on }) => [contrast(act, on), contrast(over, on)]),
      )
      expect(`${color} ${lowest >= 4.5}`).toBe(`${color} true`)
    }
    expect(accepted).toBeGreaterThan(500)
  })
})
