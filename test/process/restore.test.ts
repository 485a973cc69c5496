import { execFile } from 'node:child_process'
import { statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { createGuard } from '@case-manager/guard'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from './broker-process.ts'
import { ALICE, BOB, openWorld, type TestWorld } from './world.ts'

/**
 * A backup of a broker that serves, put in its place after it was killed: by `cmb`, on the built
 * broker.
 */

let world: TestWorld
beforeAll(async () => {
  world = await openWorld({ registration: (city) => ({ audience: `urn:test:${city}` }) })
})
afterAll(() => world?.dispose())

const cmb = async (...args: string[]) => {
  const program = resolve(import.meta.dirname, '../../dist/src/cli.js')
  const { stdout } = await promisify(execFile)(process.execPath, [
    program,
    '--data-dir',
    world.broker.env.BROKER_DATA_DIR ?? '',
    ...args,
    '--json',
  ])
  return JSON.parse(stdout) as Record<string, unknown>
}
const instance = (index: number) => world.instances[index] ?? expect.fail('no such instance')
const timesDelivered = (index: number, sid: string) =>
  instance(index).receiver.delivered.filter(({ claims }) => claims.sid === sid).length

test('users who signed out since the backup stay signed out, users signed in then are signed out, and instances and guards learn it', async () => {
  const [sydney, melbourne] = [instance(0), instance(1)]
  const signedIn = async (upn: string) => {
    const { at, ...rest } = await world.signedIn(upn)
    return { ...rest, tokens: at[0]?.tokens ?? expect.unreachable() }
  }
  const [alice, bob] = [await signedIn(ALICE), await signedIn(BOB)]
  const { client_id: clientId, client_secret: clientSecret } = sydney.entry
  const guard = createGuard({
    issuer: world.broker.issuer,
    clientId,
    clientSecret,
    audience: 'urn:test:sydney',
  })
  try {
    await guard.start()
    expect(await guard.check(bob.tokens.access_token)).toMatchObject({ ok: true })
    const { epoch } = guard.status()

    const file = join(world.broker.dataDir, 'backup.db')
    await cmb('backup', file)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    // Alice signs out after the backup. The instance that is down has no logout token when the
    // machine dies.
    await melbourne.receiver.close()
    await world.signOut(alice.browser, 'device')
    await until('Sydney is told of Alice', () => timesDelivered(0, alice.sid) > 0)
    await world.broker.end('SIGKILL')
    await cmb('restore', file, '--yes')
    await melbourne.receiver.open()
    await world.broker.start()

    for (const { tokens } of [alice, bob])
      await expect(world.refresh(sydney, tokens.refresh_token ?? '')).rejects.toMatchObject({
        error: 'invalid_grant',
      })
    // The instance that had Alice's logout token before the restore gets another one, which ends
    // nothing twice.
    await until(
      'both instances are told of both',
      () =>
        timesDelivered(0, bob.sid) > 0 &&
        timesDelivered(1, alice.sid) > 0 &&
        timesDelivered(1, bob.sid) > 0,
    )
    await until(
      'the guard follows the new log',
      () => guard.status().ready && guard.status().epoch !== epoch,
    )
    for (const { tokens } of [alice, bob])
      expect(await guard.check(tokens.access_token)).toMatchObject({ ok: false })

    // The restored broker works like any other: Bob signs in again, by new keys, and stays signed
    // in.
    const again = await signedIn(BOB)
    expect(again.sid).not.toBe(bob.sid)
    expect(await guard.check(again.tokens.access_token)).toMatchObject({ ok: true })
    await expect(world.refresh(sydney, again.tokens.refresh_token ?? '')).resolves.toHaveProperty(
      'access_token',
    )
    expect(timesDelivered(0, again.sid)).toBe(0)
  } finally {
    await guard.stop()
  }
})
