import { describe, expect, test } from 'vitest'
import { createRig, OTHER_TENANT, TENANT } from '../rig.ts'
import { atMicrosoft, authorizePath, createBrowser, linkOf, signIn } from './browser.ts'

/** Each page on which a user cannot go on names whom to ask, and the message for them. */

const DESK = {
  name: 'Fabrikam IT desk',
  email: 'it@fabrikam.example',
  telephone: '+44 20 7946 0000',
  link: 'https://fabrikam.example/help',
}

async function locked(
  helpContact: typeof DESK | undefined,
  byOwnTenant = true,
  env: Record<string, string> = {},
) {
  const rig = await createRig({ env: { BROKER_OPERATOR_TENANT: OTHER_TENANT, ...env } })
  const sydney = await rig.register('Sydney')
  await rig.store.putTenant({
    tid: TENANT,
    mfaProof: 'auth_context:c1',
    connectedAt: rig.clock.now(),
    helpContact,
  })
  const { user } = rig.microsoft
  const { session } = await rig.openSession({
    user: { ...user, oid: '00000000-0000-4000-8000-0000000000ad', username: 'ada@x.example' },
  })
  await rig.store.lock({
    target: { kind: 'user', tid: user.tid, oid: user.oid },
    actor: { kind: 'operator', id: byOwnTenant ? session.sub : 'cmb@ops' },
    may: 'administer',
    operatorTenant: undefined,
    now: rig.clock.now(),
  })
  const browser = createBrowser(rig)
  return { rig, page: await signIn(rig, browser, authorizePath(sydney)) }
}
const OPERATOR = { BROKER_SUPPORT_URL: 'mailto:ops@broker.example' }

describe('the help contact', () => {
  test('is named with each of its addresses, and gets account, application, time, reference and what happened', async () => {
    const { page } = await locked(DESK)
    expect(linkOf(page.html, DESK.email)).toBe(`mailto:${DESK.email}`)
    expect(linkOf(page.html, 'Telephone: +44 20 7946 0000')).toBe('tel:+442079460000')
    expect(linkOf(page.html, 'fabrikam.example/help')).toBe(DESK.link)
    const mail = new URL(linkOf(page.html, 'Contact Fabrikam IT desk'))
    expect(mail.pathname).toBe(DESK.email)
    expect(mail.search).not.toContain('+')
    const lines = mail.searchParams.get('body')?.split('\n')
    expect(lines).toEqual([
      expect.stringContaining(`Case Manager Sydney. The page says: “${page.title}”`),
      'Account: alice@contoso.example',
      'Time: Tuesday 24 November, 09:00 UTC',
      expect.stringMatching(/^Reference: \w{4}-\w{4}$/),
    ])
  })

  test('of the operator is named where the operator locked the user, and where the tenant has none', async () => {
    for (const { page } of [
      await locked(DESK, false, OPERATOR),
      await locked(undefined, true, OPERATOR),
    ]) {
      const mail = linkOf(page.html, 'Contact your IT administrator')
      expect(new URL(mail).pathname).toBe('ops@broker.example')
      expect(page.html).not.toContain('fabrikam')
    }
  })

  test('where there is none, the page says plainly whom to ask, and offers no mail without a recipient', async () => {
    const { page } = await locked(undefined)
    expect(page.html).not.toContain('mailto:')
    expect(page.text).toContain('Ask the team that looks after computers or accounts')
    expect(page.text).toContain('Account: alice@contoso.example')
  })

  test('is the help of every page of the account, and of the page after a report', async () => {
    const rig = await createRig()
    await rig.store.putTenant({
      tid: TENANT,
      mfaProof: 'auth_context:c1',
      connectedAt: rig.clock.now(),
      helpContact: DESK,
    })
    const sydney = await rig.register('Sydney')
    const browser = createBrowser(rig)
    await browser.get(await atMicrosoft(rig, browser, await browser.get(authorizePath(sydney))))
    for (const path of ['/', '/account', '/account/history', '/account/reported'])
      expect(linkOf((await browser.get(path)).html, 'Help')).toBe(`mailto:${DESK.email}`)
  })
})
