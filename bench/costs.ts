import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createApp } from '../src/app.ts'
import { authenticateClient } from '../src/clients/authenticate.ts'
import { equalInConstantTime, sha256 } from '../src/runtime/compare.ts'
import { readParams } from '../src/protocol/params.ts'
import { refreshTokens } from '../src/provider/token/refresh-token.ts'
import { openBench, register, signIn } from './broker-server.ts'
import { readOptions } from './options.ts'
import { serve } from '@hono/node-server'

/**
 * The parts of a refresh: each step alone, and the whole without and with the network, in one
 * process: `npm run bench:costs`.
 */

readOptions('npm run bench:costs: it has no options, and takes a minute.', {})
const dataDir = mkdtempSync(join(tmpdir(), 'cmb-costs-'))
const deps = await openBench(dataDir)
const { app } = createApp(deps)
const authorization = await register(deps)
const server = await new Promise<ReturnType<typeof serve>>((done) => {
  const started = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, () => done(started))
})
const url = `http://127.0.0.1:${(server.address() as { port: number }).port}`

const SESSIONS = 32
let tokens = await Promise.all(
  Array.from({ length: SESSIONS }, () => signIn(deps, url, authorization)),
)
const now = deps.clock.now()
const codec = refreshTokens(deps.sealer)
const body = (token: string): string =>
  new URLSearchParams({ grant_type: 'refresh_token', refresh_token: token }).toString()

/**
 * Measures the processor time of one act in microseconds, as the median of the rounds.
 * @param at how many run at once
 */
async function cost(
  name: string,
  count: number,
  act: (n: number) => unknown,
  at = 1,
): Promise<void> {
  const rounds: number[] = []
  for (let round = 0; round < 7; round++) {
    const cpu = process.cpuUsage()
    for (let n = 0; n < count; n += at) {
      if (at === 1) await act(n)
      else await Promise.all(Array.from({ length: at }, (_, index) => act(index)))
    }
    const { user, system } = process.cpuUsage(cpu)
    rounds.push((user + system) / count)
  }
  rounds.sort((a, b) => a - b)
  console.log(`${name.padEnd(66)} ${(rounds[3] ?? 0).toFixed(1).padStart(8)} µs`)
}

const claims = {
  sub: 'u_x',
  aud: 'x',
  client_id: 'x',
  iat: now,
  exp: now + 300,
  jti: 'x',
  sid: 's_x',
  rev: 1,
  scope: 'openid',
  tid: 'x',
  oid: 'x',
  roles: ['CaseManager.User'],
}
const [first = ''] = tokens
const presented = codec.read(first)
const secret = createHash('sha256').update(randomBytes(32)).digest('base64url')

const send = async (
  index: number,
  how: (form: string) => Response | Promise<Response>,
): Promise<void> => {
  const response = await how(body(tokens[index] ?? ''))
  const answer = (await response.json()) as { refresh_token?: string }
  if (answer.refresh_token === undefined)
    throw new Error(`A refresh was rejected: ${JSON.stringify(answer)}`)
  tokens[index] = answer.refresh_token
}
const init = (form: string) => ({
  method: 'POST',
  headers: {
    authorization,
    'content-type': 'application/x-www-form-urlencoded',
    'content-length': String(form.length),
  },
  body: form,
})

console.log(`Node ${process.version}, processor time of one process, median of seven rounds.\n`)
await cost('the form read, each parameter once (RFC 6749 §3.2)', 20_000, () =>
  readParams(new URLSearchParams(body(first))),
)
await cost('a secret compared in constant time, SHA-256 included', 20_000, () =>
  equalInConstantTime(sha256(first), secret),
)
await cost('the client authenticated (client_secret_basic)', 20_000, () =>
  authenticateClient(deps, { authorization, params: new Map(), now }),
)
await cost('a refresh token read: its MAC checked', 20_000, () => codec.read(first))
await cost('a refresh token written', 20_000, () => presented && codec.write(presented))
await cost('an access token signed, ES256 (RFC 9068)', 5000, () =>
  deps.keys.sign('ES256', 'at+jwt', claims),
)
await cost('an ID token or logout token signed, RS256', 1000, () =>
  deps.keys.sign('RS256', 'JWT', claims),
)
const families = tokens.map(
  (token) => ({ ...codec.read(token) }) as { familyId: string; generation: number },
)
const rotate = async (index: number): Promise<void> => {
  const family = families[index]
  if (family === undefined) return
  const rotated = await deps.store.rotateRefreshToken({
    familyId: family.familyId,
    generation: family.generation,
    clientId: 'bench',
    now,
  })
  if (rotated.outcome !== 'rotated') throw new Error(rotated.outcome)
  family.generation = rotated.family.generation
}
await cost('the rotation, synced, alone in its commit', 500, () => rotate(0))
await cost('the rotation, synced, 32 in one commit', 6400, rotate, SESSIONS)
tokens = families.map((family) => codec.write(family))
await cost(
  'a whole refresh, 32 at once, without the network',
  6400,
  (index) => send(index, (form) => app.request('/token', init(form))),
  SESSIONS,
)
await cost(
  'a whole refresh, 32 at once, over HTTP, its client included',
  6400,
  (index) => send(index, (form) => fetch(`${url}/token`, init(form))),
  SESSIONS,
)

server.close()
deps.feed.close()
await deps.store.close()
rmSync(dataDir, { recursive: true, force: true })
process.exit(0)
