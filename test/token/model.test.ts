import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createRig, type RegisteredClient, type Rig } from '../rig.ts'
import { claimsOf, refreshForm, tokensOf, type Tokens } from './tokens.ts'

/**
 * A step that may happen to a user's tokens at an instance, honest or not. `pick` chooses among
 * what there is.
 */
type Step =
  | { do: 'refresh'; times: number }
  | { do: 'lose the answer' }
  | { do: 'wait'; seconds: number }
  | { do: 'steal'; pick: number }
  | { do: 'sign out' }
  | { do: 'sign in again' }
  | { do: 'revoke the grant' }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('refresh' as const),
      times: fc.integer({ min: 1, max: 4 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('lose the answer' as const) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      seconds: fc.constantFrom(1, 9, 12, 29, 31, 200, 1000),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('steal' as const), pick: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('sign out' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('sign in again' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('revoke the grant' as const) }) },
)

interface Grant {
  sid: string
  /** Every refresh token of the family, by generation. */
  generations: string[]
  /** The token of the honest client, as an index into `generations`. */
  held: number
  accessTokens: string[]
  /** When each of them was replaced. */
  replacedAt: number[]
  /**
   * The reason for which the grant has ended. Undefined while nothing has happened that may end it.
   */
  over?: 'signed out' | 'revoked' | 'late' | 'stolen' | undefined
}

class World {
  readonly rig: Rig
  readonly client: RegisteredClient
  readonly user = { oid: crypto.randomUUID() }
  readonly grants: Grant[] = []
  constructor(rig: Rig, client: RegisteredClient) {
    this.rig = rig
    this.client = client
  }

  get current(): Grant {
    return this.grants.at(-1)!
  }

  async signIn(): Promise<void> {
    const { session } = await this.rig.openSession({ user: this.user })
    const { form } = await this.rig.issueCode(session.sid, this.client)
    const tokens: Tokens = await tokensOf(this.post('/token', form))
    this.grants.push({
      sid: session.sid,
      generations: [tokens.refresh_token!],
      held: 0,
      accessTokens: [tokens.access_token],
      replacedAt: [],
    })
  }

  get isPublic(): boolean {
    return this.client.metadata.authMethod === 'none'
  }

  post(path: string, form: Record<string, string>): Response | Promise<Response> {
    if (this.isPublic) return this.rig.post(path, { ...form, client_id: this.client.clientId })
    return this.rig.post(path, form, { authorization: this.client.basic })
  }

  send(token: string): Response | Promise<Response> {
    return this.post('/token', refreshForm(token))
  }

  /**
   * The honest client refreshes, `times` at once; where the answer is lost it keeps what it holds.
   */
  async refresh(grant: Grant, times: number, lost: boolean): Promise<void> {
    const answers = await Promise.all(
      Array.from({ length: times }, async () => this.send(grant.generations[grant.held]!)),
    )
    grant.over ??= this.lateness(grant)
    if (grant.over)
      return expect(answers.map((answer) => answer.status)).toEqual(answers.map(() => 400))
    const tokens = await Promise.all(answers.map((answer) => tokensOf(answer)))
    const successors = [...new Set(tokens.map((each) => each.refresh_token!))]
    expect(successors, 'all get the same successor').toHaveLength(1)
    if (grant.held === grant.generations.length - 1) {
      grant.generations.push(successors[0]!)
      grant.replacedAt.push(this.rig.clock.now())
    }
    expect(successors[0], 'a replay gives the successor that there is').toBe(
      grant.generations.at(-1),
    )
    grant.accessTokens.push(tokens[0]!.access_token)
    if (!lost) grant.held = grant.generations.length - 1
  }

  /**
   * Returns what a late refresh costs. A public client has 10 s to use the generation before the
   * current one again. After that it loses the grant, and after 30 s the session.
   */
  lateness(grant: Grant): 'late' | 'stolen' | undefined {
    if (!this.isPublic || grant.held === grant.generations.length - 1) return undefined
    const age = this.rig.clock.now() - grant.replacedAt.at(-1)!
    return age <= 10 ? undefined : age <= 30 ? 'late' : 'stolen'
  }

  /** A client sends an old token. 30 s after its successor was used it is theft. */
  async steal(grant: Grant, pick: number): Promise<void> {
    const index = pick % grant.generations.length
    if (index >= grant.generations.length - 2) return
    const answer = await this.send(grant.generations[index]!)
    expect(answer.status).toBe(400)
    if (!grant.over && this.rig.clock.now() - grant.replacedAt[index + 1]! > 30)
      grant.over = 'stolen'
  }

  /** A public client may not introspect: userinfo says as much of its access tokens. */
  async isActive(token: string): Promise<boolean> {
    if (this.isPublic)
      return (await this.rig.post('/userinfo', { access_token: token })).status === 200
    return ((await (await this.post('/introspect', { token })).json()) as { active: boolean })
      .active
  }

  async check(): Promise<void> {
    for (const grant of this.grants.slice(-2)) {
      const newest = grant.accessTokens.at(-1)!
      const unexpired = (claimsOf(newest).exp as number) > this.rig.clock.now()
      expect(
        await this.isActive(newest),
        'no access token is accepted after its revocation, none is rejected before',
      ).toBe(!grant.over && unexpired)
      if (this.isPublic) continue
      const active = await Promise.all(
        grant.generations.slice(-4).map((token) => this.isActive(token)),
      )
      const wanted = grant.generations
        .slice(-4)
        .map((_, index, all) => !grant.over && index >= all.length - 2)
      expect(active, 'at most the current generation and the one before it are good').toEqual(
        wanted,
      )
    }
    const status = await this.rig.store.statusBySid(this.current.sid, this.rig.clock.now())
    expect(status.state === 'live', 'nobody is signed out who did nothing wrong').toBe(
      this.current.over === undefined ||
        this.current.over === 'revoked' ||
        this.current.over === 'late',
    )
  }
}

async function run(world: World, step: Step): Promise<void> {
  const { rig, current } = world
  if (step.do === 'refresh') return world.refresh(current, step.times, false)
  if (step.do === 'lose the answer') return world.refresh(current, 1, true)
  if (step.do === 'steal') return world.steal(current, step.pick)
  if (step.do === 'wait') return rig.clock.advance(step.seconds)
  if (step.do === 'sign in again') return world.signIn()
  if (step.do === 'revoke the grant') {
    await world.post('/revoke', { token: current.generations[current.held]! })
    current.over ??= 'revoked'
    return
  }
  await rig.store.revoke({
    selector: { kind: 'session', sid: current.sid },
    reason: 'signed_out',
    actor: { kind: 'broker', id: 'model' },
    now: rig.clock.now(),
  })
  if (current.over !== 'stolen') current.over = 'signed out'
}

describe('whatever happens, in whatever order', () => {
  const kinds = ['client_secret_basic', 'none'] as const
  test.each(kinds)(
    'no two live generations of a family, no token accepted after its revocation, no user signed out without a cause (%s)',
    async (authMethod) => {
      const rig = await createRig()
      const client = await rig.register('Sydney', { authMethod })
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 20 }), async (steps) => {
          const world = new World(rig, client)
          await world.signIn()
          for (const each of steps) {
            await run(world, each)
            await world.check()
          }
        }),
        {
          numRuns: Number(process.env.PROPERTY_RUNS ?? 20),
          interruptAfterTimeLimit: Number(process.env.PROPERTY_MS ?? 15_000),
          markInterruptAsFailure: false,
        },
      )
    },
  )
})
