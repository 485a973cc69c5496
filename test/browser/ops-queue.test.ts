import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { createLog } from '../../src/runtime/log.ts'
import { openDeliveryQueue, type OpenedDeliveryQueue } from '../../src/outbox/delivery-queue.ts'
import { startQueueEngine } from '../../src/outbox/queue-engine.ts'
import { revoke } from '../../src/revocation/revoke.ts'
import { startWorkers } from '../../workers/start.ts'
import type { Browser } from '../browser.ts'
import { atConsole, browserOf } from '../console/console.ts'
import { QUEUE_ENGINES } from '../needs.ts'
import { createRig, type Rig } from '../rig.ts'
import { ok, type Receiver, startReceiver, status } from '../workers/receiver.ts'
import { launchChromium, openWindow, picture } from './window.ts'

/**
 * The queue's own view beneath the console, on a real queue: operators see there how far the
 * deliveries of each revocation are, and redrive those of a failed one.
 */

const SOON = { timeout: 60_000, interval: 50 }
const JOBS = '/ops/queue/api/queues/revocations'
const REJECTING = status(400, '{"error":"invalid_request"}', { 'content-type': 'application/json' })

describe.each(QUEUE_ENGINES)('the queue’s own view, on $engine', ({ path }) => {
  async function world() {
    const dataDir = mkdtempSync(join(tmpdir(), 'cmb-board-'))
    const log = createLog(() => {}, Date.now)
    const engine = await startQueueEngine({ dataDir, url: undefined, log, path })
    const queue = await openDeliveryQueue({ engine, log })
    const rig = await createRig({ realTime: true, deps: { queue } })
    const workers = await startWorkers(rig.deps)
    onTestFinished(async () => {
      await workers.drain()
      await queue.close()
      await engine.close()
      rmSync(dataDir, { recursive: true, force: true })
    })
    return { rig, queue }
  }

  /** Signs a user out of one instance for each receiver. @returns the number of the revocation */
  async function signedOut(rig: Rig, receivers: readonly Receiver[]): Promise<number> {
    const { session } = await rig.openSession()
    for (const [n, { url }] of receivers.entries())
      await rig.signInAt(session.sid, await rig.register(`City ${n}`, { logoutUris: [url] }))
    const answer = await revoke(rig.deps, {
      selector: { kind: 'session', sid: session.sid },
      reason: 'signed_out',
      actor: { kind: 'user', id: session.sub },
      now: rig.clock.now(),
    })
    if (answer.outcome !== 'revoked') throw new Error(`not revoked: ${answer.outcome}`)
    return answer.committed.revocation.seq
  }

  /** A user is signed out of three instances, one of which rejects its logout token. */
  async function oneRejected() {
    const { rig, queue } = await world()
    const receivers = [await startReceiver(), await startReceiver(), await startReceiver(REJECTING)]
    const seq = await signedOut(rig, receivers)
    await stateIs(queue, seq, 'failed')
    return { rig, queue, seq, rejecting: receivers[2] as Receiver }
  }

  const stateIs = (queue: OpenedDeliveryQueue, seq: number, state: string) =>
    vi.waitFor(
      async () => expect(await (await queue.bull.getJob(`r-${seq}`))?.getState()).toBe(state),
      SOON,
    )

  const retry = (browser: Browser, seq: number): Promise<Response> =>
    browser.send(`${JOBS}/r-${seq}/retry`, { method: 'PUT' })

  test('is only for users of the console: not the page, not its files, not its data', async () => {
    const { rig } = await world()
    for (const who of ['operator', 'nobody'] as const)
      for (const path of ['/ops/queue', '/ops/queue/api/queues', '/ops/queue/static/js/main.js'])
        expect([path, (await (await browserOf(rig, who)).send(path)).status]).toEqual([path, 401])
  })

  test('shows each revocation to an operator: what was rejected, and how far it is', async () => {
    const { rig, seq } = await oneRejected()
    const olga = await atConsole(rig, 'operator')
    const page = await olga.send('/ops/queue')
    expect(page.status).toBe(200)
    expect(page.headers.get('content-security-policy')).toMatch(
      /^default-src 'none'; script-src 'self'; .*frame-ancestors 'none'$/,
    )
    expect(await page.text()).not.toMatch(/(?:href|src)="https?:/)
    const url = '/ops/queue/api/queues?activeQueue=revocations&status=failed&page=1&jobsPerPage=10'
    expect(await (await olga.send(url)).json()).toMatchObject({
      queues: [
        {
          name: 'revocations',
          counts: { failed: 1 },
          jobs: [
            {
              id: `r-${seq}`,
              failedReason: '2 delivered, 1 rejected',
              progress: { progress: 100, settled: 3, of: 3 },
            },
          ],
        },
      ],
    })
    // A job that runs before it hears of the last attempt runs, and counts, once more.
    const logs = async () =>
      (await (await olga.send(`${JOBS}/r-${seq}/logs`)).json()) as readonly string[]
    await vi.waitFor(
      async () =>
        expect((await logs()).slice(-2)).toEqual([
          'city 2: attempt 1: HTTP 400 invalid_request',
          '3 of 3: 2 delivered, 1 rejected',
        ]),
      SOON,
    )
  })

  test('Retry is a redrive of that revocation’s rejected and failed deliveries, in the audit log; the same job completes', async () => {
    const { rig, queue, seq, rejecting } = await oneRejected()
    const auditor = await atConsole(rig, 'auditor')
    expect((await retry(auditor, seq)).status).toBe(403)
    const olga = await atConsole(rig, 'operator')
    expect((await retry(olga, seq + 1)).status).toBe(204)
    expect(rejecting.tokens).toHaveLength(1)
    rejecting.answer = ok
    expect((await retry(olga, seq)).status).toBe(204)
    await stateIs(queue, seq, 'completed')
    expect(rejecting.tokens).toHaveLength(2)
    const entries = await rig.deps.store.listAudit({ act: 'redrive', limit: 10 })
    expect(entries.map(({ target }) => target)).toEqual([`seq ${seq}`, `seq ${seq + 1}`])
    expect(entries.map(({ ended }) => ended?.result)).toEqual([{ redriven: 1 }, { redriven: 0 }])
  })

  test('changes nothing else', async () => {
    const { rig } = await world()
    const adam = await atConsole(rig, 'administrator')
    for (const [method, path] of [
      ['PUT', `${JOBS}/obliterate`],
      ['PUT', `${JOBS}/pause`],
      ['PUT', `${JOBS}/retry/failed`],
      ['PUT', `${JOBS}/r-1/clean`],
      ['PUT', `${JOBS}/r-1/promote`],
      ['POST', `${JOBS}/r-1/retry`],
      ['POST', `${JOBS}/add`],
      ['DELETE', JOBS],
      ['PATCH', `${JOBS}/r-1/update-data`],
    ] as const) {
      const body =
        method === 'DELETE' ? {} : { headers: { 'content-type': 'application/json' }, body: '{}' }
      expect([path, (await adam.send(path, { method, ...body })).status]).toEqual([path, 405])
    }
  })

  test('its button Retry works in Chromium under its policy, and no other act has a button', async () => {
    const { rig, queue, seq, rejecting } = await oneRejected()
    rejecting.answer = ok
    const browser = await launchChromium()
    onTestFinished(() => browser.close())
    const ops = (await rig.serve(rig.opsApp)).replace('127.0.0.1', 'localhost')
    const olga = await atConsole(rig, 'operator')
    const { context, page, complaints } = await openWindow(browser, { width: 1280, height: 800 })
    await context.addCookies(
      [...olga.cookies].map(({ name, value, domain, path, secure, sameSite }) => ({
        name,
        value,
        domain,
        path,
        secure,
        sameSite,
        httpOnly: true,
      })),
    )
    await page.goto(`${ops}/ops/queue/queue/revocations?status=failed`)
    await page.getByText(`r-${seq}`).first().waitFor()
    await picture(page, 'ops-queue', false)
    const icons = page.locator('main button:visible svg')
    expect(await icons.evaluateAll((all) => all.map(({ classList }) => [...classList]))).toEqual([
      ['lucide', 'lucide-refresh-cw'],
    ])
    await icons.click()
    await page.getByRole('button', { name: 'Confirm' }).click()
    await stateIs(queue, seq, 'completed')
    expect(complaints).toEqual([])
  })
})
