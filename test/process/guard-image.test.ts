import { execFile, spawn, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'
import { CLIENT, eventually, START, startBroker, TestClock } from '../guard/stand-in.ts'

/**
 * The image of guard serve, without a container engine: the steps of its stage in the Dockerfile are done in a directory, and its command runs
 * there with the settings of compose.yaml, as a user who can write nothing but the directory of the sockets.
 */

const root = resolve(import.meta.dirname, '../..')
const run = promisify(execFile)
/** The user `node` of Node's images. */
const NODE = 1000
/** Node starts as root and gives that up before it reads the program. In some containers even root cannot. */
const DROP = `process.setgroups([]);process.setgid(${NODE});process.setuid(${NODE})`
const drops = process.getuid?.() === 0 && spawnSync(process.execPath, ['-e', DROP]).status === 0
const AS_NODE = drops ? ['--import', `data:text/javascript,${DROP}`] : []

type Step = readonly [instruction: string, rest: string]

/** The instructions of a stage, each on one line. */
function stepsOf(stage: string): Step[] {
  const lines = readFileSync(join(root, 'Dockerfile'), 'utf8')
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll(/\\\n\s*/g, '')
  const [, ...stages] = lines.split(/^FROM /m)
  const own = stages.find((text) => text.split('\n')[0]?.endsWith(` AS ${stage}`)) ?? expect.fail(`no stage ${stage}`)
  return own
    .split('\n')
    .slice(1)
    .filter((line) => line.trim() !== '')
    .map((line) => /^(\w+) +(.*)$/.exec(line) ?? expect.fail(line))
    .map(([, instruction = '', rest = '']) => [instruction, rest])
}

interface Image {
  /** Its `/`. */
  at: string
  env: Record<string, string>
  user: string | undefined
  command: string[]
  health: string[]
}

const list = (json: string): string[] => JSON.parse(json) as string[]
/** Paths of the image, in a value or a program, as paths of this machine. */
const under = (at: string, text: string): string => text.replaceAll(/(?<=^|['"]|unix:)\/(?=run|etc)/g, `${at}/`)

function copy(at: string, workdir: string, rest: string): void {
  const [, ...paths] = rest.split(' ')
  const to = paths.pop() ?? ''
  for (const from of paths) {
    const target = join(at, workdir, to, to.endsWith('/') ? basename(from) : '')
    cpSync(join(root, from.replace(/^\/app\//, '')), target, { recursive: true, dereference: true })
  }
}

function build(stage: string): Image {
  const at = mkdtempSync(join(tmpdir(), 'image-'))
  onTestFinished(() => rmSync(at, { recursive: true, force: true }))
  chmodSync(at, 0o755)
  const image: Image = { at, env: {}, user: undefined, command: [], health: [] }
  let workdir = '/'
  const steps: Record<string, (rest: string) => void> = {
    LABEL: () => undefined,
    VOLUME: () => undefined,
    ENV: (rest) => Object.assign(image.env, Object.fromEntries(rest.split(/ +/).map((one) => one.split('=')))),
    WORKDIR: (rest) => mkdirSync(join(at, (workdir = rest)), { recursive: true }),
    COPY: (rest) => copy(at, workdir, rest),
    RUN(rest) {
      const [, mode = '', path = ''] = /^install -d -m (\d+) -o node -g node (\S+)$/.exec(rest) ?? expect.fail(`RUN ${rest}`)
      mkdirSync(join(at, path), { recursive: true })
      chmodSync(join(at, path), Number.parseInt(mode, 8))
      if (drops) chownSync(join(at, path), NODE, NODE)
    },
    USER: (rest) => (image.user = rest),
    HEALTHCHECK: (rest) => image.health.push(...list(rest.slice(rest.indexOf('[')))),
    ENTRYPOINT: (rest) => image.command.unshift(...list(rest)),
    CMD: (rest) => image.command.push(...list(rest)),
  }
  for (const [instruction, rest] of stepsOf(stage)) (steps[instruction] ?? expect.fail(instruction))(rest)
  return image
}

/** Files and directories: what a read-only image keeps. */
const contents = (path: string): string[] => readdirSync(path, { recursive: true }).map(String).sort()

function readOnly(path: string): void {
  for (const entry of readdirSync(path, { recursive: true, withFileTypes: true }))
    if (!entry.isSymbolicLink()) chmodSync(join(entry.parentPath, entry.name), entry.isDirectory() ? 0o555 : 0o444)
  chmodSync(path, 0o555)
  // To be removed.
  onTestFinished(() => {
    for (const entry of readdirSync(path, { recursive: true, withFileTypes: true }))
      if (entry.isDirectory()) chmodSync(join(entry.parentPath, entry.name), 0o755)
    chmodSync(path, 0o755)
  })
}

const check = (socketPath: string, token?: string): Promise<number | undefined> =>
  new Promise((resolved, rejected) => {
    const headers = {
      ...{ 'x-forwarded-method': 'GET', 'x-forwarded-host': 'cases.example', 'x-forwarded-uri': '/api/cases' },
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    }
    request({ socketPath, path: '/', headers }, (answer) => resolved(answer.resume().statusCode))
      .on('error', rejected)
      .end()
  })

test('the image of guard serve has all that it runs, as a user without rights on a read-only root, and its health check says when it is ready', async () => {
  const { at, env: own, user, command, health } = build('guard')
  expect(user).toBe('node')
  const { services } = parse(readFileSync(join(root, 'compose.yaml'), 'utf8'), { merge: true }) as {
    services: { guard: { environment: Record<string, string>; read_only: boolean; build: { target: string } } }
  }
  expect(services.guard).toMatchObject({ read_only: true, build: { target: 'guard' } })
  const clock = new TestClock()
  clock.set(Date.now() / 1000 - START)
  const broker = await startBroker(clock)
  const given: Record<string, string> = { GUARD_ISSUER: broker.issuer, GUARD_CLIENT_ID: CLIENT.clientId, GUARD_AUDIENCE: 'https://sydney.example' }
  const settings = { ...own, ...services.guard.environment }
  const env = Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [
      name,
      under(
        at,
        value.replace(/^\$\{(\w+):-\}$/, (_, variable: string) => given[variable] ?? ''),
      ),
    ]),
  )
  for (const [path, text] of [
    ['run/secrets/guard_client_secret', CLIENT.clientSecret],
    ['etc/guard/rules.json', '{ "rules": [{ "path": "/*", "scope": "openid" }] }'],
  ] as const) {
    mkdirSync(join(at, path, '..'), { recursive: true })
    writeFileSync(join(at, path), text)
  }
  const app = join(at, 'app')
  readOnly(app)
  const before = contents(app)
  const [checks, local] = [join(at, 'run/guard/check.sock'), join(at, 'run/guard/local.sock')]
  const probe = () => run(process.execPath, [...AS_NODE, ...health.slice(1).map((one) => under(at, one))], { cwd: app, env })
  await expect(probe()).rejects.toMatchObject({ code: 1 })

  const serving = spawn(process.execPath, [...AS_NODE, ...command.slice(1)], { cwd: app, env })
  onTestFinished(() => void serving.kill('SIGKILL'))
  let said = ''
  for (const stream of [serving.stdout, serving.stderr]) stream.on('data', (piece: Buffer) => (said += piece.toString()))
  await eventually(() => expect(said).toContain('enforces revocations up to seq'))
  await probe()
  if (drops) expect(/^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${serving.pid}/status`, 'utf8'))?.[1]).toBe(String(NODE))
  const token = await broker.token({ rev: broker.seq })
  expect([await check(checks), await check(checks, token)]).toEqual([401, 200])
  broker.revoke({ kind: 'session', sid: 's_1' })
  await eventually(async () => expect(await check(checks, token)).toBe(401))
  const ended = new Promise((resolved) => serving.once('exit', resolved))
  serving.kill('SIGTERM')
  expect([await ended, existsSync(checks), existsSync(local)]).toEqual([0, false, false])
  expect(contents(app)).toEqual(before)
  await expect(probe()).rejects.toMatchObject({ code: 1 })
})
