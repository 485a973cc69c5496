import { describe, expect, test } from 'vitest'
import { control, entra } from './relying-party.ts'

describe('the control API', () => {
  test('lists users with their passwords, changes them, adds one', async () => {
    const at = await entra()
    const users = (await control(at, 'users')) as { upn: string; password: string; note: string }[]
    expect(users.map((user) => user.upn)).toEqual(
      expect.arrayContaining([
        'alice@contoso.example',
        'faye@fabrikam.example',
        'pat@outlook.example',
      ]),
    )
    expect(users[0]).toMatchObject({
      upn: 'alice@contoso.example',
      password: 'alice-demo',
      mfa: 'authenticator',
      accountEnabled: true,
    })
    expect(
      await control(at, 'users/alice@contoso.example', {
        accountEnabled: false,
        mfa: 'none',
        assigned: false,
      }),
    ).toMatchObject({
      accountEnabled: false,
      mfa: 'none',
      assigned: false,
    })
    expect(await control(at, 'users', { upn: 'zoe@contoso.example' })).toMatchObject({
      password: 'zoe-demo',
      tenant: 'Contoso',
    })
  })

  test.each([
    { origin: 'http://evil.example' },
    { origin: 'http://localhost:7411' },
    { origin: 'null' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
  ])('a page elsewhere may not press its buttons: %o', async (headers) => {
    const at = await entra()
    for (const path of [
      '/_control/users/alice@contoso.example',
      '/_control/auto',
      '/_admin/alice@contoso.example',
    ]) {
      const response = await fetch(`${at.origin}${path}`, {
        method: 'POST',
        headers: headers as Record<string, string>,
        body: '{"accountEnabled":false}',
      })
      expect(response.status).toBe(403)
    }
    expect(at.world.userOf('alice@contoso.example')!.accountEnabled).toBe(true)
  })

  test('the administrator’s page lists every user, and its buttons work', async () => {
    const at = await entra()
    const page = await (await fetch(`${at.origin}/`)).text()
    expect(page).toContain('Alice Adams')
    await fetch(`${at.origin}/_admin/alice@contoso.example`, {
      method: 'POST',
      headers: { origin: at.origin },
      body: new URLSearchParams({ act: 'enable' }),
    })
    expect(at.world.userOf('alice@contoso.example')!.accountEnabled).toBe(false)
  })
})
