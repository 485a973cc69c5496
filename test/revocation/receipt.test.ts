import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import type { ClientMetadata } from '../../src/protocol/client-metadata.ts'
import { receiptOf, receiptsOf } from '../../src/revocation/receipt.ts'
import { requestRevocation } from '../../src/revocation/revoke.ts'
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
  const report = async (
    reporter: Awaited<ReturnType<typeof guard>>,
    seq: number,
    ...more: string[]
  ) => {
    const response = await fetch(`${url}/revocations/enforced`, {
      method: 'POST',
      headers: { authorization: of(reporter.city).basic, 'content-type': 'application/json' },
      body: JSON.stringify({
        epoch,
        seq,
        guard: reporter.name,
        streams: [reporter.stream, ...more],
      }),
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
  const register = async (city: string, changes: Partial<ClientMetadata>) =>
    clients.set(city, await rig.register(city, changes))
  return { rig, of, register, guard, report, signOut, admin }
}

async function delivered(rig: Rig, city: string): Promise<void> {
  for (const { id, attempts, clientId } of await rig.store.listDeliveries({ limit: 100 }))
    if (clientId === city)
      await rig.store.recordDelivery({
        id,
        result: {
          outcome: 'delivered',
          attempt: {
            attempt: attempts + 1,
            atMs: rig.clock.nowMs(),
            latencyMs: 5,
            status: 200,
            outcome: 'delivered',
          },
        },
      })
}

interface Answer {
  acknowledged_at_ms: number
  final: boolean
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
  const expiry = { state: 'bounded', by: 'expiry', no_later_than_ms: at + 360_000 }
  const open = { state: 'not_bounded', no_later_than_ms: null }
  const participant = { lease_seconds: 30, ...open, sessions: { ...open, by: null } }
  expect(members).toEqual({
    seq: 1,
    acknowledged_at_ms: at,
    lease_seconds: 30,
    final: false,
    participants: [
      {
        ...participant,
        client_id: 'darwin',
        tokens: expiry,
        guards: { listening: 0, confirmed: 0 },
      },
      {
        ...participant,
        client_id: 'melbourne',
        tokens: { state: 'bounded', by: 'lease', no_later_than_ms: at + 30_000 },
        guards: { listening: 1, confirmed: 0 },
      },
      {
        ...participant,
        client_id: 'perth',
        state: 'bounded',
        no_later_than_ms: at + 360_000,
        tokens: expiry,
        sessions: { state: 'confirmed', by: 'logout_token', no_later_than_ms: at + 5 },
        guards: { listening: 0, confirmed: 0 },
      },
      {
        ...participant,
        client_id: 'sydney',
        tokens: { state: 'confirmed', by: 'report', no_later_than_ms: at },
        guards: { listening: 1, confirmed: 1 },
      },
    ],
  })

  const page = (await user.get(done.path)).text
  for (const words of [
    'Case Manager Darwin Not confirmed yet',
    'Case Manager Melbourne Not confirmed yet',
    'Case Manager Perth Session ended',
    'Case Manager Perth has ended its own session. Access from your former session ends there no later than',
    'Case Manager Sydney Access ended',
    'Case Manager Sydney no longer allows access from your former session. Its own pages may still be open until the app ends its own session.',
    'Case Manager Melbourne has not confirmed your sign-out. Access from your former session ends there no later than',
    'An app that cannot be reached is signed out as soon as it is back.',
  ])
    expect(page).toContain(words)

  const utc = (ms: number): string => new Date(at + ms).toISOString()
  const words = (time: (ms: number) => string): Record<string, string> => ({
    receipt: `0 of 4 instances confirmed: tokens and own sessions have ended, 1 accepts no token, but its own sessions may still be open, 3 may accept tokens until ${time(360_000)}`,
    darwin: `not.confirmed +accepted until they expire, ${time(360_000)} +may still be open +none`,
    melbourne: `not.confirmed +accepts none from ${time(30_000)} on +may still be open +0 of 1`,
    perth: `(ends by itself|bounded) +accepted until they expire, ${time(360_000)} +ended after 5 ms, by logout token +none`,
    sydney: 'not.confirmed +accepts none after 0 ms +may still be open +1 of 1',
  })
  const operators = (await (await atConsole(rig, 'operator')).get('/ops/revocations/1')).text
  for (const [name, text] of Object.entries(words((ms) => `${utc(ms).slice(11, 19)}\\sUTC`)))
    expect(operators).toMatch(new RegExp(name === 'receipt' ? text : `${name} ${text}`, 'i'))
  const { out } = await type(['revocations', 'show', '1'])
  for (const [name, text] of Object.entries(words(utc)))
    expect(out).toMatch(new RegExp(`${name} +${text.replace('not.confirmed', 'not_bounded')}`))

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
    code: 0,
    err: '',
    out: expect.stringContaining('The evidence of the receipt of revocation 1 is as') as string,
  })
  const last = text.indexOf(jws) + jws.length - 1
  const places = Array.from({ length: text.length }, (_, i) => i)
  for (const i of places.filter((place) => place % 29 === 0 || place === last)) {
    const byte = String.fromCharCode(text.charCodeAt(i) ^ 1)
    const changed = text.slice(0, i) + byte + text.slice(i + 1)
    expect([i, byte, (await verify(changed)).code]).toEqual([i, byte, 1])
  }

  rig.clock.advance(26)
  const later = (await (await admin('/revocations/1/receipt')).json()) as Answer
  expect(later).toMatchObject({
    participants: [
      { client_id: 'darwin', state: 'not_bounded' },
      {
        client_id: 'melbourne',
        state: 'not_bounded',
        tokens: { state: 'confirmed', by: 'lease', no_later_than_ms: at + 30_000 },
      },
      ...members.participants.slice(2),
    ],
  })
  expect(later.final).toBe(false)
  await delivered(rig, 'sydney')
  const both = (await user.get(done.path)).text
  expect(both).toContain('Case Manager Sydney Signed out')
  expect(both).not.toContain('Case Manager Sydney gives')
  const then = (await type(['revocations', 'show', '1'])).out
  expect(then).toMatch(/1 of 4 instances confirmed: tokens and own sessions have ended/)
  expect(then).toMatch(
    /sydney +confirmed +accepts none after 0 ms +ended after .*, by logout token/,
  )
  expect(then).toMatch(
    /melbourne +not_bounded +accepts none since .*, when its leases ended +may still be open/,
  )

  rig.clock.advance(340)
  const atLast = (await (await admin('/revocations/1/receipt')).json()) as Answer
  expect(atLast).toMatchObject({
    final: true,
    participants: [
      { client_id: 'darwin', tokens: { state: 'confirmed', by: 'expiry' } },
      { client_id: 'melbourne' },
      { client_id: 'perth', state: 'confirmed', no_later_than_ms: at + 360_000 },
      { client_id: 'sydney', state: 'confirmed' },
    ],
  })
})

test('the list of revocations says since when each is effective everywhere, or what is open', async () => {
  const { rig, guard, report, register, signOut, admin } = await broker('Melbourne')
  const { type } = await startCmb(rig)
  for (const city of ['Darwin', 'Sydney', 'Perth'])
    await register(city, { ownSessions: 'none', logoutUris: [] })
  const sydney = await guard('Sydney')
  await guard('Darwin')
  const at = rig.clock.nowMs()
  await signOut('Sydney')
  await signOut('Sydney', 'Darwin')
  await signOut('Melbourne')
  rig.clock.advance(0.312)
  await report(sydney, 3)
  await signOut()

  const effective = async () =>
    (
      (await (await admin('/revocations')).json()) as {
        revocations: { effective: Record<string, unknown> }[]
      }
    ).revocations.map(({ effective: found }) => found)
  const ended = { state: 'confirmed', participants: 1, open_participants: 0, open: [] }
  const claim = { state: 'bounded', by: 'lease', no_later_than_ms: at + 30_000 }
  const none = { state: 'confirmed', by: 'none', no_later_than_ms: at }
  const unknown = { state: 'not_bounded', no_later_than_ms: null }
  expect(await effective()).toEqual([
    { ...ended, participants: 0, no_later_than_ms: at + 312, after_ms: 0, at_most: false },
    {
      ...unknown,
      after_ms: null,
      at_most: false,
      participants: 1,
      open_participants: 1,
      open: [
        {
          ...unknown,
          client_id: 'melbourne',
          tokens: { state: 'bounded', by: 'expiry', no_later_than_ms: at + 360_000 },
          sessions: { ...unknown, by: null },
        },
      ],
    },
    {
      state: 'bounded',
      no_later_than_ms: at + 30_000,
      after_ms: 30_000,
      at_most: true,
      participants: 2,
      open_participants: 1,
      open: [
        {
          client_id: 'darwin',
          state: 'bounded',
          no_later_than_ms: at + 30_000,
          tokens: claim,
          sessions: none,
        },
      ],
    },
    { ...ended, no_later_than_ms: at + 312, after_ms: 312, at_most: false },
  ])

  const utc = (ms: number): string => new Date(at + ms).toISOString()
  const words = (nameOf: (city: string) => string, time: (ms: number) => string) => [
    'no instance took part',
    `1 of 1 open: ${nameOf('Melbourne')} accepts tokens until ${time(360_000)} at most, and its own sessions may still be open`,
    `1 of 2 open: ${nameOf('Darwin')} until ${time(30_000)} at most`,
    'stopped everywhere after 312 ms',
  ]
  const city = (name: string): string => `Case Manager ${name}`
  const operator = await atConsole(rig, 'operator')
  const page = (await operator.get('/ops/revocations')).text
  for (const text of words(city, (ms) => `${utc(ms).slice(11, 19)} UTC`))
    expect(page.replaceAll(/\s/g, ' ')).toContain(text)
  const csv = (await operator.get('/ops/revocations.csv')).text
  for (const text of words(city, utc)) expect(csv).toContain(text)
  expect(csv).toContain(`stopped everywhere after 312 ms,${utc(312)}`)
  const { out } = await type(['revocations', 'list'])
  for (const text of words((name) => name.toLowerCase(), utc)) expect(out).toContain(text)
  expect((await type(['revocations', 'list', '--csv'])).out).toMatch(/effective\.after_ms.*\r\n/)

  rig.clock.advance(400)
  expect((await effective()).map((each) => [each.state, each.after_ms, each.at_most])).toEqual([
    ['confirmed', 0, false],
    ['not_bounded', null, false],
    ['confirmed', 30_000, true],
    ['confirmed', 312, false],
  ])
  expect((await operator.get('/ops/revocations')).text).toContain(
    'stopped everywhere after 30.0 s at most',
  )
  for (const [seq, last] of [
    [1, 'after 312 ms'],
    [2, 'within 30.0 s'],
  ])
    expect((await operator.get(`/ops/revocations/${seq}`)).text).toContain(`the last ${last}.`)
})

test('the receipts of a list are read ten at a time, and other work runs between two reads', async () => {
  const rig = await createRig()
  const { session } = await rig.openSession()
  await requestRevocation(rig.deps, {
    selector: { kind: 'session', sid: session.sid },
    reason: 'administrator',
    actor: { kind: 'operator', id: 'olga' },
    now: rig.clock.now(),
  })
  const read: (readonly number[])[] = []
  const otherWork = vi.fn()
  const store = {
    ...rig.store,
    async receiptRows(seqs: readonly number[]) {
      read.push(seqs)
      expect(otherWork).toHaveBeenCalledTimes(read.length - 1)
      setImmediate(otherWork)
      return seqs.includes(1) ? rig.store.receiptRows(seqs) : []
    },
  }
  await rig.store.acknowledge([{ seq: 1, atMs: rig.clock.nowMs() }])
  const seqs = Array.from({ length: 25 }, (_, i) => 25 - i)
  const receipts = await receiptsOf({ ...rig.deps, store }, seqs)
  expect(read.map((page) => page.length)).toEqual([10, 10, 5])
  expect(read.flat()).toEqual(seqs)
  expect([...receipts.keys()]).toEqual([1])
})

test('of everyone: an instance without a logout address has no bound, also after it got one', async () => {
  const rig = await createRig()
  const cities = [await rig.register('Perth'), await rig.register('Darwin', { logoutUris: [] })]
  const { session } = await rig.openSession()
  for (const city of cities) await rig.signInAt(session.sid, city)
  await requestRevocation(rig.deps, {
    selector: { kind: 'everything' },
    reason: 'administrator',
    now: rig.clock.now(),
    actor: { kind: 'operator', id: 'olga' },
  })
  while ((await rig.store.fanOutPending({ limit: 100 })).more);
  await delivered(rig, 'perth')
  const states = async () =>
    (await receiptOf(rig.deps, 1))?.participants.map(({ clientId, state }) => [clientId, state])
  const claimed = [
    ['darwin', 'not_bounded'],
    ['perth', 'bounded'],
  ]
  expect(await states()).toEqual(claimed)
  await rig.register('Darwin')
  expect(await states()).toEqual(claimed)
})

test('the console is no participant; the time of a guard’s report stays when it reports later revocations', async () => {
  const { rig, of, guard, report, signOut, admin } = await broker('Sydney')
  const { type } = await startCmb(rig)
  const sydney = await guard('Sydney')
  await report(sydney, 0)
  const operator = await atConsole(rig, 'administrator')
  await rig.signInAt(operator.sid, of('Sydney'))
  const at = rig.clock.nowMs()
  await requestRevocation(rig.deps, {
    selector: { kind: 'session', sid: operator.sid },
    reason: 'administrator',
    actor: { kind: 'operator', id: 'olga' },
    now: rig.clock.now(),
  })
  rig.clock.advance(2)
  await report(sydney, 1)
  // The time is kept beside the report, whether anyone reads the receipt or not.
  await vi.waitFor(async () => expect((await rig.store.receiptRows([1]))[0]?.kept).toHaveLength(1))
  await signOut('Sydney')
  rig.clock.advance(120)
  await report(sydney, 2)
  const { participants } = (await (await admin('/revocations/1/receipt')).json()) as Answer
  expect(participants).toMatchObject([
    {
      client_id: 'sydney',
      tokens: { state: 'confirmed', by: 'report', no_later_than_ms: at + 2_000 },
    },
  ])
  expect((await type(['revocations', 'show', '1'])).out).toContain('accepts none after 2.0 s')
})

test('a guard that judges sessions confirms them too, and one that does not only tokens, also while the logout token is pending', async () => {
  const { rig, register, guard, report, signOut } = await broker('Sydney')
  await register('Perth', { ownSessions: 'guard' })
  const sydney = await guard('Sydney')
  await rig.feed.leases.open({
    stream: 'judging',
    clientId: 'perth',
    guardId: 'web-1',
    sessions: true,
  })
  const { user, done } = await signOut('Sydney', 'Perth')
  const { epoch } = await rig.store.head()
  await report(sydney, 1)
  const { reached } = await rig.store.recordEnforced({
    clientId: 'perth',
    guardId: 'web-1',
    epoch,
    enforcedSeq: 1,
    streams: ['judging'],
    reportedAtMs: rig.clock.nowMs(),
  })
  expect(reached).toEqual([])
  rig.clock.advance(4)
  const { participants = [] } = (await receiptOf(rig.deps, 1)) ?? {}
  expect(participants).toMatchObject([
    { clientId: 'perth', state: 'confirmed', sessions: { state: 'confirmed', by: 'report' } },
    {
      clientId: 'sydney',
      state: 'not_bounded',
      tokens: { state: 'confirmed', by: 'report' },
      sessions: { state: 'not_bounded' },
    },
  ])
  const page = (await user.get(done.path)).text
  expect(page).toContain('Case Manager Perth Signed out')
  expect(page).toContain('Case Manager Sydney Access ended')
  expect(page).not.toContain('confirmed that you are signed out')
})

test('of everything: one row for each instance, none for each guard, in a broker that restarts as well', async () => {
  const rig = await createRig()
  const names = Array.from({ length: 20 }, (_, i) => `City${i}`)
  for (const name of names) await rig.register(name, { logoutUris: [], ownSessions: 'guard' })
  const guards = names.flatMap((name) =>
    Array.from({ length: 5 }, (_, i) => ({ clientId: name.toLowerCase(), guardId: `web-${i}` })),
  )
  for (const guard of guards)
    await rig.feed.leases.open({
      ...guard,
      stream: `${guard.clientId} ${guard.guardId}`,
      sessions: true,
    })
  await requestRevocation(rig.deps, {
    selector: { kind: 'everything' },
    reason: 'administrator',
    now: rig.clock.now(),
    actor: { kind: 'operator', id: 'olga' },
  })
  const { epoch } = await rig.store.head()
  const reports = guards.map((reporter) => ({
    ...reporter,
    epoch,
    enforcedSeq: 1,
    streams: [`${reporter.clientId} ${reporter.guardId}`],
    reportedAtMs: rig.clock.nowMs(),
  }))
  await rig.store.recordEnforced(...reports)
  const first = await receiptOf(rig.deps, 1)
  expect((await rig.store.receiptRows([1]))[0]?.kept).toHaveLength(20)
  expect(first?.participants.every(({ state }) => state === 'confirmed')).toBe(true)
  rig.clock.advance(600)
  await rig.store.recordEnforced(...reports.map((report) => ({ ...report, enforcedSeq: 1 })))
  expect(await receiptOf(rig.deps, 1)).toEqual(first)
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
    grant_type: exchange,
    subject_token: token,
    audience: 'archive',
    subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
  }
  expect((await rig.post('/token', asked, { authorization: reports.basic })).status).toBe(200)
  const participantsOf = async (selector: Parameters<typeof requestRevocation>[1]['selector']) => {
    const answer = await requestRevocation(rig.deps, {
      selector,
      reason: 'administrator',
      now: rig.clock.now(),
      actor: { kind: 'operator', id: 'olga' },
    })
    while ((await rig.store.fanOutPending({ limit: 100 })).more);
    await delivered(rig, 'reports')
    const seq = answer.outcome === 'revoked' ? answer.committed.revocation.seq : 0
    const receipt = (await receiptOf(rig.deps, seq)) ?? expect.unreachable()
    return receipt.participants.map((participant) => [
      participant.clientId,
      participant.tokens.by,
      participant.sessions.by,
    ])
  }
  // The sessions there go on: nothing of them has to end.
  const archive = ['archive', 'expiry', 'none']
  const answered = ['reports', 'expiry', 'logout_token']
  const grant = { kind: 'grant', sid: session.sid, clientId: 'reports' } as const
  expect(await participantsOf(grant)).toEqual([archive, answered])
  // The sessions of a client are not counted: all that may have its tokens are named.
  expect(await participantsOf({ kind: 'client', clientId: 'reports' })).toEqual([
    archive,
    answered,
    ['vault', 'expiry', 'none'],
  ])
})
