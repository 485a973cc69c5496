import { expect, test } from 'vitest'
import { textsIn } from '../../src/config/languages/texts.ts'
import { browserAt } from '../browser.ts'
import { createRig } from '../rig.ts'
import { authorizePath } from '../signin/browser.ts'
import { PSEUDO } from './pseudo.ts'

/** Every text of users' pages is from the catalog: in the language of tests, no English is left. */

/** Returns the text that the page shows, and the text for readers who do not see it. */
function textOf(html: string): string {
  const body = html
    .slice(html.indexOf('<body'))
    .replace(
      /<script[^]*?<\/script>|<form class="languages"[^]*?<\/form>|<time[^]*?<\/time>|<code[^]*?<\/code>/g,
      ' ',
    )
  const spoken = [
    ...body.matchAll(/\b(?:aria-label|alt|title|placeholder|data-copied)="([^"]*)"/g),
  ].map(([, text = '']) => text)
  return [...spoken, body.replaceAll(/<[^>]+>/g, ' ')].join(' ').replaceAll(/&#?\w+;/g, ' ')
}

const DATA = [
  'Case Manager Sydney',
  'Case Manager Melbourne',
  'Case Manager',
  'Alice Adams',
  'alice@contoso.example',
  'sydney.case-manager.example',
  'melbourne.case-manager.example',
  'Firefox on Windows',
  'Safari on iPhone',
  'Firefox',
  'Windows',
  'Safari',
  'iPhone',
  'CaseManager.Melbourne',
  'localhost:7400',
  'support@case-manager.example',
]

/** Returns the words that are not from the catalog. Names do not count. */
function leftOver(html: string): string[] {
  let text = textOf(html)
  for (let before = ''; before !== text;) [before, text] = [text, text.replaceAll(/⟦[^⟦⟧]*⟧/g, ' ')]
  // The page also shows a time, and an address of Microsoft.
  text = text.replaceAll(/\w+ \d+ \w+, \d\d:\d\d UTC|Tuesday \d+ \w+/g, ' ')
  return DATA.reduce((rest, word) => rest.replaceAll(word, ' '), text).match(/[A-Za-z]{2,}/g) ?? []
}

const SIGNED_IN = [
  '/',
  '/account',
  '/logout?everywhere',
  '/account/history',
  '/account/ready',
  '/account/report?session=PHONE',
  '/logout?client_id=sydney',
]
const NOBODYS = [
  '/',
  '/account/ready',
  '/account/reported',
  '/logout/done',
  '/signin/start?return_to=/account',
  '/signin/granting-consent',
  '/signin/continue',
]

async function open() {
  const rig = await createRig()
  rig.config.look = { ...rig.config.look, languages: [PSEUDO], language: PSEUDO.language }
  const sydney = await rig.register('Sydney', { contacts: ['support@case-manager.example'] })
  await rig.register('Melbourne', { appRole: 'CaseManager.Melbourne' })
  const laptop = await rig.openSession({ device: 'Firefox on Windows' })
  const phone = await rig.openSession({ device: 'Safari on iPhone' })
  await rig.signInAt(laptop.session.sid, sydney)
  await rig.store.recordConsent({
    sub: laptop.session.sub,
    clientId: 'melbourne',
    scope: 'openid email offline_access',
    now: rig.clock.now(),
  })
  return { rig, sydney, laptop, phone }
}

test('a sentence of a page’s own is found, and what was handed to a text is not', () => {
  const t = textsIn(PSEUDO, 'Case Manager')
  expect(leftOver(`<body><p>${t.nothing.what}</p><p>Hello you</p>`)).toEqual(['Hello', 'you'])
  expect(leftOver(`<body><p>${t.ready.open({ app: 'Case Manager Sydney' })}</p>`)).toEqual([])
  expect(t.ready.open({ app: 'Case Manager Sydney' })).toContain('Case Manager Sydney')
})

test('no page of a user who is signed in has other text', async () => {
  const { rig, laptop, phone } = await open()
  const browser = browserAt(rig, { cookies: laptop.cookieHeader })
  for (const path of SIGNED_IN) {
    const { html } = await browser.get(path.replace('PHONE', phone.session.sid))
    expect(html).toContain('⟦')
    expect([path, leftOver(html)]).toEqual([path, []])
  }
})

test('nor has any page without a session, or that says what went wrong', async () => {
  const { rig, sydney } = await open()
  const pages = [...NOBODYS, authorizePath(sydney), '/nothing']
  for (const path of pages) {
    const { html } = await browserAt(rig).get(path)
    expect(html).toContain('⟦')
    expect([path, leftOver(html)]).toEqual([path, []])
  }
})
