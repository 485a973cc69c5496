import { describe, expect, test } from 'vitest'
import { createChecks } from '../../src/operations/checks/checks.ts'
import type { Finding } from '../../src/operations/checks/finding.ts'
import { MicrosoftRejection } from '../../src/microsoft/interface.ts'
import type { Browser } from '../browser.ts'
import { createRig, type Rig, TENANT } from '../rig.ts'
import { authorizePath, createBrowser, location, signIn } from './browser.ts'

/**
 * A tenant of which no user gets through Microsoft's sign-in is found, also where the error shows
 * on Microsoft's pages only; a stranger cannot raise that.
 */

async function office() {
  const rig = await createRig()
  const sydney = await rig.register('Sydney')
  const path = authorizePath(sydney, { prompt: 'login' })
  const check = async (): Promise<Finding | undefined> =>
    (await createChecks(rig.deps).look({ which: ({ id }) => id === 'sign-ins' })).find(
      ({ tid }) => tid === TENANT,
    )
  let users = 0
  /** A user of the tenant, in their own browser, who has signed in once. */
  const user = async () => {
    const browser = createBrowser(rig)
    users++
    rig.microsoft.user = {
      ...rig.microsoft.user,
      oid: `00000000-0000-4000-8000-${String(users).padStart(12, '0')}`,
    }
    await signIn(rig, browser, authorizePath(sydney))
    return browser
  }
  return { rig, path, check, user }
}

/** Follows a sign-in to Microsoft's page. Returns the `state` that was sent there. */
async function leave(browser: Browser, path: string): Promise<string> {
  const page = await browser.get(path)
  const to = page.location === null ? await browser.press(page, 'Sign in with Microsoft') : page
  return location(to).searchParams.get('state') ?? ''
}

const WITHDRAWN = {
  error: 'access_denied',
  error_description:
    'AADSTS65001: The user or administrator has not consented to use the application.',
}

async function comeBackWith(
  browser: Browser,
  path: string,
  error: Record<string, string>,
): Promise<void> {
  const state = await leave(browser, path)
  expect(
    (await browser.get(`/signin/callback?${new URLSearchParams({ ...error, state })}`)).status,
  ).toBeGreaterThanOrEqual(400)
}

const several = async <T>(times: number, make: () => Promise<T>): Promise<T[]> => {
  const made: T[] = []
  for (let n = 0; n < times; n++) made.push(await make())
  return made
}

const metric = async (rig: Rig): Promise<string> => (await rig.opsApp.request('/metrics')).text()

describe('users of a tenant whom Microsoft keeps out', () => {
  test('three users who were signed in before and come back with withdrawn consent page the operators, with the cause', async () => {
    const { rig, path, check, user } = await office()
    const [first, ...others] = await several(3, user)
    if (first === undefined) return expect.unreachable()
    await comeBackWith(first, path, WITHDRAWN)
    await comeBackWith(first, path, WITHDRAWN)
    expect(await check()).toMatchObject({
      state: 'warning',
      found: expect.stringContaining('1 user tried') as string,
    })
    for (const browser of others) await comeBackWith(browser, path, WITHDRAWN)
    expect(await check()).toMatchObject({
      state: 'failed',
      found: expect.stringMatching(
        /^3 users tried .* no user of the tenant got through since\. .*consented/,
      ) as string,
      fix: expect.stringContaining(`/setup/tenants/${TENANT}`) as string,
    })
    expect(await metric(rig)).toContain(
      'broker_check_findings{check="sign-ins",state="failed"} 1\n',
    )
  })

  test('a user who signs in clears it', async () => {
    const { rig, path, check, user } = await office()
    const browsers = await several(4, user)
    for (const browser of browsers.slice(1)) await comeBackWith(browser, path, WITHDRAWN)
    expect((await check())?.state).toBe('failed')
    const [through] = browsers
    if (through !== undefined) await signIn(rig, through, path)
    expect((await check())?.state).toBe('ok')
  })

  test('three users who do not come back from Microsoft’s pages within 10 minutes count, because most errors show only there', async () => {
    const { rig, path, check, user } = await office()
    for (const browser of await several(3, user)) await leave(browser, path)
    expect((await check())?.state).toBe('ok')
    rig.clock.advance(601)
    expect(await check()).toMatchObject({
      state: 'failed',
      found: expect.stringContaining('3 of them did not come back') as string,
    })
    rig.clock.advance(3600)
    expect((await check())?.state).toBe('ok')
  })

  test('a stranger raises no alert: a browser that never signed in, a forged or copied answer, a forged cookie', async () => {
    const { rig, path, check, user } = await office()
    const known = await user()
    const strangers = await several(20, async () => createBrowser(rig))
    for (const browser of strangers) {
      browser.addCookies('__Host-cmb_known=made-up')
      await comeBackWith(browser, path, WITHDRAWN)
      await leave(browser, path)
    }
    // Another browser brings the answer to a visit that a user began.
    const state = await leave(known, path)
    for (const browser of strangers)
      await browser.get(`/signin/callback?${new URLSearchParams({ ...WITHDRAWN, state })}`)
    rig.clock.advance(601)
    expect(await check()).toMatchObject({ state: 'unknown' })
  })

  test('an error of one user alone is not counted: canceled, another account, a locked account', async () => {
    const { path, check, user } = await office()
    const descriptions = [
      'AADSTS65004: The user declined.',
      'AADSTS50020: Another account.',
      'AADSTS50053: The account is locked.',
    ]
    const browsers = await several(3, user)
    for (const [index, browser] of browsers.entries())
      await comeBackWith(browser, path, {
        error: 'access_denied',
        error_description: descriptions[index] ?? '',
      })
    expect((await check())?.state).toBe('ok')
  })

  test('users without proof of MFA, and rejections of the token endpoint, count for a tenant of many', async () => {
    const { rig, path, check, user } = await office()
    const browsers = await several(3, user)
    for (const [index, browser] of browsers.entries()) {
      rig.microsoft.user = {
        ...rig.microsoft.user,
        oid: `00000000-0000-4000-8000-${String(index + 1).padStart(12, '0')}`,
      }
      rig.microsoft.next =
        index === 0
          ? new MicrosoftRejection('consent', { code: 65001, effect: 'nothing' })
          : { acrs: [] }
      await signIn(rig, browser, path)
    }
    expect(await check()).toMatchObject({ state: 'failed' })
  })
})
