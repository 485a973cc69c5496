import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { until } from './broker-process.ts'
import { type Demo, startDemo } from './demo-process.ts'

/**
 * The demo as users start and end it: by npm, by a script that signals npm alone, by kill -9.
 * Nothing of it is left, whichever it was.
 */

const MAIN = resolve(import.meta.dirname, '../../dist/demo/main.js')

async function start(by: 'node' | 'npm', args: string[] = []): Promise<Demo> {
  const demo = await startDemo(args, {}, by)
  onTestFinished(() => void demo.end('SIGTERM'))
  return demo
}

const directoryOf = (demo: Demo): string => dirname(demo.facts.data_dir)

/**
 * Waits until no process and no address of the demo is left. The broker has its data directory in
 * no argument, but its address answers. The queue's server has the directory in its arguments.
 */
async function everythingEnds(demo: Demo): Promise<void> {
  await until(
    'no process of it is left',
    () => !execFileSync('ps', ['-eo', 'args='], { encoding: 'utf8' }).includes(directoryOf(demo)),
  )
  for (const url of [
    demo.facts.issuer,
    demo.facts.ops,
    demo.facts.microsoft,
    ...demo.facts.instances.map((instance) => instance.url),
  ])
    await until(`${url} answers no more`, () =>
      fetch(url).then(
        () => false,
        () => true,
      ),
    )
}

describe('the demo ends with npm', () => {
  test.each(['SIGINT', 'SIGTERM'] as const)(
    '%s to npm alone, as scripts do it: a clean end, code 0',
    async (signal) => {
      const demo = await start('npm')
      expect(await demo.end(signal)).toBe(0)
      await everythingEnds(demo)
      expect(existsSync(directoryOf(demo))).toBe(false)
    },
  )

  test.each(['SIGKILL', 'SIGHUP'] as const)(
    '%s to npm alone, which passes it on to no process',
    async (signal) => {
      const demo = await start('npm')
      await demo.end(signal)
      await everythingEnds(demo)
      await until('its directory is gone', () => !existsSync(directoryOf(demo)))
    },
  )
})

test('kill -9 of the demo itself: the broker drains and ends, and the next demo clears the directory', async () => {
  const demo = await start('node')
  expect(statSync(demo.facts.data_dir).mode & 0o777).toBe(0o700)
  await demo.end('SIGKILL')
  await everythingEnds(demo)
  const next = await start('node')
  expect(existsSync(directoryOf(demo))).toBe(false)
  expect(existsSync(next.facts.data_dir)).toBe(true)
})

describe('--clients FILE', () => {
  function clientsFile(text: string): string {
    const dir = mkdtempSync(join(tmpdir(), 'cmb-clients-'))
    onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
    writeFileSync(join(dir, 'secret'), randomBytes(32).toString('hex'))
    writeFileSync(join(dir, 'mine.yaml'), text)
    return join(dir, 'mine.yaml')
  }

  test('registers them beside the sample instances; a secret’s file is looked for beside it', async () => {
    const file = clientsFile(
      'clients:\n  - client_id: mine\n    client_name: Mine\n    redirect_uris: [http://localhost:9/cb]\n    client_secret_file: secret\n',
    )
    const demo = await start('npm', ['--clients', file])
    const { facts } = demo
    expect(facts.further_clients).toEqual(['mine'])
    const secret = readFileSync(join(dirname(file), 'secret'), 'utf8')
    const answer = await fetch(`${facts.issuer}/introspect`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`mine:${secret}`).toString('base64')}` },
      body: new URLSearchParams({ token: 'none' }),
    })
    expect(await answer.json()).toEqual({ active: false })
    // Warnings of the broker are seen beside the line of JSON.
    await fetch(`${facts.issuer}/introspect`, {
      method: 'POST',
      headers: { authorization: 'Basic bWluZTp4' },
      body: new URLSearchParams(),
    })
    await until('the warning', () => demo.errors().includes('client_rejected'))
  })

  test.each([
    ['a client without a name', 'clients:\n  - client_id: mine\n', /line 2: mine: client_name/],
    ['no YAML', 'clients: [', /line 1/],
    [
      'the name of a sample instance',
      `clients:\n  - client_id: sydney\n    client_name: S\n    redirect_uris: [http://localhost:9/cb]\n    client_secret_file: secret\n`,
      /sydney is a sample instance/,
    ],
  ])('%s: nothing starts, and it says where', (_what, text, words) => {
    const file = clientsFile(text)
    const run = spawnSync(process.execPath, [MAIN, '--json', '--clients', file], {
      encoding: 'utf8',
      env: {
        PATH: process.env.PATH ?? '',
        DEMO_PORT_BASE: String(20_000 + (process.pid % 400) * 50 + 25),
      },
    })
    expect(run.status).toBe(1)
    expect(run.stdout).toBe('')
    expect(run.stderr).toContain(file)
    expect(run.stderr).toMatch(words)
  })
})

test('a port that something else uses: nothing starts, it is named, and so is another base', async () => {
  const other = createServer()
  await new Promise<void>((ready) => other.listen(0, '127.0.0.1', ready))
  onTestFinished(() => void other.close())
  const { port } = other.address() as AddressInfo
  // The other program has the port of the second instance.
  const base = port - 12
  const run = await promisify(execFile)(process.execPath, [MAIN, '--json'], {
    env: { PATH: process.env.PATH ?? '', DEMO_PORT_BASE: String(base) },
  }).catch((failed: { code: number; stdout: string; stderr: string }) => failed)
  expect(run).toMatchObject({ code: 1, stdout: '' })
  expect(run.stderr).toContain(String(port))
  expect(run.stderr).toMatch(/DEMO_PORT_BASE=\d+ npm run demo/)
  expect(run.stderr).not.toContain(`DEMO_PORT_BASE=${base} `)
})
