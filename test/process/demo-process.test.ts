import { type ChildProcess, spawn } from 'node:child_process'
import { expect, test } from 'vitest'
import { until } from './broker-process.ts'
import { orEnd } from './demo-process.ts'

/** A demo that does not start in time is not left running. */

/** A stand-in that starts a process of its own, which writes to the same pipe, and waits. */
const program = (onInterrupt: string): string => `
  const own = require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: ['ignore', 'inherit', 'ignore'] })
  process.on('SIGINT', () => ${onInterrupt})
  setInterval(() => {}, 1000)
  own.once('spawn', () => console.log('ready'))`

async function started(
  onInterrupt: string,
): Promise<{ child: ChildProcess; allGone: Promise<void> }> {
  const child = spawn(process.execPath, ['-e', program(onInterrupt)], {
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  // The pipe is closed when each process that writes to it has ended.
  const allGone = new Promise<void>((done) => child.once('close', () => done()))
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  await until('its line', () => output.includes('\n'))
  return { child, allGone }
}

test.each([
  ['ends as by Ctrl-C', 'process.exit(7)', 60_000, [7, null]],
  ['is killed where that does not end it', 'undefined', 100, [null, 'SIGKILL']],
] as const)(
  'it %s, with all that it started, and the cause is thrown',
  async (_, onInterrupt, graceMs, end) => {
    const { child, allGone } = await started(onInterrupt)
    await expect(orEnd(child, Promise.reject(new Error('Waited 90 s')), graceMs)).rejects.toThrow(
      'Waited 90 s',
    )
    expect([child.exitCode, child.signalCode]).toEqual(end)
    await allGone
  },
)

test('one that is ready is left alone', async () => {
  const { child, allGone } = await started('process.exit(0)')
  await orEnd(child, Promise.resolve())
  expect([child.exitCode, child.signalCode]).toEqual([null, null])
  process.kill(-(child.pid ?? expect.unreachable()), 'SIGKILL')
  await allGone
})
