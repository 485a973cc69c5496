import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { COMPILED, prepareBroker, until } from './broker-process.ts'

/** `npx cmb` in a clone is scripts/cmb.mjs: a process before the one that does the work. */

test.each(['SIGTERM', 'SIGINT'] as const)('%s to npx cmb serve alone ends the broker, and the command when the broker has ended', async (signal) => {
  const { broker, dispose } = await prepareBroker()
  const command = spawn(process.execPath, [join(import.meta.dirname, '../../scripts/cmb.mjs'), 'serve'], {
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '/', ...COMPILED, ...broker.env },
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  })
  onTestFinished(async () => {
    // The whole group: nothing is left where the test failed.
    if (command.pid !== undefined && !command.stdout.closed) process.kill(-command.pid, 'SIGKILL')
    await dispose()
  })
  let output = ''
  command.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  await until('it serves', () => output.includes('"event":"serving"'))
  command.kill(signal)
  const [code] = (await once(command, 'close')) as [number | null]
  expect(output).toContain('"event":"ended"')
  expect(code).toBe(0)
})
