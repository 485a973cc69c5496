import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { expect, onTestFinished } from 'vitest'
import { registrationOf, startCaseManager } from '../../demo/case-manager/server.ts'
import { parseClientMetadata } from '../../src/clients/metadata.ts'
import { Browser } from '../browser.ts'
import { createRig, START, type Rig, type RigOptions } from '../rig.ts'

/**
 * Two instances and the real broker, on real listeners. They share the rig's clock, which is set to
 * the present, because `openid-client` has its own.
 */

async function listen(): Promise<{
  url: string
  serve: (listener: RequestListener) => void
  stop: () => Promise<void>
  cut: () => void
}> {
  let listener: RequestListener = (_, response) => void response.writeHead(503).end()
  const server = createServer((request, response) => listener(request, response))
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  const stop = async (): Promise<void> => {
    const closed = new Promise((done) => server.close(done))
    server.closeAllConnections()
    await closed
  }
  const cut = (): void => {
    listener = (request) => void request.socket.destroy()
    server.closeAllConnections()
  }
  return { url: `http://localhost:${port}`, serve: (next) => (listener = next), stop, cut }
}

export interface City {
  name: string
  url: string
  clientId: string
  instance: Awaited<ReturnType<typeof startCaseManager>>
}

export async function world(options: RigOptions = {}): Promise<{
  rig: Rig
  cities: City[]
  browser: Browser
  signIn: (city: City, browser?: Browser) => Promise<string>
  /** Cuts the line between the instances and the broker for good. */
  cut: () => void
  /** Lets the instances' own time pass the end of their leases. */
  endLeases: () => void
}> {
  const front = await listen()
  onTestFinished(front.stop)
  const rig = await createRig({ ...options, config: { issuer: front.url } })
  rig.clock.advance(Math.max(0, Date.now() / 1000 - START))
  const answer = getRequestListener(rig.app.fetch)
  front.serve((request, response) => void answer(request, response))
  let aheadMs = 0
  const cities: City[] = []
  for (const [city, other] of [
    ['Sydney', 'Melbourne'],
    ['Melbourne', 'Sydney'],
  ] as const) {
    const clientId = city.toLowerCase()
    const name = `Case Manager ${city}`
    const { secret } = await rig.register(city)
    const instance = await startCaseManager({
      name,
      port: 0,
      issuer: front.url,
      clientId,
      clientSecret: secret,
      clock: { nowMs: () => rig.clock.nowMs(), elapsedMs: () => rig.clock.elapsedMs() + aheadMs },
      other: { name: `Case Manager ${other}`, url: `http://${other.toLowerCase()}.localhost` },
    })
    onTestFinished(() => instance.close())
    // The addresses of the instance are known only now, because it has taken any free port.
    const read = parseClientMetadata(registrationOf(name, instance.url), {
      clientId,
      allowLoopback: true,
    })
    if (!read.ok) throw new Error(read.problems.join('\n'))
    await rig.store.putClient({
      clientId,
      source: 'command',
      metadata: read.metadata,
      now: rig.clock.now(),
    })
    await rig.clients.reload()
    cities.push({ name, url: instance.url, clientId, instance })
  }
  const browser = new Browser({
    follows: ({ origin }) => origin !== 'https://login.microsoftonline.com',
  })
  /** Signs in by the instance's own link; returns the page it ends at. */
  const signIn = async (city: City, which = browser): Promise<string> => {
    let page = await which.get(`${city.url}/sign-in`)
    if (page.status === 200 && page.html.includes('Sign in with Microsoft'))
      page = await which.press(page, 'Sign in with Microsoft')
    if (page.left !== undefined)
      page = await which.get(
        `${front.url}/signin/callback?code=x&state=${encodeURIComponent(page.left.searchParams.get('state') ?? '')}`,
      )
    expect(page.url).toBe(`${city.url}/`)
    return page.html
  }
  const endLeases = (): void => void (aheadMs += 31_000)
  return { rig, cities, browser, signIn, cut: front.cut, endLeases }
}
