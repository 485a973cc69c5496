import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Hono } from 'hono'
import { expect, onTestFinished, test } from 'vitest'
import { findSchemathesis } from '../../scripts/schemathesis.mjs'
import { adminAudience, TYP } from '../../src/protocol/names.ts'
import { createRig, type RegisteredClient, type Rig } from '../rig.ts'

/**
 * schemathesis sends what /openapi.json describes, and what it does not, and holds each answer
 * against it. Skipped where it is not installed (scripts/schemathesis.mjs says how); bounded in
 * requests and in time.
 */

const ST = findSchemathesis()
/** The time limit for one listener. On two cores with nothing beside it, it takes 40. */
const SECONDS = 480
/** Stands for an access token of now: what schemathesis does ends those that were issued before. */
const TOKEN = 'token-of-this-test'

/** The document with the paths of one listener. */
async function documentOf(rig: Rig, listener: 'public' | 'operators'): Promise<string> {
  const document = (await (await rig.app.request('/openapi.json')).json()) as {
    paths: Record<string, { servers?: unknown }>
    servers?: unknown
  }
  const paths = Object.entries(document.paths).filter(
    ([, { servers }]) => (servers === undefined) === (listener === 'public'),
  )
  return JSON.stringify({
    ...document,
    servers: undefined,
    paths: Object.fromEntries(paths.map(([path, item]) => [path, { ...item, servers: undefined }])),
  })
}

async function run(
  document: string,
  url: string,
  config: string,
): Promise<{ code: number; output: string }> {
  const dir = await mkdtemp(join(tmpdir(), 'cmb-st-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  await writeFile(join(dir, 'openapi.json'), document)
  await writeFile(join(dir, 'schemathesis.toml'), config)
  const args = [
    'run',
    'openapi.json',
    '--url',
    url,
    '--phases',
    'coverage,fuzzing',
    '--max-examples',
    '5',
    '--request-timeout',
    '10',
  ]
  const more = [
    '--generation-deterministic',
    '--seed',
    '7',
    '--no-color',
    '--continue-on-failure',
    '--warnings',
    'off',
  ]
  return promisify(execFile)(ST ?? '', [...args, ...more], {
    cwd: dir,
    maxBuffer: 64e6,
    timeout: SECONDS * 1000,
  }).then(
    ({ stdout }) => ({ code: 0, output: stdout }),
    (error: { code?: number; stdout?: string; stderr?: string }) => ({
      code: error.code ?? -1,
      output: `${error.stdout ?? ''}${error.stderr ?? ''}`,
    }),
  )
}

/** Returns the output if the two disagree, or if the program itself failed. */
const difference = ({ code, output }: { code: number; output: string }): string =>
  code === 0 ? '' : output.slice(-20_000)

/**
 * A registration may contradict itself (422), and a path may name what is not there: the document
 * cannot say when.
 */
const CONFIG = `
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 401, 403, 404, 409, 422]
`
const OPERATORS = `${CONFIG}
[auth.openapi.admin]
bearer = "${TOKEN}"
# Node itself answers 431 where an address is longer than 16 KiB, as a case reference in a query can make it.
[[operations]]
include-operation-id = "removeStream"
checks.status_code_conformance.enabled = false
checks.negative_data_rejection.expected-statuses = [400, 401, 403, 404, 431]
`
const publicOf = (
  client: RegisteredClient,
  { access, ssf }: { access: string; ssf: string },
): string => `${CONFIG}
[auth.openapi.client]
username = "${client.clientId}"
password = "${client.secret ?? ''}"
[auth.openapi.access]
bearer = "${access}"
[auth.openapi.ssf]
bearer = "${ssf}"
# A well-formed request is rejected all the same: its code, token or client is unknown.
[[operations]]
include-tag = ["oauth", "sign-in", "signals"]
checks.positive_data_acceptance.enabled = false
# The stream of another id is not there, an address is no registered origin, and one verification a minute is allowed: the document cannot say when.
[[operations]]
include-tag = ["ssf"]
checks.positive_data_acceptance.expected-statuses = ["2xx", 400, 404, 409, 429]
# It holds a request open for up to 20 s.
[[operations]]
include-operation-id = "pollStream"
enabled = false
# after and epoch come together or not at all, and a form has each parameter and one credential once (RFC 6749 §2.3, §3.2).
[[operations]]
include-operation-id = ["followRevocations", "followRevocationsByForm", "readClockByForm", "judgeSession"]
checks.positive_data_acceptance.expected-statuses = ["2xx", 400]
`

const tokenOfNow = (rig: Rig): string =>
  rig.keys.sign('ES256', TYP.accessToken, {
    iss: rig.config.issuer,
    sub: 'robot',
    client_id: 'robot',
    aud: adminAudience(rig.config.issuer),
    scope: 'broker:administer',
    rev: Number.MAX_SAFE_INTEGER,
    iat: rig.clock.now(),
    exp: rig.clock.now() + 300,
  })

async function openBroker() {
  const rig = await createRig()
  await rig.register('Robot', {
    grants: ['client_credentials'],
    redirectUris: [],
    scopes: ['broker:operate', 'broker:administer'],
  })
  const sydney = await rig.register('Sydney')
  const sids = await Promise.all([1, 2, 3].map(async () => (await rig.openSession()).session.sid))
  const { access_token: token } = await rig.signInAt(sids[0] ?? '', sydney)
  return { rig, sydney, token }
}

test.skipIf(ST === undefined)(
  'the operators’ listener answers what /openapi.json says, with an administrator’s token',
  async () => {
    const { rig } = await openBroker()
    const signedIn = new Hono().all('*', (c) => {
      if (c.req.header('authorization') !== `Bearer ${TOKEN}`)
        return rig.opsApp.fetch(c.req.raw, c.env)
      const headers = new Headers(c.req.raw.headers)
      headers.set('authorization', `Bearer ${tokenOfNow(rig)}`)
      const request = new Request(c.req.raw, { headers })
      // The constructor knows no TRACE; the server does.
      return rig.opsApp.fetch(
        Object.defineProperty(request, 'method', { value: c.req.raw.method }),
        c.env,
      )
    })
    const ran = await run(await documentOf(rig, 'operators'), await rig.serve(signedIn), OPERATORS)
    expect([ran.code, difference(ran)]).toEqual([0, ''])
  },
  (SECONDS + 30) * 1000,
)

test.skipIf(ST === undefined)(
  'the public listener answers what /openapi.json says',
  async () => {
    const { rig, sydney, token: access } = await openBroker()
    const receiver = await rig.register('Receiver', {
      grants: ['client_credentials'],
      redirectUris: [],
      scopes: ['ssf.read', 'ssf.manage'],
    })
    const asked = await rig.post(
      '/token',
      { grant_type: 'client_credentials', scope: 'ssf.read ssf.manage' },
      { authorization: receiver.basic },
    )
    const { access_token: ssf } = (await asked.json()) as { access_token: string }
    const ran = await run(
      await documentOf(rig, 'public'),
      await rig.serve(),
      publicOf(sydney, { access, ssf }),
    )
    expect([ran.code, difference(ran)]).toEqual([0, ''])
    // The requests were authenticated: they created the receiver's stream (and may have deleted
    // it).
    const changes = rig.lines
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter(({ event }) => event === 'stream_changed')
    expect(changes).toContainEqual(
      expect.objectContaining({ client_id: receiver.clientId, how: 'create' }),
    )
  },
  (SECONDS + 30) * 1000,
)
