import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { Page } from '../browser.ts'
import {
  createRig,
  FakeClock,
  FakeMicrosoft,
  type RegisteredClient,
  type Rig,
  TENANT,
  VERIFIER,
} from '../rig.ts'
import { atMicrosoft } from './browser.ts'
import type { Step } from './floor-steps.ts'
import { type Device, FloorWorld, type OnEnd, type Rules, type Visit } from './floor-world.ts'

/**
 * The acts of the two browsers and Microsoft, and the conditions that must hold after each step, in
 * Microsoft's own time.
 */

const SLACK = 6
/** How much the clocks may differ, and how far an ID token may be ahead. */
const SKEW = 60

interface Prepared {
  rig: Rig
  client: RegisteredClient
}

export class Run extends FloorWorld {
  readonly seen = { opened: 0, used: 0, kept: 0 }

  /** Makes a stopped broker. Each run begins with a copy of its files, which saves making keys. */
  static async prepare(onEnd?: OnEnd): Promise<Prepared> {
    const rig = await createRig(onEnd === undefined ? {} : { onEnd })
    await rig.store.putTenant({
      tid: TENANT,
      mfaProof: 'auth_context:c1',
      connectedAt: rig.clock.now(),
    })
    const client = await rig.register('Sydney')
    await rig.stop()
    return { rig, client }
  }

  static async begin(prepared: Prepared, rules: Rules, onEnd: OnEnd): Promise<Run> {
    // A database of Postgres is not copied.
    const { rig, client } =
      prepared.rig.database === undefined ? prepared : await Run.prepare(onEnd)
    if (rig.database !== undefined)
      return new Run(await createRig({ before: rig, onEnd }), client, rules, onEnd)
    const dir = mkdtempSync(join(tmpdir(), 'cmb-floor-'))
    onEnd(async () => rmSync(dir, { recursive: true }))
    cpSync(rig.dir, dir, { recursive: true })
    const clock = new FakeClock()
    const before = { dir, clock, microsoft: new FakeMicrosoft(clock), database: undefined }
    return new Run(await createRig({ before, onEnd }), client, rules, onEnd)
  }

  async take(step: Step): Promise<void> {
    this.at += 1
    await this.do(step)
    await this.mustHold()
  }

  async do(step: Step): Promise<void> {
    if (step.do === 'wait') this.rig.clock.advance(step.seconds)
    else if (step.do === 'set_clock') this.setClock(step.offset)
    else if (step.do === 'leave')
      await this.leave(
        this.of(step.device),
        step.own ? '/signin/start?return_to=/account' : this.path,
        step.fresh,
      )
    else if (step.do === 'sign_in') await this.signIn(this.of(step.device), step.password)
    else if (step.do === 'return') await this.comeBack(this.of(step.device), step.password)
    else if (step.do === 'sign_out')
      await this.revoke(await this.sessionOf(this.of(step.device)), 'signed_out')
    else if (step.do === 'end') await this.end(this.of(step.device), step.how)
    else if (step.do === 'lock') await this.lock(step)
    else if (step.do === 'lift') await this.lift()
    else if (step.do === 'use_grant') await this.useGrant(this.of(step.device))
    else if (step.do === 'sweep') await this.sweep()
    else await this.restart()
  }

  /**
   * Checks that no session of a locked user or tenant is live, that none is older than its
   * authentication may be, and that there are not too many.
   */
  async mustHold(): Promise<void> {
    const live = await this.liveSessions()
    const isLocked = this.locks.has('user') || this.locks.has('tenant')
    const oldest = this.microsoftNow - (this.rules.maxAuthenticationSeconds ?? Infinity) - SKEW
    const wrong = [
      isLocked && live.length > 0 && 'a session lives while its user or tenant is locked',
      live.length > (this.rules.most ?? Infinity) && 'there are more sessions than the limit',
      live.some(({ sid }) => this.endedSids.has(sid)) && 'a session lives that was ended',
      live.some(({ authTime }) => authTime < oldest) && 'a session outlives its authentication',
    ].filter((candidate) => candidate !== false)
    if (wrong.length > 0) expect.fail(`Step ${this.at}: ${wrong.join('; ')}`)
  }

  /** Visits Microsoft and returns, as often as the broker demands it. */
  async signIn(device: Device, password: boolean): Promise<void> {
    await this.leave(device, this.path, false)
    for (let visits = 0; device.visit !== undefined && visits < 3; visits += 1) {
      this.at += 1
      await this.comeBack(device, password)
    }
  }

  of = (n: number): Device => this.devices[n] ?? expect.unreachable()

  async leave(device: Device, path: string, fresh: boolean): Promise<void> {
    const own = path.startsWith('/signin/')
    const page = await device.browser.get(fresh && !own ? `${path}&prompt=login` : path)
    await this.keepCode(device, page)
    if (page.status !== 200) return
    device.visit = {
      back: await atMicrosoft(this.rig, device.browser, page),
      login: this.departure(),
    }
  }

  departure(): Visit['login'] {
    return this.rig.microsoft.started.at(-1)?.prompt === 'login'
      ? { step: this.at, at: this.microsoftNow }
      : undefined
  }

  /**
   * Returns from Microsoft. Without the password, if there was an earlier sign-in, the attacker has
   * removed `prompt=login` from the address.
   */
  async comeBack(device: Device, password: boolean): Promise<void> {
    const { visit } = device
    if (visit === undefined || (!password && device.enteredAt === undefined)) return
    if (password) device.enteredAt = this.microsoftNow
    this.rig.microsoft.next = { authTime: device.enteredAt, clockOffsetSeconds: this.offset }
    const before = await this.sessionOf(device)
    const page = await device.browser.get(visit.back)
    const onwards = page.left?.host === 'login.microsoftonline.com'
    device.visit = undefined
    if (onwards) {
      const back = `/signin/callback?${new URLSearchParams({ code: 'c', state: page.left?.searchParams.get('state') ?? '' })}`
      device.visit = { back, login: this.departure() ?? visit.login }
      return
    }
    const isFresh = visit.login !== undefined && (device.enteredAt ?? 0) >= visit.login.at - SLACK
    if (isFresh) device.provenStep = Math.max(device.provenStep, visit.login?.step ?? -1)
    await this.keepCode(device, page)
    await this.judgeReturn(device, page, { visit, password, before })
  }

  async judgeReturn(
    device: Device,
    page: Page,
    {
      visit,
      password,
      before,
    }: { visit: Visit; password: boolean; before: { sid: string } | undefined },
  ) {
    const session = await this.sessionOf(device)
    if (session !== undefined && page.status === 303 && this.endedStep > 0) {
      this.seen.opened += 1
      expect(
        device.provenStep,
        `a session at step ${this.at}, opened or renewed after the end at step ${this.endedStep}`,
      ).toBeGreaterThan(this.endedStep)
    }
    if (this.locks.size > 0) {
      this.seen.kept += page.status === 303 ? 0 : 1
      return
    }
    // A user who enters the password after a departure that came after the end must be signed in.
    if (
      password &&
      visit.login !== undefined &&
      visit.login.step > this.endedStep &&
      page.status !== 400 &&
      page.status !== 409
    ) {
      expect([page.status, page.title]).toEqual([303, ''])
      expect(session?.sid ?? before?.sid).toBeDefined()
    }
  }

  async keepCode(device: Device, page: Page): Promise<void> {
    const code = page.left?.searchParams.get('code')
    if (code === null || code === undefined || page.left?.host.startsWith('sydney') !== true) return
    device.grant = { code }
    device.grantOf = { step: this.at, sid: (await this.sessionOf(device))?.sid }
  }

  /**
   * Lets the client redeem its code, or refresh. That must fail while it, its user or their tenant
   * is locked, and after the grant has ended.
   */
  async useGrant(device: Device): Promise<void> {
    const { grant } = device
    if (grant === undefined) return
    device.grant = undefined
    const redeem = {
      grant_type: 'authorization_code',
      redirect_uri: this.client.metadata.redirectUris[0] ?? '',
      code_verifier: VERIFIER,
    }
    const form =
      'code' in grant
        ? { ...redeem, code: grant.code }
        : { grant_type: 'refresh_token', refresh_token: grant.refresh }
    const response = await this.rig.post('/token', form, { authorization: this.client.basic })
    if (response.status !== 200) return
    this.seen.used += 1
    expect([...this.locks.keys()], `tokens while locked, step ${this.at}`).toEqual([])
    expect(
      device.grantOf.step,
      `tokens of a grant that ended at step ${this.grantsEndedStep}`,
    ).toBeGreaterThan(this.grantsEndedStep)
    expect([...this.endedSids]).not.toContain(device.grantOf.sid)
    device.grant = { refresh: ((await response.json()) as { refresh_token: string }).refresh_token }
  }
}
