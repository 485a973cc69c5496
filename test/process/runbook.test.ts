import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createGuard } from '@case-manager/guard'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { openSqliteStore } from '../../db/sqlite/store.ts'
import { FABRIKAM, CONTOSO } from '../../demo/entra/users.ts'
import { type Broker, openBroker } from '../../src/operations/command/broker.ts'
import { pauseProbe } from '../../src/microsoft/probe-pause.ts'
import { newCertificate } from '../demo-entra/certificate.ts'
import { until } from './broker-process.ts'
import { setClock } from './chaos/clock.ts'
import { loseQueueServers, queueServers } from './queue-servers.ts'
import { INCIDENTS, type Machine, Walk } from './runbook.ts'
import { CMB, install } from './shell.ts'
import {
  ALICE,
  BOB,
  newBrowser,
  openWorld,
  Receiver,
  sidOf,
  type TestInstance,
  type TestWorld,
} from './world.ts'

/** Every incident of docs/runbook.md, walked with its own commands against the built broker. */

let world: TestWorld
let bin: string
const walked = new Set<string>()
beforeAll(async () => {
  world = await openWorld({
    registration: (city) => ({ audience: `urn:runbook:${city}` }),
    program: [join(import.meta.dirname, 'chaos/broker.ts')],
  })
  bin = install(world.broker.dataDir, { cmb: CMB })
})
afterAll(() => world?.dispose())

const dataDir = (): string => world.broker.env.BROKER_DATA_DIR ?? ''
const machine: Machine = {
  'systemctl stop broker': () => world.broker.end('SIGTERM'),
  'systemctl start broker': () => world.broker.start(),
  'systemctl restart broker': () => restart(),
  'timedatectl set-ntp true': () => setClock(world.broker, 0),
}
const restart = async (): Promise<void> => {
  await world.broker.end('SIGTERM')
  await world.broker.start()
}

function incident(title: string, walk: (steps: Walk) => Promise<void>): void {
  walked.add(title)
  test(title, async () => {
    const steps = new Walk(title, { dir: bin, dataDir: dataDir(), machine })
    await walk(steps)
    steps.end()
  })
}

const admin = (): Promise<Broker> =>
  openBroker(
    { env: {}, out: () => {}, err: () => {}, user: 'test', ask: undefined, input: async () => '' },
    dataDir(),
  )
const instance = (index: number): TestInstance =>
  world.instances[index] ?? expect.fail('no such instance')
const mayBeShown = (of: TestInstance, sid: string) =>
  until(`${of.entry.client_id} is told`, () =>
    of.receiver.delivered.some(({ claims }) => claims.sid === sid),
  )
const subOf = async (sid: string): Promise<string> => {
  const { sessions } = await (
    await admin()
  ).get<{ sessions: { sid: string; sub: string }[] }>('/sessions?limit=1000')
  return sessions.find((session) => session.sid === sid)?.sub ?? expect.fail(`${sid} is not live`)
}
const seqIn = (printed: string): string =>
  /number (\d+) in the log/.exec(printed)?.[1] ?? expect.fail(`No number in: ${printed}`)

/** An instance that `cmb` registers, and so may change; with a user who is signed in there. */
async function registered(clientId: string) {
  const receiver = new Receiver()
  await receiver.open()
  onTestFinished(() => receiver.close())
  const redirectUri = `http://127.0.0.1/${clientId}/oidc/callback`
  const entry = {
    client_id: clientId,
    client_name: clientId,
    redirect_uris: [redirectUri],
    backchannel_logout_uris: [receiver.url],
  }
  const { client_secret: secret } = await (
    await admin()
  ).send<{ client_secret: string }>('POST', '/clients', entry)
  const made: TestInstance = { entry: { ...entry, client_secret: secret }, redirectUri, receiver }
  world.as(ALICE)
  const { tokens } = await world.signIn(newBrowser(), made)
  return { made, tokens, sid: sidOf(tokens.id_token) }
}
const endSession = async (sid: string): Promise<void> => {
  await (
    await admin()
  ).send('POST', '/revocations', { selector: { kind: 'session', sid }, case_reference: 'INC-0' })
}
const hasTried = (clientId: string) =>
  until(`${clientId} was tried`, async () => {
    const { deliveries } = await (
      await admin()
    ).get<{ deliveries: { last_error: string | null }[] }>(`/deliveries?client_id=${clientId}`)
    return deliveries.some((delivery) => delivery.last_error !== null)
  })
const introspected = ({ entry }: TestInstance, secret: string) =>
  fetch(`${world.broker.issuer}/introspect`, {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(`${entry.client_id}:${secret}`).toString('base64')}`,
    },
    body: new URLSearchParams({ token: 'none' }),
  }).then(({ status }) => status)

incident('A device was stolen', async (steps) => {
  const { sid } = await world.signedIn(ALICE)
  expect(await steps.next({ NAME: 'alice' })).toContain(sid)
  const seq = seqIn(await steps.next({ SESSION: sid }))
  for (const each of world.instances) await mayBeShown(each, sid)
  await until(
    'both deliveries are noted',
    async () =>
      (await (await admin()).get<{ totals: { delivered: number } }>(`/revocations/${seq}`)).totals
        .delivered === 2,
  )
  expect(await steps.next({ SEQ: seq })).toContain('2 total 2 delivered')
})

incident('An account is compromised', async (steps) => {
  const { sid, at } = await world.signedIn(ALICE)
  const sub = await subOf(sid)
  world.entra.change(ALICE, { accountEnabled: false })
  const printed = await steps.next({ NAME: 'alice', SUBJECT: sub })
  expect(printed).toContain(sid)
  const after = await steps.next({ SUBJECT: sub, SEQ: seqIn(printed) })
  expect(after).toContain('No sessions.')
  await expect(world.refresh(instance(0), at[0]?.tokens.refresh_token ?? '')).rejects.toMatchObject(
    { error: 'invalid_grant' },
  )
  await expect(world.signIn(newBrowser(), instance(0))).rejects.toThrow()
  world.entra.change(ALICE, { accountEnabled: true })
})

incident('A refresh token was stolen', async (steps) => {
  const { at, sid } = await world.signedIn(BOB)
  const stolen = at[0]?.tokens.refresh_token ?? ''
  const second = await world.refresh(instance(0), stolen)
  await world.refresh(instance(0), second.refresh_token ?? '')
  // The clock moves past the grace period for concurrent requests.
  await setClock(world.broker, 50_000)
  await expect(world.refresh(instance(0), stolen)).rejects.toMatchObject({ error: 'invalid_grant' })
  await setClock(world.broker, 0)
  const { revocations } = await (
    await admin()
  ).get<{ revocations: { seq: number }[] }>('/revocations?limit=1')
  const printed = await steps.next({ SEQ: String(revocations[0]?.seq) })
  expect(printed).toContain('refresh_token_reuse')
  expect(printed).toContain(`session ${sid}`)
  expect(world.broker.output).toContain('"refresh_token_stolen"')
})

incident("A client's secret leaked", async (steps) => {
  const { made, tokens } = await registered('perth')
  const leaked = made.entry.client_secret
  const { secrets } = await (await admin()).get<{ secrets: { id: string }[] }>('/clients/perth')
  const printed = await steps.next({ CLIENT: 'perth' })
  const fresh = /^(cms_\S+)$/m.exec(printed)?.[1] ?? expect.fail(printed)
  expect([await introspected(made, leaked), await introspected(made, fresh)]).toEqual([200, 200])
  await steps.next({ CLIENT: 'perth', SECRET: secrets[0]?.id ?? '' })
  expect([await introspected(made, leaked), await introspected(made, fresh)]).toEqual([401, 200])
  expect(await steps.next({ CLIENT: 'perth' })).toContain('This would end 1 session(s)')
  const status = await fetch(`${world.broker.issuer}/introspect`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`perth:${fresh}`).toString('base64')}` },
    body: new URLSearchParams({ token: tokens.access_token }),
  })
  expect(await status.json()).toEqual({ active: false })
})

// This incident comes before the emergency rotations: for 10 minutes after one, a rejected delivery
// is retried.
incident('An instance rejects logout tokens', async (steps) => {
  const sydney = instance(0)
  const { sid } = await world.signedIn(ALICE)
  sydney.receiver.answer = (response) =>
    void response
      .writeHead(400, { 'content-type': 'application/json' })
      .end(JSON.stringify({ error: 'invalid_request', error_description: 'wrong clock' }))
  await endSession(sid)
  await until(
    'it rejects',
    async () =>
      (
        await (
          await admin()
        ).get<{ deliveries: unknown[] }>('/deliveries?state=rejected&client_id=sydney')
      ).deliveries.length > 0,
  )
  expect(await steps.next({ CLIENT: 'sydney' })).toMatch(/rejected .* 400 .*wrong clock/)
  sydney.receiver.answer = (response) => void response.writeHead(200).end()
  sydney.receiver.delivered.length = 0
  expect(await steps.next({ CLIENT: 'sydney' })).toMatch(/redriven +\d/)
  await mayBeShown(sydney, sid)
})

incident('A signing key leaked', async (steps) => {
  const sydney = instance(0)
  const { at } = await world.signedIn(BOB)
  const tokens = at[0]?.tokens ?? expect.unreachable()
  const { client_id: clientId, client_secret: clientSecret } = sydney.entry
  const guard = createGuard({
    issuer: world.broker.issuer,
    clientId,
    clientSecret,
    audience: 'urn:runbook:sydney',
  })
  onTestFinished(() => guard.stop())
  await guard.start()
  expect(await guard.check(tokens.access_token)).toMatchObject({ ok: true })
  await steps.next()
  await until(
    'the guard rejects what the old key signed',
    async () => !(await guard.check(tokens.access_token)).ok,
  )
  const refreshed = await world.refresh(sydney, tokens.refresh_token ?? '')
  expect(await guard.check(refreshed.access_token)).toMatchObject({ ok: true })
  const keys = await steps.next()
  expect([...keys.matchAll(/\bactive\b/g)]).toHaveLength(2)
  expect(keys).not.toContain('retiring')
  await steps.next()
  await until(
    'the guard rejects every token',
    async () => !(await guard.check(refreshed.access_token)).ok,
  )
})

incident('BROKER_SECRET leaked', async (steps) => {
  const { env } = world.broker
  const { at } = await world.signedIn(BOB)
  const [leaked, fresh] = [env.BROKER_SECRET, randomBytes(32).toString('hex')]
  env.BROKER_SECRET = `${fresh},${leaked}`
  await steps.next()
  await steps.next()
  env.BROKER_SECRET = fresh
  await steps.next()
  await steps.next()
  await expect(world.refresh(instance(0), at[0]?.tokens.refresh_token ?? '')).rejects.toMatchObject(
    { error: 'invalid_grant' },
  )
  expect(await steps.next({}, [0, 1])).toMatch(/^ok {9}[^:]+: .*\bsecrets\b/m)
})

incident('An instance is down', async (steps) => {
  const { made, sid } = await registered('darwin')
  await made.receiver.close()
  await endSession(sid)
  await hasTried('darwin')
  const seen = await steps.next({ CLIENT: 'darwin' })
  expect(seen).toMatch(/darwin +1 /)
  expect(seen).toMatch(/pending .*connection refused/)
  expect(await steps.next({ CLIENT: 'darwin' })).toContain('redriven  0')
  await made.receiver.open()
  await mayBeShown(made, sid)
  await made.receiver.close()
  const again = sidOf((await world.signIn(newBrowser(), made)).tokens.id_token)
  await endSession(again)
  const printed = await steps.next({ CLIENT: 'darwin' })
  expect(printed).toContain('closed  1\n')
  expect(printed).toMatch(/client id +darwin\nremoved +yes/)
})

incident("An instance's certificate is wrong", async (steps) => {
  const { certificate: cert, privateKey: key } = newCertificate()
  const server = createTlsServer(
    { key, cert },
    (_request, response) => void response.writeHead(200).end(),
  )
  onTestFinished(() => void server.close())
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { made, sid } = await registered('hobart')
  const address = `https://localhost:${(server.address() as AddressInfo).port}/logout`
  await (
    await admin()
  ).send('PATCH', `/clients/${made.entry.client_id}`, { backchannel_logout_uris: [address] })
  await endSession(sid)
  await hasTried('hobart')
  const printed = await steps.next({ CLIENT: 'hobart' }, [0, 1])
  expect(printed).toMatch(/pending .*TLS failed: the certificate is not trusted/)
  expect(printed).toContain('NODE_EXTRA_CA_CERTS')
  await (await admin()).send('DELETE', '/clients/hobart')
})

incident('The queue server is down or lost its data', async (steps) => {
  const { sid } = await world.signedIn(ALICE)
  loseQueueServers(queueServers(world.broker.pid))
  await endSession(sid)
  expect(await steps.next()).toMatch(/queue +(up|down)/)
  for (const each of world.instances) await mayBeShown(each, sid)
})

incident('The disk is full', async (steps) => {
  const { at, sid } = await world.signedIn(ALICE)
  const refresh = () => world.refresh(instance(0), at[0]?.tokens.refresh_token ?? '')
  const limit = (bytes: string) =>
    execFileSync('prlimit', ['--pid', String(world.broker.pid), `--fsize=${bytes}:`])
  limit('4096')
  await expect(endSession(sid)).rejects.toThrow()
  const full = steps.next({}, [0, 1])
  expect(await full).toMatch(/store +down/)
  limit('unlimited')
  await until('it goes on by itself', () => refresh().then(() => true))
})

incident('Microsoft is down, or rejects the broker', async (steps) => {
  const { at } = await world.signedIn(ALICE)
  const bob = await world.signedIn(BOB)
  world.entra.set({ outage: ['authorize', 'token', 'metadata'] })
  expect(await steps.next({}, [1])).toMatch(/^Act now +.*(metadata|Microsoft|answered)/m)
  expect(await steps.next({ NAME: 'bob' })).toContain('Revoked, number')
  await expect(
    world.refresh(instance(0), bob.at[0]?.tokens.refresh_token ?? ''),
  ).rejects.toMatchObject({ error: 'invalid_grant' })
  world.entra.set({ outage: [] })
  await world.refresh(instance(0), at[0]?.tokens.refresh_token ?? '')
  expect(await steps.next()).toContain('redriven  0\n')
  await world.broker.end('SIGTERM')
  const store = await openSqliteStore({ file: join(dataDir(), 'broker.db'), nowMs: Date.now })
  await pauseProbe(store, { tid: CONTOSO.tid, held: 'address', at: 1, code: 53003 })
  await store.close()
  await world.broker.start()
  expect(await steps.next({ TENANT: CONTOSO.tid })).toMatch(/resumed +yes/)
})

incident('The clock is wrong', async (steps) => {
  const { at } = await world.signedIn(ALICE)
  await setClock(world.broker, 20 * 60_000)
  expect(await introspected(instance(0), instance(0).entry.client_secret)).toBe(503)
  expect(await steps.next({}, [0, 1])).toMatch(/^ok {9}tenant .*: .*\bclock\b/m)
  await world.refresh(instance(0), at[0]?.tokens.refresh_token ?? '')
})

incident('Too much was revoked', async (steps) => {
  await world.signedIn(ALICE)
  const { seq } = await (
    await admin()
  ).send<{ seq: number }>('POST', '/revocations', {
    selector: { kind: 'client', client_id: 'sydney' },
    case_reference: 'INC-2',
  })
  expect(await steps.next({ SEQ: String(seq) })).toMatch(
    /client sydney[\s\S]*cmb@test \(unverified\)[\s\S]*revoke/,
  )
  expect(await steps.next({ TENANT: CONTOSO.tid })).toContain('Nothing was done.')
})

incident('A customer leaves', async (steps) => {
  const { sid, at } = await world.signedIn('faye@fabrikam.example')
  expect(await steps.next({ TENANT: FABRIKAM.tid })).toContain('This would end 1 session(s)')
  expect(await steps.next({ TENANT: FABRIKAM.tid })).toMatch(/removed +yes/)
  for (const each of world.instances) await mayBeShown(each, sid)
  expect(await steps.next({ TENANT: FABRIKAM.tid })).toMatch(/No sessions\.[\s\S]*tenant_removed/)
  await expect(world.refresh(instance(0), at[0]?.tokens.refresh_token ?? '')).rejects.toMatchObject(
    { error: 'invalid_grant' },
  )
  await expect(world.signIn(newBrowser(), instance(0))).rejects.toThrow()
})

incident('A broker is missing', async (steps) => {
  // test/cluster/two-brokers.test.ts tests the problem itself, which a single broker cannot have.
  expect(await steps.next()).toContain('live sessions')
})

incident('A guard is outdated or gone', async (steps) => {
  const { client_id: clientId, client_secret: clientSecret } = instance(1).entry
  const options = {
    issuer: world.broker.issuer,
    clientId,
    clientSecret,
    audience: 'urn:runbook:melbourne',
    guardId: 'asking',
  }
  const guard = createGuard({ ...options, withoutLease: 'introspect' })
  await guard.start()
  await until('it has reported', () => guard.status().reportedSeq !== undefined)
  await guard.stop()
  await until('the broker knows that it is gone', async () => {
    const { guards } = await (
      await admin()
    ).get<{ guards: { guard_id: string; connected: boolean }[] }>('/guards')
    return guards.some((candidate) => candidate.guard_id === 'asking' && !candidate.connected)
  })
  expect(await steps.next()).toMatch(/melbourne +asking +no .*introspect/)
})

incident('No operator can sign in', async (steps) => {
  world.entra.set({ credentialExpired: true })
  await expect(world.signIn(newBrowser(), instance(0), { login_hint: ALICE })).rejects.toThrow()
  const printed = await steps.next()
  world.entra.set({ credentialExpired: false })
  const token = /^ {2}(\S+)$/m.exec(printed)?.[1] ?? expect.fail(printed)
  expect(printed).toContain(`${world.broker.ops.replace('127.0.0.1', 'localhost')}/setup`)
  expect(token).toMatch(/^(?:[0-9A-Z]{5}-){4}[0-9A-Z]{5}$/)
})

incident('The database is lost or damaged', async (steps) => {
  const { at } = await world.signedIn(ALICE)
  const backup = join(world.broker.dataDir, 'nightly.db')
  await (await admin()).send('POST', '/backup', { path: backup })
  await steps.next({ BACKUP: backup })
  await expect(world.refresh(instance(0), at[0]?.tokens.refresh_token ?? '')).rejects.toMatchObject(
    { error: 'invalid_grant' },
  )
  expect(await steps.next({}, [0, 1])).toMatch(/sydney[\s\S]*^ok {9}[^:]+: .*\bbroker\b/m)
  await world.signedIn(ALICE)
})

incident('A user asks to be forgotten', async (steps) => {
  const { sid } = await world.signedIn(BOB)
  const sub = await subOf(sid)
  expect(await steps.next({ SUBJECT: sub })).toContain('has no name here any more')
  const { sessions } = await (await admin()).get<{ sessions: unknown[] }>('/sessions?user=bob')
  expect(sessions).toEqual([])
})

incident(
  'An auditor asks which instances were informed, or what an operator did',
  async (steps) => {
    const { sid } = await world.signedIn(ALICE)
    const sent = { selector: { kind: 'session', sid }, case_reference: 'INC-7' }
    const { seq } = await (await admin()).send<{ seq: number }>('POST', '/revocations', sent)
    for (const each of world.instances) await mayBeShown(each, sid)
    const printed = await steps.next({ SEQ: String(seq) })
    expect(printed).toMatch(/INC-7[\s\S]*sydney[\s\S]*"signature"/)
    const file = await steps.next({ NAME: 'alice', FROM: '2026-01-01' })
    expect(file).toMatch(/"record":"user"\}\s*$/)
    const acts = await steps.next({ OPERATOR: 'cmb@test (unverified)', CASE: 'INC-7' })
    expect(acts).toMatch(/revoke +Alice Adams · alice@contoso\.example \(session s_/)
  },
)

test('the commands of every incident of the runbook work', () => {
  expect(INCIDENTS.map(({ title }) => title).filter((title) => !walked.has(title))).toEqual([])
})
