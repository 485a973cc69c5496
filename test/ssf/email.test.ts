import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ISSUER, OTHER_TENANT, TENANT } from '../rig.ts'
import { status } from '../workers/receiver.ts'
import { CAEP, polling, pushStream, RISC, type Set, world, type World } from './world.ts'

/**
 * Users named by email address too (RFC 9493 §3.2.2, §3.2.8): only where the client's registration
 * ties the address's domain to the user's tenant.
 */

const DOMAINS = {
  [TENANT]: ['contoso.example', 'sub.contoso.example'],
  [OTHER_TENANT]: ['fabrikam.example'],
}
type Client = Awaited<ReturnType<World['instance']>>
type User = NonNullable<Parameters<World['rig']['openSession']>[0]>['user']

async function sessionOf({ rig }: World, client: Client, user: User = {}) {
  const { session } = await rig.openSession({ user })
  await rig.signInAt(session.sid, client)
  return session
}
const revoke = (
  { rig }: World,
  sub: string,
  reason: 'administrator' | 'locked' = 'administrator',
) =>
  rig.store.revoke({
    selector: { kind: 'subject', sub },
    reason,
    actor: { kind: 'operator', id: 'olga' },
    now: rig.clock.now(),
  })
const knownBy = (sub: string) => ({ format: 'iss_sub', iss: ISSUER, sub })
const alsoBy = (sub: string, email: string) => ({
  format: 'aliases',
  identifiers: [knownBy(sub), { format: 'email', email }],
})
const subjects = (sets: Set[]) => sets.map(({ claims }) => claims.sub_id)

/** Polls and acknowledges every event of a stream. */
async function polled(
  { verified }: World,
  call: Awaited<ReturnType<World['api']>>,
  id: string,
): Promise<Set[]> {
  const taken: Set[] = []
  for (let ack: string[] = []; ;) {
    const { sets } = (await call('POST', `/ssf/poll/${id}`, { returnImmediately: true, ack }))
      .json as unknown as { sets: Record<string, string> }
    ack = Object.keys(sets)
    if (ack.length === 0) return taken
    for (const token of Object.values(sets)) taken.push(await verified(token, 'sydney'))
  }
}

describe('a receiver whose client has ssf_email_domains', () => {
  test('is pushed the user’s address beside iss_sub: in a session’s subject, in a user’s, and in every type of event', async () => {
    const made = await world()
    const sydney = await made.instance('Sydney', { ssfEmailDomains: DOMAINS })
    const { id } = await pushStream(made, sydney)
    const { sid, sub } = await sessionOf(made, sydney)
    await made.rig.store.revoke({
      selector: { kind: 'session', sid },
      reason: 'administrator',
      actor: { kind: 'operator', id: 'olga' },
      now: made.rig.clock.now(),
    })
    const user = alsoBy(sub, 'alice@contoso.example')
    const session = {
      format: 'complex',
      user,
      session: { format: 'opaque', id: sid },
      tenant: { format: 'opaque', id: TENANT },
    }
    expect(subjects(await made.pushed(id, 'sydney'))).toEqual([session])
    await sessionOf(made, sydney)
    await revoke(made, sub, 'locked')
    const sets = await made.pushed(id, 'sydney')
    expect(sets.map(({ type }) => type).toSorted()).toEqual([
      `${CAEP}session-revoked`,
      `${RISC}account-disabled`,
    ])
    expect(subjects(sets)).toEqual([user, user])
  })

  test('polls the same, in the domains alone', async () => {
    const made = await world()
    const sydney = await made.instance('Sydney', { ssfEmailDomains: DOMAINS })
    const call = await made.api(sydney)
    const { stream_id: id } = (await call('POST', '/ssf/streams', polling)).json
    const subjectsWith = async (email: string) => {
      const { sub } = await sessionOf(made, sydney, { email })
      await revoke(made, sub)
      return [sub, subjects(await polled(made, call, id))] as const
    }
    const [sub, inDomain] = await subjectsWith('Alice.Adams@Sub.Contoso.Example')
    expect(inDomain).toEqual([alsoBy(sub, 'Alice.Adams@sub.contoso.example')])
    expect((await subjectsWith('alice@elsewhere.example'))[1]).toEqual([knownBy(sub)])
  })

  test('gets no address outside the domains of the user’s own tenant, whatever the address is (property)', async () => {
    const made = await world()
    await made.rig.store.putTenant({
      tid: OTHER_TENANT,
      name: 'Fabrikam',
      mfaProof: 'auth_context:c1',
      connectedAt: made.rig.clock.now(),
    })
    const sydney = await made.instance('Sydney', { ssfEmailDomains: DOMAINS })
    const call = await made.api(sydney)
    const { stream_id: id } = (await call('POST', '/ssf/streams', polling)).json
    const named = [
      ...Object.values(DOMAINS).flat(),
      'CONTOSO.example',
      'contoso.example.evil.example',
      'xcontoso.example',
      'example',
      'constructor',
    ]
    const local = fc.oneof(
      fc.constantFrom('alice', 'a@contoso.example', '"a b"', 'a,b', 'Ä', ''),
      fc.string({ maxLength: 70, unit: 'binary' }),
    )
    const address = fc.option(
      fc.oneof(
        fc.tuple(local, fc.constantFrom(...named)).map((parts) => parts.join('@')),
        fc.string({ maxLength: 40 }),
      ),
    )
    const user = fc.record({
      tid: fc.constantFrom(TENANT, OTHER_TENANT),
      oid: fc.uuid(),
      email: address,
    })
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(user, { minLength: 4, maxLength: 6, selector: ({ oid }) => oid }),
        async (users) => {
          const expected = new Map<string, unknown>()
          for (const { tid, oid, email } of users) {
            const { sub } = await sessionOf(made, sydney, {
              tid,
              oid,
              name: 'U',
              username: 'u',
              email: email ?? undefined,
            })
            await revoke(made, sub)
            // The test states the rule in another way than the broker does: no second @, no
            // character that separates addresses, and the domain is one of the tenant's.
            const [before = '', domain = '', ...more] = email?.split('@') ?? []
            const own = DOMAINS[tid]?.includes(domain.toLowerCase()) && more.length === 0
            const plain =
              before.length > 0 && before.length <= 64 && !/[\s\p{Cc}<>,;:"]/u.test(before)
            expected.set(
              sub,
              own && plain ? alsoBy(sub, `${before}@${domain.toLowerCase()}`) : knownBy(sub),
            )
          }
          const sent = subjects(await polled(made, call, id)) as {
            sub?: string
            identifiers?: { sub: string }[]
          }[]
          expect(
            new Map(sent.map((subject) => [subject.sub ?? subject.identifiers?.[0]?.sub, subject])),
          ).toEqual(expected)
        },
      ),
      { numRuns: 2 },
    )
  })

  test('gets the address that is right at the attempt: none once the domain was taken out, and none of an erased user', async () => {
    const made = await world()
    const { store, clock } = made.rig
    const sydney = await made.instance('Sydney', { ssfEmailDomains: DOMAINS })
    const { id } = await pushStream(made, sydney)
    const { sub } = await sessionOf(made, sydney)
    made.receiver.answer = status(500)
    await revoke(made, sub)
    expect(subjects(await made.pushed(id, 'sydney'))).toEqual([
      alsoBy(sub, 'alice@contoso.example'),
    ])
    expect(
      JSON.stringify(
        (await store.listDeliveries({ clientId: id, limit: 10 })).map(({ payload }) => payload),
      ),
    ).not.toContain('alice')
    await made.instance('Sydney', { ssfEmailDomains: { [OTHER_TENANT]: ['contoso.example'] } })
    clock.advance(5)
    expect(subjects(await made.pushed(id, 'sydney'))).toEqual([knownBy(sub)])
    await made.instance('Sydney', { ssfEmailDomains: DOMAINS })
    await sessionOf(made, sydney)
    await store.eraseUser({ sub, actor: { kind: 'operator', id: 'olga' }, now: clock.now() })
    made.receiver.answer = status(202)
    clock.advance(60)
    for (const subject of subjects(await made.pushed(id, 'sydney')))
      expect(JSON.stringify(subject)).not.toContain('alice')
  })
})

test('without ssf_email_domains no event holds an address', async () => {
  const made = await world()
  const sydney = await made.instance('Sydney')
  const { id } = await pushStream(made, sydney)
  const { sub } = await sessionOf(made, sydney)
  await revoke(made, sub)
  expect(subjects(await made.pushed(id, 'sydney'))).toEqual([knownBy(sub)])
})
