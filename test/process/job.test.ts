import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { createLog } from '../../src/runtime/log.ts'
import { openDeliveryQueue, type OpenedDeliveryQueue } from '../../src/outbox/delivery-queue.ts'
import { startQueueEngine } from '../../src/outbox/queue-engine.ts'
import { requestRevocation } from '../../src/revocation/revoke.ts'
import { startWorkers } from '../../workers/start.ts'
import { atConsole } from '../console/console.ts'
import { QUEUE_ENGINES } from '../needs.ts'
import { createRig, type Rig } from '../rig.ts'
import { ok, type Receiver, startReceiver, status } from '../workers/receiver.ts'

/**
 * The job of a revocation on its page, on a real queue: operators see there how far its deliveries
 * are, and redrive those that failed.
 */

const SOON = { timeout: 60_000, interval: 50 }
const REJECTING = status(400, '{"error":"invalid_request"}', { 'content-type': 'application/json' })

describe.each(QUEUE_ENGINES)('the job of a revocation, on $engine', ({ path }) => {
  async function world() {
    const dataDir = mkdtempSync(join(tmpdir(), 'cmb-jobs-'))
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
    const answer = await requestRevocation(rig.deps, {
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

  test('its page has its state and its log, and the overview counts it; its retry is a redrive in the audit log, after which the same job completes', async () => {
    const { rig, queue, seq, rejecting } = await oneRejected()
    const olga = await atConsole(rig, 'operator')
    // A job that runs before it hears of the last attempts runs, and counts, once more for each.
    await vi.waitFor(async () => {
      const { log = [] } = (await queue.job(seq)) ?? {}
      expect(log).toContain('city 2: attempt 1: HTTP 400 invalid_request')
      expect(log.at(-1)).toBe('3 of 3: 2 delivered, 1 rejected')
    }, SOON)
    const address = `/ops/revocations/${seq}`
    expect((await olga.get(address)).text).toMatch(
      /Job of the queue State failed Runs \d+ Failed 2 delivered, 1 rejected .*city 2: attempt 1: HTTP 400 invalid_request .*3 of 3: 2 delivered, 1 rejected/,
    )
    expect(await queue.jobs()).toEqual({ waiting: 0, active: 0, delayed: 0, failed: 1 })
    expect((await olga.get('/ops')).text).toMatch(/Queue Waiting 0 Active 0 Delayed 0 Failed 1/)

    const auditor = await atConsole(rig, 'auditor')
    expect((await auditor.get(address)).html).not.toContain('/ops/deliveries/try')
    rejecting.answer = ok
    const page = await olga.submitTo(await olga.get(address), '/ops/deliveries/try')
    expect(page.text).toContain('1 delivery will be retried now.')
    await stateIs(queue, seq, 'completed')
    expect(rejecting.tokens).toHaveLength(2)
    const entries = await rig.deps.store.listAudit({ act: 'redrive', limit: 10 })
    expect(entries.map(({ target, ended }) => [target, ended?.result])).toEqual([
      [`seq ${seq}`, { redriven: 1 }],
    ])
    expect((await olga.get(address)).html).not.toContain('/ops/deliveries/try')
  })
})
