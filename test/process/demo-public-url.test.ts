import { describe, expect, onTestFinished, test } from 'vitest'
import { readOptions } from '../../demo/options.ts'
import { Browser } from '../browser.ts'
import { startDemo } from './demo-process.ts'

test('files that npm run demo takes are those of the folder it was started in', () => {
  const { clientsFile, signalIssuersFile } = readOptions(
    ['--clients', 'clients.yaml', '--signal-issuers', '../issuers.yaml'],
    {
      npm_lifecycle_event: 'demo',
      INIT_CWD: '/home/olga/here',
    },
  )
  expect([clientsFile, signalIssuersFile]).toEqual([
    '/home/olga/here/clients.yaml',
    '/home/olga/issuers.yaml',
  ])
})

describe('npm run demo -- --public-url', () => {
  test.each([
    'http://broker.example',
    'https://broker.example/broker',
    'https://user@broker.example',
    'broker.example',
  ])('rejects %s and says what it takes', (url) => {
    expect(() => readOptions(['--public-url', url], {})).toThrow(
      '--public-url takes an https address without a path',
    )
  })

  test('the issuer is that address, and the simulated Microsoft sends the browser back to it', async () => {
    const issuer = 'https://broker.demo.test:9443'
    const demo = await startDemo(['--public-url', `${issuer}/`])
    onTestFinished(() => void demo.end('SIGTERM'))
    expect(demo.facts.issuer).toBe(issuer)
    const broker = demo.facts.ops.replace(/\d+$/, (port) => String(Number(port) - 1))
    const discovery = await fetch(`${broker}/.well-known/openid-configuration`)
    expect(await discovery.json()).toMatchObject({ issuer, token_endpoint: `${issuer}/token` })
    const browser = new Browser({
      fetch: (address, init) => fetch(address.replace(issuer, broker), init),
      follows: () => false,
    })
    const { left, status } = await browser.press(
      await browser.get(`${issuer}/signin/start?return_to=/account`),
      'Sign in with Microsoft',
    )
    const microsoft =
      left ?? expect.fail(`The broker answered ${status} instead of a redirect to Microsoft.`)
    expect(microsoft.searchParams.get('redirect_uri')).toBe(`${issuer}/signin/callback`)
    // An address that is not registered gets Microsoft's own error page here (AADSTS50011), not a
    // step of its sign-in.
    const asking = await fetch(microsoft, { redirect: 'manual' })
    expect(asking.status, await asking.text()).toBe(302)
  })
})
