import { describe, expect, test } from 'vitest'
import { registration } from '../../src/microsoft/registration.ts'
import { createRig, ISSUER, TENANT } from '../rig.ts'
import { createBrowser, linkOf } from './browser.ts'

/**
 * The page on which a customer's administrator consents says what Microsoft asks for, who may grant
 * it, and afterwards what Microsoft answered.
 */

const PAGE = '/signin/granting-consent'

async function administrator() {
  const rig = await createRig()
  const browser = createBrowser(rig)
  const stateOf = (html: string) =>
    new URL(linkOf(html, 'Grant consent at Microsoft')).searchParams.get('state') ?? ''
  const comeBack = (answer: Record<string, string>, from = browser) =>
    from.get(`/signin/callback?${new URLSearchParams({ admin_consent: 'True', ...answer })}`)
  const leave = async () => stateOf((await browser.get(PAGE)).html)
  return { rig, browser, stateOf, comeBack, leave }
}

test('lists each permission that the app registration asks for, and the roles that may grant them', async () => {
  const { browser } = await administrator()
  const { html, text } = await browser.get(PAGE)
  const { delegated, application } = registration(ISSUER)
  for (const { name } of [...delegated, ...application]) expect(html).toContain(name)
  expect(text).toContain('Global Administrator or a Privileged Role Administrator')
  expect(text).not.toContain('Cloud Application Administrator')
  expect(html).not.toContain('IdentityRiskyUser.Read.All')
})

test('lists the permission to read risks where BROKER_MICROSOFT_RISK names a tenant', async () => {
  const { rig, browser } = await administrator()
  rig.config.signals.risk = [TENANT]
  expect((await browser.get(PAGE)).html).toContain('IdentityRiskyUser.Read.All')
})

describe('after Microsoft', () => {
  test('consent that was granted is said, by the id of the tenant, with what to do next', async () => {
    const { browser, comeBack, leave } = await administrator()
    const back = await comeBack({ state: await leave(), tenant: TENANT })
    const { text, html } = await browser.get(back.location ?? '')
    expect(text).toContain('Consent is granted')
    expect(html).toContain(`<code>${TENANT}</code>`)
    expect(text).toContain('Ask your users to sign in again.')
  })

  test.each([
    ['access_denied', 65_004, 'The request was declined at Microsoft'],
    ['access_denied', 90_094, 'Microsoft did not accept it'],
  ])('a rejection says what was rejected, and by which code: %s %i', async (error, code, words) => {
    const { browser, comeBack, leave } = await administrator()
    const description = { error, error_description: `AADSTS${code}: text of Microsoft` }
    const back = await comeBack({ state: await leave(), tenant: TENANT, ...description })
    const { text, html } = await browser.get(back.location ?? '')
    expect(text).toContain('Consent was not granted')
    expect(text).toContain(words)
    expect(html).toContain(`<code>AADSTS${code}</code>`)
    expect(html).not.toContain('text of Microsoft')
    expect(linkOf(html, 'Grant consent at Microsoft')).toContain('/adminconsent')
  })

  test('an answer that this browser did not ask for changes no word, and neither does one used as a state again', async () => {
    const { rig, browser, comeBack, leave } = await administrator()
    const state = await leave()
    const strangers = createBrowser(rig)
    for (const [from, answer] of [
      [browser, {}],
      [browser, { state: 'forged' }],
      [strangers, { state }],
    ] as const)
      expect((await comeBack({ tenant: TENANT, ...answer }, from)).location).toBe(PAGE)
    const granted = (await comeBack({ state, tenant: TENANT })).location ?? ''
    const result = new URL(granted, ISSUER).searchParams.get('result') ?? ''
    expect((await comeBack({ state: result, tenant: TENANT })).location).toBe(PAGE)
    expect((await strangers.get(granted)).text).not.toContain('Consent is granted')
    expect((await browser.get(`${PAGE}?result=forged`)).text).not.toContain('Consent is granted')
  })

  test('a tenant id that is none is not shown', async () => {
    const { browser, comeBack, leave } = await administrator()
    const back = await comeBack({ state: await leave(), tenant: '<b>evil</b>' })
    const { html, text } = await browser.get(back.location ?? '')
    expect(text).toContain('Microsoft says that your organization now allows Case Manager.')
    expect(html).not.toContain('evil')
  })
})
