import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { MOST_REJECTED } from '../../db/session/rejected.ts'
import { benches, STORES, TENANT, type Bench } from './fixture.ts'

const DAY = 86_400
const OTHER = '22222222-2222-4222-8222-222222222222'
const OPERATOR = { kind: 'operator', id: 'olga' } as const

const rejected = (b: Bench, who: string, reference: string, tid = TENANT) =>
  b.store.recordRejectedSignIn({
    user: { tid, oid: `oid-${who}`, username: `${who}@contoso.example` },
    why: 'mfa_not_proved',
    reference,
    device: 'Chrome on Linux',
    from: { clientId: 'sydney' },
    now: b.now,
  })
const visit = (b: Bench, reference: string, reason = 'declined') => ({
  reference,
  at: b.now,
  clientId: 'sydney',
  reason,
  code: 65_004,
})
const list = async (b: Bench, filter: object = {}) =>
  (await b.store.listRejectedSignIns({ ...filter, limit: 100_000, most: 1_000_000 })).found
const references = async (b: Bench, filter: object = {}) =>
  (await list(b, filter)).map(({ reference }) => reference)

describe.each(STORES)('rejected sign-ins, on %s', (_name, make) => {
  const open = benches(make)

  test('are found by reference, user, tenant, application, reason and time, the newest first', async () => {
    const b = await open()
    const { session } = await b.signIn('alice')
    await rejected(b, 'alice', 'AAAA-0001')
    b.now += 10
    await rejected(b, 'mallory', 'AAAA-0002')
    await rejected(b, 'faye', 'AAAA-0003', OTHER)
    b.now += 10
    await b.store.recordRejectedVisits([visit(b, 'AAAA-0004')])
    expect(await b.store.findRejectedSignIn('AAAA-0001')).toMatchObject({
      reference: 'AAAA-0001',
      clientId: 'sydney',
      reason: 'mfa_not_proved',
      user: { tid: TENANT, oid: 'oid-alice', sub: session.sub },
    })
    const without = await b.store.findRejectedSignIn('AAAA-0004')
    expect(without).toMatchObject({ reason: 'declined', code: 65_004 })
    expect(without).not.toHaveProperty('user')
    expect(await references(b)).toEqual(['AAAA-0004', 'AAAA-0003', 'AAAA-0002', 'AAAA-0001'])
    expect(await references(b, { tid: TENANT })).toEqual(['AAAA-0002', 'AAAA-0001'])
    expect(await references(b, { tid: TENANT, oid: 'oid-alice' })).toEqual(['AAAA-0001'])
    expect(await references(b, { reason: 'declined' })).toEqual(['AAAA-0004'])
    expect(await references(b, { clientId: 'perth' })).toEqual([])
    expect(await references(b, { tid: TENANT, since: b.now - 10 })).toEqual(['AAAA-0002'])
    const [newest] = await list(b)
    expect(await references(b, { before: newest?.id })).toHaveLength(3)
    expect(await b.store.rejectedByReason({ tid: TENANT, most: 9 })).toEqual([
      { reason: 'mfa_not_proved', count: 2 },
    ])
    expect(await references(b, { who: 'MALLORY' })).toEqual(['AAAA-0002'])
    expect(await b.store.rejectedByReason({ most: 9, until: b.now })).toEqual([
      { reason: 'mfa_not_proved', count: 3 },
    ])
  })

  test('have beside them the number of accepted sign-ins, by instance and quarter of an hour, for a month', async () => {
    const b = await open()
    const count = async (filter: object = {}) =>
      (
        await b.store.acceptedByClient({ since: b.now - 40 * DAY, until: b.now + 1, ...filter })
      ).map((row) => [row.clientId, row.count])
    const first = await b.signIn('alice')
    await Promise.all([b.signIn('bob'), b.signIn('carol')])
    b.now += DAY
    await b.signIn('alice')
    expect(await count()).toEqual([[undefined, 4]])
    expect(await count({ since: b.now })).toEqual([[undefined, 1]])
    expect(await count({ tid: OTHER })).toEqual([])
    expect(await count({ sub: first.session.sub })).toEqual([[undefined, 2]])
    await b.store.purge({ kind: 'accepted_sign_ins', limit: 10, now: b.now + 30 * DAY - 900 })
    expect(await count()).toEqual([[undefined, 1]])
  })

  test('are one a visit, also of two callbacks at once; a visit whose user Microsoft names later belongs to that user', async () => {
    const b = await open()
    const { session } = await b.signIn('alice')
    await b.store.recordRejectedVisits([visit(b, 'AAAA-0001')])
    await Promise.all([1, 2].map(() => rejected(b, 'alice', 'AAAA-0001')))
    await b.store.recordRejectedVisits([visit(b, 'AAAA-0001', 'outage')])
    expect(await list(b)).toMatchObject([
      { reason: 'mfa_not_proved', user: { username: 'alice@contoso.example' } },
    ])
    const history = await b.store.securityHistory({ sub: session.sub, limit: 9 })
    expect(history.map(({ kind }) => kind)).toEqual(['sign_in_rejected', 'signed_in'])
  })

  test('go after 30 days, and with their user; both export and erasure cover them', async () => {
    const b = await open()
    const { session } = await b.signIn('alice')
    await b.signIn('bob')
    await rejected(b, 'alice', 'AAAA-0001')
    await rejected(b, 'bob', 'AAAA-0002')
    const { sub } = session
    const records = []
    for (let next: string | undefined = '0:'; next !== undefined;) {
      const page: Awaited<ReturnType<Bench['store']['exportUser']>> = await b.store.exportUser({
        sub,
        cursor: next,
        limit: 100,
      })
      records.push(...(page?.records ?? []))
      next = page?.next
    }
    expect(records.filter(({ kind }) => kind === 'rejected_sign_in')).toMatchObject([
      { values: { reference: 'AAAA-0001', client_id: 'sydney' } },
    ])
    await b.store.eraseUser({ sub, actor: OPERATOR, now: b.now })
    expect(await references(b)).toEqual(['AAAA-0002'])
    const purge = { kind: 'rejected_sign_ins', limit: 10 } as const
    await b.store.purge({ ...purge, now: b.now + 30 * DAY - 1 })
    expect(await references(b)).toHaveLength(1)
    await b.store.purge({ ...purge, now: b.now + 30 * DAY })
    expect(await references(b)).toEqual([])
  })

  test('are bounded for each user, each tenant, without a user and in all: the latest stay', async () => {
    const former = { ...MOST_REJECTED }
    Object.assign(MOST_REJECTED, { user: 3, tenant: 5, unproved: 4, all: 10 })
    onTestFinished(() => void Object.assign(MOST_REJECTED, former))
    const who = fc.constantFrom('alice', 'bob', 'carol', undefined)
    const step = fc.record({ who, tid: fc.constantFrom(TENANT, OTHER) })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const b = await open()
        type Kept = { reference: string; scope: string; user: string }
        let kept: Kept[] = []
        for (const [at, { who: user, tid }] of steps.entries()) {
          const reference = `R-${at}`
          if (user === undefined) await b.store.recordRejectedVisits([visit(b, reference)])
          else await rejected(b, user, reference, tid)
          const scope = user === undefined ? '' : tid
          kept.push({ reference, scope, user: user === undefined ? '' : `${tid} ${user}` })
          const keepLatest = (most: number, isCounted: (row: Kept) => boolean) => {
            const over = kept.filter(isCounted).length - most
            const dropped = new Set(kept.filter(isCounted).slice(0, Math.max(0, over)))
            kept = kept.filter((row) => !dropped.has(row))
          }
          if (user !== undefined) keepLatest(3, (row) => row.user === `${tid} ${user}`)
          keepLatest(user === undefined ? 4 : 5, (row) => row.scope === scope)
          keepLatest(10, () => true)
        }
        // The bound in all goes by ids, and what a bound deleted leaves a gap: fewer may be left.
        const left = await references(b)
        const latest = kept.map((row) => row.reference).toReversed()
        expect(left).toEqual(latest.filter((reference) => left.includes(reference)))
        expect(left.length).toBeGreaterThanOrEqual(Math.min(latest.length, 3))
      }),
      { numRuns: 15 },
    )
  })
})
