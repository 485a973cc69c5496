import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openSqliteStore } from '../../db/sqlite/store.ts'
import { createRig } from '../rig.ts'

test('a broker that was killed while it delivered: the next one finds the delivery due at once, not when its lease has run out', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'cmb-restart-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  const file = join(dir, 'broker.db')
  const nowMs = 1_795_510_800_000
  const store = await openSqliteStore({ file, nowMs: () => nowMs })
  const rig = await createRig({ deps: { store } })
  const client = await rig.register('Sydney')
  const { session } = await rig.openSession()
  await rig.signInAt(session.sid, client)
  const answer = await store.revoke({
    selector: { kind: 'session', sid: session.sid },
    reason: 'signed_out',
    actor: { kind: 'user', id: session.sub },
    now: rig.clock.now(),
  })
  const [ref] = answer.outcome === 'revoked' ? answer.committed.pending : []
  expect(
    await store.leaseDelivery({ id: ref?.id ?? '', attempt: 1, nowMs, untilMs: nowMs + 15_000 }),
  ).toMatchObject({ outcome: 'leased' })
  expect(await store.dueDeliveries({ targetId: ref?.targetId ?? '', nowMs, limit: 10 })).toEqual({
    refs: [],
    more: false,
  })
  await store.close()
  const next = await openSqliteStore({ file, nowMs: () => nowMs })
  onTestFinished(() => next.close())
  expect(await next.dueDeliveries({ targetId: ref?.targetId ?? '', nowMs, limit: 10 })).toEqual({
    refs: [ref],
    more: false,
  })
})
