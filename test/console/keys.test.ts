import { beforeEach, describe, expect, test, vi } from 'vitest'
import { createRig, type Rig } from '../rig.ts'
import { atConsole } from './console.ts'

/** Signing keys at the console: what an administrator does with them, and the page that checks it. */

let rig: Rig
beforeEach(async () => {
  rig = await createRig()
})

const ROTATE = '/ops/keys/rotate'
const WHY = { case_reference: 'INC-4', comment: 'yearly' }
const states = async () => (await rig.keys.list()).map(({ alg, state }) => `${alg} ${state}`)
const audited = async () =>
  (await rig.store.listAudit({ limit: 20 }))
    .filter(({ act }) => act.startsWith('key.'))
    .map(({ act, target, details, via, caseReference }) => [
      act,
      target,
      details.how,
      via,
      caseReference,
    ])

describe('/ops/keys', () => {
  test('a planned rotation publishes new keys, which sign in 24 hours or at once, and rejects no token', async () => {
    const adam = await atConsole(rig, 'administrator')
    const published = vi.spyOn(rig.feed, 'publishKeys')
    const check = await adam.press(await adam.get('/ops/keys'), 'Rotate as planned')
    expect(check.text).toMatch(
      /Key of access tokens \S+ Key of ID tokens and logout tokens \S+ Then The new key is published at once\. .* Users Nobody is signed out/,
    )
    const planned = await adam.submitTo(check, ROTATE, WHY)
    expect(planned.text).toContain('The new key is published. It signs in 24 hours.')
    expect((await states()).toSorted()).toEqual([
      'ES256 active',
      'ES256 next',
      'RS256 active',
      'RS256 next',
    ])
    const again = await adam.get(ROTATE)
    const now = await adam.submitTo(again, ROTATE, { alg: 'RS256', when: 'activate' })
    expect(now.text).toContain('The new key signs. The former one stays published for 48 hours.')
    expect((await states()).toSorted()).toEqual([
      'ES256 active',
      'ES256 next',
      'RS256 active',
      'RS256 retiring',
    ])
    for (const [kids] of published.mock.calls) expect(kids).toEqual([])
    expect((await adam.submitTo(again, ROTATE, { alg: 'RS256', when: 'activate' })).status).toBe(
      422,
    )
    expect(await audited()).toEqual([
      ['key.rotate', 'key RS256', 'activate', 'console', undefined],
      ['key.rotate', 'key RS256', 'next', 'console', 'INC-4'],
      ['key.rotate', 'key ES256', 'next', 'console', 'INC-4'],
    ])
  })

  test('compromised keys are replaced, of both algorithms unless one is chosen: guards learn which to reject, and sessions go on', async () => {
    const before = (await rig.keys.list()).map(({ kid }) => kid)
    const adam = await atConsole(rig, 'administrator')
    const check = await adam.press(await adam.get('/ops/keys'), 'Replace compromised keys')
    expect(check.text).toMatch(
      /every other key of its algorithm is retired\. .*Their sessions go on, yours too.* If an attacker may have signed with the key: sign everyone out/,
    )
    expect(check.html).toContain('/ops/revoke?kind=everything')
    const published = vi.spyOn(rig.feed, 'publishKeys')
    const done = await adam.submitTo(check, ROTATE, { case_reference: 'INC-9' })
    expect(done.text).toContain('every other key of its algorithm is retired.')
    expect(new Set(published.mock.calls.flatMap(([kids]) => kids))).toEqual(new Set(before))
    expect((await adam.get('/ops/users')).status).toBe(200)
    expect((await states()).toSorted()).toEqual([
      'ES256 active',
      'ES256 retired',
      'RS256 active',
      'RS256 retired',
    ])
  })

  test('a key that does not sign is retired, and the one that signs is not', async () => {
    const [signing] = await rig.keys.list()
    await rig.keys.rotate('ES256', 'activate', rig.clock.now())
    const retiring = (await rig.keys.list()).find(({ state }) => state === 'retiring')?.kid ?? ''
    const adam = await atConsole(rig, 'administrator')
    const check = await adam.press(await adam.get('/ops/keys'), 'Retire now')
    expect(check.text).toMatch(/State still published Then It is not published any more\./)
    expect(check.text).not.toContain('do not name the user')
    expect((await adam.submitTo(check, '/ops/keys/retire', WHY)).text).toContain('is retired.')
    const found = (await rig.keys.list()).find(({ kid }) => kid === retiring)
    expect(found?.state).toBe('retired')
    expect(await audited()).toEqual([
      ['key.retire', `key ${retiring}`, undefined, 'console', 'INC-4'],
    ])
    const active = (await rig.keys.list()).find(({ state }) => state === 'active')?.kid
    for (const kid of [active, signing?.kid, 'none'])
      expect((await adam.get(`/ops/keys/retire?kid=${kid}`)).text).toContain('replaced instead')
  })

  test('an operator sees the keys and changes none; keys of files are not rotated', async () => {
    const olga = await atConsole(rig, 'operator')
    expect((await olga.get('/ops/keys')).html).not.toMatch(/keys\/(rotate|retire)/)
    for (const path of [ROTATE, '/ops/keys/retire?kid=x'])
      expect((await olga.get(path)).status).toBe(403)
    const adam = await atConsole(rig, 'administrator')
    const list = rig.keys.list.bind(rig.keys)
    vi.spyOn(rig.keys, 'list').mockImplementation(async () =>
      (await list()).map((key) => ({ ...key, privateSealed: null })),
    )
    const rejected = await adam.get(`${ROTATE}?how=emergency`)
    expect([rejected.status, rejected.text]).toEqual([
      422,
      expect.stringContaining('first in BROKER_KEY_FILES'),
    ])
  })
})
