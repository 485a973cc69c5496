import { describe, expect, onTestFinished, test } from 'vitest'
import { serveAdminSocket } from '../../src/operations/api/socket.ts'
import { createApp } from '../../src/app.ts'
import type { Config } from '../../src/config/config.ts'
import { createSealer } from '../../src/keys/sealer.ts'
import { openParts } from '../../src/parts.ts'
import { refreshTokens } from '../../src/provider/token/refresh-token.ts'
import { createRig, type Rig } from '../rig.ts'
import { cmb } from './cmb.ts'

/**
 * docs/runbook.md, “BROKER_SECRET leaked”, step by step, and what is left of the old secret
 * afterwards.
 */

const FRESH = Buffer.alloc(32, 'a new secret that nobody has seen')

/** Starts the broker again on the same database, with other secrets. */
async function restarted(rig: Rig, secrets: Config['secrets']) {
  const { store, clock, queue, microsoft, log } = rig.deps
  const { deps, closing } = await openParts(
    { config: { ...rig.config, secrets }, log },
    { store, clock, queue, microsoft },
  )
  const { app } = createApp(deps)
  const socket = await serveAdminSocket(deps)
  const stop = async () => {
    await socket.close()
    await closing.run()
  }
  onTestFinished(stop)
  const type = (args: string[]) => cmb(args, { dataDir: rig.config.dataDir })
  const secrets_ = async () => {
    const { findings } = (await type(['doctor', '--json'])).json<{
      findings: { check: string; state: string }[]
    }>()
    const ofSecrets = findings.filter(({ check }) => check === 'secrets').map(({ state }) => state)
    // Without such a finding the command did not reach the broker. The other findings say why.
    return ofSecrets.length > 0 ? ofSecrets : findings
  }
  return { deps, app, type, stop, secrets: secrets_ }
}

describe('the runbook for a leaked BROKER_SECRET', () => {
  test('ends with nothing that the old secret opens, seals or signs, and with a doctor that is content', async () => {
    const rig = await createRig()
    const sydney = await rig.register('Sydney')
    const { session } = await rig.openSession()
    const tokens = await rig.signInAt(session.sid, sydney)
    const [old] = rig.config.secrets
    if (old === undefined) return expect.unreachable()
    const first = await restarted(rig, [old])
    await first.stop()

    const both = await restarted(rig, [FRESH, old])
    for (const alg of ['ES256', 'RS256'])
      expect(
        (await both.type(['keys', 'rotate', alg, '--emergency', '--yes', '--case', 'INC-1'])).code,
      ).toBe(0)
    await both.stop()

    rig.clock.advance(60)
    const alone = await restarted(rig, [FRESH])
    expect((await alone.type(['revoke', '--everything', '--yes', '--case', 'INC-1'])).code).toBe(0)
    expect(await alone.secrets()).toEqual(['ok'])

    const post = (path: string, form: Record<string, string>) =>
      alone.app.request(path, {
        method: 'POST',
        headers: {
          'content-type': 'application/x-www-form-urlencoded',
          authorization: sydney.basic,
        },
        body: new URLSearchParams(form).toString(),
      })
    const introspected = await post('/introspect', { token: tokens.access_token })
    expect(await introspected.json()).toEqual({ active: false })
    expect((await rig.store.statusBySid(session.sid, rig.clock.now())).state).toBe('ended')
    const presented =
      refreshTokens(createSealer([old])).read(tokens.refresh_token ?? '') ?? expect.unreachable()
    const forged = refreshTokens(createSealer([old])).write(presented)
    for (const token of [tokens.refresh_token ?? '', forged])
      expect(
        (await post('/token', { grant_type: 'refresh_token', refresh_token: token })).status,
      ).toBe(400)

    // The user signs in again, under the new secret alone.
    const again = await rig.openSession()
    expect((await rig.store.statusBySid(again.session.sid, rig.clock.now())).state).toBe('live')
    expect((await alone.deps.keys.list()).filter(({ state }) => state === 'active')).toHaveLength(2)
  })

  test('a revocation of everything before the new secret was set frees no old secret', async () => {
    const rig = await createRig()
    const [old] = rig.config.secrets
    if (old === undefined) return expect.unreachable()
    const first = await restarted(rig, [old])
    expect((await first.type(['revoke', '--everything', '--yes', '--case', 'INC-1'])).code).toBe(0)
    await first.stop()
    rig.clock.advance(60)
    const both = await restarted(rig, [FRESH, old])
    for (const alg of ['ES256', 'RS256'])
      await both.type(['keys', 'rotate', alg, '--emergency', '--yes'])
    expect(await both.secrets()).toEqual(['warning'])
    await both.stop()
    expect(await (await restarted(rig, [FRESH])).secrets()).toEqual(['failed'])
  })
})

test('a broker that lacks the secret with which another one seals is failed; one with which none seals yet is not missed', async () => {
  const rig = await createRig()
  const [old] = rig.config.secrets
  if (old === undefined) return expect.unreachable()
  const stateWith = async (...secrets: Config['secrets']) => {
    const again = await restarted(rig, secrets)
    const state = await again.secrets()
    await again.stop()
    return state
  }
  expect(await stateWith(old)).toEqual(['ok'])
  await stateWith(old, FRESH)
  expect(await stateWith(old)).toEqual(['ok'])
  rig.clock.advance(400 * 86_400)
  expect(await stateWith(FRESH, old)).toEqual(['warning'])
  rig.clock.advance(60)
  expect(await stateWith(old)).toEqual(['failed'])
})
