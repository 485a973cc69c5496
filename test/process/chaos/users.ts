import { setTimeout as sleep } from 'node:timers/promises'
import { type Broker, openBroker } from '../../../src/operations/command/broker.ts'
import type { Browser } from '../../browser.ts'
import { newBrowser, type TestInstance, type TestWorld } from '../world.ts'
import { type Random, randomOf } from '../../../bench/machine/random.ts'

/**
 * One user of the chaos run, who does one thing after another: signs in, is signed out, signs in
 * again. A request that fails is retried until it is answered. Every answer is recorded, and must
 * be true at the end.
 */

/** The error of a broken promise, which no fault excuses. */
export class Violation extends Error {}

export interface Seat {
  city: string
  instance: TestInstance
  refreshToken: string
  accessToken: string
  /** The head of the log when it joined. Earlier revocations do not cover it. */
  rev: number
}

export interface KnownSession {
  sid: string
  sub: string
  upn: string
  browser: Browser
  seats: Seat[]
  /** How an acknowledged act ended the session. */
  ended?: 'session' | 'user' | 'restored'
  /** The name of that act. */
  act?: string
}

const claimsOf = (jwt: string | undefined) =>
  JSON.parse(Buffer.from(jwt?.split('.')[1] ?? '', 'base64url').toString() || '{}') as {
    sid: string
    sub: string
    rev: number
  }

/** Generous, because the broker is killed repeatedly meanwhile, on a machine that may be busy. */
const PATIENCE_MS = 180_000

export async function persist<T>(what: string, act: () => Promise<T>): Promise<T> {
  for (const end = Date.now() + PATIENCE_MS; ;) {
    try {
      return await act()
    } catch (error) {
      if (error instanceof Violation) throw error
      if (Date.now() > end)
        throw new Error(`Tried for ${PATIENCE_MS / 1000} s: ${what}`, { cause: error })
      await sleep(100)
    }
  }
}

type Trigger = 'sign-out' | 'sign-out everywhere' | 'session by command' | 'user by command'
const TRIGGERS: Trigger[] = [
  'sign-out',
  'sign-out',
  'sign-out everywhere',
  'session by command',
  'user by command',
]

export class User {
  readonly upn: string
  readonly sessions: KnownSession[] = []
  acknowledged = 0
  readonly #world: TestWorld
  readonly #broker: () => Promise<Broker>
  readonly #acknowledged: ((ended: readonly KnownSession[]) => Promise<void>) | undefined
  /** The instances at which the user signs in. */
  readonly #at: readonly TestInstance[]
  readonly #random: Random

  constructor(parts: {
    upn: string
    world: TestWorld
    at: readonly TestInstance[]
    broker: () => Promise<Broker>
    seed: number
    /** Called when a sign-out or a revocation was acknowledged, with the sessions that it ended. */
    acknowledged?: (ended: readonly KnownSession[]) => Promise<void>
  }) {
    this.upn = parts.upn
    this.#world = parts.world
    this.#broker = parts.broker
    this.#acknowledged = parts.acknowledged
    this.#at = parts.at
    this.#random = randomOf(parts.seed, `user ${parts.upn}`)
  }

  get live(): KnownSession[] {
    return this.sessions.filter((session) => session.ended === undefined)
  }

  /** Signs in, refreshes sometimes, and is signed out once. */
  async round(): Promise<void> {
    const random = this.#random
    const [trigger, wanted, refreshes] = [
      random.pick(TRIGGERS),
      random.between(1, 2),
      random.chance(0.5),
    ]
    const plans = [0, 1].map(() => random.some(this.#at))
    // Some users stay signed in until the end, or until all of their sessions are ended.
    const keeps = random.chance(0.4)
    // No user signs in again within the second in which they signed out, so that faults can happen
    // in between.
    await sleep(random.between(100, 900))
    for (const plan of plans.slice(0, Math.max(wanted, this.live.length === 0 ? 1 : 0)))
      await this.signIn(plan)
    if (refreshes)
      for (const session of this.live) for (const seat of session.seats) await this.refresh(seat)
    const victim = (keeps ? this.live.at(-1) : this.live[0]) ?? (await this.signIn(plans[0] ?? []))
    await this.end(victim, trigger)
    const [seat] = victim.seats
    if (seat !== undefined) await this.isRejected(victim, seat)
  }

  async signIn(at: readonly TestInstance[]): Promise<KnownSession> {
    const browser = newBrowser()
    let session: KnownSession | undefined
    for (const instance of at) {
      const { tokens } = await persist(`${this.upn} signs in at ${instance.entry.client_id}`, () =>
        this.#world.signIn(browser, instance, { login_hint: this.upn }),
      )
      const { sid, sub } = claimsOf(tokens.id_token)
      if (session?.sid !== sid) {
        session = { sid, sub, upn: this.upn, browser, seats: [] }
        this.sessions.push(session)
      }
      const { access_token: accessToken, refresh_token: refreshToken = '' } = tokens
      session.seats.push({
        city: instance.entry.client_id,
        instance,
        accessToken,
        refreshToken,
        rev: claimsOf(accessToken).rev,
      })
    }
    if (session === undefined) throw new Error('Signed in nowhere.')
    return session
  }

  /** Refreshes a token. A kill must not sign out a user: lost answers are given again. */
  async refresh(seat: Seat): Promise<void> {
    const tokens = await persist(`${this.upn} refreshes at ${seat.city}`, () =>
      this.#world.refresh(seat.instance, seat.refreshToken).catch((error: unknown) => {
        if (isRejection(error))
          throw new Violation(
            `${this.upn} was signed out at ${seat.city}, without an act that ends that session.`,
          )
        throw error
      }),
    )
    seat.accessToken = tokens.access_token
    seat.refreshToken = tokens.refresh_token ?? seat.refreshToken
  }

  async isRejected(session: KnownSession, seat: Seat): Promise<void> {
    await persist(`${this.upn} is rejected at ${seat.city}`, () =>
      this.#world.refresh(seat.instance, seat.refreshToken).then(
        () => {
          throw new Violation(
            `${this.upn}: session ${session.sid} has ended, and was refreshed at ${seat.city}.`,
          )
        },
        (error: unknown) => {
          if (!isRejection(error)) throw error
        },
      ),
    )
  }

  async end(session: KnownSession, how: Trigger): Promise<void> {
    const wide = how === 'sign-out everywhere' || how === 'user by command'
    if (how === 'sign-out' || how === 'sign-out everywhere')
      await persist(`${this.upn}: ${how}`, () => this.#signOut(session, wide))
    else
      await persist(`${this.upn}: ${how}`, () =>
        this.#command(
          wide ? { kind: 'subject', sub: session.sub } : { kind: 'session', sid: session.sid },
        ),
      )
    const ended = wide ? this.live : [session]
    for (const knownSession of ended) {
      knownSession.ended = wide ? 'user' : 'session'
      knownSession.act = `${how} of ${session.sid} at ${new Date().toISOString()}`
    }
    this.acknowledged++
    await this.#acknowledged?.(ended)
  }

  /**
   * Signs out by the pages. If the answer was lost but the sign-out was done, the next page finds
   * no session.
   */
  async #signOut({ browser }: KnownSession, everywhere: boolean): Promise<void> {
    const page = await browser.get(`${this.#world.broker.issuer}/logout`)
    if (page.status !== 200) throw new Error(`The sign-out page answered ${page.status}.`)
    if (!page.forms.some((form) => form.buttons.some(({ label }) => label.includes('Sign out'))))
      return
    const done = await browser.submit(
      page,
      { scope: everywhere ? 'everywhere' : 'device' },
      'Sign out',
    )
    if (done.status !== 200) throw new Error(`Signing out answered ${done.status}.`)
  }

  async #command(selector: Record<string, string>): Promise<void> {
    await (await this.#broker()).send('POST', '/revocations', { selector, case_reference: 'CHAOS' })
  }
}

/** Opens the broker with this data directory. */
export const brokerIn = (dataDir: string): Promise<Broker> =>
  openBroker(
    { env: {}, out: () => {}, err: () => {}, user: 'chaos', ask: undefined, input: async () => '' },
    dataDir,
  )

const isRejection = (error: unknown): boolean =>
  (error as { error?: unknown }).error === 'invalid_grant'
