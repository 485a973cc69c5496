import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { COMPILED, prepareBroker, until } from './broker-process.ts'

/**
 * The programs of a clone, by npx. `npx cmb` is scripts/cmb.mjs: a process before the one that does
 * the work.
 */

const ROOT = join(import.meta.dirname, '../..')

test.each(['SIGTERM', 'SIGINT'] as const)(
  '%s to npx cmb serve alone ends the broker, and the command when the broker has ended',
  async (signal) => {
    const { broker, dispose } = await prepareBroker()
    const command = spawn(process.execPath, [join(ROOT, 'scripts/cmb.mjs'), 'serve'], {
      env: {
        PATH: process.env.PATH ?? '',
        HOME: process.env.HOME ?? '/',
        ...COMPILED,
        ...broker.env,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    })
    onTestFinished(async () => {
      // The whole group is killed, so that nothing is left after a failed test.
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
  },
)

test('npx @case-manager/guard runs in a clone that is built, without the registry', () => {
  const run = spawnSync('npx', ['--no', '@case-manager/guard', 'serve', '--help'], {
    cwd: ROOT,
    encoding: 'utf8',
  })
  expect(run.stdout).toContain('--issuer')
  expect(run.status).toBe(0)
})

test('the built command registers a client from a file in YAML, and from one in JSON', async () => {
  const { broker, dispose } = await prepareBroker()
  onTestFinished(dispose)
  await broker.start()
  for (const [id, input] of [
    ['yaml', 'client_name: Reports\nredirect_uris: [https://reports.example/callback]\n'],
    ['json', '{"client_name":"Reports","redirect_uris":["https://reports.example/callback"]}'],
  ] as const) {
    const added = spawnSync(
      process.execPath,
      [join(ROOT, 'scripts/cmb.mjs'), 'clients', 'add', id, '--metadata', '-', '--json'],
      {
        env: { PATH: process.env.PATH ?? '', ...COMPILED, ...broker.env },
        input,
        encoding: 'utf8',
      },
    )
    expect(added.stderr).toBe('')
    expect(JSON.parse(added.stdout)).toMatchObject({ client_id: id, client_name: 'Reports' })
  }
})

test('each part of the bundle that is loaded later exports the names that are taken from it', () => {
  const chunks = join(ROOT, 'dist/chunks')
  const read = (name: string) => readFileSync(join(chunks, name), 'utf8')
  const taken = readdirSync(chunks)
    .filter((name) => name.endsWith('.js'))
    .flatMap((name) => [...read(name).matchAll(/\{([^{}]*)\} = await import\("\.\/(.*?)"\)/g)])
    .flatMap(([, names = '', from = '']) =>
      names.split(',').map((each) => [from, each.split(':')[0]?.trim() ?? ''] as const),
    )
  expect(taken.length).toBeGreaterThan(10)
  const exported = (from: string) => /\nexport (?:\{[^}]*\}|default )/.exec(read(from))?.[0] ?? ''
  const lacking = taken.filter(([from, name]) => !new RegExp(`\\b${name}\\b`).test(exported(from)))
  expect(lacking).toEqual([])
})
