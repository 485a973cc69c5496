import { describe, expect, test } from 'vitest'
import { benches, signedIn, STORES, TENANT, type Bench } from './fixture.ts'

/**
 * Operators search for users by the words of their names, and for revocations by user, client,
 * case, reason, actor and time.
 */

const named = (b: Bench, oid: string, name: string, username = `${oid}@contoso.example`) =>
  b.signIn(oid, { session: { user: { tid: TENANT, oid, name, username } } })
const OLGA = { kind: 'operator', id: 'olga' } as const

describe.each(STORES)('%s', (_, make) => {
  const fresh = benches(make)

  describe('users are found by words', () => {
    const names = async (b: Bench, text: string, limit = 10) => {
      const { users } = await b.store.searchUsers({ text, limit })
      return users.map(({ name, username }) => name ?? username).sort()
    }

    test('in any order, each by its beginning, without case and accents, by name and by address', async () => {
      const b = await fresh()
      await named(b, 'b1', 'Björn Ångström')
      await named(b, 'a1', 'Anna Smith', 'anna.smith@contoso.example')
      await named(b, 'a2', 'Anne-Marie Smithers', 'am@fabrikam.example')
      for (const [text, found] of [
        ['bjorn', ['Björn Ångström']],
        ['ANGSTROM björn', ['Björn Ångström']],
        ['Smith Anna', ['Anna Smith']],
        ['smi', ['Anna Smith', 'Anne-Marie Smithers']],
        ['marie', ['Anne-Marie Smithers']],
        ['anne-marie', ['Anne-Marie Smithers']],
        ['anna.smith@contoso', ['Anna Smith']],
        ['fabrikam', ['Anne-Marie Smithers']],
        ['mith', []],
        ['%', []],
        ['  ', []],
      ] as const)
        expect([text, await names(b, text)]).toEqual([text, found])
    })

    test('also after their last session has ended, by the name that they have now, and not after they were erased', async () => {
      const b = await fresh()
      const { session } = await named(b, 'c1', 'Carol Chen')
      await b.revoke({ kind: 'session', sid: session.sid })
      expect(await names(b, 'chen')).toEqual(['Carol Chen'])
      await named(b, 'c1', 'Carol Cooper')
      expect([await names(b, 'chen'), await names(b, 'cooper')]).toEqual([[], ['Carol Cooper']])
      await b.store.eraseUser({ sub: session.sub, actor: OLGA, now: b.now })
      for (const text of ['cooper', 'carol', 'c1@contoso.example'])
        expect([text, await names(b, text)]).toEqual([text, []])
    })

    test('and of more than fit, it says that there are more', async () => {
      const b = await fresh()
      for (let n = 0; n < 4; n++) await named(b, `p${n}`, `Pat Number${n}`)
      expect(await b.store.searchUsers({ text: 'pat', limit: 3 })).toMatchObject({
        users: [{}, {}, {}],
        more: true,
      })
      expect(await b.store.searchUsers({ text: 'pat', limit: 4 })).toMatchObject({ more: false })
    })

    test('with a tenant, of that tenant alone: neither what is found nor whether there is more depends on another', async () => {
      const b = await fresh()
      const OTHER = '22222222-2222-4333-8444-555555555555'
      for (let n = 0; n < 4; n++) await named(b, `p${n}`, `Pat Number${n}`)
      await b.signIn('q1', { session: { user: { tid: OTHER, oid: 'q1', name: 'Pat Other' } } })
      const of = (tid: string, text: string, limit: number) =>
        b.store.searchUsers({ text, tid, limit })
      expect(await of(OTHER, 'pat', 3)).toMatchObject({ users: [{ oid: 'q1' }], more: false })
      expect(await of(OTHER, 'number1', 3)).toEqual({ users: [], more: false })
      expect(await of(TENANT, 'pat', 3)).toMatchObject({ users: [{}, {}, {}], more: true })
    })
  })

  describe('revocations are found by', () => {
    /** Makes six entries, the newest last. The number of each names its kind. */
    const filled = async () => {
      const b = await fresh()
      const session = await signedIn(b)
      await b.exchange(session.sid, 'sydney')
      const { sub, sid } = session
      const say = (selector: Parameters<Bench['revoke']>[0], more: object = {}) =>
        b.store.revoke({ selector, reason: 'administrator', actor: OLGA, now: b.now, ...more })
      await say(
        { kind: 'grant', sid, clientId: 'sydney' },
        { reason: 'token_revoked', actor: { kind: 'client', id: 'sydney' } },
      )
      b.now += 100
      await say({ kind: 'session', sid }, { caseReference: 'INC-1' })
      b.now += 100
      await say({ kind: 'client', clientId: 'melbourne' }, { caseReference: 'INC-1' })
      b.now += 100
      const bob = await b.signIn('bob')
      await say(
        { kind: 'session', sid: bob.session.sid },
        { reason: 'signed_out', actor: { kind: 'user', id: bob.session.sub } },
      )
      b.now += 100
      await say({ kind: 'subject', sub }, { caseReference: 'INC-2' })
      const seqs = async (wanted: object, limit = 10) =>
        (await b.store.listRevocations({ limit, ...wanted })).map(({ seq }) => seq)
      return { b, sub, seqs, start: b.now - 400 }
    }

    test('user, client, case, reason, actor and time, alone and together, newest first, by cursor', async () => {
      const { sub, seqs, start } = await filled()
      expect(await seqs({})).toEqual([5, 4, 3, 2, 1])
      expect(await seqs({ sub })).toEqual([5, 2, 1])
      expect(await seqs({ clientId: 'melbourne' })).toEqual([3])
      expect(await seqs({ clientId: 'sydney' })).toEqual([1])
      expect(await seqs({ caseReference: 'INC-1' })).toEqual([3, 2])
      expect(await seqs({ reason: 'signed_out' })).toEqual([4])
      expect(await seqs({ actorId: 'olga' })).toEqual([5, 3, 2])
      expect(await seqs({ since: start + 100, until: start + 300 })).toEqual([3, 2])
      expect(await seqs({ sub, caseReference: 'INC-1' })).toEqual([2])
      expect(await seqs({ caseReference: 'INC-1', clientId: 'melbourne' })).toEqual([3])
      expect(await seqs({ actorId: 'olga', until: start + 300 })).toEqual([3, 2])
      expect(await seqs({ sub: 'u_none' })).toEqual([])
      expect([
        await seqs({ actorId: 'olga' }, 2),
        await seqs({ actorId: 'olga', before: 3 }, 2),
      ]).toEqual([[5, 3], [2]])
      expect(await seqs({ before: 1 })).toEqual([])
    })
  })

  describe('a page of a search looks at a bounded number of entries, and goes on from there:', () => {
    /**
     * Reads a search to its end. Returns the entries of each page, and the number of pages that
     * were not complete.
     */
    async function walked<T, P>(
      page: (before: P | undefined) => Promise<{ found: T[]; searchedTo: P | undefined }>,
    ) {
      const pages: T[][] = []
      for (let before: P | undefined; ;) {
        const { found, searchedTo } = await page(before)
        pages.push(found)
        if (searchedTo === undefined) return pages
        before = searchedTo
      }
    }

    test('revocations by a reason and an actor, with and without an index, and none is missed or found twice', async () => {
      const b = await fresh()
      for (const clientId of ['sydney', 'melbourne']) await b.client(clientId)
      const revoke = (n: number) =>
        b.store.revoke({
          selector: { kind: 'client', clientId: n % 2 === 0 ? 'sydney' : 'melbourne' },
          reason: n % 6 === 0 ? 'client_removed' : 'administrator',
          actor: OLGA,
          now: b.now,
        })
      for (let n = 1; n <= 24; n++) {
        b.now += 60
        await revoke(n)
      }
      for (const [filter, wanted, pages] of [
        [{ reason: 'client_removed' }, [24, 18, 12, 6], 5],
        [{ reason: 'client_removed', clientId: 'sydney' }, [24, 18, 12, 6], 3],
        [{ reason: 'idle' }, [], 5],
        [{ actorId: 'nobody', clientId: 'melbourne' }, [], 3],
      ] as const) {
        const all = await walked<{ seq: number }, { seq: number }>((to) =>
          b.store.pageOfRevocations({ ...filter, before: to?.seq, limit: 9, most: 5 }),
        )
        expect([filter, all.flat().map(({ seq }) => seq), all.length]).toEqual([
          filter,
          wanted,
          pages,
        ])
      }
      const first = await b.store.pageOfRevocations({ reason: 'idle', limit: 9, most: 5 })
      expect(first).toEqual({ found: [], searchedTo: { seq: 20, at: b.now - 4 * 60 } })
      // A page that is full needs no place at which the search stopped.
      expect(await b.store.pageOfRevocations({ limit: 2, most: 5 })).toMatchObject({
        found: [{ seq: 24 }, { seq: 23 }],
        searchedTo: undefined,
      })
    })

    test('revocations before a time are read from there on, and none is dated before the one before it', async () => {
      const b = await fresh()
      await b.client('sydney')
      const [DAY, start] = [86_400, b.now]
      // 5 is committed with a clock that was set back by 20 hours, and gets the time of 4.
      for (const days of [0, 2, 4, 6, 5.2, 8, 10]) {
        b.now = start + days * DAY
        await b.store.revoke({
          selector: { kind: 'client', clientId: 'sydney' },
          reason: 'administrator',
          actor: OLGA,
          now: b.now,
        })
      }
      const before = (days: number, most: number) =>
        b.store.pageOfRevocations({ until: start + days * DAY, limit: 9, most })
      expect((await before(5.5, 99)).found.map(({ seq }) => seq)).toEqual([3, 2, 1])
      // Revocations of day two and later are not read.
      expect(await before(0.5, 2)).toMatchObject({ found: [{ seq: 1 }], searchedTo: undefined })
      const since = await b.store.pageOfRevocations({ since: start + 7 * DAY, limit: 9, most: 4 })
      expect([since.found.map(({ seq }) => seq), since.searchedTo]).toEqual([
        [7, 6],
        expect.objectContaining({ seq: 4 }),
      ])
    })

    test('live sessions of a tenant, newest first: neither what is found, nor how far it came, depends on those of others', async () => {
      const b = await fresh()
      const OTHER = '22222222-2222-4333-8444-555555555555'
      for (let n = 0; n < 18; n++) {
        b.now += 60
        const oid = `t${n}`
        const device = n === 0 ? 'Edge on Windows' : 'Firefox on Linux'
        await b.signIn(oid, {
          session: { device, user: { tid: n % 6 === 0 ? OTHER : TENANT, oid } },
        })
      }
      const of = (tid: string, more: object = {}) =>
        b.store.pageOfSessions({ tid, now: b.now, limit: 9, most: 3, ...more })
      const oidsOf = ({ found }: Awaited<ReturnType<typeof of>>) =>
        found.map(({ session }) => session.user.oid)
      const few = await of(OTHER, { most: 4 })
      expect([oidsOf(few), few.searchedTo]).toEqual([['t12', 't6', 't0'], undefined])
      const first = await of(OTHER, { most: 2, device: 'edge' })
      expect([oidsOf(first), first.searchedTo?.openedAt]).toEqual([[], b.now - 11 * 60])
      expect(
        oidsOf(await of(OTHER, { most: 2, device: 'edge', before: first.searchedTo })),
      ).toEqual(['t0'])
      const pages = await walked<
        { session: { user: { oid: string } } },
        { openedAt: number; sid: string }
      >((before) => of(TENANT, { before }))
      expect(pages.flat().map(({ session }) => session.user.oid)).toEqual(
        Array.from({ length: 18 }, (_, n) => 17 - n).flatMap((n) => (n % 6 === 0 ? [] : [`t${n}`])),
      )
      expect(pages.length).toBeGreaterThan(3)
    })

    test('live sessions by device, client, tenant and name', async () => {
      const b = await fresh()
      const sids: string[] = []
      for (let n = 0; n < 12; n++) {
        b.now += 60
        const device = n % 4 === 0 ? 'Edge on Windows' : 'Firefox on Linux'
        const { session } = await b.signIn(`d${n}`, {
          session: { device, user: { tid: TENANT, oid: `d${n}`, name: `User ${n}` } },
        })
        if (n % 4 === 1) await b.exchange(session.sid, 'sydney')
        sids.push(session.sid)
      }
      for (const [filter, wanted] of [
        [{ device: 'EDGE' }, [8, 4, 0]],
        [{ clientId: 'sydney' }, [9, 5, 1]],
        [{ clientId: 'sydney', device: 'edge' }, []],
        [{ text: 'user 11' }, [11]],
        [{ device: 'Nokia' }, []],
      ] as const) {
        const all = await walked<{ session: { sid: string } }, { openedAt: number; sid: string }>(
          (before) => b.store.pageOfSessions({ ...filter, before, now: b.now, limit: 99, most: 5 }),
        )
        expect([filter, all.flat().map(({ session }) => sids.indexOf(session.sid))]).toEqual([
          filter,
          wanted,
        ])
        expect(all.length).toBeGreaterThan(1)
      }
      expect(
        await b.store.pageOfSessions({ tid: 'another', now: b.now, limit: 99, most: 5 }),
      ).toEqual({ found: [], searchedTo: undefined })
      // The result is the same as that of the list that is not bounded.
      const whole = await b.store.searchSessions({ device: 'edge', now: b.now, limit: 2 })
      expect(whole.map(({ session }) => sids.indexOf(session.sid))).toEqual([8, 4])
    })
  })
})
