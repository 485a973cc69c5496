import { expect, test } from 'vitest'
import { until } from '../process/broker-process.ts'
import { ask } from './application.ts'
import type { Place, World } from './world.ts'

/**
 * The test of a token that is bound to a key, where `guard serve` knows the public address: the
 * check needs the `DPoP` header of the request.
 */
export function boundTokenTest(path: string, running: () => { place: Place; world: World }): void {
  test('a token that is bound to a key passes with a new proof of the key, and not as Bearer', async () => {
    const { place, world } = running()
    const { get, token } = await world.boundToken(world.newBrowser(), place)
    const status = async (): Promise<number> => (await get(place.baseUrl + path)).status
    await until('the bound token passes', async () => (await status()) === 200)
    expect(await status()).toBe(200)
    const asBearer = await ask(place.baseUrl, path, ['Authorization', `Bearer ${token}`])
    expect([asBearer.status, asBearer.headers['www-authenticate']]).toEqual([
      401,
      expect.stringMatching(/^DPoP /),
    ])
  })
}
