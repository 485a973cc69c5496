import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { LockTarget } from '../../src/protocol/lock-target.ts'
import {
  benches,
  codeFor,
  expectOutcome,
  family,
  redemptionOf,
  STORES,
  T0,
  TENANT,
  type Bench,
  type SignedIn,
} from './fixture.ts'

/**
 * Locks beside other acts: whichever commits first, nothing of a locked user, tenant or client
 * lives, and what was revoked stays so after the lift.
 */

const ADAM = { kind: 'operator', id: 'u_adam' } as const
const PAIRS = Array.from({ length: 12 }, (_, i) => `p${i}`)
const each = <T>(pair: (who: string) => Promise<T>): Promise<T[]> => Promise.all(PAIRS.map(pair))

const lock = async (b: Bench, target: LockTarget) =>
  expectOutcome(
    await b.store.lock({
      target,
      actor: ADAM,
      may: 'administer',
      operatorTenant: undefined,
      now: b.now,
    }),
    'locked',
  ).lock
const lift = (b: Bench, id: string) => b.store.liftLock({ id, actor: ADAM, now: b.now })
const user = (who: string, tid = TENANT): LockTarget => ({ kind: 'user', tid, oid: `oid-${who}` })
const stateOf = async (b: Bench, sid: string) => (await b.store.statusBySid(sid, b.now)).state

describe.each(STORES)('a lock beside another act, on %s', (_name, make) => {
  const open = benches(make)

  test('a sign-in that returns from Microsoft beside a lock of its user opens nothing that lives, also where it is their first', async () => {
    const b = await open()
    await b.store.putTenant({ tid: TENANT, mfaProof: 'amr', connectedAt: T0 })
    await each(async (who) => {
      if (who > 'p5') await b.signIn(who)
      const [held, done] = await Promise.all([lock(b, user(who)), b.tryToSignIn(who)])
      if (done.outcome === 'signed_in') expect(await stateOf(b, done.session.sid)).toBe('ended')
      else expect(done.why).toBe('user_locked')
      await lift(b, held.id)
      if (done.outcome === 'signed_in') expect(await stateOf(b, done.session.sid)).toBe('ended')
    })
  })

  test('a code that is redeemed, and a token that is exchanged, beside a lock of the client give nothing, also after the lift', async () => {
    const b = await open()
    await b.client('melbourne')
    await each(async (who) => {
      const clientId = await b.client(who)
      const { session } = await b.signIn(who)
      const { sid, sub } = session
      const source = await b.exchange(sid, 'melbourne')
      const [code, late] = [codeFor(clientId, b.now), codeFor(clientId, b.now)]
      await b.store.issueCode({ sid, code, now: b.now })
      const access = { sid, sub, clientId: 'melbourne', rev: source.rev, now: b.now, touch: false }
      const [held, redeemed, issued] = await Promise.all([
        lock(b, { kind: 'client', clientId }),
        b.store.redeemAuthorizationCode(redemptionOf(code, b.now)),
        b.store.issueCode({ sid, code: late, now: b.now }),
        b.store.checkAccess({ ...access, joins: clientId }),
      ])
      expect((await b.store.checkAccess({ ...access, joins: clientId })).outcome).toBe('rejected')
      await lift(b, held.id)
      if (redeemed.outcome === 'redeemed') {
        expect((await b.refresh(family(redeemed.family))).outcome).toBe('rejected')
        expect(
          (await b.store.checkAccess({ ...access, clientId, rev: redeemed.rev })).outcome,
        ).toBe('rejected')
      } else expect(redeemed).toMatchObject({ outcome: 'rejected' })
      // It was issued before the lock, so that the lock's revocation covers it.
      if (issued.state === 'live')
        expect((await b.store.redeemAuthorizationCode(redemptionOf(late, b.now))).outcome).toBe(
          'rejected',
        )
      else expect(issued).toMatchObject({ state: 'locked', by: 'client' })
    })
  })

  test('whatever is locked and lifted, signed in and refreshed: no session of a locked user or tenant and no grant of a locked client lives', async () => {
    const b = await open()
    let run = 0
    await fc.assert(
      fc.asyncProperty(fc.array(STEP, { minLength: 4, maxLength: 16 }), async (steps) => {
        const world = await World.begin(b, run++)
        for (const step of steps) {
          await world.take(step)
          await world.check()
        }
      }),
      { numRuns: 12 },
    )
  })
})

const who = fc.constantFrom('alice', 'bob')
const place = fc.constantFrom(0, 1)
const STEP = fc.oneof(
  fc.record({ do: fc.constant('signIn' as const), who, place }),
  fc.record({
    do: fc.constant('toggle' as const),
    what: fc.constantFrom('user' as const, 'tenant' as const, 'client' as const),
    who,
    place,
  }),
)
type Step = typeof STEP extends fc.Arbitrary<infer S> ? S : never

/**
 * The tenants, clients and users of one run: two tenants, and two clients and two users in each.
 */
class World {
  readonly #open = new Map<string, string>()
  readonly #sessions: {
    signedIn: SignedIn
    who: string
    tid: string
    grants: { clientId: string; family: ReturnType<typeof family> }[]
  }[] = []
  readonly #b: Bench
  readonly #tids: readonly string[]
  readonly #clients: readonly string[]

  private constructor(b: Bench, run: number) {
    this.#b = b
    this.#tids = [0, 1].map((n) => `${String(run).padStart(8, '0')}-0000-4000-8000-00000000000${n}`)
    this.#clients = [0, 1].map((n) => `client-${run}-${n}`)
  }
  static async begin(b: Bench, run: number): Promise<World> {
    const world = new World(b, run)
    for (const tid of world.#tids)
      await b.store.putTenant({ tid, mfaProof: 'amr', connectedAt: T0 })
    for (const clientId of world.#clients) await b.client(clientId)
    return world
  }

  #target({ what, who: name, place: n }: Extract<Step, { do: 'toggle' }>): LockTarget {
    if (what === 'client') return { kind: 'client', clientId: this.#clients[n] ?? '' }
    return what === 'tenant'
      ? { kind: 'tenant', tid: this.#tids[n] ?? '' }
      : user(name, this.#tids[n])
  }
  #isLocked(target: LockTarget): boolean {
    return this.#open.has(JSON.stringify(target))
  }
  #isOut(name: string, tid: string): boolean {
    return this.#isLocked(user(name, tid)) || this.#isLocked({ kind: 'tenant', tid })
  }

  async take(step: Step): Promise<void> {
    if (step.do === 'toggle') {
      const target = this.#target(step)
      const [key, id] = [JSON.stringify(target), this.#open.get(JSON.stringify(target))]
      if (id === undefined) this.#open.set(key, (await lock(this.#b, target)).id)
      else if ((await lift(this.#b, id)).outcome === 'lifted') this.#open.delete(key)
      return
    }
    const tid = this.#tids[step.place] ?? ''
    const done = await this.#b.tryToSignIn(step.who, { tid })
    expect(done.outcome).toBe(this.#isOut(step.who, tid) ? 'rejected' : 'signed_in')
    if (done.outcome !== 'signed_in') return
    const grants = []
    for (const clientId of this.#clients) {
      const code = codeFor(clientId, this.#b.now)
      const issued = await this.#b.store.issueCode({
        sid: done.session.sid,
        code,
        now: this.#b.now,
      })
      expect(issued.state).toBe(this.#isLocked({ kind: 'client', clientId }) ? 'locked' : 'live')
      if (issued.state !== 'live') continue
      const redeemed = expectOutcome(
        await this.#b.store.redeemAuthorizationCode(redemptionOf(code, this.#b.now)),
        'redeemed',
      )
      grants.push({ clientId, family: family(redeemed.family) })
    }
    this.#sessions.push({ signedIn: done, who: step.who, tid, grants })
  }

  async check(): Promise<void> {
    for (const { signedIn, who: name, tid, grants } of this.#sessions) {
      const out = this.#isOut(name, tid)
      if (out) expect(await stateOf(this.#b, signedIn.session.sid)).toBe('ended')
      for (const grant of grants) {
        const answer = await this.#b.refresh(grant.family)
        if (out || this.#isLocked({ kind: 'client', clientId: grant.clientId }))
          expect(answer).toEqual({ outcome: 'rejected', why: 'locked' })
        if (answer.outcome === 'rotated') grant.family = answer.family
      }
    }
  }
}
