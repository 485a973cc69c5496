import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Check } from '../../src/operations/checks/check.ts'
import { createChecks } from '../../src/operations/checks/checks.ts'
import { clientChecks } from '../../src/operations/checks/clients.ts'
import { ok } from '../../src/operations/checks/finding.ts'
import { CHECKS } from '../../src/operations/checks/list.ts'
import { watchChecks } from '../../workers/repeat.ts'
import { createRig } from '../rig.ts'

const docs = (name: string): string =>
  readFileSync(join(import.meta.dirname, '../../docs', name), 'utf8')

function counted(cost?: Check['cost']) {
  let looks = 0
  const check: Check = {
    id: 'counted',
    ...(cost && { cost }),
    look: () => {
      looks++
      return [ok('Looked.')]
    },
  }
  return { check, looks: () => looks }
}

describe('the list of checks', () => {
  test('has each id once, and docs/checks.md has a row for each', () => {
    expect(new Set(CHECKS.map(({ id }) => id)).size).toBe(CHECKS.length)
    const cost = (check: Check): string =>
      check.cost === undefined
        ? 'at each look'
        : check.cost === 'on_demand'
          ? '`cmb doctor` only'
          : `once in ${check.cost.everySeconds} s${check.cost.background ? ', in the background' : ''}`
    const rows = docs('checks.md')
      .split('\n')
      .filter((line) => line.startsWith('| `'))
      .map((line) => line.split('|').map((cell) => cell.trim()))
    expect(rows).toEqual(
      CHECKS.map((check, at) => {
        const question = rows[at]?.[2] || 'a question'
        const { id, severity = '', warnsByTicket = false, part = '' } = check
        return [
          '',
          `\`${id}\``,
          question,
          cost(check),
          severity,
          warnsByTicket ? 'ticket' : '',
          part,
          '',
        ]
      }),
    )
  })
})

describe('running checks', () => {
  test('a cheap check runs each time; the result of an expensive one is kept, and concurrent callers share it; `fresh` runs it again', async () => {
    const rig = await createRig()
    const [cheap, dear] = [counted(), counted({ everySeconds: 20 })]
    const checks = createChecks(rig.deps, [cheap.check, { ...dear.check, id: 'dear' }])
    await Promise.all([checks.look(), checks.look()])
    expect([cheap.looks(), dear.looks()]).toEqual([2, 1])
    rig.clock.advance(20)
    await checks.look()
    expect(dear.looks()).toBe(2)
    await checks.look({ fresh: true })
    expect(dear.looks()).toBe(3)
  })

  test('a check on demand runs only for a caller that asks for all checks', async () => {
    const rig = await createRig()
    const { check, looks } = counted('on_demand')
    const checks = createChecks(rig.deps, [check])
    expect([await checks.look(), looks()]).toEqual([[], 0])
    expect(await checks.look({ fresh: true })).toEqual([
      { check: 'counted', state: 'ok', found: 'Looked.' },
    ])
  })

  test('a check that fails to look is reported and takes no other with it; where a part depends on it, the part is down', async () => {
    const rig = await createRig()
    const broken: Check = {
      ...counted().check,
      id: 'broken',
      look: () => Promise.reject(new Error('no route')),
    }
    const checks = createChecks(rig.deps, [
      broken,
      { ...broken, id: 'part', part: 'queue' },
      counted().check,
    ])
    expect(await checks.look()).toMatchObject([
      { check: 'broken', state: 'unknown', found: expect.stringContaining('no route') as string },
      { check: 'part', state: 'failed' },
      { check: 'counted', state: 'ok' },
    ])
  })

  test.each([
    ['ECONNREFUSED', /^Start the instance/],
    ['ENOTFOUND', /host name/],
    ['CERT_HAS_EXPIRED', /certificate.*NODE_EXTRA_CA_CERTS/],
    ['UND_ERR_CONNECT_TIMEOUT', /firewall/],
  ])(
    'what to do about an address that does not answer depends on the cause: %s',
    async (code, advice) => {
      const request = () =>
        Promise.reject(
          new Error('fetch failed', { cause: Object.assign(new Error('inner'), { code }) }),
        )
      const rig = await createRig({
        deps: { outbound: { request, certificate: request, close: async () => {} } },
      })
      await rig.register('Sydney')
      const found = await createChecks(rig.deps, clientChecks).look({ fresh: true })
      const address = found.find((candidate) => candidate.found.includes('logout address'))
      expect(address).toMatchObject({
        state: 'failed',
        found: expect.stringContaining(code) as string,
      })
      expect(address?.fix).toMatch(advice)
      expect(address?.fix?.includes('certificate')).toBe(code === 'CERT_HAS_EXPIRED')
    },
  )

  test.each([
    [
      'NOAUTH Authentication required.',
      /^Put the password of the queue server into BROKER_QUEUE_URL/,
    ],
    ['WRONGPASS invalid username-password pair or user is disabled.', /^Put the password/],
    ["OOM command not allowed when used memory > 'maxmemory'.", /out of memory/],
    ['connect ECONNREFUSED 127.0.0.1:6379', /^Start the queue server/],
  ])('what to do about a queue that is down depends on the cause: %s', async (problem, fix) => {
    const rig = await createRig()
    rig.queue.up = false
    rig.queue.problem = problem
    const [queue] = (await createChecks(rig.deps).look()).filter(({ check }) => check === 'queue')
    expect(queue).toMatchObject({
      state: 'failed',
      found: expect.stringContaining(problem) as string,
      fix: expect.stringMatching(fix) as string,
    })
  })

  test('a queue server of one’s own that evicts jobs or persists none is a warning', async () => {
    const rig = await createRig()
    const found = async (kept: typeof rig.queue.kept) => {
      rig.queue.kept = kept
      const findings = await createChecks(rig.deps).look({
        fresh: true,
        which: ({ id }) => id === 'queue-durability',
      })
      return findings.map(({ state, fix }) => [state, fix])
    }
    expect(await found(undefined)).toEqual([])
    expect(await found({ appendOnly: true, evictionPolicy: 'noeviction' })).toEqual([
      ['ok', undefined],
    ])
    expect(await found({ appendOnly: false, evictionPolicy: 'allkeys-lru' })).toEqual([
      ['warning', 'Set maxmemory-policy noeviction on the queue server.'],
      ['warning', 'Set appendonly yes on the queue server.'],
    ])
  })

  test('a registration that gives up a protection is a warning, one for each', async () => {
    const rig = await createRig()
    await rig.register('Sydney')
    await rig.register('Perth', { requirePkce: false })
    await rig.register('Melbourne', {
      authMethod: 'private_key_jwt',
      jwksUri: 'https://keys.example/',
      assertionAudience: 'endpoint',
    })
    const looked = await createChecks(rig.deps).look({
      which: ({ id }) => id === 'weak-registrations',
    })
    expect(looked.map(({ about, state, found }) => [about, state, found])).toEqual([
      [
        'client melbourne',
        'warning',
        expect.stringContaining('client_assertion_audience: endpoint'),
      ],
      ['client perth', 'warning', expect.stringContaining('require_pkce: false')],
    ])
  })

  test('the worker logs a failure once when it begins and once when it ends', async () => {
    const rig = await createRig()
    const watch = watchChecks(rig.deps, createChecks(rig.deps))
    const logged = (event: string) =>
      rig.lines.filter((line) => line.includes(`"${event}"`) && line.includes('"queue"')).length
    rig.queue.up = false
    await watch()
    await watch()
    expect([logged('check_failed'), logged('check_recovered')]).toEqual([1, 0])
    rig.queue.up = true
    await watch()
    await watch()
    expect([logged('check_failed'), logged('check_recovered')]).toEqual([1, 1])
  })
})
