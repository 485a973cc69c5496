import { createHash, randomBytes } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { Browser } from '../browser.ts'
import { until } from './broker-process.ts'
import { startDemo, type Demo } from './demo-process.ts'
import { ALICE } from './world.ts'

/**
 * `npm run demo -- --cluster`: a user, two instances and their guards while one of the two brokers
 * is killed.
 */

type Instance = Demo['facts']['instances'][number]

const statusAt = async (browser: Browser, { url }: Instance): Promise<number> =>
  (await browser.get(`${url}/api/cases`)).status

async function signIn(browser: Browser, { url }: Instance): Promise<void> {
  let page = await browser.get(`${url}/sign-in`)
  if (page.html.includes('Sign in with Microsoft'))
    page = await browser.press(page, 'Sign in with Microsoft')
  expect(page.url).toBe(`${url}/`)
}

/**
 * Single sign-on by hand, as a second application of that instance would: the refresh token is the
 * test's own.
 */
async function ownTokens(
  facts: Demo['facts'],
  { client_id, redirect_uri }: Instance,
  authorization: string,
  cookies: Browser,
) {
  const verifier = randomBytes(32).toString('base64url')
  const code_challenge = createHash('sha256').update(verifier).digest('base64url')
  const asked = {
    response_type: 'code',
    scope: 'openid offline_access',
    code_challenge_method: 'S256',
    state: 's',
    nonce: 'n',
  }
  const query = new URLSearchParams({ ...asked, client_id, redirect_uri, code_challenge })
  cookies.follows = ({ href }) => !href.startsWith(redirect_uri)
  const { left } = await cookies.get(`${facts.issuer}/authorize?${query}`)
  cookies.follows = () => true
  const code = left?.searchParams.get('code') ?? expect.fail('no code')
  return tokensOf(facts, authorization, {
    grant_type: 'authorization_code',
    code,
    redirect_uri,
    code_verifier: verifier,
  })
}

async function tokensOf(facts: Demo['facts'], authorization: string, form: Record<string, string>) {
  const answer = await fetch(`${facts.issuer}/token`, {
    method: 'POST',
    headers: { authorization },
    body: new URLSearchParams(form),
  })
  return {
    status: answer.status,
    ...((await answer.json()) as { refresh_token: string; error?: string }),
  }
}

async function nothingIsLeft({ facts }: Demo): Promise<void> {
  const directory = dirname(facts.data_dir)
  await until(
    'no process of it is left',
    () => !execFileSync('ps', ['-eo', 'args='], { encoding: 'utf8' }).includes(directory),
  )
  const addresses = [
    facts.issuer,
    facts.ops,
    ...(facts.brokers ?? []).flatMap(({ url, ops }) => [url, ops]),
  ]
  for (const url of addresses) await expect(fetch(url)).rejects.toThrow()
  expect(existsSync(directory)).toBe(false)
}

test('one of two brokers is killed: the user stays signed in, refreshes go on, and signing out everywhere reaches both instances', async () => {
  const demo = await startDemo(['--cluster'])
  onTestFinished(() => void demo.end('SIGTERM'))
  const { facts } = demo
  const [a, b] = facts.brokers ?? expect.fail('no brokers')
  if (a === undefined || b === undefined) return expect.fail('not two brokers')
  expect([facts.store, a.pid > 0, a.pid !== b.pid]).toEqual(['postgres', true, true])
  await fetch(`${facts.microsoft}/_control/auto`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ upn: ALICE }),
  })
  const browser = new Browser()
  for (const instance of facts.instances) await signIn(browser, instance)
  const both = () => Promise.all(facts.instances.map((instance) => statusAt(browser, instance)))
  expect(await both()).toEqual([200, 200])
  // The sign-in to the console ends at the address that both brokers share. The first one registers
  // the console, of which the other broker may not know yet.
  await until('the console answers at its address', async () => {
    const { url, html } = await browser.get(`${facts.ops}/ops/sign-in`)
    return new URL(url).origin === facts.ops && html.includes('The console is not open to you')
  })
  const [sydney = expect.fail('no instance')] = facts.instances
  const basic = `Basic ${Buffer.from(`${sydney.client_id}:${sydney.client_secret}`).toString('base64')}`
  let tokens = await ownTokens(facts, sydney, basic, browser)

  process.kill(a.pid, 'SIGKILL')
  await until('the killed broker answers no more', () =>
    fetch(a.url).then(
      () => false,
      () => true,
    ),
  )
  // There are more requests than brokers, so that the proxy uses each of them.
  for (let turn = 0; turn < 4; turn++) {
    tokens = await tokensOf(facts, basic, {
      grant_type: 'refresh_token',
      refresh_token: tokens.refresh_token,
    })
    expect(tokens.status).toBe(200)
    expect(await both()).toEqual([200, 200])
    for (const address of [`${facts.issuer}/account`, `${facts.ops}/readyz`])
      expect((await browser.get(address)).status).toBe(200)
  }

  const out = await browser.submit(
    await browser.get(`${facts.issuer}/logout`),
    { scope: 'everywhere' },
    'Sign out',
  )
  expect(out.status).toBe(200)
  await until('both guards reject', async () => (await both()).every((status) => status === 401))
  const rejected = await tokensOf(facts, basic, {
    grant_type: 'refresh_token',
    refresh_token: tokens.refresh_token,
  })
  expect([rejected.status, rejected.error]).toEqual([400, 'invalid_grant'])

  expect(await demo.interrupt()).toBe(0)
  await nothingIsLeft(demo)
})
