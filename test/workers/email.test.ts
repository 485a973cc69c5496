import type { AddressInfo } from 'node:net'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { DeliveryRef } from '../../db/types.ts'
import type { Caller } from '../../src/acts/caller.ts'
import { liftAs, lockAs } from '../../src/acts/locks.ts'
import { scheduleAs } from '../../src/acts/scheduled.ts'
import { textsIn } from '../../src/page/texts.ts'
import type { Language } from '../../src/protocol/languages.ts'
import { createMailer } from '../../src/revocation/smtp.ts'
import { askMicrosoft } from '../../workers/ask-microsoft.ts'
import { runScheduled } from '../../workers/run-scheduled.ts'
import { startWorkers } from '../../workers/start.ts'
import { cityMetadata, createRig, type Rig } from '../rig.ts'
import { atMicrosoft, authorizePath, createBrowser, signIn } from '../signin/browser.ts'
import { deliverLogout as attempt } from './attempt.ts'
import { LocalQueue } from './local-queue.ts'

/** Email as a real mail server takes it, on this machine. */

const OLGA: Caller = { actor: { kind: 'operator', id: 'cmb@olga' }, source: 'api', via: 'command', may: 'administer' }

interface Received {
  from: string
  to: string[]
  message: string
}

async function startMailServer(options: SMTPServerOptions = {}) {
  const received: Received[] = []
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onData(stream, { envelope }, done) {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => {
        const from = envelope.mailFrom === false ? '' : envelope.mailFrom.address
        received.push({ from, to: envelope.rcptTo.map(({ address }) => address), message: Buffer.concat(chunks).toString() })
        done()
      })
    },
    ...options,
  })
  server.on('error', () => undefined)
  await new Promise<void>((done) => void server.listen(0, '127.0.0.1', done))
  onTestFinished(() => new Promise<void>((done) => server.close(() => done())))
  const { port } = server.server.address() as AddressInfo
  return { url: `smtp://127.0.0.1:${port}`, received }
}

async function world(url: string) {
  const queue = new LocalQueue()
  const email = { smtpUrl: url, from: 'broker@contoso.example', domains: ['contoso.example'] }
  const rig = await createRig({ config: { email }, deps: { queue } })
  const sydney = await rig.register('Sydney')
  const arrive = async (browser = createBrowser(rig)) => {
    await signIn(rig, browser, authorizePath(sydney))
    return browser
  }
  return { rig, arrive }
}
/** What is due to the mail server. */
const due = async (rig: Rig): Promise<DeliveryRef[]> =>
  (await rig.store.dueDeliveries({ targetId: '@email', nowMs: rig.clock.steadyMs(), limit: 10 })).refs
const only = async (rig: Rig): Promise<DeliveryRef> => {
  const [ref, ...more] = await due(rig)
  expect(more).toEqual([])
  return ref ?? expect.unreachable()
}
const decoded = (message: string): string =>
  message.replace(/=\r\n/g, '').replace(/(?:=[0-9A-F]{2})+/g, (hex) => Buffer.from(hex.replaceAll('=', ''), 'hex').toString('utf8'))

describe('email to users', () => {
  test('tells of a new device, in text and HTML, and not of a browser that the user knows after they signed out', async () => {
    const { url, received } = await startMailServer()
    const { rig, arrive } = await world(url)
    const first = await arrive()
    expect(await due(rig)).toEqual([])
    const [{ session } = expect.unreachable()] = await rig.store.searchSessions({ now: rig.clock.now(), limit: 1 })
    const { sid, sub } = session
    await rig.store.revoke({ selector: { kind: 'session', sid }, reason: 'signed_out', actor: { kind: 'user', id: sub }, now: rig.clock.now() })
    await arrive(first)
    expect(await due(rig)).toEqual([])
    await arrive()
    // Their relay looks when they start, and every 5 s.
    const workers = await startWorkers(rig.deps)
    onTestFinished(() => workers.drain())
    await vi.waitUntil(() => received.length === 1, { timeout: 20_000 })
    const [{ from, to, message } = expect.unreachable()] = received
    expect([from, to]).toEqual(['broker@contoso.example', ['alice@contoso.example']])
    expect(message).toMatch(/^Subject: New sign-in to Case Manager\r$/m)
    expect(message).toMatch(/^Auto-Submitted: auto-generated\r$/m)
    expect(message).toMatch(/^Message-ID: <[\w-]+@localhost>\r$/m)
    const words = decoded(message)
    expect(words).toMatch(/Content-Type: text\/plain[^]*Firefox on Linux[^]*Content-Type: text\/html[^]*Firefox on Linux/)
    expect([...new Set(words.match(/https?:\/\/[^\s"<]+/g))]).toEqual([`${rig.config.issuer}/account`])
    for (const secret of [sid, sub, '203.0.113', 'Alice']) expect(words).not.toContain(secret)
    await expect.poll(async () => (await rig.store.listDeliveries({ clientId: '@email', limit: 9 })).map(({ state }) => state)).toEqual(['delivered'])
    expect(JSON.stringify([rig.lines, await rig.store.listDeliveries({ clientId: '@email', limit: 9 })])).not.toContain('alice@contoso')
  })

  test('is in the language in which the user read the pages before: one that a new device chooses counts from the next message on', async () => {
    const { url, received } = await startMailServer()
    const { rig } = await world(url)
    const sydney = { clientId: 'sydney', metadata: cityMetadata('Sydney') }
    const arriveIn = async (language: Language) => {
      const browser = createBrowser(rig)
      const page = await browser.get(authorizePath(sydney, { ui_locales: language }))
      await browser.get(await atMicrosoft(rig, browser, page, textsIn(language).shared.signInWithMicrosoft))
    }
    await arriveIn('de')
    await arriveIn('es')
    await attempt(rig.deps, await only(rig))
    const [german = expect.unreachable()] = received
    expect(decoded(german.message)).toMatch(
      /Ihr Konto hat sich bei Case Manager auf einem Gerät angemeldet[^]*Dienstag, 24\. November 2026[^]*<html lang="de" dir="ltr">/,
    )
    rig.clock.advance(86_401)
    await rig.store.purge({ kind: 'consumed', now: rig.clock.now(), limit: 100 })
    await arriveIn('fr')
    await attempt(rig.deps, await only(rig))
    expect(decoded(received[1]?.message ?? '')).toContain('<html lang="es" dir="ltr">')
  })

  test('a recipient that the server rejects is rejected; a server that does not answer is retried, and no log names the address', async () => {
    const rejecting = await startMailServer({
      onRcptTo: (_address, _session, done) => done(Object.assign(new Error('no such user'), { responseCode: 550 })),
    })
    const { rig, arrive } = await world(rejecting.url)
    await arrive()
    await arrive()
    const ref = await only(rig)
    expect(await attempt(rig.deps, ref)).toMatchObject({ outcome: 'rejected', failure: { cause: 'SMTP 550' } })
    const [redriven] = await rig.store.redrive({ id: ref.id })
    const mailer = createMailer('smtp://127.0.0.1:1', { allowLoopback: true })
    expect(await attempt({ ...rig.deps, mailer }, redriven ?? ref)).toMatchObject({ outcome: 'failed' })
    expect(
      JSON.stringify([rig.lines, await rig.store.attemptsOf(ref.id), await rig.store.findDelivery(ref.id).then((one) => one?.lastError)]),
    ).not.toContain('alice')
  })

  test('goes out about a lock, also a scheduled one; not about the end of a lock', async () => {
    const { url, received } = await startMailServer()
    const { rig, arrive } = await world(url)
    await arrive()
    const [{ session: { user } } = expect.unreachable()] = await rig.store.searchSessions({ now: rig.clock.now(), limit: 1 })
    const target = { kind: 'user', tid: user.tid, oid: user.oid } as const
    const { lock } = await lockAs(rig.deps, OLGA, { target, now: rig.clock.now() })
    expect(await attempt(rig.deps, await only(rig))).toMatchObject({ outcome: 'delivered' })
    await liftAs(rig.deps, OLGA, { id: lock.id, now: rig.clock.now() })
    await scheduleAs(rig.deps, OLGA, { what: { act: 'lock', target, endsAt: undefined }, dueAt: rig.clock.now() + 7_200, now: rig.clock.now() })
    rig.clock.advance(7_201)
    await rig.store.purge({ kind: 'consumed', now: rig.clock.now(), limit: 100 })
    await runScheduled(rig.deps)
    expect(await attempt(rig.deps, await only(rig))).toMatchObject({ outcome: 'delivered' })
    expect(received.map(({ to, message }) => [to, /^Subject: (.*)\r$/m.exec(message)?.[1]])).toEqual([
      [['alice@contoso.example'], 'Your access to Case Manager is locked'],
      [['alice@contoso.example'], 'Your access to Case Manager is locked'],
    ])
  })

  test('goes to the address that Graph has, and to the former one; an attacker’s new claim takes none of them away', async () => {
    const { url, received } = await startMailServer()
    const { rig, arrive } = await world(url)
    await arrive()
    const [{ session: { user } } = expect.unreachable()] = await rig.store.searchSessions({ now: rig.clock.now(), limit: 1 })
    const account = { state: 'there', enabled: true, sessionsValidFrom: undefined, passwordChangedAt: undefined } as const
    rig.config.signals.graph.tenants = 'all'
    rig.microsoft.graph = { ...rig.microsoft.graph, user: async () => ({ ...account, mail: 'alice.adams@contoso.example' }) }
    await rig.store.askMicrosoft([{ kind: 'check_user', tid: user.tid, oid: user.oid }], rig.clock.nowMs())
    await askMicrosoft(rig.deps)
    rig.microsoft.user = { ...rig.microsoft.user, email: 'mallory@contoso.example' }
    await arrive()
    for (const ref of await due(rig)) expect(await attempt(rig.deps, ref)).toMatchObject({ outcome: 'delivered' })
    expect(received.map(({ to }) => to).toSorted()).toEqual([['alice.adams@contoso.example'], ['alice@contoso.example']])
  })

  test('leaves over TLS, or not at all: only a server on this machine may do without, where loopback addresses are allowed', async () => {
    const { url, received } = await startMailServer()
    const message = { from: 'broker@contoso.example', to: 'alice@contoso.example', raw: 'Subject: x\r\n\r\nx' }
    const strict = createMailer(url, { allowLoopback: false })
    await expect(strict.send(message, AbortSignal.timeout(5_000))).rejects.toThrow('The mail server did not take the message')
    expect(received).toEqual([])
    expect(await createMailer(url, { allowLoopback: true }).send(message, AbortSignal.timeout(5_000))).toMatchObject({ status: 250 })
    expect(received).toHaveLength(1)
  })

  test('nothing is written where no mail server is set', async () => {
    const rig = await createRig()
    const sydney = await rig.register('Sydney')
    for (const browser of [createBrowser(rig), createBrowser(rig)]) await signIn(rig, browser, authorizePath(sydney))
    expect(await rig.store.listDeliveries({ limit: 9 })).toEqual([])
  })
})
