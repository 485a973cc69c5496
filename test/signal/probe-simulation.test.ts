import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { EntraError } from '../../demo/entra/aadsts.ts'
import { checkGrant } from '../../demo/entra/token.ts'
import { changeUser, type UserPatch } from '../../demo/entra/user-acts.ts'
import { APP_CLIENT_ID, CONTOSO, type Tenant } from '../../demo/entra/users.ts'
import { type SignIn, World } from '../../demo/entra/world.ts'
import { answerOfBody, rejectionOf } from '../../src/microsoft/aadsts.ts'
import { resumeProbe } from '../../src/microsoft/probe-pause.ts'
import { Probing } from '../../workers/probe-microsoft.ts'
import { TENANT } from '../rig.ts'
import { oidOf, openOf, probingRig, ROUND, VOUCHED } from './many.ts'

/**
 * The table of docs/microsoft.md: what the probe does when something happens to many users of a
 * tenant, and to one account in the middle of it. The simulated Microsoft judges each request of
 * the probe by its own rules, and a clock that the test moves passes hours. `npm run docs:probe`
 * writes the table.
 */

const PAGE = join(import.meta.dirname, '../../docs/microsoft.md')
const USERS = 60
const MINUTE = 60
const HOUR = 60 * MINUTE
/** The user whose account is disabled: the last one who signed in. */
const DISABLED = USERS - 1
/** The users to whom something happens at once. */
const first = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

async function simulate() {
  const rig = await probingRig()
  const tenants: Tenant[] = [CONTOSO]
  const world = new World({
    origin: 'http://localhost',
    tenants,
    users: [],
    apps: [{ redirectUris: [] }],
    clock: rig.clock,
  })
  const app = world.apps.get(APP_CLIENT_ID) ?? expect.unreachable()
  const signIns = new Map<string, SignIn>()
  rig.microsoft.renewals = ({ user: { tid, oid } }) => {
    try {
      if (world.tenant(tid) === undefined) throw new EntraError(90002)
      checkGrant(world, app, signIns.get(oid) ?? expect.unreachable())
      return VOUCHED
    } catch (error) {
      if (!(error instanceof EntraError)) throw error
      return rejectionOf(answerOfBody({ ...error.body(rig.clock.nowMs()) }))
    }
  }
  const probing = new Probing(rig.deps)
  const open = new Set<number>()
  const [signedInAt, endedAt] = [new Map<number, number>(), new Map<number, number>()]
  let pausedAt: number | undefined
  let minutes = 0
  const observe = async (): Promise<void> => {
    const now = rig.clock.now()
    for (const i of open) {
      if ((await rig.store.statusBySid(`s_${i}`, now)).state !== 'ended') continue
      open.delete(i)
      endedAt.set(i, now)
    }
    if (minutes++ % 5 > 0 || pausedAt !== undefined) return
    const readyz = await (await rig.opsApp.request('http://localhost:7401/readyz')).text()
    if (/Not watched since|Held back since/.test(readyz)) pausedAt = now
  }
  const pass = async (seconds: number): Promise<void> => {
    for (let passed = 0; passed < seconds; passed += MINUTE) {
      rig.clock.advance(MINUTE)
      await probing.turn()
      await observe()
    }
  }
  const signIn = async (i: number): Promise<void> => {
    const oid = oidOf(i)
    world.addUser({ upn: `user${i}@${CONTOSO.domain}`, name: `User ${i}`, tid: TENANT, oid })
    await openOf(rig, i)
    const [tid, clientId, authTime] = [TENANT, APP_CLIENT_ID, rig.clock.now()]
    signIns.set(oid, {
      grantId: oid,
      oid,
      tid,
      clientId,
      sid: oid,
      authTime,
      mfa: true,
      acrs: [],
      kmsi: true,
      scope: 'openid offline_access',
      offline: true,
      generation: 0,
    })
    signedInAt.set(i, authTime)
    open.add(i)
  }
  // One user a minute, so that their sign-ins are spread over an hour.
  for (const i of first(USERS)) {
    await signIn(i)
    await pass(MINUTE)
  }
  return {
    world,
    tenants,
    pass,
    change: (i: number, patch: UserPatch) =>
      changeUser(world, world.userById(TENANT, oidOf(i)) ?? expect.unreachable(), patch),
    resume: () => resumeProbe(rig.store, TENANT, rig.clock.now() + 2 * ROUND),
    now: () => rig.clock.now(),
    signedInAt: (i: number) => signedInAt.get(i) ?? expect.unreachable(),
    /** Returns the users who were signed out after `since`, but the one who was disabled. */
    endedSince: (since: number): [user: number, at: number][] =>
      [...endedAt].filter(([i, at]) => i !== DISABLED && at > since),
    disabledEndedAt: () => endedAt.get(DISABLED),
    pausedAt: () => pausedAt,
  }
}

type Simulated = Awaited<ReturnType<typeof simulate>>

interface Row {
  happens: string
  signedOut: string
  disabled: string
  paused: string
}

/** Rounds minutes up to whole rounds of the probe, which do not depend on a session's place. */
const within = (seconds: number): string => {
  const minutes = (Math.ceil(seconds / ROUND) * ROUND) / MINUTE
  const [h, min] = [Math.floor(minutes / 60), minutes % 60]
  return [...(h > 0 ? [`${h} h`] : []), ...(min > 0 ? [`${min} min`] : [])].join(' ')
}

/** Lets the account be disabled, and returns within what time its user was signed out. */
async function disable(run: Simulated, seconds: number): Promise<string> {
  const at = run.now()
  run.change(DISABLED, { accountEnabled: false })
  await run.pass(seconds)
  const ended = run.disabledEndedAt()
  return ended === undefined ? 'not while that lasts' : `within ${within(ended - at)}`
}

const pausedSince = (run: Simulated, since: number, shown: string): string => {
  const at = run.pausedAt()
  return at === undefined ? 'never' : `after ${within(at - since)}: ${shown}`
}

async function frequency(hours: number): Promise<Row> {
  const run = await simulate()
  const start = run.now() - HOUR
  run.world.switches.signInFrequencySeconds = hours * HOUR
  await run.pass(Math.max(0, start + hours * HOUR + 10 * MINUTE - run.now()))
  const disabled = await disable(run, 3 * HOUR)
  const ended = run.endedSince(0)
  const latest = Math.max(...ended.map(([i, at]) => at - run.signedInAt(i)))
  return {
    happens: `a sign-in frequency of ${hours} h (70043)`,
    signedOut: `${ended.length}: each within ${within(latest)} of their sign-in, unless they sign in again before`,
    disabled,
    paused: pausedSince(run, start, ''),
  }
}

interface Happening {
  happens: string
  begin(run: Simulated): void
  /** The change after two hours. */
  end?: (run: Simulated) => unknown
  shown: string
  afterwards?: (ended: number, within: string) => string
}

async function happening({ happens, begin, end, shown, afterwards }: Happening): Promise<Row> {
  const run = await simulate()
  const since = run.now()
  begin(run)
  await run.pass(HOUR)
  let disabled = await disable(run, HOUR)
  const ended = run.endedSince(since)
  const latest = within(Math.max(...ended.map(([, at]) => at - since)))
  let signedOut = ended.length === 0 ? 'no other user' : `${ended.length}, within ${latest}`
  const decidedAt = run.now()
  if (end !== undefined) {
    await end(run)
    await run.pass(HOUR)
    const later = run.endedSince(decidedAt)
    if (afterwards !== undefined)
      signedOut += afterwards(
        later.length,
        within(Math.max(...later.map(([, at]) => at - decidedAt))),
      )
    const at = run.disabledEndedAt()
    if (at !== undefined && at > decidedAt) disabled += `; then within ${within(at - decidedAt)}`
  }
  return { happens, signedOut, disabled, paused: pausedSince(run, since, shown) }
}

const policy =
  (code: number, answers: 'before_account' | 'after_account') =>
  (run: Simulated): void =>
    void (run.world.switches.addressPolicy = { code, answers })
const excluded = (run: Simulated): void => void (run.world.switches.addressPolicy = null)

const HAPPENINGS: readonly Happening[] = [
  {
    happens: 'a policy blocks the broker’s own address (53003)',
    begin: policy(53003, 'after_account'),
    shown: 'not watched since then',
  },
  {
    happens: 'the same, and Microsoft answers by the policy before it looks at the account',
    begin: policy(53003, 'before_account'),
    end: excluded,
    shown: 'not watched since then',
  },
  {
    happens: 'a policy demands MFA from the broker’s own address (50076)',
    begin: policy(50076, 'after_account'),
    shown: 'not watched since then',
  },
  {
    happens: 'the application is withdrawn from 8 of the 60 (50105)',
    begin: (run) => first(8).forEach((i) => run.change(i, { assigned: false })),
    end: (run) => run.resume(),
    shown: 'a decision is needed',
    afterwards: (ended, time) => `; the other ${ended} within ${time} of the decision`,
  },
  {
    happens: '30 of the 60 are disabled at once (50057)',
    begin: (run) => first(30).forEach((i) => run.change(i, { accountEnabled: false })),
    shown: '',
  },
  {
    happens: 'the tenant is deleted, its accounts first, as Entra demands (50034)',
    begin: (run) => first(USERS - 1).forEach((i) => run.change(i, { deleted: true })),
    shown: '',
  },
  {
    happens: 'Microsoft no longer knows the tenant (90002)',
    begin: (run) => void run.tenants.pop(),
    shown: '',
  },
]

const BETWEEN = /(?<=<!-- npm run docs:probe -->\n\n)[\s\S]*?(?=\n\n<!-- \/docs:probe -->)/

/** It computes for 13 s, and a busy machine takes many times as long. */
const SIMULATED_MS = 600_000

test(
  'docs/microsoft.md shows what the probe does when something happens to many users, as the simulation has it',
  async () => {
    const rows: Row[] = []
    for (const hours of [1, 4, 12]) rows.push(await frequency(hours))
    for (const kind of HAPPENINGS) rows.push(await happening(kind))
    const table = [
      `| What happens | Signed out by the probe | The user of the account that is disabled meanwhile | Paused |`,
      '|---|---|---|---|',
      ...rows.map(
        ({ happens, signedOut, disabled, paused }) =>
          `| ${happens} | ${signedOut} | ${disabled} | ${paused} |`,
      ),
    ].join('\n')
    const page = readFileSync(PAGE, 'utf8')
    if (process.env.BROKER_PROBE_TABLE === 'update')
      writeFileSync(PAGE, page.replace(BETWEEN, table))
    expect(readFileSync(PAGE, 'utf8').match(BETWEEN)?.[0]).toBe(table)
  },
  SIMULATED_MS,
)
