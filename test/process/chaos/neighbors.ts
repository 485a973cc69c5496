import { join } from 'node:path'
import { FABRIKAM } from '../../../demo/entra/users.ts'
import { openSqliteStore } from '../../../db/sqlite/store.ts'
import type { Store } from '../../../db/store.ts'
import { sha256 } from '../../../src/runtime/compare.ts'
import { until } from '../broker-process.ts'
import { newBrowser, type TestInstance, type TestWorld, sidOf } from '../world.ts'
import type { Broker } from '../../../src/operations/command/broker.ts'
import { Violation } from './users.ts'

/**
 * Five instances that are dead from the start (three hang, two refuse connections) with many
 * pending deliveries, and a healthy sixth one.
 */

export const DEAD = ['dead-1', 'dead-2', 'dead-3', 'dead-4', 'dead-5']
export const SIXTH = 'sixth'

const VERIFIER = 'a-verifier-that-is-long-enough-for-rfc-7636-section-4-1'
const CHALLENGE = sha256(VERIFIER)

export interface Latency {
  p50: number
  max: number
  /** Tries in which an attempt at a neighbor that hangs ended before the token arrived. */
  waited: number
}

/** The least number of sessions a second to which a revocation is fanned out on a busy machine. */
const SESSIONS_A_SECOND = 50

export class Neighbors {
  readonly #world: TestWorld
  readonly #dead: TestInstance[]
  readonly #sixth: TestInstance
  readonly #sids: string[] = []
  /** How many attempts at the neighbors that hang have ended. */
  #ended = 0

  constructor(world: TestWorld) {
    this.#world = world
    this.#dead = DEAD.map((name) => instanceOf(world, name))
    this.#sixth = instanceOf(world, SIXTH)
  }

  get sixth(): TestInstance {
    return this.#sixth
  }

  /**
   * Writes the sessions by the store's own acts, while no broker runs: through the pages, thousands
   * of sign-ins would take minutes.
   */
  async seed(sessions: number): Promise<void> {
    const store = await openSqliteStore({
      file: join(this.#world.broker.env.BROKER_DATA_DIR ?? '', 'broker.db'),
      nowMs: Date.now,
    })
    try {
      for (let done = 0; done < sessions; done += 500) {
        const batch = Array.from({ length: Math.min(500, sessions - done) }, (_, n) =>
          sessionEverywhere(store, done + n, this.#dead),
        )
        this.#sids.push(...(await Promise.all(batch)))
      }
    } finally {
      await store.close()
    }
  }

  async die(): Promise<void> {
    for (const [index, { receiver }] of this.#dead.entries()) {
      if (index % 2 === 0)
        receiver.answer = (response) => void response.once('close', () => this.#ended++)
      else await receiver.close()
    }
  }

  /** Signs out all their users, who are in one tenant. Settles when every delivery is pending. */
  async signAllOut(broker: () => Promise<Broker>): Promise<void> {
    await (
      await broker()
    ).send('POST', '/revocations', {
      selector: { kind: 'tenant', tid: FABRIKAM.tid },
      case_reference: 'CHAOS',
    })
    const allPending = async (): Promise<boolean> => {
      const { pending } = await (
        await broker()
      ).get<{ pending: { client_id: string; pending: number }[] }>('/status')
      return DEAD.every(
        (name) =>
          (pending.find((candidate) => candidate.client_id === name)?.pending ?? 0) >=
          this.#sids.length,
      )
    }
    await until(
      'the dead neighbors have all their deliveries pending',
      allPending,
      60 + this.#sids.length / SESSIONS_A_SECOND,
    )
  }

  /**
   * Measures the time from the request for a session's revocation until the sixth instance has its
   * logout token.
   */
  async latency(
    upn: string,
    revoke: (sid: string) => Promise<void>,
    times: number,
  ): Promise<Latency> {
    const taken: number[] = []
    let waited = 0
    for (let n = 0; n < times; n++) {
      const sid = sidOf(
        (await this.#world.signIn(newBrowser(), this.#sixth, { login_hint: upn })).tokens.id_token,
      )
      const before = this.#ended
      const askedMs = Date.now()
      await revoke(sid)
      const { atMs } = await until('the sixth instance gets its logout token', () =>
        this.#sixth.receiver.delivered.find(({ claims }) => claims.sid === sid),
      )
      taken.push(atMs - askedMs)
      if (this.#ended > before) waited++
    }
    taken.sort((a, b) => a - b)
    return { p50: taken[Math.floor(taken.length / 2)] ?? 0, max: taken.at(-1) ?? 0, waited }
  }

  async comeBack(): Promise<void> {
    for (const { receiver } of this.#dead) {
      // Tokens that they took without an answer do not count.
      receiver.delivered.length = 0
      receiver.answer = (response) => void response.writeHead(200).end()
    }
    for (const [index, { receiver }] of this.#dead.entries())
      if (index % 2 === 1) await receiver.open()
  }

  /** Checks the deliveries once nothing is pending any more. */
  judge(): void {
    for (const { entry, receiver } of this.#dead) {
      const heard = new Set(receiver.delivered.map(({ claims }) => claims.sid))
      const missing = this.#sids.filter((sid) => !heard.has(sid)).length
      if (missing > 0)
        throw new Violation(
          `${entry.client_id} came back and never got ${missing} of ${this.#sids.length} logout tokens.`,
        )
    }
  }
}

const instanceOf = (world: TestWorld, name: string): TestInstance => {
  const found = world.instances.find(({ entry }) => entry.client_id === name)
  if (found === undefined) throw new Error(`There is no instance ${name}.`)
  return found
}

async function sessionEverywhere(
  store: Store,
  n: number,
  instances: readonly TestInstance[],
): Promise<string> {
  const now = Math.floor(Date.now() / 1000)
  const sid = `s_neighbor_${n}`
  await store.signIn({
    session: {
      user: { tid: FABRIKAM.tid, oid: `00000000-0000-4000-a000-${String(n).padStart(12, '0')}` },
      authTime: now,
      visitStartedAt: now,
      idleSeconds: 28_800,
      absoluteAt: now + 43_200,
      roles: [],
      staySignedIn: false,
      device: 'Firefox on Linux',
      cookieHash: sha256(sid),
    },
    provenSeq: Number.MAX_SAFE_INTEGER,
    ids: { sub: `u_neighbor_${n}`, sid },
    now,
  })
  for (const { entry, redirectUri } of instances) {
    const codeHash = sha256(`${sid} ${entry.client_id}`)
    const code = {
      codeHash,
      clientId: entry.client_id,
      redirectUri,
      scope: 'openid',
      audience: entry.client_id,
      codeChallenge: CHALLENGE,
      expiresAt: now + 60,
    }
    await store.issueCode({ sid, code, now })
    await store.redeemAuthorizationCode({
      codeHash,
      clientId: entry.client_id,
      redirectUri,
      verifier: VERIFIER,
      familyId: `f_${codeHash}`,
      now,
    })
  }
  return sid
}
