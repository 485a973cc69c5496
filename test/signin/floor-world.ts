import type { Session } from '../../db/types.ts'
import { DISAGREE_SECONDS } from '../../src/runtime/clock-watch.ts'
import type { LockTarget } from '../../src/protocol/lock-target.ts'
import { sha256 } from '../../src/runtime/compare.ts'
import { SESSION_COOKIE } from '../../src/session/cookie.ts'
import { sweepExpired } from '../../workers/expiry.ts'
import { expect } from 'vitest'
import { type Browser, browserAt, FIREFOX } from '../browser.ts'
import { createRig, type RegisteredClient, type Rig } from '../rig.ts'
import { authorizePath } from './browser.ts'
import type { Of } from './floor-steps.ts'

/**
 * A broker with two browsers of one user, the effects of operators and time on it, and what is
 * known since.
 */

export interface Rules {
  most: number | undefined
  maxAuthenticationSeconds: number | undefined
}

export interface Visit {
  back: string
  /** The latest departure with prompt=login: the number of the step, and Microsoft's time. */
  login: { step: number; at: number } | undefined
}

export interface Device {
  browser: Browser
  /** When the password was last entered there, in Microsoft's time. */
  enteredAt: number | undefined
  visit: Visit | undefined
  /** The step of the latest departure whose visit came back fresh. */
  provenStep: number
  /**
   * The client's grant from this browser, a code and then a refresh token; and the step and session
   * of its issue.
   */
  grant: { code: string } | { refresh: string } | undefined
  grantOf: { step: number; sid: string | undefined }
}

export type OnEnd = (close: () => Promise<void>) => void
const OPERATOR = { kind: 'operator', id: 'u_operator' } as const

export class FloorWorld {
  rig: Rig
  readonly client: RegisteredClient
  readonly path: string
  readonly rules: Rules
  readonly onEnd: OnEnd
  readonly devices: Device[]
  /** Microsoft's clock minus the broker's. */
  offset = 0
  /**
   * The same at the broker's start. With it, a broker that has not asked Microsoft yet finds that
   * its clock was set.
   */
  startedAtOffset = 0
  at = 0
  /** The step of the latest remote end of the user; 0: there was none. */
  endedStep = 0
  /** The step of the latest act that ended every grant. */
  grantsEndedStep = 0
  readonly sids = new Set<string>()
  readonly endedSids = new Set<string>()
  readonly locks = new Map<LockTarget['kind'], string>()

  constructor(rig: Rig, client: RegisteredClient, rules: Rules, onEnd: OnEnd) {
    this.rig = rig
    this.client = client
    this.path = authorizePath(client)
    this.rules = rules
    this.onEnd = onEnd
    const browser = () => browserAt(this, { userAgent: FIREFOX, follows: () => false })
    const fresh = {
      enteredAt: undefined,
      visit: undefined,
      provenStep: -1,
      grant: undefined,
      grantOf: { step: 0, sid: undefined },
    }
    this.devices = [0, 1].map(() => ({ browser: browser(), ...fresh }))
    Object.assign(rig.config.sessionRules, rules)
  }

  // The app for browsers, which are used across a restart.
  get app() {
    return this.rig.app
  }
  get opsApp() {
    return this.rig.opsApp
  }
  get config() {
    return this.rig.config
  }
  get deps() {
    return this.rig.deps
  }

  get microsoftNow(): number {
    return this.rig.clock.now() + this.offset
  }

  async sessionOf({ browser }: Device) {
    const status = await this.rig.store.statusByCookie(
      sha256(browser.cookies.get(SESSION_COOKIE) ?? ''),
      this.rig.clock.now(),
    )
    return status.state === 'live' ? status.session : undefined
  }

  /**
   * Returns the live ones of all sessions there ever were. It does not search, which would start a
   * thread for each broker.
   */
  async liveSessions(): Promise<Session[]> {
    for (const device of this.devices) {
      const session = await this.sessionOf(device)
      if (session !== undefined) this.sids.add(session.sid)
    }
    const now = this.rig.clock.now()
    const statuses = await Promise.all(
      [...this.sids].map((sid) => this.rig.store.statusBySid(sid, now)),
    )
    return statuses.flatMap((status) => (status.state === 'live' ? [status.session] : []))
  }

  /**
   * Sets the broker's clock, if no browser is at Microsoft, and not so far that the broker answers
   * 503 (test/workers/clock.test.ts).
   */
  setClock(offset: number): void {
    if (
      this.devices.some(({ visit }) => visit !== undefined) ||
      Math.abs(offset - this.startedAtOffset) > DISAGREE_SECONDS
    )
      return
    this.rig.clock.step(this.offset - offset)
    this.offset = offset
  }

  async revoke(
    session: { sid: string } | undefined,
    reason: 'signed_out' | 'signed_out_remotely' | 'refresh_token_reuse' | 'administrator',
  ) {
    if (session === undefined) return
    await this.rig.store.revoke({
      selector: { kind: 'session', sid: session.sid },
      reason,
      actor: OPERATOR,
      now: this.rig.clock.now(),
    })
    this.endedSids.add(session.sid)
    if (reason !== 'signed_out') this.endedStep = this.at
  }

  async end(device: Device, how: Of<'end'>['how']): Promise<void> {
    const session = await this.sessionOf(device)
    if (how === 'device') return this.revoke(session, 'signed_out_remotely')
    if (how === 'operator') return this.revoke(session, 'administrator')
    if (how === 'theft') return this.revoke(session, 'refresh_token_reuse')
    const user = await this.rig.store.findSubjectByUser(
      this.rig.microsoft.user.tid,
      this.rig.microsoft.user.oid,
    )
    if (user === undefined) return
    const selector =
      how === 'everything'
        ? ({ kind: 'everything' } as const)
        : ({ kind: 'subject', sub: user.sub } as const)
    const reason = how === 'everything' ? 'administrator' : 'signed_out_everywhere'
    await this.rig.store.revoke({
      selector,
      reason,
      actor: { kind: 'user', id: user.sub },
      now: this.rig.clock.now(),
    })
    this.endedStep = this.at
    this.grantsEndedStep = this.at
  }

  async lock({ what, seconds }: Of<'lock'>): Promise<void> {
    const { tid, oid } = this.rig.microsoft.user
    const targets = {
      user: { kind: 'user', tid, oid },
      tenant: { kind: 'tenant', tid },
      client: { kind: 'client', clientId: 'sydney' },
    } as const
    const now = this.rig.clock.now()
    const endsAt = seconds === undefined ? undefined : now + seconds
    const how = {
      actor: OPERATOR,
      may: 'administer' as const,
      operatorTenant: undefined,
      endsAt,
      now,
    }
    const answer = await this.rig.store.lock({ target: targets[what], ...how })
    expect(this.locks.has(what) ? ['already', 'weaker'] : ['locked']).toContain(answer.outcome)
    if (answer.outcome !== 'locked') return
    this.locks.set(what, answer.lock.id)
    this.grantsEndedStep = this.at
    // A user who has never signed in has nothing to end. The lock of a client ends no sign-in of
    // its users.
    if (what !== 'client' && answer.committed.length > 0) this.endedStep = this.at
  }

  async lift(): Promise<void> {
    const [open] = this.locks
    if (open === undefined) return
    expect(
      await this.rig.store.liftLock({ id: open[1], actor: OPERATOR, now: this.rig.clock.now() }),
    ).toMatchObject({ outcome: 'lifted' })
    this.locks.delete(open[0])
  }

  /** Runs the worker: it ends expired sessions, and lifts locks whose end has come. */
  async sweep(): Promise<void> {
    for (const { target } of await this.rig.store.liftDueLocks({
      now: this.rig.clock.now(),
      limit: 10,
    }))
      this.locks.delete(target.kind)
    await sweepExpired(this.rig.deps)
  }

  async restart(): Promise<void> {
    await this.rig.stop()
    this.rig = await createRig({ before: this.rig, onEnd: this.onEnd })
    this.startedAtOffset = this.offset
    Object.assign(this.rig.config.sessionRules, this.rules)
  }
}
