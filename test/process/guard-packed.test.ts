import { execFile, spawn } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, posix } from 'node:path'
import { promisify } from 'node:util'
import { onTestFinished, expect, test } from 'vitest'
import {
  type Broker,
  CLIENT,
  eventually,
  START,
  startBroker,
  TestClock,
} from '../guard/stand-in.ts'
import { isFitToPublish } from './packed.ts'

const run = promisify(execFile)
const root = new URL('../..', import.meta.url).pathname
const tsc = join(root, 'node_modules/typescript/bin/tsc')

/**
 * The program of an instance: it checks a token, waits until the token is revoked, and receives a
 * logout token.
 */
const INSTANCE = `
import { createGuard } from '@case-manager/guard'
import { requireToken, receiveLogout } from '@case-manager/guard/hono'
const { issuer, token, logoutToken } = JSON.parse(process.env.INPUT)
const said = []
const guard = createGuard({ issuer, clientId: 'sydney', clientSecret: 'a secret: with / and %', audience: 'https://sydney.example', onLogout: ({ sid }) => { said.push('logout ' + sid) } })
await guard.start()
const request = new Request('http://localhost/', { headers: { authorization: 'Bearer ' + token } })
await requireToken(guard)({ req: { raw: request }, set: (name, claims) => said.push(name + ' ' + claims.sub) }, async () => {})
process.stdout.write('ready\\n')
while ((await guard.check(token)).ok) await new Promise((resolve) => setTimeout(resolve, 5))
said.push((await guard.check(token)).why)
const form = new Request('http://localhost/', { method: 'POST', body: new URLSearchParams({ logout_token: logoutToken }) })
said.push((await receiveLogout(guard)({ req: { raw: form } })).status)
await guard.stop()
process.stdout.write(JSON.stringify(said) + '\\n')
`

const TYPED = `
import { createGuard, type CheckResult, type Guard } from '@case-manager/guard'
import { requireToken } from '@case-manager/guard/hono'
import { claimsOf, requireToken as forExpress } from '@case-manager/guard/express'
import { requireToken as forFastify } from '@case-manager/guard/fastify'
import { holdConnection } from '@case-manager/guard/node'
export const guard: Guard = createGuard({ issuer: 'https://sign-in.example', clientId: 'a', clientSecret: 'b', onLogout: ({ sid }) => void sid?.length })
export const result: Promise<CheckResult> = guard.check('x')
export const middleware = [requireToken(guard, { scope: 'openid' }), forExpress(guard), forFastify(guard)]
export const sub: string = claimsOf({}).sub
export const held = (response: import('node:http').ServerResponse): AbortSignal => holdConnection(guard, claimsOf({}), response)
// @ts-expect-error an issuer must be given
createGuard({ clientId: 'a', clientSecret: 'b' })
`

function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), 'guard-packed-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/**
 * Checks what `npm publish` would send: the license, and for each source map the source it points
 * to.
 */
async function packsWhole(built: string): Promise<void> {
  const { stdout } = await run('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: built,
  })
  const [packed] = JSON.parse(stdout) as { files: { path: string }[] }[]
  const paths = (packed?.files ?? []).map(({ path }) => path)
  expect(paths).toEqual(
    expect.arrayContaining([
      'LICENSE',
      'README.md',
      'package.json',
      'dist/index.js',
      'dist/index.d.ts',
      'dist/hono.js',
      'dist/serve/bin.js',
      'rules.schema.json',
      'conformance/feed.json',
      'conformance/tokens.json',
      'conformance/keys.json',
    ]),
  )
  const maps = paths.filter((path) => path.endsWith('.map'))
  expect(maps.length).toBeGreaterThan(10)
  for (const map of maps) {
    const { sources, ...more } = JSON.parse(readFileSync(join(built, map), 'utf8')) as {
      sources: string[]
    }
    for (const source of sources) expect(paths).toContain(posix.join(posix.dirname(map), source))
    // A map that held its source would bring each of them twice.
    expect(more).not.toHaveProperty('sourcesContent')
  }
  const { dependencies, homepage, license, publishConfig, repository } = JSON.parse(
    readFileSync(join(built, 'package.json'), 'utf8'),
  ) as Record<string, unknown>
  expect({ homepage, publishConfig, repository }).toMatchObject({
    homepage: expect.any(String) as string,
    publishConfig: {},
    repository: {},
  })
  expect(dependencies).toEqual({ jose: expect.stringMatching(/^\^6\./) as string })
  expect([license, readFileSync(join(built, 'LICENSE'), 'utf8')]).toEqual([
    'Apache-2.0',
    readFileSync(join(root, 'LICENSE'), 'utf8'),
  ])
}

/** The program that the package brings, as an operator runs it. */
async function serves(project: string, broker: Broker): Promise<void> {
  const { stdout: help } = await run(
    'npx',
    ['--no', '--', '@case-manager/guard', 'serve', '--help'],
    { cwd: project },
  )
  expect(help).toContain('--client-secret-file')
  const guard = join(project, 'node_modules/.bin/guard')
  const wrong = await run(guard, ['serve', '--listen', 'x', '--nonsense', 'y'], {
    cwd: project,
  }).catch((error: unknown) => error)
  expect(wrong).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("'--nonsense'") as string,
  })
  const empty = await run(guard, ['serve', '--listen', 'x'], { cwd: project }).catch(
    (error: unknown) => error as { code: number; stderr: string },
  )
  expect(empty).toMatchObject({ code: 2 })
  for (const name of ['issuer', 'client_id', 'client_secret_file', 'rules', 'listen'])
    expect(empty.stderr).toMatch(new RegExp(`^- ${name} \\(`, 'm'))

  const rules = join(project, 'rules.json')
  const socket = join(project, 'local.sock')
  writeFileSync(rules, '{ "rules": [{ "path": "/api/*", "scope": "openid" }] }')
  const env = {
    ...process.env,
    GUARD_ISSUER: broker.issuer,
    GUARD_CLIENT_ID: CLIENT.clientId,
    GUARD_CLIENT_SECRET: CLIENT.clientSecret,
  }
  const args = [
    'serve',
    '--audience',
    'https://sydney.example',
    '--rules',
    rules,
    '--listen',
    '127.0.0.1:0',
    '--local-listen',
    `unix:${socket}`,
  ]
  expect((await run(guard, [...args, '--check'], { cwd: project, env })).stdout).toBe(
    'The settings and the rules are valid.\n',
  )
  const serving = spawn(guard, args, { cwd: project, env })
  onTestFinished(() => void serving.kill('SIGKILL'))
  let said = ''
  for (const stream of [serving.stdout, serving.stderr])
    stream.on('data', (piece: Buffer) => (said += piece.toString()))
  await eventually(() => expect(said).toContain('enforces revocations up to seq'))
  const address = /checks at (\S+)/.exec(said)?.[1] ?? ''
  const forwarded = {
    'x-forwarded-method': 'GET',
    'x-forwarded-host': 'cases.example',
    'x-forwarded-uri': '/api/cases',
  }
  const token = await broker.token({ rev: broker.seq })
  const check = async (): Promise<number> =>
    (await fetch(address, { headers: { ...forwarded, authorization: `Bearer ${token}` } })).status
  expect(await check()).toBe(200)
  writeFileSync(rules, '{ "rules": [{ "path": "/other" }] }')
  serving.kill('SIGHUP')
  await eventually(() => expect(said).toContain('the rules were read again'))
  expect(await check()).toBe(403)
  writeFileSync(rules, '{')
  serving.kill('SIGHUP')
  await eventually(() => expect(said).toContain('the former rules stay'))
  expect(await check()).toBe(403)
  const ended = new Promise((resolve) => serving.once('exit', resolve))
  serving.kill('SIGTERM')
  expect([await ended, existsSync(socket)]).toEqual([0, false])
  expect(said).not.toContain(CLIENT.clientSecret)
}

test('its tarball, installed alone in an empty project, is all an instance needs', async () => {
  const directory = temporary()
  const workspace = join(directory, 'workspace')
  const built = join(workspace, 'guard')
  const project = join(directory, 'project')
  for (const folder of [built, project]) mkdirSync(folder, { recursive: true })
  cpSync(join(root, 'tsconfig.json'), join(workspace, 'tsconfig.json'))
  symlinkSync(join(root, 'node_modules'), join(workspace, 'node_modules'))
  for (const file of [
    'package.json',
    'tsconfig.json',
    'README.md',
    'LICENSE',
    'rules.schema.json',
    'conformance',
    'src',
  ])
    cpSync(join(root, 'guard', file), join(built, file), { recursive: true })
  await run(process.execPath, [tsc, '-p', built])
  await packsWhole(built)
  await run('npm', ['pack', '--pack-destination', directory, '--ignore-scripts'], { cwd: built })
  const { version } = JSON.parse(readFileSync(join(built, 'package.json'), 'utf8')) as {
    version: string
  }
  await isFitToPublish(readFileSync(join(directory, `case-manager-guard-${version}.tgz`)))

  writeFileSync(
    join(project, 'package.json'),
    JSON.stringify({ name: 'an-instance', private: true, type: 'module' }),
  )
  await run(
    'npm',
    [
      'install',
      '--prefix',
      project,
      '--no-audit',
      '--no-fund',
      join(directory, `case-manager-guard-${version}.tgz`),
    ],
    {
      cwd: project,
    },
  )
  const lock = JSON.parse(readFileSync(join(project, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, unknown>
  }
  expect(Object.keys(lock.packages).sort()).toEqual([
    '',
    'node_modules/@case-manager/guard',
    'node_modules/jose',
  ])

  const clock = new TestClock()
  clock.set(Date.now() / 1000 - START)
  const broker = await startBroker(clock)
  const input = JSON.stringify({
    issuer: broker.issuer,
    token: await broker.token(),
    logoutToken: await broker.logoutToken({ sid: 's_7' }),
  })
  writeFileSync(join(project, 'instance.js'), INSTANCE)
  const instance = run(process.execPath, ['instance.js'], {
    cwd: project,
    env: { ...process.env, INPUT: input },
  })
  instance.child.stdout?.once('data', () => broker.revoke({ kind: 'session', sid: 's_1' }))
  const { stdout } = await instance
  expect(JSON.parse(stdout.trim().split('\n').at(-1) ?? '')).toEqual([
    'claims u_alice',
    'revoked',
    'logout s_7',
    200,
  ])

  await serves(project, broker)

  // The package's types are compiled as strictly as possible, in a project that has those of Node.
  writeFileSync(join(project, 'typed.ts'), TYPED)
  const options = [
    '--noEmit',
    '--strict',
    '--module',
    'nodenext',
    '--target',
    'es2023',
    '--lib',
    'es2023',
    '--exactOptionalPropertyTypes',
    '--skipLibCheck',
    'false',
  ]
  await run(
    process.execPath,
    [
      tsc,
      ...options,
      '--types',
      'node',
      '--typeRoots',
      join(root, 'node_modules/@types'),
      'typed.ts',
    ],
    { cwd: project },
  )
})
