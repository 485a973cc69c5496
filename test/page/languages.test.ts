import { describe, expect, test } from 'vitest'
import { textsIn, type Texts } from '../../src/page/texts.ts'
import { LANGUAGES, type Language } from '../../src/protocol/languages.ts'
import { type Browser, browserAt } from '../browser.ts'
import { createRig, ISSUER, type Rig } from '../rig.ts'
import { authorizePath, createBrowser } from '../signin/browser.ts'

/** Users' pages in each language: nothing left out, nothing left in English, and the right one of them chosen. */

const OTHERS = LANGUAGES.filter((one) => one !== 'en')
const MARKS = ['\u{1F7E5}', '\u{1F7E7}', '\u{1F7E8}'] as const

/** Every text by its path. A function is called with marks, so that what it leaves out can be seen. */
function* leaves(node: object, path = ''): Generator<[string, string]> {
  for (const [key, value] of Object.entries(node) as [string, unknown][]) {
    const at = `${path}.${key}`
    if (typeof value === 'string') yield [at, value]
    else if (typeof value === 'function') yield [at, shown(value as (...marks: unknown[]) => unknown)]
    else yield* leaves(value as object, at)
  }
}

function shown(text: (...marks: unknown[]) => unknown): string {
  try {
    return String(text(...MARKS))
  } catch {
    return String(text([...MARKS]))
  }
}

const marksIn = (text: string): string[] => MARKS.filter((mark) => text.includes(mark))

/** Names of products and things that are called the same. */
const ALIKE = /^\.(?:locale|layout\.helpAt|history\.(?:app|pages|actor)|direction|home|answer\.no)/

describe.each(OTHERS)('%s', (language: Language) => {
  const english = new Map(leaves(textsIn('en', 'Vantage')))
  const texts = new Map(leaves(textsIn(language, 'Vantage')))

  test('has every text, in other words than English', () => {
    expect([...texts.keys()].toSorted()).toEqual([...english.keys()].toSorted())
    expect([...texts].filter(([path, text]) => !ALIKE.test(path) && text === english.get(path)).map(([path]) => path)).toEqual([])
  })

  test('names the product, and shows each name and number, wherever English does', () => {
    const shows = (all: ReadonlyMap<string, string>): string[] =>
      [...all].map(([path, text]) => [path, ...marksIn(text), ...(text.includes('Vantage') ? ['the product'] : [])].join(' '))
    expect(shows(texts)).toEqual(shows(english))
  })
})

test('numbers take the forms of the language', () => {
  const devices = (texts: Texts, count: number) => texts.signedOut.elsewhereTitle(count)
  expect([1, 2, 3].map((count) => devices(textsIn('en'), count))).toEqual([
    'You are still signed in on another device',
    'You are still signed in on 2 other devices',
    'You are still signed in on 3 other devices',
  ])
  expect(new Set([1, 2, 3, 11, 100].map((count) => devices(textsIn('ar'), count).replaceAll(/\p{N}+/gu, '#'))).size).toBe(5)
})

describe('the language of a page', () => {
  const languageOf = async (browser: Browser, path: string): Promise<string> => /<html lang="([^"]+)"/.exec((await browser.get(path)).html)?.[1] ?? ''

  const inLanguage = (rig: Rig, accepted: string): Browser =>
    browserAt(rig, {
      follows: () => false,
      fetch: (address, { headers, ...init }) => {
        const all = new Headers(headers)
        all.set('accept-language', accepted)
        return rig.app.request(address, { ...init, headers: all })
      },
    })

  async function open(env: { language?: Language } = {}) {
    const rig = await createRig()
    Object.assign(rig.config.look, env)
    return { rig, browser: createBrowser(rig), sydney: await rig.register('Sydney') }
  }

  test('is what the user chose, else what the app asks for, else what the browser accepts, else the setting', async () => {
    const { rig, browser, sydney } = await open({ language: 'es' })
    expect(await languageOf(browser, '/account/ready')).toBe('es')
    const french = inLanguage(rig, 'fr-CA, en;q=0.5')
    expect(await languageOf(french, '/account/ready')).toBe('fr')
    expect(await languageOf(french, authorizePath(sydney, { ui_locales: 'xx-YY ar-EG de' }))).toBe('ar')
    expect(await languageOf(french, '/account/ready')).toBe('ar')
    await french.post('/language', new URLSearchParams({ language: 'de' }))
    expect(await languageOf(french, authorizePath(sydney, { ui_locales: 'fr' }))).toBe('de')
  })

  test('Arabic goes from right to left, and a page names every language in itself', async () => {
    const { browser, sydney } = await open()
    const { html } = await browser.get(authorizePath(sydney, { ui_locales: 'ar' }))
    expect(html).toContain('<html lang="ar" dir="rtl">')
    for (const name of ['English', 'Deutsch', 'Français', 'Español', 'العربية']) expect(html).toContain(`>${name}</button>`)
  })

  test.each([
    ['a page of ours', `${ISSUER}/account/ready?x=1`, '/account/ready?x=1'],
    ['another origin', 'https://evil.example/account/ready', '/account'],
    ['a path that a browser reads as a host', `${ISSUER}//evil.example/`, '/account'],
    ['no page', '', '/account'],
  ])('the choice leads back to the path of %s', async (_what, referer, expected) => {
    const { browser } = await open()
    const answer = await browser.post('/language', new URLSearchParams({ language: 'fr' }), { headers: { referer } })
    expect(answer.headers.get('location')).toBe(expected)
  })

  test('a language that there is not changes nothing', async () => {
    const { browser } = await open()
    for (const language of ['xx', 'constructor', '']) await browser.post('/language', new URLSearchParams({ language }))
    expect(browser.cookies.get('__Host-cmb_language')).toBeUndefined()
  })

  test('discovery lists the languages', async () => {
    const { rig } = await open({ language: 'de' })
    expect(await (await rig.app.request(`${ISSUER}/.well-known/openid-configuration`)).json()).toMatchObject({
      ui_locales_supported: ['en', 'de', 'fr', 'es', 'ar'],
    })
  })

  test.each(['/nothing', '/setup', '/ops'])('an operator’s page is English and offers no other language: %s', async (path) => {
    const { rig } = await open({ language: 'de' })
    const html = await (await rig.opsApp.request(path, { headers: { accept: 'text/html' } })).text()
    expect(html).toContain('<html lang="en">')
    expect(html).not.toContain('action="/language"')
  })

  test.each(['/openapi', '/signin/connect', '/signin/setup', '/signin/assert'])(
    'a page for administrators and developers is English on the public listener too, and offers no other language: %s',
    async (path) => {
      const { browser } = await open({ language: 'de' })
      const { html } = await browser.get(path)
      expect(html).toContain('<html lang="en">')
      expect(html).not.toContain('action="/language"')
    },
  )
})
