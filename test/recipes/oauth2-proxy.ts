import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Browser } from '../browser.ts'
import { until } from '../process/broker-process.ts'
import { freePorts } from '../process/ports.ts'
import { boundTest, registrationOf, TOKEN_SECONDS } from './bounds.ts'
import { answers, Program, type Command } from './program.ts'
import { startProxy, type Proxy, type Running } from './proxies.ts'
import type { Recipe } from './recipe.ts'
import type { Place, World } from './world.ts'

/**
 * A proxy that signs users in, in front of nginx with `guard serve`. The proxy's session outlives a
 * sign-out, and still nothing passes.
 */

interface SignedInBefore {
  name: string
  missing: string | undefined
  version: () => string
  nginx: Pick<Proxy, 'prepare' | 'settings'>
  command: (of: { place: Place; world: World; directory: string; upstreamPort: number }) => Command
}

export const signedInBefore = (parts: SignedInBefore): Recipe => ({
  name: parts.name,
  missing: parts.missing,
  version: parts.version,
  registered: [
    {
      name: parts.name,
      redirectPath: '/oauth2/callback',
      registration: () => ({ ...registrationOf(), access_token_seconds: TOKEN_SECONDS }),
    },
  ],
  define: (world, note) => defineTests(parts, world, note),
})

function defineTests(
  { command, name, nginx }: SignedInBefore,
  world: () => World,
  note: (line: string) => void,
): void {
  let behind: Running
  let program: Program | undefined
  beforeAll(async () => {
    const [upstreamPort = 0] = await freePorts(1)
    behind = await startProxy(
      {
        prepare: nginx.prepare,
        name,
        settings: [...nginx.settings, '--token-header', 'X-Forwarded-Access-Token'],
      },
      world(),
      upstreamPort,
    )
    const directory = mkdtempSync(join(world().directory, `${name}-`))
    program = new Program(command({ place: behind.place, world: world(), directory, upstreamPort }))
    await program.start(() => answers(`${behind.place.baseUrl}/ping`))
  })
  afterAll(async () => {
    await program?.end()
    await behind?.end()
  })

  const look = async (browser: Browser) => {
    const response = await browser.send(`${behind.place.baseUrl}/cases`)
    return { status: response.status, body: await response.text() }
  }

  test('a user signs in, and the application reads the user from the identity headers of the guard', async () => {
    const browser = world().newBrowser()
    const page = await world().signInAt(browser, `${behind.place.baseUrl}/cases`)
    expect([page.status, page.html.slice(0, 500), program?.output.slice(-2000)]).toEqual([
      200,
      expect.stringContaining('/cases'),
      expect.anything(),
    ])
    const found = await until('the guard lets the user pass', async () => {
      const seen = await look(browser)
      return seen.status === 200 ? seen : undefined
    })
    expect(found.body).toMatch(/"X-Guard-Sub","u_/)
  })

  test('a token that the client sends is not taken for the one of its session', async () => {
    const browser = world().newBrowser()
    const response = await browser.send(`${behind.place.baseUrl}/cases`, {
      headers: { 'x-forwarded-access-token': 'forged' },
    })
    expect(response.status).not.toBe(200)
    await world().signInAt(browser, `${behind.place.baseUrl}/cases`)
    const forged = await browser.send(`${behind.place.baseUrl}/cases`, {
      headers: { 'x-forwarded-access-token': 'forged' },
    })
    expect([forged.status, await forged.text()]).toEqual([
      200,
      expect.not.stringContaining('forged'),
    ])
  })

  boundTest('none', () => ({
    clientId: name,
    note,
    world: world(),
    async signIn(browser) {
      await world().signInAt(browser, `${behind.place.baseUrl}/cases`)
      const own = `${behind.place.baseUrl}/oauth2/userinfo`
      return [
        { name: 'page', bound: 'lease', status: async () => (await look(browser)).status },
        {
          name: 'own page of the proxy',
          bound: 'access_token',
          status: async () => (await browser.send(own)).status,
        },
      ]
    },
  }))

  test('a sign-out is seen, although the session of the proxy in front lives on', async () => {
    const browser = world().newBrowser()
    await world().signInAt(browser, `${behind.place.baseUrl}/cases`)
    await until('the user passes', async () => (await look(browser)).status === 200)
    const sentAtMs = await world().signOut(browser)
    const rejected = await until('the user is rejected', async () => {
      const seen = await look(browser)
      return seen.status === 200 ? undefined : seen
    })
    note(`rejected ${Date.now() - sentAtMs} ms after the sign-out was sent`)
    expect(rejected.status).toBe(401)
  })
}
