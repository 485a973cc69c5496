import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Browser, browserAt } from '../browser.ts'
import { createRig, ISSUER, LANGUAGES, type Rig } from '../rig.ts'
import { authorizePath, createBrowser } from '../signin/browser.ts'

/** The language of users' pages: which of those that the broker has, and the choice among them. */

describe('the language of a page', () => {
  const languageOf = async (browser: Browser, path: string): Promise<string> =>
    /<html lang="([^"]+)"/.exec((await browser.get(path)).html)?.[1] ?? ''

  const inLanguage = (rig: Rig, accepted: string): Browser =>
    browserAt(rig, {
      follows: () => false,
      fetch: (address, { headers, ...init }) => {
        const all = new Headers(headers)
        all.set('accept-language', accepted)
        return rig.app.request(address, { ...init, headers: all })
      },
    })

  async function open(env: Record<string, string> = {}) {
    const rig = await createRig({ env: { ...LANGUAGES, ...env } })
    return { rig, browser: createBrowser(rig), sydney: await rig.register('Sydney') }
  }

  test('is what the user chose, else what the app asks for, else what the browser accepts, else the setting', async () => {
    const { rig, browser, sydney } = await open({ BROKER_LANGUAGE: 'es' })
    expect(await languageOf(browser, '/account/ready')).toBe('es')
    const french = inLanguage(rig, 'fr-CA, en;q=0.5')
    expect(await languageOf(french, '/account/ready')).toBe('fr')
    expect(await languageOf(french, authorizePath(sydney, { ui_locales: 'xx-YY ar-EG de' }))).toBe(
      'ar',
    )
    expect(await languageOf(french, '/account/ready')).toBe('ar')
    await french.post('/language', new URLSearchParams({ language: 'de' }))
    expect(await languageOf(french, authorizePath(sydney, { ui_locales: 'fr' }))).toBe('de')
  })

  test('Arabic goes from right to left, and a page names every language in itself', async () => {
    const { browser, sydney } = await open()
    const { html } = await browser.get(authorizePath(sydney, { ui_locales: 'ar' }))
    expect(html).toContain('<html lang="ar" dir="rtl">')
    for (const name of ['English', 'Deutsch', 'Français', 'Español', 'العربية'])
      expect(html).toContain(`>${name}</button>`)
  })

  test.each([
    ['a page of ours', `${ISSUER}/account/ready?x=1`, '/account/ready?x=1'],
    ['another origin', 'https://evil.example/account/ready', '/account'],
    ['a path that a browser reads as a host', `${ISSUER}//evil.example/`, '/account'],
    ['no page', '', '/account'],
  ])('the choice leads back to the path of %s', async (_what, referer, expected) => {
    const { browser } = await open()
    const answer = await browser.post('/language', new URLSearchParams({ language: 'fr' }), {
      headers: { referer },
    })
    expect(answer.headers.get('location')).toBe(expected)
  })

  test('a language that there is not changes nothing', async () => {
    const { browser } = await open()
    for (const language of ['xx', 'constructor', ''])
      await browser.post('/language', new URLSearchParams({ language }))
    expect(browser.cookies.get('__Host-cmb_language')).toBeUndefined()
  })

  test('discovery lists the languages', async () => {
    const { rig } = await open({ BROKER_LANGUAGE: 'de' })
    expect(
      await (await rig.app.request(`${ISSUER}/.well-known/openid-configuration`)).json(),
    ).toMatchObject({
      ui_locales_supported: ['en', 'de', 'fr', 'es', 'ar'],
    })
  })

  test('without a file it is English, and there is no choice, whatever is asked for', async () => {
    const rig = await createRig()
    const browser = inLanguage(rig, 'de')
    await browser.post('/language', new URLSearchParams({ language: 'fr' }))
    const { html } = await browser.get(
      authorizePath(await rig.register('Sydney'), { ui_locales: 'ar' }),
    )
    expect(html).toContain('<html lang="en">')
    expect(html).not.toContain('action="/language"')
    expect(
      await (await rig.app.request(`${ISSUER}/.well-known/openid-configuration`)).json(),
    ).toMatchObject({ ui_locales_supported: ['en'] })
  })

  test('the log has each file, and counts the texts in which it differs from this version', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'cmb-languages-'))
    onTestFinished(() => rmSync(dir, { recursive: true }))
    const file = join(dir, 'de.json')
    const german = JSON.parse(
      readFileSync(LANGUAGES.BROKER_TRANSLATION_FILES.split(',')[0] ?? '', 'utf8'),
    ) as {
      texts: { home: Record<string, string> }
    }
    const { title, ...home } = german.texts.home
    writeFileSync(
      file,
      JSON.stringify({
        ...german,
        texts: { ...german.texts, home: { ...home, heading: title, more: '' } },
      }),
    )
    const { lines } = await createRig({
      env: {
        BROKER_TRANSLATION_FILES: `${file},${LANGUAGES.BROKER_TRANSLATION_FILES.split(',')[1]}`,
      },
    })
    const logged = lines
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter(({ event }) => String(event).startsWith('language_'))
    expect(logged).toEqual([
      expect.objectContaining({
        level: 'info',
        event: 'language_loaded',
        language: 'de',
        reviewed: false,
      }),
      expect.objectContaining({
        level: 'warn',
        event: 'language_file_differs',
        missing: 1,
        unknown: 2,
        first: 'texts.home.title',
      }),
      expect.objectContaining({
        level: 'info',
        event: 'language_loaded',
        language: 'fr',
        reviewed: false,
      }),
    ])
  })

  test.each(['/nothing', '/setup', '/ops'])(
    'an operator’s page is English and offers no other language: %s',
    async (path) => {
      const { rig } = await open({ BROKER_LANGUAGE: 'de' })
      const html = await (
        await rig.opsApp.request(path, { headers: { accept: 'text/html' } })
      ).text()
      expect(html).toContain('<html lang="en">')
      expect(html).not.toContain('action="/language"')
    },
  )

  test.each(['/signin/connect', '/signin/setup', '/signin/assert'])(
    'a page for administrators and developers is English on the public listener too, and offers no other language: %s',
    async (path) => {
      const { browser } = await open({ BROKER_LANGUAGE: 'de' })
      const { html } = await browser.get(path)
      expect(html).toContain('<html lang="en">')
      expect(html).not.toContain('action="/language"')
    },
  )
})
