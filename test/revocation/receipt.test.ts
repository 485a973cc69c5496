import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { receiptOf } from '../../src/revocation/receipt.ts'
import { revoke } from '../../src/revocation/revoke.ts'
import { browserAt } from '../browser.ts'
import { startCmb } from '../command/cmb.ts'
import { atConsole } from '../console/console.ts'
import { createRig, type RegisteredClient, type Rig } from '../rig.ts'
import { follow } from './event-stream.ts'

/** A broker with guards that follow its feed by HTTP, and report as the test says. */
async function broker(...cities: string[]) {
  const rig = await createRig()
  const url = await rig.serve()
  const clients = new Map<string, RegisteredClient>()
  for (const city of cities) clients.set(city, await rig.register(city))
  const of = (city: string): RegisteredClient => clients.get(city) ?? expect.unreachable()
  const { epoch } = await rig.store.head()
  const guard = async (city: string, name = 'web-1') => {
    const stream = await follow(`${url}/revocations?guard=${name}`, {
      authorization: of(city).basic,
    })
    await vi.waitFor(() => expect(stream.names()).toContain('live'))
    return { ...stream, city, name, stream: String(stream.grants[0]?.data.stream) }
  }
  const report = async (one: Awaited<ReturnType<typeof guard>>, seq: number, ...more: string[]) => {
    const response = await fetch(`${url}/revocations/enforced`, {
      method: 'POST',
      headers: { authorization: of(one.city).basic, 'content-type': 'application/json' },
      body: JSON.stringify({ epoch, seq, guard: one.name, streams: [one.stream, ...more] }),
    })
    expect(response.status).toBe(204)
  }
  /** Signs a user in at these instances and out again, and returns the browser and the last page. */
  const signOut = async (...at: string[]) => {
    const { session, cookieHeader } = await rig.openSession({ device: 'Firefox on Windows' })
    for (const city of at) await rig.signInAt(session.sid, of(city))
    const user = browserAt(rig, { cookies: cookieHeader })
    return { user, done: await user.submit(await user.get('/logout'), { scope: 'device' }) }
  }
  const robot = await rig.register('Robot', {
    grants: ['client_credentials'],
    redirectUris: [],
    scopes: ['broker:audit'],
  })
  /** Reads from the admin API by HTTP. */
  const admin = async (path: string): Promise<Response> => {
    const asked = { grant_type: 'client_credentials', scope: 'broker:audit' }
    const token = await rig.post('/token', asked, { authorization: robot.basic })
    const { access_token: given } = (await token.json()) as { access_token: string }
    return rig.opsApp.request(`http://localhost:7401/admin/v1${path}`, {
      headers: { authorization: `Bearer ${given}` },
    })
  }
  return { rig, of, guard, report, signOut, admin }
}

async function delivered(rig: Rig, city: string): Promise<void> {
  for (const { id, attempts, clientId } of await rig.store.listDeliveries({ limit: 100 }))
    if (clientId === city)
      await rig.store.recordDelivery({
        id,
        result: {
          outcome: 'delivered',
          attempt: {
            ...{ attempt: attempts + 1, atMs: rig.clock.nowMs(), latencyMs: 5, status: 200 },
            outcome: 'delivered',
          },
        },
      })
}

interface Answer {
  acknowledged_at_ms: number
  participants: { client_id: string; no_later_than_ms: number | null }[]
  jws: string
}

test('a receipt with an instance of each kind: by the API, for the user, for operators, and verified without the broker', async () => {
  const { rig, guard, report, signOut, admin } = await broker(
    ...['Darwin', 'Melbourne', 'Perth', 'Sydney'],
  )
  const { type } = await startCmb(rig)
  const sydney = await guard('Sydney')
  await guard('Melbourne')
  await report(sydney, 0)
  const at = rig.clock.nowMs()
  const { user, done } = await signOut('Darwin', 'Melbourne', 'Perth', 'Sydney')
  await delivered(rig, 'perth')
  await report(sydney, 1)
  rig.clock.advance(4)

  const answer = await admin('/revocations/1/receipt')
  const text = await answer.text()
  const { jws, ...members } = JSON.parse(text) as Answer
  const one = { lease_seconds: 30, by: null, no_later_than_ms: null, sessions_confirmed: false }
  expect(members).toEqual({
    ...{ seq: 1, acknowledged_at_ms: at, lease_seconds: 30, final: false },
    participants: [
      {
        ...one,
        ...{ client_id: 'darwin', state: 'not_bounded', guards: { listening: 0, confirmed: 0 } },
      },
      {
        ...one,
        ...{ client_id: 'melbourne', state: 'bounded', no_later_than_ms: at + 30_000 },
        guards: { listening: 1, confirmed: 0 },
      },
      {
        ...one,
        ...{ client_id: 'perth', state: 'confirmed', by: 'logout_token', no_later_than_ms: at + 5 },
        ...{ sessions_confirmed: true, guards: { listening: 0, confirmed: 0 } },
      },
      {
        ...one,
        ...{ client_id: 'sydney', state: 'confirmed', by: 'report', no_later_than_ms: at },
        guards: { listening: 1, confirmed: 1 },
      },
    ],
  })

  const until = new Date(at + 30_000).toISOString()
  const page = (await user.get(done.path)).text
  for (const words of [
    'Case Manager Darwin Not confirmed yet',
    'Case Manager Melbourne Not confirmed yet',
    'Case Manager Perth Signed out',
    'Case Manager Sydney Access ended',
    'Case Manager Sydney gives no more access by your former session. Its own pages may still be open until the app ends its own session.',
    'Case Manager Melbourne could not be reached. Access by your former session ends there no later than',
    'An app that cannot be reached is signed out as soon as it is back.',
  ])
    expect(page).toContain(words)

  const shown =
    '1 of 4 instances have ended their own sessions, 1 accepts no token, 1 stops accepting tokens by itself, 1 may still accept what was revoked'
  const operators = (await (await atConsole(rig, 'operator')).get('/ops/revocations/1')).text
  expect(operators).toMatch(
    new RegExp(
      [
        `Receipt: which instances accept no token, and have ended their own sessions One session of .*: ${shown}\\. Instance State Since, or from Guards confirmed`,
        'Case Manager Darwin not confirmed: may still accept what was revoked none',
        `Case Manager Melbourne stops accepting tokens by itself; own sessions may still be open ${until.slice(11, 19)}\\sUTC 0 of 1`,
        'Case Manager Perth own sessions ended by its logout token; without a guard, tokens go on until they expire 5 ms none',
        'Case Manager Sydney accepts no token; own sessions may still be open 0 ms 1 of 1',
        'What One session of Alice .*, Firefox on Windows',
      ].join('.*'),
    ),
  )
  const { out } = await type(['revocations', 'show', '1'])
  for (const words of [
    new RegExp(`receipt +${shown}`),
    /darwin +not confirmed: may still accept what was revoked +- +none/,
    new RegExp(
      `melbourne +stops accepting tokens by itself; own sessions may still be open +${until} +0 of 1`,
    ),
    /perth +own sessions ended by its logout token; without a guard, tokens go on until they expire +5 ms +none/,
    /sydney +accepts no token; own sessions may still be open +0 ms +1 of 1/,
  ])
    expect(out).toMatch(words)

  const file = (name: string, content: string): string => {
    const path = join(rig.config.dataDir, name)
    writeFileSync(path, content)
    return path
  }
  const archive = await (await rig.app.request('/.well-known/signing-keys-archive')).text()
  const keys = file('keys.json', archive)
  const verify = (content: string) =>
    type(['evidence', 'verify', file('receipt.json', content), '--keys', keys])
  expect(await verify(text)).toMatchObject({
    ...{ code: 0, err: '' },
    out: expect.stringContaining('The evidence of the receipt of revocation 1 is as') as string,
  })
  const last = text.indexOf(jws) + jws.length - 1
  const places = Array.from({ length: text.length }, (_, i) => i)
  for (const i of places.filter((one) => one % 29 === 0 || one === last)) {
    const byte = String.fromCharCode(text.charCodeAt(i) ^ 1)
    const changed = text.slice(0, i) + byte + text.slice(i + 1)
    expect([i, byte, (await verify(changed)).code]).toEqual([i, byte, 1])
  }

  rig.clock.advance(26)
  const later = (await (await admin('/revocations/1/receipt')).json()) as Answer
  expect(later).toMatchObject({
    final: true,
    participants: [
      { client_id: 'darwin', state: 'not_bounded' },
      { client_id: 'melbourne', state: 'confirmed', by: 'lease', no_later_than_ms: at + 30_000 },
      ...members.participants.slice(2),
    ],
  })
  await delivered(rig, 'sydney')
  const both = (await user.get(done.path)).text
  expect(both).toContain('Case Manager Sydney Signed out')
  expect(both).not.toContain('Case Manager Sydney gives')
  const then = (await type(['revocations', 'show', '1'])).out
  expect(then).toMatch(
    /2 of 4 instances have ended their own sessions, 1 accepts no token, 1 may still accept what was revoked/,
  )
  expect(then).toMatch(/sydney +accepts no token; own sessions ended by its logout token/)
  expect(then).toMatch(
    /melbourne +accepts no token, its leases are over; own sessions may still be open/,
  )
})

test('of everyone: an instance without a logout address has no bound, also after it got one', async () => {
  const rig = await createRig()
  const cities = [await rig.register('Perth'), await rig.register('Darwin', { logoutUris: [] })]
  const { session } = await rig.openSession()
  for (const city of cities) await rig.signInAt(session.sid, city)
  await revoke(rig.deps, {
    ...{ selector: { kind: 'everything' }, reason: 'administrator', now: rig.clock.now() },
    actor: { kind: 'operator', id: 'olga' },
  })
  while ((await rig.store.fanOutPending({ limit: 100 })).more);
  await delivered(rig, 'perth')
  const states = async () =>
    (await receiptOf(rig.deps, 1))?.participants.map(({ clientId, state }) => [clientId, state])
  const claimed = [
    ['darwin', 'not_bounded'],
    ['perth', 'confirmed'],
  ]
  expect(await states()).toEqual(claimed)
  await rig.register('Darwin')
  expect(await states()).toEqual(claimed)
})

test('the console is no participant; the time of a guard’s report is kept until it reports a later revocation', async () => {
  const { rig, of, guard, report, signOut, admin } = await broker('Sydney')
  const { type } = await startCmb(rig)
  const sydney = await guard('Sydney')
  const operator = await atConsole(rig, 'administrator')
  await rig.signInAt(operator.sid, of('Sydney'))
  const at = rig.clock.nowMs()
  await revoke(rig.deps, {
    ...{ selector: { kind: 'session', sid: operator.sid }, reason: 'administrator' },
    ...{ actor: { kind: 'operator', id: 'olga' }, now: rig.clock.now() },
  })
  const claimed = async (): Promise<unknown[]> => {
    const { participants } = (await (await admin('/revocations/1/receipt')).json()) as Answer
    const { out } = await type(['revocations', 'show', '1'])
    return [
      ...participants.map((one) => [one.client_id, (one.no_later_than_ms ?? 0) - at]),
      /accepts no token, the last .*/.exec(out)?.[0],
    ]
  }
  rig.clock.advance(2)
  await report(sydney, 1)
  expect(await claimed()).toEqual([['sydney', 2_000], 'accepts no token, the last after 2.0 s'])
  await signOut('Sydney')
  rig.clock.advance(60)
  await report(sydney, 2)
  expect(await claimed()).toEqual([['sydney', 30_000], 'accepts no token, the last within 30.0 s'])
})

test('of a client and of a grant: the targets of its token exchange took part, and no answer of another confirms them', async () => {
  const rig = await createRig()
  const exchange = 'urn:ietf:params:oauth:grant-type:token-exchange'
  const reports = await rig.register('Reports', {
    grants: ['authorization_code', 'refresh_token', exchange],
  })
  for (const city of ['Archive', 'Vault']) await rig.register(city, { exchangeFrom: ['reports'] })
  await rig.register('Sydney')
  const { session } = await rig.openSession()
  const { access_token: token } = await rig.signInAt(session.sid, reports)
  const asked = {
    ...{ grant_type: exchange, subject_token: token, audience: 'archive' },
    subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
  }
  expect((await rig.post('/token', asked, { authorization: reports.basic })).status).toBe(200)
  const participantsOf = async (selector: Parameters<typeof revoke>[1]['selector']) => {
    const answer = await revoke(rig.deps, {
      ...{ selector, reason: 'administrator', now: rig.clock.now() },
      actor: { kind: 'operator', id: 'olga' },
    })
    while ((await rig.store.fanOutPending({ limit: 100 })).more);
    await delivered(rig, 'reports')
    const seq = answer.outcome === 'revoked' ? answer.committed.revocation.seq : 0
    const receipt = (await receiptOf(rig.deps, seq)) ?? expect.unreachable()
    return receipt.participants.map((one) => [one.clientId, one.state, one.sessionsConfirmed])
  }
  const archive = ['archive', 'not_bounded', false]
  const answered = ['reports', 'confirmed', true]
  const grant = { kind: 'grant', sid: session.sid, clientId: 'reports' } as const
  expect(await participantsOf(grant)).toEqual([archive, answered])
  // The sessions of a client are not counted: all that may have its tokens are named.
  expect(await participantsOf({ kind: 'client', clientId: 'reports' })).toEqual([
    ...[archive, answered],
    ['vault', 'not_bounded', false],
  ])
})
