import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { QUEUE_ENGINES } from '../needs.ts'
import { cmb } from '../command/cmb.ts'
import { startReceiver } from '../workers/receiver.ts'
import { until } from './broker-process.ts'
import { loseQueueServers, queueServers } from './queue-servers.ts'
import { ALICE, openWorld, sidOf, type TestWorld } from './world.ts'

/**
 * The main job over plain HTTP with openid-client, the broker in a process of its own that is
 * killed where the test says so.
 */

let world: TestWorld

const [SYDNEY, MELBOURNE] = [0, 1] as const
const instance = (index: number) => world.instances[index] ?? expect.fail('no such instance')
const deliveredOf = (index: number, sid: string) =>
  instance(index).receiver.delivered.filter((candidate) => candidate.claims.sid === sid)

const [FIRST] = QUEUE_ENGINES

describe.each(QUEUE_ENGINES)(
  'sign-in and sign-out at the built broker, over HTTP, its queue on $engine',
  ({ engine, path }) => {
    beforeAll(async () => {
      world = await openWorld({ env: { PATH: path } })
      expect(world.broker.output).toContain(`"engine":"${engine}"`)
    })
    afterAll(() => world?.dispose())
    /** A test in which the queue decides nothing: once is enough. */
    const once = test.runIf(engine === FIRST?.engine)

    once('the built broker serves its style sheets as they are in the sources', async () => {
      const source = (path: string) =>
        readFileSync(join(import.meta.dirname, '../../src', path), 'utf8')
      const shown = await (await fetch(`${world.broker.issuer}/logout/done`)).text()
      const sheet =
        /href="(\/assets\/broker.css[^"]*)"/.exec(shown)?.[1] ??
        expect.fail('the page links to no style sheet')
      const css = await (await fetch(`${world.broker.issuer}${sheet}`)).text()
      for (const part of ['pages/broker.css', 'pages/dark.css']) expect(css).toContain(source(part))
    })

    test('sign in with Microsoft at one instance, at the other without a page, out everywhere: both get a logout token and neither can refresh', async () => {
      const { browser, at, sid } = await world.signedIn(ALICE)
      expect(at.map(({ pages, tokens }) => [pages, sidOf(tokens.id_token)])).toEqual([
        [1, sid],
        [0, sid],
      ])
      const done = await world.signOut(browser, 'everywhere')
      expect(done.status).toBe(200)
      await until(
        'both are told',
        () => deliveredOf(SYDNEY, sid).length > 0 && deliveredOf(MELBOURNE, sid).length > 0,
      )
      const [delivered] = deliveredOf(SYDNEY, sid)
      expect(delivered?.claims).toMatchObject({
        iss: world.broker.issuer,
        aud: 'sydney',
        events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
      })
      expect(delivered?.claims).not.toHaveProperty('nonce')
      expect(delivered?.claims).not.toHaveProperty('sub')
      for (const [index, { tokens }] of at.entries())
        await expect(
          world.refresh(instance(index), tokens.refresh_token ?? ''),
        ).rejects.toMatchObject({ error: 'invalid_grant' })
    })

    test('an instance that is down gets it when it is back, and a user who signed in there again meanwhile stays signed in', async () => {
      const { browser, sid } = await world.signedIn(ALICE)
      await instance(MELBOURNE).receiver.close()
      await world.signOut(browser, 'everywhere')
      await until('the one that is up is told', () => deliveredOf(SYDNEY, sid).length > 0)
      const again = await world.signIn(browser, instance(MELBOURNE))
      await instance(MELBOURNE).receiver.open()
      await until('the one that was down is told', () => deliveredOf(MELBOURNE, sid).length > 0)
      const newSid = sidOf(again.tokens.id_token)
      expect(newSid).not.toBe(sid)
      expect(deliveredOf(MELBOURNE, newSid)).toEqual([])
      await expect(
        world.refresh(instance(MELBOURNE), again.tokens.refresh_token ?? ''),
      ).resolves.toHaveProperty('access_token')
    })

    test('kill -9 right after the sign-out answered: after the restart both get a logout token', async () => {
      const { browser, sid } = await world.signedIn(ALICE)
      for (const index of [SYDNEY, MELBOURNE]) await instance(index).receiver.close()
      expect((await world.signOut(browser, 'device')).status).toBe(200)
      await world.broker.end('SIGKILL')
      for (const index of [SYDNEY, MELBOURNE]) await instance(index).receiver.open()
      await world.broker.start()
      await until(
        'both are told',
        () => deliveredOf(SYDNEY, sid).length > 0 && deliveredOf(MELBOURNE, sid).length > 0,
      )
    })

    once(
      'kill -9 between the commit of a webhook and its POST: it arrives after the restart, and verifies',
      async () => {
        const receiver = await startReceiver()
        const dataDir = world.broker.env.BROKER_DATA_DIR ?? expect.unreachable()
        const added = await cmb(
          ['webhooks', 'add', receiver.url, '--event', 'user.signed_out_everywhere', '--json'],
          { dataDir },
        )
        const { id, secret } = added.json<{ id: string; secret: string }>()
        const { browser } = await world.signedIn(ALICE)
        await receiver.goDown()
        expect((await world.signOut(browser, 'everywhere')).status).toBe(200)
        await world.broker.end('SIGKILL')
        await receiver.comeBack()
        await world.broker.start()
        await until('it arrives', () => receiver.requests.length > 0)
        const [{ body, headers } = expect.unreachable()] = receiver.requests
        expect(new Webhook(secret).verify(body, headers as Record<string, string>)).toMatchObject({
          type: 'user.signed_out_everywhere',
          endpoint_id: id,
          position: 1,
        })
      },
    )

    test('killed between the POST and its record: delivered again, and an instance accepts it as it did the first', async () => {
      const { browser, sid } = await world.signedIn(ALICE)
      const receiver = instance(SYDNEY).receiver
      const before = receiver.answer
      receiver.answer = () => undefined
      await world.signOut(browser, 'device')
      await until('the POST has arrived', () => deliveredOf(SYDNEY, sid).length === 1)
      await world.broker.end('SIGKILL')
      receiver.answer = before
      await world.broker.start()
      await until('told again', () => deliveredOf(SYDNEY, sid).length >= 2, 60)
      const [first, second] = deliveredOf(SYDNEY, sid)
      expect(second?.claims.jti).not.toBe(first?.claims.jti)
    })

    test('the queue’s server killed and its data lost: sign-out answers all the same, and both get a logout token', async () => {
      const { browser, sid } = await world.signedIn(ALICE)
      for (const index of [SYDNEY, MELBOURNE]) await instance(index).receiver.close()
      loseQueueServers(queueServers(world.broker.pid))
      expect((await world.signOut(browser, 'everywhere')).status).toBe(200)
      for (const index of [SYDNEY, MELBOURNE]) await instance(index).receiver.open()
      await until(
        'both are told',
        () => deliveredOf(SYDNEY, sid).length > 0 && deliveredOf(MELBOURNE, sid).length > 0,
      )
    })

    test('no secret, token, code or cookie is in anything the broker has printed', () => {
      expect(world.broker.output).toContain('"event":"revoked"')
      expect(world.broker.output).not.toMatch(
        /eyJ[\w-]{10,}\.|cmr_[\w-]{20,}|cms_[\w-]{20,}|__Host-cmb_session=\w/,
      )
      for (const { entry } of world.instances)
        expect(world.broker.output).not.toContain(entry.client_secret)
    })
  },
)
