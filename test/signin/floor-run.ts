import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect } from 'vitest'
import type { Session } from '../../db/types.ts'
import type { LockTarget } from '../../src/protocol/lock-target.ts'
import { sha256 } from '../../src/protocol/compare.ts'
import { SESSION_COOKIE } from '../../src/session/interface.ts'
import { sweepExpired } from '../../workers/sweep-expired.ts'
import { type Browser, browserAt, FIREFOX, type Page } from '../browser.ts'
import { createRig, FakeClock, FakeMicrosoft, type RegisteredClient, type Rig, TENANT, VERIFIER } from '../rig.ts'
import { atMicrosoft, authorizePath } from './browser.ts'

/** What two browsers of one user, their operators and Microsoft do, and what must hold after each step, in Microsoft's own time. */

const device = fc.nat(1)
export const step = fc.oneof(
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
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('lock' as const),
      what: fc.constantFrom('user' as const, 'tenant' as const, 'client' as const),
      seconds: fc.constantFrom(undefined, 60),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('lift' as const) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('use_grant' as const), device }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('sweep' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never
type Of<D extends Step['do']> = Extract<Step, { do: D }>

export interface Rules {
  most: number | undefined
  maxAuthenticationSeconds: number | undefined
}

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
  /** What the client holds of this browser: a code, then a refresh token; since which step, and of which session. */
  grant: { code: string } | { refresh: string } | undefined
  grantOf: { step: number; sid: string | undefined }
}

const SLACK = 6
/** By how much the clocks may differ, and what an ID token may be ahead. */
const SKEW = 60
const OPERATOR = { kind: 'operator', id: 'u_operator' } as const

interface Prepared {
  rig: Rig
  client: RegisteredClient
}

export class Run {
  rig: Rig
  readonly client: RegisteredClient
  readonly path: string
  readonly rules: Rules
  readonly onEnd: (close: () => Promise<void>) => void
  readonly devices: Device[]
  /** Microsoft's clock less the broker's. */
  offset = 0
  at = 0
  /** The step of the latest remote end of the user; 0: there was none. */
  endedStep = 0
  /** The step of the latest act that ended every grant there was. */
  grantsEndedStep = 0
  readonly sids = new Set<string>()
  readonly endedSids = new Set<string>()
  readonly locks = new Map<LockTarget['kind'], string>()
  readonly seen = { opened: 0, used: 0, kept: 0 }

  private constructor(rig: Rig, client: RegisteredClient, rules: Rules, onEnd: Run['onEnd']) {
    this.rig = rig
    this.client = client
    this.path = authorizePath(client)
    this.rules = rules
    this.onEnd = onEnd
    const browser = () => browserAt(this, { userAgent: FIREFOX, follows: () => false })
    const fresh = { enteredAt: undefined, visit: undefined, provenStep: -1, grant: undefined, grantOf: { step: 0, sid: undefined } }
    this.devices = [0, 1].map(() => ({ browser: browser(), ...fresh }))
    Object.assign(rig.config.sessionRules, rules)
  }

  /** A broker that has stopped: each run begins with a copy of its files, which spares it the making of keys. */
  static async prepare(onEnd?: Run['onEnd']): Promise<Prepared> {
    const rig = await createRig(onEnd === undefined ? {} : { onEnd })
    await rig.store.putTenant({ tid: TENANT, mfaProof: 'auth_context:c1', connectedAt: rig.clock.now() })
    const client = await rig.register('Sydney')
    await rig.stop()
    return { rig, client }
  }

  static async begin(prepared: Prepared, rules: Rules, onEnd: Run['onEnd']): Promise<Run> {
    // A database of Postgres is not copied.
    const { rig, client } = prepared.rig.database === undefined ? prepared : await Run.prepare(onEnd)
    if (rig.database !== undefined) return new Run(await createRig({ before: rig, onEnd }), client, rules, onEnd)
    const dir = mkdtempSync(join(tmpdir(), 'cmb-floor-'))
    onEnd(async () => rmSync(dir, { recursive: true }))
    cpSync(rig.dir, dir, { recursive: true })
    const clock = new FakeClock()
    const before = { dir, clock, microsoft: new FakeMicrosoft(clock), database: undefined }
    return new Run(await createRig({ before, onEnd }), client, rules, onEnd)
  }

  // For browsers, which go on over a restart.
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

  async take(one: Step): Promise<void> {
    this.at += 1
    await this.do(one)
    await this.mustHold()
  }

  async do(one: Step): Promise<void> {
    if (one.do === 'wait') this.rig.clock.advance(one.seconds)
    else if (one.do === 'set_clock') this.setClock(one.offset)
    else if (one.do === 'leave') await this.leave(this.of(one.device), one.own ? '/signin/start?return_to=/account' : this.path, one.fresh)
    else if (one.do === 'sign_in') await this.signIn(this.of(one.device), one.password)
    else if (one.do === 'return') await this.comeBack(this.of(one.device), one.password)
    else if (one.do === 'sign_out') await this.revoke(await this.sessionOf(this.of(one.device)), 'signed_out')
    else if (one.do === 'end') await this.end(this.of(one.device), one.how)
    else if (one.do === 'lock') await this.lock(one)
    else if (one.do === 'lift') await this.lift()
    else if (one.do === 'use_grant') await this.useGrant(this.of(one.device))
    else if (one.do === 'sweep') await this.sweep()
    else await this.restart()
  }

  /** No session of a locked user or tenant lives, none is older than its authentication may be, and there are not too many. */
  async mustHold(): Promise<void> {
    const live = await this.liveSessions()
    const isLocked = this.locks.has('user') || this.locks.has('tenant')
    const oldest = this.microsoftNow - (this.rules.maxAuthenticationSeconds ?? Infinity) - SKEW
    const wrong = [
      isLocked && live.length > 0 && 'a session lives while its user or tenant is locked',
      live.length > (this.rules.most ?? Infinity) && 'there are more sessions than the limit',
      live.some(({ sid }) => this.endedSids.has(sid)) && 'a session lives that was ended',
      live.some(({ authTime }) => authTime < oldest) && 'a session outlives its authentication',
    ].filter((one) => one !== false)
    if (wrong.length > 0) expect.fail(`Step ${this.at}: ${wrong.join('; ')}`)
  }

  /** Of every session that there ever was. Not by a search: that starts a thread for each broker. */
  async liveSessions(): Promise<Session[]> {
    for (const one of this.devices) {
      const session = await this.sessionOf(one)
      if (session !== undefined) this.sids.add(session.sid)
    }
    const now = this.rig.clock.now()
    const standings = await Promise.all([...this.sids].map((sid) => this.rig.store.standingBySid(sid, now)))
    return standings.flatMap((one) => (one.state === 'live' ? [one.session] : []))
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
    await this.keepCode(one, page)
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
    await this.keepCode(one, page)
    await this.judgeReturn(one, page, { visit, password, before })
  }

  async judgeReturn(one: Device, page: Page, { visit, password, before }: { visit: Visit; password: boolean; before: { sid: string } | undefined }) {
    const session = await this.sessionOf(one)
    if (session !== undefined && page.status === 303 && this.endedStep > 0) {
      this.seen.opened += 1
      expect(one.provenStep, `a session at step ${this.at}, opened or renewed after the end at step ${this.endedStep}`).toBeGreaterThan(
        this.endedStep,
      )
    }
    if (this.locks.size > 0) {
      this.seen.kept += page.status === 303 ? 0 : 1
      return
    }
    // A user who enters the password after a departure that came after the end gets in.
    if (password && visit.login !== undefined && visit.login.step > this.endedStep && page.status !== 400 && page.status !== 409) {
      expect([page.status, page.title]).toEqual([303, ''])
      expect(session?.sid ?? before?.sid).toBeDefined()
    }
  }

  async sessionOf({ browser }: Device) {
    const standing = await this.rig.store.standingByCookie(sha256(browser.cookies.get(SESSION_COOKIE) ?? ''), this.rig.clock.now())
    return standing.state === 'live' ? standing.session : undefined
  }

  async keepCode(one: Device, page: Page): Promise<void> {
    const code = page.left?.searchParams.get('code')
    if (code === null || code === undefined || page.left?.host.startsWith('sydney') !== true) return
    one.grant = { code }
    one.grantOf = { step: this.at, sid: (await this.sessionOf(one))?.sid }
  }

  /** The client redeems its code, or refreshes: never while it, its user or their tenant is locked, nor after what ended the grant. */
  async useGrant(one: Device): Promise<void> {
    const { grant } = one
    if (grant === undefined) return
    one.grant = undefined
    const redeem = { grant_type: 'authorization_code', redirect_uri: this.client.metadata.redirectUris[0] ?? '', code_verifier: VERIFIER }
    const form = 'code' in grant ? { ...redeem, code: grant.code } : { grant_type: 'refresh_token', refresh_token: grant.refresh }
    const response = await this.rig.post('/token', form, { authorization: this.client.basic })
    if (response.status !== 200) return
    this.seen.used += 1
    expect([...this.locks.keys()], `tokens while locked, step ${this.at}`).toEqual([])
    expect(one.grantOf.step, `tokens of a grant that ended at step ${this.grantsEndedStep}`).toBeGreaterThan(this.grantsEndedStep)
    expect([...this.endedSids]).not.toContain(one.grantOf.sid)
    one.grant = { refresh: ((await response.json()) as { refresh_token: string }).refresh_token }
  }

  async revoke(session: { sid: string } | undefined, reason: 'signed_out' | 'signed_out_remotely' | 'refresh_token_reuse' | 'administrator') {
    if (session === undefined) return
    await this.rig.store.revoke({ selector: { kind: 'session', sid: session.sid }, reason, actor: OPERATOR, now: this.rig.clock.now() })
    this.endedSids.add(session.sid)
    if (reason !== 'signed_out') this.endedStep = this.at
  }

  async end(one: Device, how: Of<'end'>['how']): Promise<void> {
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
    this.grantsEndedStep = this.at
  }

  async lock({ what, seconds }: Of<'lock'>): Promise<void> {
    const { tid, oid } = this.rig.microsoft.user
    const targets = { user: { kind: 'user', tid, oid }, tenant: { kind: 'tenant', tid }, client: { kind: 'client', clientId: 'sydney' } } as const
    const now = this.rig.clock.now()
    const endsAt = seconds === undefined ? undefined : now + seconds
    const how = { actor: OPERATOR, may: 'administer' as const, operatorTenant: undefined, endsAt, now }
    const answer = await this.rig.store.lock({ target: targets[what], ...how })
    expect(answer.outcome).toBe(this.locks.has(what) ? 'already' : 'locked')
    if (answer.outcome !== 'locked') return
    this.locks.set(what, answer.lock.id)
    this.grantsEndedStep = this.at
    // A user who has never signed in has nothing to end; a client's lock says nothing about how its users signed in.
    if (what !== 'client' && answer.committed.length > 0) this.endedStep = this.at
  }

  async lift(): Promise<void> {
    const [open] = this.locks
    if (open === undefined) return
    expect(await this.rig.store.liftLock({ id: open[1], actor: OPERATOR, now: this.rig.clock.now() })).toMatchObject({ outcome: 'lifted' })
    this.locks.delete(open[0])
  }

  /** The worker: what time has ended, and locks whose end has come. */
  async sweep(): Promise<void> {
    for (const { target } of await this.rig.store.liftDueLocks({ now: this.rig.clock.now(), limit: 10 })) this.locks.delete(target.kind)
    await sweepExpired(this.rig.deps)
  }

  async restart(): Promise<void> {
    await this.rig.stop()
    this.rig = await createRig({ before: this.rig, onEnd: this.onEnd })
    Object.assign(this.rig.config.sessionRules, this.rules)
  }
}
