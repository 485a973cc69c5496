import { expect, test } from 'vitest'
import type { Browser } from '../browser.ts'
import { until } from '../process/broker-process.ts'
import type { World } from './world.ts'

/**
 * The bound of each recipe: until when a page or an API answers after a sign-out while the line to
 * the broker is cut both ways, and what the receipt says of it.
 */

/** The lease of each recipe with a guard. */
const LEASE_SECONDS = 5
/** How long access tokens last where a page's end depends on it: the least that is allowed. */
export const TOKEN_SECONDS = 60

/**
 * The end of a page or an API without the broker. `lease`: a guard judges each request. `question`:
 * each request asks the broker, so none is answered. `access_token`: the page ends with its access
 * token. `logout_token`: nothing but a logout token ends the page.
 */
export type Bound = 'lease' | 'question' | 'access_token' | 'logout_token'

export interface Asked {
  name: 'page' | 'API' | 'own page of the proxy'
  bound: Bound
  /** Asks once, and returns the status. */
  status: () => Promise<number>
}

export interface Bounded {
  clientId: string
  world: World
  note: (line: string) => void
  /** Signs in with this browser, and returns what is asked then. */
  signIn: (browser: Browser) => Promise<Asked[]>
}

/** Returns who ends the own sessions of a recipe whose pages have this bound. */
export const ownSessionsOf = (page: Bound | undefined) =>
  page === undefined ? 'none' : page === 'lease' ? 'guard' : 'logout_token'

/** Returns the fields of the registration of a recipe whose pages have this bound. */
export const registrationOf = (page?: Bound): Record<string, unknown> => ({
  guard_lease_seconds: LEASE_SECONDS,
  own_sessions: ownSessionsOf(page),
  ...(ownSessionsOf(page) === 'logout_token' && { access_token_seconds: TOKEN_SECONDS }),
})

/**
 * The test of the bounds. What another session, which is not revoked, is answered shows when the
 * lease is over: 503.
 * @param own who ends the own sessions, as registered
 */
export function boundTest(own: ReturnType<typeof ownSessionsOf>, running: () => Bounded): void {
  test('with the line to the broker cut both ways, nothing of a session that was signed out is served beyond its bound, and the receipt says the same', async () => {
    const { clientId, note, signIn, world } = running()
    const [here, elsewhere] = [world.newBrowser(), world.newBrowser()]
    const [ended, others] = [await signIn(here), await signIn(elsewhere)]
    const expiredMs = Date.now() + TOKEN_SECONDS * 1000
    for (const { name, status } of [...ended, ...others])
      await until(`the ${name} answers`, async () => (await status()) === 200)

    const latestMs = ended.map(() => 0)
    const late: string[] = []
    world.shut(clientId, true)
    try {
      await world.signOut(here)
      const acknowledgedMs = Date.now()
      const receipt = await receiptOf(world, clientId)
      const isOver = async ({ bound }: Asked, at: number): Promise<boolean> => {
        if (bound === 'lease') return (await others[at]?.status()) === 503
        return bound === 'question' || Date.now() > expiredMs
      }
      await until(
        'each bound is over',
        async () => {
          let areOver = true
          for (const [at, asked] of ended.entries()) {
            const over = await isOver(asked, at)
            const askedMs = Date.now()
            areOver &&= over
            if ((await asked.status()) !== 200) continue
            if (over && asked.bound !== 'logout_token') late.push(asked.name)
            latestMs[at] = askedMs - acknowledgedMs
          }
          return areOver
        },
        120,
      )
      expect(late).toEqual([])
      for (const { bound, status } of ended)
        if (bound === 'logout_token') expect(await status()).toBe(200)
      const isJudged = ended.some(({ bound }) => bound === 'lease')
      const said = await until('the receipt is final without the instance', async () => {
        const { sessions, tokens } = await receipt()
        const areKnown = isJudged ? tokens.state === 'confirmed' : tokens.by === 'expiry'
        return areKnown && sessions.state !== 'bounded' ? { sessions, tokens } : undefined
      })
      expect(said.sessions).toMatchObject(WITHOUT_LINE[own])
      const row = ended.map(({ name, bound }, at) => `${name} ${latestMs[at]} ms (${bound})`)
      note(
        `line cut: latest ${row.join(', ')}; receipt: tokens ${said.tokens.state} by ${said.tokens.by}, sessions ${said.sessions.state} by ${said.sessions.by}`,
      )
      world.shut(clientId, false)
      if (own === 'logout_token')
        await until(
          'the receipt names the logout token',
          async () => (await receipt()).sessions.by === 'logout_token',
          120,
        )
    } finally {
      world.shut(clientId, false)
    }
    for (const { bound, name, status } of others)
      if (bound === 'lease')
        await until(`the other ${name} answers again`, async () => (await status()) === 200)
    for (const { name, status } of ended)
      expect(await status()).toSatisfy((code: number) =>
        name === 'API' ? code === 401 : code !== 200 && code < 500,
      )
  })
}

/** The receipt's claim about own sessions before the instance can be reached again. */
const WITHOUT_LINE = {
  none: { state: 'confirmed', by: 'none' },
  guard: { state: 'confirmed', by: 'lease' },
  logout_token: { state: 'not_bounded', by: null },
}

/** Returns a reader of what the newest revocation's receipt says of a client. */
async function receiptOf(world: World, clientId: string) {
  const admin = await world.admin()
  const { revocations } = await admin.ask('GET /revocations', { limit: 1 })
  const seq = revocations[0]?.seq ?? 0
  return async () => {
    const { participants } = await admin.ask('GET /revocations/:seq/receipt', { seq })
    const participant = participants.find(({ client_id: id }) => id === clientId)
    if (participant === undefined) throw new Error(`Receipt ${seq} does not name ${clientId}.`)
    return participant
  }
}
