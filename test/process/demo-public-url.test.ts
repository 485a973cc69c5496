import { describe, expect, onTestFinished, test } from 'vitest'
import { readOptions } from '../../demo/options.ts'
import { linkOf } from '../signin/browser.ts'
import { startDemo } from './demo-process.ts'

describe('npm run demo -- --public-url', () => {
  test.each(['http://broker.example', 'https://broker.example/broker', 'https://user@broker.example', 'broker.example'])(
    'refuses %s and says what it takes',
    (url) => {
      expect(() => readOptions(['--public-url', url], {})).toThrow('--public-url takes an https address without a path')
    },
  )

  test('the issuer is that address, and the simulated Microsoft sends the browser back to it', async () => {
    const issuer = 'https://broker.demo.test:9443'
    const demo = await startDemo(['--public-url', `${issuer}/`])
    onTestFinished(() => void demo.end('SIGTERM'))
    expect(demo.facts.issuer).toBe(issuer)
    const broker = demo.facts.ops.replace(/\d+$/, (port) => String(Number(port) - 1))
    const discovery = await fetch(`${broker}/.well-known/openid-configuration`)
    expect(await discovery.json()).toMatchObject({ issuer, token_endpoint: `${issuer}/token` })
    const page = await fetch(`${broker}/signin/start?return_to=/account`)
    const link = linkOf(await page.text(), 'Sign in with Microsoft')
    const cookie = page.headers
      .getSetCookie()
      .map((one) => one.split(';')[0])
      .join('; ')
    const leaving = await fetch(new URL(link, broker), { redirect: 'manual', headers: { cookie } })
    const microsoft = leaving.headers.get('location') ?? expect.fail(`The broker answered ${leaving.status} instead of a redirect to Microsoft.`)
    expect(new URL(microsoft).searchParams.get('redirect_uri')).toBe(`${issuer}/signin/callback`)
    // An address that is not registered gets Microsoft's own error page here (AADSTS50011), not a step of its sign-in.
    const asking = await fetch(microsoft, { redirect: 'manual' })
    expect(asking.status, await asking.text()).toBe(302)
  })
})
