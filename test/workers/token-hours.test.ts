import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openSqliteStore } from '../../db/sqlite/store.ts'
import { loadConfig } from '../../src/config/config.ts'
import { createLog } from '../../src/log.ts'
import { type Broker, startBroker } from '../../src/start.ts'
import { systemClock } from '../../src/system-clock.ts'
import { placeDataFile } from '../data-file.ts'
import { RecordingQueue } from '../rig.ts'

/** What a broker has counted of token requests, when it ends. */

async function started(): Promise<{ broker: Broker; lines: string[]; file: string }> {
  const dir = mkdtempSync(join(tmpdir(), 'cmb-counts-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  const file = join(dir, 'broker.db')
  placeDataFile(file)
  const config = loadConfig({
    BROKER_ISSUER: 'http://localhost:7400',
    BROKER_SECRET: Buffer.from('secret of this test rig 01234567').toString('hex'),
    BROKER_DATA_DIR: dir,
    BROKER_LISTEN: '127.0.0.1:0',
    BROKER_OPS_LISTEN: '127.0.0.1:0',
  })
  const lines: string[] = []
  const log = createLog((line) => lines.push(line), systemClock.nowMs)
  return { broker: await startBroker(config, log, { queue: new RecordingQueue() }), lines, file }
}

test('is added to the counts of all brokers, for the console to show after the restart', async () => {
  const { broker, file } = await started()
  broker.deps.tokenCounts.count('sydney', 'issued', systemClock.now())
  await broker.stop()
  const store = await openSqliteStore({ file })
  onTestFinished(() => store.close())
  expect(await store.tokenHours({ clientId: 'sydney', since: 0 })).toMatchObject([{ issued: 1, refreshed: 0, rejected: 0 }])
})

test.each([
  ['fails', () => Promise.reject(new Error('The disk is full.'))],
  ['never answers', () => new Promise<void>(() => {})],
])('is left out where the store %s: the broker ends all the same', async (_how, add) => {
  const { broker, lines } = await started()
  broker.deps.tokenCounts.count('sydney', 'issued', systemClock.now())
  broker.deps.store.addTokenHours = add
  await broker.stop()
  expect(lines.filter((line) => line.includes('close_failed'))).toEqual([])
})
