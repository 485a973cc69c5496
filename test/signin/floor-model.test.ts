import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SESSION_COOKIE } from '../../src/session/interface.ts'
import { sha256 } from '../../src/protocol/compare.ts'
import type { Browser } from '../browser.ts'
import { createRig, type Rig } from '../rig.ts'
import { atMicrosoft, authorizePath, createBrowser } from './browser.ts'

/** Fresh sign-in after a remote end, in Microsoft's own time: browsers of one user come and go in any order, the broker's clock is off, and some are a thief's. */

const device = fc.nat(1)
const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('sign_in' as const), device, password: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('leave' as const), device, fresh: fc.boolean(), own: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('return' as const), device, password: fc.boolean() }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('end' as const),
      device,
      how: fc.constantFrom('device', 'everywhere', 'operator', 'everything', 'theft'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('sign_out' as const), device }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('wait' as const), seconds: fc.constantFrom(1, 4, 40, 600, 9 * 3600) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('set_clock' as const), offset: fc.integer({ min: -50, max: 50 }) }) },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

interface Visit {
  back: string
  /** The latest departure with prompt=login: the number of the step, and Microsoft's time. */
  login: { step: number; at: number } | undefined
}

interface Device {
  browser: Browser
  /** When the password was last entered there, in Microsoft's time. */
  enteredAt: number | undefined
  visit: Visit | undefined
  /** The latest step at which a visit departed that came back fresh. */
  provenStep: number
}

const SLACK = 6

class Run {
  readonly rig: Rig
  readonly path: string
  readonly devices: Device[]
  /** Microsoft's clock less the broker's. */
  offset = 0
  at = 0
  /** The step of the latest remote end of the user; 0: there was none. */
  endedStep = 0
  opened = 0

  constructor(rig: Rig, path: string) {
    this.rig = rig
    this.path = path
    this.devices = [0, 1].map(() => ({ browser: createBrowser(rig), enteredAt: undefined, visit: undefined, provenStep: -1 }))
  }

  get microsoftNow(): number {
    return this.rig.clock.now() + this.offset
  }

  async take(one: Step): Promise<void> {
    this.at += 1
    if (one.do === 'wait') this.rig.clock.advance(one.seconds)
    else if (one.do === 'set_clock') this.setClock(one.offset)
    else if (one.do === 'leave') await this.leave(this.of(one.device), one.own ? '/signin/start?return_to=/account' : this.path, one.fresh)
    else if (one.do === 'sign_in') await this.signIn(this.of(one.device), one.password)
    else if (one.do === 'return') await this.comeBack(this.of(one.device), one.password)
    else if (one.do === 'sign_out') await this.revoke(await this.sessionOf(this.of(one.device)), 'signed_out')
    else await this.end(this.of(one.device), one.how)
  }

  /** There and back, as often as Microsoft is asked. */
  async signIn(one: Device, password: boolean): Promise<void> {
    await this.leave(one, this.path, false)
    for (let visits = 0; one.visit !== undefined && visits < 3; visits += 1) {
      this.at += 1
      await this.comeBack(one, password)
    }
  }

  of = (n: number): Device => this.devices[n] ?? expect.unreachable()

  /** The broker's clock is set, while no browser is at Microsoft. */
  setClock(offset: number): void {
    if (this.devices.some(({ visit }) => visit !== undefined)) return
    this.rig.clock.step(this.offset - offset)
    this.offset = offset
  }

  async leave(one: Device, path: string, fresh: boolean): Promise<void> {
    const own = path.startsWith('/signin/')
    const page = await one.browser.get(fresh && !own ? `${path}&prompt=login` : path)
    if (page.status !== 200) return
    one.visit = { back: await atMicrosoft(this.rig, one.browser, page), login: this.departure() }
  }

  departure(): Visit['login'] {
    return this.rig.microsoft.started.at(-1)?.prompt === 'login' ? { step: this.at, at: this.microsoftNow } : undefined
  }

  /** Back from Microsoft. Without the password, and where an earlier sign-in is there, `prompt=login` was taken out of the address. */
  async comeBack(one: Device, password: boolean): Promise<void> {
    const { visit } = one
    if (visit === undefined || (!password && one.enteredAt === undefined)) return
    if (password) one.enteredAt = this.microsoftNow
    this.rig.microsoft.next = { authTime: one.enteredAt, clockOffsetSeconds: this.offset }
    const before = await this.sessionOf(one)
    const page = await one.browser.get(visit.back)
    const onwards = page.left?.host === 'login.microsoftonline.com'
    one.visit = undefined
    if (onwards) {
      const back = `/signin/callback?${new URLSearchParams({ code: 'c', state: page.left?.searchParams.get('state') ?? '' })}`
      one.visit = { back, login: this.departure() ?? visit.login }
      return
    }
    const isFresh = visit.login !== undefined && (one.enteredAt ?? 0) >= visit.login.at - SLACK
    if (isFresh) one.provenStep = Math.max(one.provenStep, visit.login?.step ?? -1)
    const session = await this.sessionOf(one)
    if (session !== undefined && page.status === 303 && this.endedStep > 0) {
      this.opened += 1
      expect(one.provenStep, `a session at step ${this.at}, opened or renewed after the end at step ${this.endedStep}`).toBeGreaterThan(
        this.endedStep,
      )
    }
    // Who enters the password after a departure that came after the end, gets in.
    if (password && visit.login !== undefined && visit.login.step > this.endedStep && page.status !== 400 && page.status !== 409) {
      expect([page.status, page.title]).toEqual([303, ''])
      expect(session?.sid ?? before?.sid).toBeDefined()
    }
  }

  async sessionOf({ browser }: Device) {
    const standing = await this.rig.store.standingByCookie(sha256(browser.cookies.get(SESSION_COOKIE) ?? ''), this.rig.clock.now())
    return standing.state === 'live' ? standing.session : undefined
  }

  async revoke(session: { sid: string } | undefined, reason: 'signed_out' | 'signed_out_remotely' | 'refresh_token_reuse' | 'administrator') {
    if (session === undefined) return
    const actor = { kind: 'operator', id: 'u_operator' } as const
    await this.rig.store.revoke({ selector: { kind: 'session', sid: session.sid }, reason, actor, now: this.rig.clock.now() })
    if (reason !== 'signed_out') this.endedStep = this.at
  }

  async end(one: Device, how: string): Promise<void> {
    const session = await this.sessionOf(one)
    if (how === 'device') return this.revoke(session, 'signed_out_remotely')
    if (how === 'operator') return this.revoke(session, 'administrator')
    if (how === 'theft') return this.revoke(session, 'refresh_token_reuse')
    const user = await this.rig.store.findSubjectByUser(this.rig.microsoft.user.tid, this.rig.microsoft.user.oid)
    if (user === undefined) return
    const selector = how === 'everything' ? ({ kind: 'everything' } as const) : ({ kind: 'subject', sub: user.sub } as const)
    const reason = how === 'everything' ? 'administrator' : 'signed_out_everywhere'
    await this.rig.store.revoke({ selector, reason, actor: { kind: 'user', id: user.sub }, now: this.rig.clock.now() })
    this.endedStep = this.at
  }
}

test('no sequence of sign-ins, remote ends, waits and clocks opens a session by a visit or a password from before the latest end', async () => {
  let opened = 0
  const property = fc.asyncProperty(fc.array(step, { minLength: 8, maxLength: 40, size: 'max' }), async (steps) => {
    const closing: (() => Promise<void>)[] = []
    const rig = await createRig({ onEnd: (close) => closing.push(close) })
    try {
      const run = new Run(rig, authorizePath(await rig.register('Sydney')))
      for (const one of steps) await run.take(one)
      opened += run.opened
    } finally {
      for (const close of closing) await close()
    }
  })
  const seed = Number(process.env.FLOOR_SEED) || 20_261_127
  await fc.assert(property, { numRuns: Number(process.env.FLOOR_RUNS) || 25, seed, interruptAfterTimeLimit: 150_000 })
  expect(opened).toBeGreaterThan(20)
}, 180_000)
