import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Elsewhere } from '../../db/types.ts'
import { requestRevocation } from '../../src/revocation/revoke.ts'
import { Line } from '../line.ts'
import { createDatabase, HAS_POSTGRES } from '../postgres.ts'
import { createRig, OTHER_TENANT, TENANT, type RegisteredClient, type Rig } from '../rig.ts'
import { atMicrosoft, authorizePath, createBrowser } from '../signin/browser.ts'

/**
 * A broker whose line to Postgres swallows everything for more than a minute: what changed
 * meanwhile holds before its first answer.
 */

const OLIVIA = { kind: 'operator', id: 'olivia' } as const

interface Pair {
  a: Rig
  b: Rig
  line: Line
}

/** Starts two brokers of one database. B is connected by a line that can be cut. */
async function twoBrokers(): Promise<Pair> {
  const database = await createDatabase()
  onTestFinished(() => database.drop())
  const host = new URL(database.url.replace('@/', '@localhost/')).searchParams.get('host') ?? ''
  const line = await Line.open({ path: join(host, '.s.PGSQL.5432') })
  onTestFinished(() => line.close())
  const a = await createRig({ config: { databaseUrl: database.url } })
  const b = await createRig({
    config: {
      databaseUrl: database.url.replace('@/', `@127.0.0.1:${line.port}/`).replace(/\?.*/, ''),
    },
  })
  // Reloading is so slow that an answer from B's old memory would show.
  for (const part of [b.clients, b.keys, b.deps.connection]) {
    const reload = part.reload.bind(part)
    part.reload = async () => {
      await sleep(300)
      await reload()
    }
  }
  return { a, b, line }
}

/** Returns B's first answer to each question, asked as soon as B is connected again. */
async function firstAnswers<T>(
  { a, b, line }: Pair,
  { change, ask }: { change: () => Promise<unknown>; ask: (() => Promise<T>)[] },
): Promise<T[]> {
  const heard: Elsewhere[] = []
  const back = Promise.withResolvers<Promise<T[]>>()
  b.store.onElsewhere((what) => {
    heard.push(what)
    if (what === 'returned') back.resolve(Promise.all(ask.map((send) => send())))
  })
  line.swallow()
  await expect.poll(() => heard, { timeout: 20_000 }).toContain('unconfirmed')
  await change()
  // The lease on Postgres has real time: for everything else the cut lasts longer than a minute.
  for (const { clock } of [a, b]) clock.advance(61)
  await line.repair()
  return back.promise
}

const knownAt = (b: Rig, { clientId }: RegisteredClient) =>
  expect.poll(() => b.clients.find(clientId), { timeout: 20_000 }).toBeDefined()

describe.skipIf(!HAS_POSTGRES)('a broker that was cut off from Postgres', () => {
  test('knows each client, lock, key and setting that changed meanwhile before its first answer, and answers nothing that it was asked before', async () => {
    const pair = await twoBrokers()
    const { a, b, line } = pair
    const robot = {
      grants: ['client_credentials' as const],
      redirectUris: [],
      scopes: ['broker:operate' as const],
    }
    const [sydney, removed, locked, lifted] = [
      await a.register('Sydney'),
      await a.register('Perth'),
      await a.register('Locked', robot),
      await a.register('Lifted', robot),
    ]
    const by = { actor: OLIVIA, may: 'administer', operatorTenant: undefined } as const
    const lock = ({ clientId }: RegisteredClient) =>
      a.store.lock({ ...by, target: { kind: 'client', clientId }, now: a.clock.now() })
    const open = await lock(lifted)
    if (open.outcome !== 'locked') return expect.unreachable()
    const { session } = await a.openSession()
    const { access_token: token } = await a.signInAt(session.sid, sydney)
    await knownAt(b, lifted)
    const tokenFor = async ({ basic }: RegisteredClient) =>
      (
        await b.post(
          '/token',
          { grant_type: 'client_credentials', scope: 'broker:operate' },
          { authorization: basic },
        )
      ).status
    const introspect = () => b.post('/introspect', { token }, { authorization: sydney.basic })
    const page = async (client: RegisteredClient) =>
      b.app.request(`${b.config.issuer}${authorizePath(client)}`)
    expect([await tokenFor(locked), await tokenFor(lifted), (await page(removed)).status]).toEqual([
      200, 400, 200,
    ])
    const retired = b.keys.jwks().keys.map(({ kid }) => kid)
    let before: Response | Promise<Response> | undefined
    const [kids, ...answers] = await firstAnswers<unknown>(pair, {
      async change() {
        await a.store.removeClient({
          clientId: removed.clientId,
          source: 'any',
          actor: OLIVIA,
          now: a.clock.now(),
        })
        await lock(locked)
        await a.store.liftLock({ id: open.lock.id, actor: OLIVIA, now: a.clock.now() })
        await a.keys.rotate('ES256', 'emergency', a.clock.now())
        await a.deps.branding.save({ texts: { product: 'Another name' }, images: {} })
        before = introspect()
        await turn()
      },
      ask: [
        async () =>
          (
            (await (await b.app.request(`${b.config.issuer}/jwks`)).json()) as {
              keys: { kid: string }[]
            }
          ).keys.map(({ kid }) => kid),
        async () => (await page(removed)).status,
        async () => (await (await page(sydney)).text()).includes('Another name'),
        () => tokenFor(locked),
        () => tokenFor(lifted),
        async () => (await introspect()).json(),
      ],
    })
    expect(kids).toEqual(a.keys.jwks().keys.map(({ kid }) => kid))
    expect(kids).not.toEqual(retired)
    expect(answers).toEqual([400, true, 400, 200, { active: false }])
    expect((await before)?.status).toBe(503)
    await line.close()
  })

  test.each([
    {
      what: 'another MFA policy',
      change: ({ a }: Pair) =>
        a.store.putTenant({ tid: TENANT, mfaProof: 'amr', connectedAt: a.clock.now() }),
      answer: { status: 403, to: undefined },
    },
    {
      what: 'a tenant that was removed',
      change: ({ a }: Pair) =>
        a.store.removeTenant({ tid: OTHER_TENANT, actor: OLIVIA, now: a.clock.now() }),
      answer: { status: 403, to: undefined },
    },
    {
      what: 'a floor',
      change: ({ a }: Pair, sub: string) =>
        requestRevocation(a.deps, {
          selector: { kind: 'subject', sub },
          reason: 'administrator',
          actor: OLIVIA,
          now: a.clock.now(),
        }),
      // The page before a further authentication at Microsoft.
      answer: { status: 200, to: 'login.microsoftonline.com' },
    },
  ])('knows $what before it admits a user', async ({ what, change, answer }) => {
    const pair = await twoBrokers()
    const { a, b } = pair
    const client = await a.register('Sydney')
    const user = { tid: what.includes('tenant') ? OTHER_TENANT : TENANT }
    const { session } = await a.openSession({ user })
    await knownAt(b, client)
    const browser = createBrowser(b)
    b.microsoft.user = { ...b.microsoft.user, ...user }
    const callback = await atMicrosoft(b, browser, await browser.get(authorizePath(client)))
    b.microsoft.next = { authTime: b.clock.now() - 600 }
    const [first] = await firstAnswers(pair, {
      change: () => change(pair, session.sub),
      ask: [
        async () => {
          const { status, left } = await browser.get(callback)
          return { status, to: left?.host }
        },
      ],
    })
    expect(first).toEqual(answer)
  })
})
