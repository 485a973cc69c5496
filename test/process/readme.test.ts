import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BLOCKS, commandsOf, ROOT } from '../readme.ts'
import { until } from './broker-process.ts'
import { freePorts } from './ports.ts'

/** The commands of README.md under "Run it" and "Operate it", in their order, against the one broker that they start. */

const dir = mkdtempSync(join(tmpdir(), 'cmb-readme-'))
const blocks = BLOCKS.filter(({ heading }) => heading === 'Run it' || heading === 'Operate it').map(({ script }) => script)
let env: Record<string, string>
let broker: ChildProcess | undefined

beforeAll(async () => {
  const [port = 0, ops = 0] = await freePorts(2)
  env = {
    PATH: process.env.PATH ?? '',
    HOME: process.env.HOME ?? '/',
    BROKER_DATA_DIR: join(dir, 'data'),
    BROKER_LISTEN: `127.0.0.1:${port}`,
    BROKER_OPS_LISTEN: `127.0.0.1:${ops}`,
    // The packages are installed and built; npx keeps its links apart from the user's.
    npm_config_ignore_scripts: 'true',
    npm_config_update_notifier: 'false',
    npm_config_cache: join(dir, 'npm'),
    npm_config_offline: 'true',
    SUBJECT: 'u_0123456789abcdefghijkl',
    SEQ: '1',
  }
})
/** A directory whose `npx` runs `cmb` without npm. */
function quickNpx(): string {
  const file = join(dir, 'npx')
  writeFileSync(file, `#!/bin/sh\nshift\nexec '${process.execPath}' '${join(ROOT, 'dist/src/cli.js')}' "$@"\n`)
  chmodSync(file, 0o755)
  return dir
}
/** npm and the broker end after the shell that began them. */
const isThere = (group: number): boolean => {
  try {
    return process.kill(-group, 0)
  } catch {
    return false
  }
}
afterAll(async () => {
  const group = broker?.pid
  if (group !== undefined && isThere(group)) {
    process.kill(-group, 'SIGTERM')
    await until('the broker has ended', () => !isThere(group))
  }
  rmSync(dir, { recursive: true, force: true, maxRetries: 5 })
})

/** By a shell. `npx cmb` is the built program itself but where the test is about npx: starting npm takes longer than all of them. */
const run = (line: string, PATH = env.PATH ?? ''): Promise<{ code: number; printed: string }> =>
  new Promise((done) => {
    execFile('bash', ['-c', line], { cwd: ROOT, env: { ...env, PATH } }, (error, out, err) =>
      done({ code: error === null ? 0 : Number(error.code), printed: `${out}${err}` }),
    )
  })

test('"Run it" starts a broker, which says what it lacks', async () => {
  broker = spawn('bash', ['-c', blocks[0] ?? ''], { cwd: ROOT, env, detached: true, stdio: 'ignore' })
  await until('the broker serves', async () => (await fetch(`http://${env.BROKER_LISTEN}/healthz`)).ok, 110)
  const answer = await fetch(`http://${env.BROKER_LISTEN}/authorize?client_id=sydney`)
  expect(answer.status).toBe(503)
})

/** What a line prints, and its exit code where that is not 0: no user has signed in yet, and Microsoft is not connected. */
const EXPECTED: Record<string, [prints: RegExp, code?: number]> = {
  'npx cmb doctor': [/BROKER_ENTRA_TENANT/, 1],
  'npx cmb setup': [/\/setup/],
  'npx cmb clients add sydney': [/^cms_[\w-]{43}$/m],
  'npx cmb status': [/^microsoft +not_connected/m],
  'npx cmb sessions list': [/No live session matches/],
  'npx cmb revoke --subject': [/no such user/, 1],
  'npx cmb revocations show': [/no revocation of that number/, 1],
  'npx cmb deliveries redrive': [/no rejected or failed delivery/],
  'npx cmb --help': [/^Usage: cmb/],
}

test('each later command of the two sections does what the section says', async () => {
  const commands = blocks.slice(1).flatMap(commandsOf)
  expect(commands.map((command) => Object.keys(EXPECTED).filter((one) => command.startsWith(one)))).toEqual(Object.keys(EXPECTED).map((one) => [one]))
  const path = `${quickNpx()}:${env.PATH}`
  for (const command of commands) {
    const [prints, code = 0] = Object.entries(EXPECTED).find(([one]) => command.startsWith(one))?.[1] ?? expect.fail(command)
    const ran = await run(command, command === 'npx cmb --help' ? env.PATH : path)
    expect(ran.code, `${command}\n${ran.printed}`).toBe(code)
    expect(ran.printed).toMatch(prints)
  }
}, 300_000)
