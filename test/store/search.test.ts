import { describe, expect, test } from 'vitest'
import { benches, signedIn, STORES, TENANT, type Bench } from './fixture.ts'

/** What operators look for: users by the words of their names, and revocations by user, client, case, reason, actor and time. */

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
      await b.store.recordMail({ sub: session.sub, mail: 'boss@elsewhere.example', now: b.now })
      expect(await names(b, 'boss')).toEqual(['Carol Cooper'])
      await b.store.eraseUser({ sub: session.sub, actor: OLGA, now: b.now })
      for (const text of ['cooper', 'carol', 'boss', 'c1@contoso.example']) expect([text, await names(b, text)]).toEqual([text, []])
    })

    test('and of more than fit, it says that there are more', async () => {
      const b = await fresh()
      for (let n = 0; n < 4; n++) await named(b, `p${n}`, `Pat Number${n}`)
      expect(await b.store.searchUsers({ text: 'pat', limit: 3 })).toMatchObject({ users: [{}, {}, {}], more: true })
      expect(await b.store.searchUsers({ text: 'pat', limit: 4 })).toMatchObject({ more: false })
    })

    test('with a tenant, of that tenant alone: neither what is found nor whether there is more depends on another', async () => {
      const b = await fresh()
      const OTHER = '22222222-2222-4333-8444-555555555555'
      for (let n = 0; n < 4; n++) await named(b, `p${n}`, `Pat Number${n}`)
      await b.signIn('q1', { session: { user: { tid: OTHER, oid: 'q1', name: 'Pat Other' } } })
      const of = (tid: string, text: string, limit: number) => b.store.searchUsers({ text, tid, limit })
      expect(await of(OTHER, 'pat', 3)).toMatchObject({ users: [{ oid: 'q1' }], more: false })
      expect(await of(OTHER, 'number1', 3)).toEqual({ users: [], more: false })
      expect(await of(TENANT, 'pat', 3)).toMatchObject({ users: [{}, {}, {}], more: true })
      const sessions = await b.store.sessionsOfTenant({ tid: OTHER, now: b.now, limit: 9 })
      expect(sessions.map(({ session }) => session.user.oid)).toEqual(['q1'])
      const all = await b.store.sessionsOfTenant({ tid: TENANT, now: b.now, limit: 9 })
      const [first, ...rest] = all.map(({ session }) => session.sid)
      const after = await b.store.sessionsOfTenant({ tid: TENANT, after: first, now: b.now, limit: 9 })
      expect(after.map(({ session }) => session.sid)).toEqual(rest)
      expect(await b.store.sessionsOfTenant({ tid: TENANT, text: 'number2', now: b.now, limit: 9 })).toHaveLength(1)
    })

    test('the index of older users is made page by page, once, and changes nothing that is there', async () => {
      const b = await fresh()
      for (let n = 0; n < 5; n++) await named(b, `q${n}`, `Quinn Number${n}`)
      expect([await b.store.indexOlderNames({ limit: 3 }), await b.store.indexOlderNames({ limit: 3 })]).toEqual([true, false])
      expect(await b.store.indexOlderNames({ limit: 3 })).toBe(false)
      expect(await names(b, 'quinn')).toHaveLength(5)
    })
  })

  describe('revocations are found by', () => {
    /** Six entries, the newest last: what each is, as its number says. */
    const filled = async () => {
      const b = await fresh()
      const session = await signedIn(b)
      await b.exchange(session.sid, 'sydney')
      const { sub, sid } = session
      const say = (selector: Parameters<Bench['revoke']>[0], more: object = {}) =>
        b.store.revoke({ selector, reason: 'administrator', actor: OLGA, now: b.now, ...more })
      await say({ kind: 'grant', sid, clientId: 'sydney' }, { reason: 'token_revoked', actor: { kind: 'client', id: 'sydney' } })
      b.now += 100
      await say({ kind: 'session', sid }, { caseReference: 'INC-1' })
      b.now += 100
      await say({ kind: 'client', clientId: 'melbourne' }, { caseReference: 'INC-1' })
      b.now += 100
      const bob = await b.signIn('bob')
      await say({ kind: 'session', sid: bob.session.sid }, { reason: 'signed_out', actor: { kind: 'user', id: bob.session.sub } })
      b.now += 100
      await say({ kind: 'subject', sub }, { caseReference: 'INC-2' })
      const seqs = async (wanted: object, limit = 10) => (await b.store.listRevocations({ limit, ...wanted })).map(({ seq }) => seq)
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
      expect([await seqs({ actorId: 'olga' }, 2), await seqs({ actorId: 'olga', before: 3 }, 2)]).toEqual([[5, 3], [2]])
      expect(await seqs({ before: 1 })).toEqual([])
    })
  })
})
