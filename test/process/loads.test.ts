import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { until } from './broker-process.ts'
import { freePorts } from './ports.ts'

/** A broker loads little at its start. Each module costs every start time and memory. */

const DIST = resolve(import.meta.dirname, '../../dist')
/** The modules that only operators use, or that a setting turns on. */
const AT_USE = [
  '/dist/src/operators.js',
  '/dist/src/operations/console/',
  '/dist/src/operations/api/api.js',
  '/dist/src/operations/command/',
  '/dist/src/provider/discovery/openapi.js',
  '/dist/src/clients/read-clients-file.js',
  '/dist/src/outbox/postgres-queue.js',
  '/dist/src/outbox/engine-postgres.js',
  '/dist/db/postgres/',
  '/dist/db/move/',
  '/node_modules/pg/',
  '/node_modules/yaml/',
  '/node_modules/commander/',
  '/node_modules/@opentelemetry/sdk',
  '/node_modules/lodash/',
]
const OF_OPERATORS = ['/dist/src/operators.js', '/dist/src/operations/console/']

test('a broker on SQLite starts without what operators use or a setting turns on', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'cmb-loads-'))
  const [port, ops] = await freePorts(2)
  const list = join(dir, 'loaded')
  writeFileSync(list, '')
  const program = `
    import { appendFileSync } from 'node:fs'
    import { registerHooks } from 'node:module'
    const load = (url, context, next) => (appendFileSync(${JSON.stringify(list)}, url + '\\n'), next(url, context))
    registerHooks({ load })
    const { serve } = await import(${JSON.stringify(pathToFileURL(join(DIST, 'src/main.js')).href)})
    process.exit(await serve(process.env))`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: 'ignore',
    env: {
      PATH: process.env.PATH,
      BROKER_ISSUER: `http://localhost:${port}`,
      BROKER_LISTEN: `127.0.0.1:${port}`,
      BROKER_OPS_LISTEN: `127.0.0.1:${ops}`,
      BROKER_SECRET: randomBytes(32).toString('hex'),
      BROKER_DATA_DIR: join(dir, 'data'),
      // No server listens there. A broker starts without its queue.
      BROKER_QUEUE_URL: 'redis://127.0.0.1:1',
    },
  })
  const ended = new Promise((done) => child.once('exit', done))
  onTestFinished(async () => {
    child.kill()
    await ended
    rmSync(dir, { recursive: true, force: true })
  })
  const at = `http://127.0.0.1:${ops}`
  await until('the broker to answer', async () => (await fetch(`${at}/readyz`)).status > 0)
  await fetch(`http://127.0.0.1:${port}/.well-known/openid-configuration`)
  const loaded = () => readFileSync(list, 'utf8').split('\n')
  const found = (parts: string[]) =>
    parts.filter((part) => loaded().some((url) => url.includes(part)))
  expect(loaded().length).toBeGreaterThan(500)
  expect(found(AT_USE)).toEqual([])

  await fetch(`${at}/ops`)
  expect(found(OF_OPERATORS)).toEqual(OF_OPERATORS)
})

test('the command keeps its code compiled for the next start', async () => {
  const cache = join(DIST, 'src/cache')
  const [major] = process.versions.node.split('.')
  rmSync(cache, { recursive: true, force: true })
  const child = spawn(process.execPath, [join(DIST, 'src/cli.js'), '--version'], {
    stdio: 'ignore',
  })
  await new Promise((done) => child.once('exit', done))
  expect(readdirSync(cache)).toEqual([expect.stringContaining(`v${major}.`)])
})
