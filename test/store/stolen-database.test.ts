import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createRig, VERIFIER } from '../rig.ts'
import { authorizePath, createBrowser, delivered, signIn } from '../signin/browser.ts'

test('holds no token, cookie, code or client secret of a user who is signed in', async () => {
  const rig = await createRig()
  const cache = '{"RefreshToken":{"secret":"a-token-of-microsoft"}}'
  rig.microsoft.next = { cache, loginHint: 'a-login-hint-of-microsoft' }
  const [sydney, melbourne] = [await rig.register('Sydney'), await rig.register('Melbourne')]
  const browser = createBrowser(rig)
  await signIn(rig, browser, authorizePath(melbourne))
  const { code = '' } = delivered(await browser.get(authorizePath(sydney)))
  const pending = delivered(await browser.get(authorizePath(melbourne))).code ?? ''
  const answer = await rig.post(
    '/token',
    {
      grant_type: 'authorization_code',
      code,
      code_verifier: VERIFIER,
      redirect_uri: sydney.metadata.redirectUris[0] ?? '',
    },
    { authorization: sydney.basic },
  )
  const tokens = (await answer.json()) as Record<string, string>
  const secrets = {
    code,
    pending,
    client: sydney.secret,
    access: tokens.access_token,
    refresh: tokens.refresh_token,
    id: tokens.id_token,
    token: 'a-token-of-microsoft',
    hint: 'a-login-hint-of-microsoft',
    session: browser.cookies.get('__Host-cmb_session'),
    browser: browser.cookies.get('__Host-cmb_signin'),
  }
  const { dataDir } = rig.config
  const files = readdirSync(dataDir).filter((name) => name.startsWith('broker.db'))
  const stored = files.map((name) => readFileSync(join(dataDir, name), 'latin1')).join('\n')
  expect(stored).toContain('Alice Adams')
  for (const [what, secret] of Object.entries(secrets)) {
    expect(secret?.length, what).toBeGreaterThan(15)
    expect(stored.includes(secret ?? ''), what).toBe(false)
  }
})
