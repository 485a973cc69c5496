import { describe, expect, test } from 'vitest'
import { createRig } from '../rig.ts'
import { atMicrosoft, authorizePath, createBrowser, linkOf } from '../signin/browser.ts'

describe('a user whose tenant has not consented', () => {
  test.each([
    [90094, 'access_denied'],
    [90095, 'access_denied'],
    [65001, 'consent_required'],
  ])(
    'AADSTS%i leads to Granting consent, which tells an administrator where to go',
    async (code, error) => {
      const rig = await createRig()
      const client = await rig.register('Sydney')
      const browser = createBrowser(rig)
      const back = new URL(
        await atMicrosoft(rig, browser, await browser.get(authorizePath(client))),
        rig.config.issuer,
      )
      back.searchParams.delete('code')
      back.searchParams.set('error', error)
      back.searchParams.set('error_description', `AADSTS${code}: Consent is missing.`)
      const page = (await browser.get(back.pathname + back.search)).html
      if (code !== 65001)
        expect(page).toContain(
          'You need to contact your IT administrator. An extra setup action remains to be done.',
        )
      const consent = (await browser.get(linkOf(page, 'Granting consent (for IT administrators)')))
        .html
      expect(consent).toContain('Microsoft Entra admin center')
      expect(consent).toContain(rig.config.entra.clientId)
      expect(consent).toContain('/organizations/v2.0/adminconsent?')
    },
  )
})
