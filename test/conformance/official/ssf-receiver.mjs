// Runs a Shared Signals receiver plan of the official suite. The suite is the transmitter; the
// receiver is the demo's broker, started for each step with a file of issuers, as an operator
// changes that file and restarts the broker. node ssf-receiver.mjs DIR OUT.json PLAN push|poll
// [only,these,modules] DIR: where the file of issuers is written; DIR/tls/ca.pem signed the suite
// AUTH=dynamic: the broker gets its token by client_credentials. A module of the suite rejects the
// second request for a token ("Found existing client authentication"), and each restarted broker
// makes one: so only a module without a restart (CAEP interop) can be run with it. After `npm run
// build`, with node tls-proxy.mjs running and no other demo. Env: SUITE
// (https://localhost.emobix.co.uk:8443), DEMO_PORT_BASE (as in the proxy).
import fs from 'node:fs'
import path from 'node:path'
import { spawn } from 'node:child_process'
import { api, count, runPlan, sleep, SUITE, waitFor } from './plan.mjs'
const [dir, outFile, planName, mode = 'push', only] = process.argv.slice(2)
const AUTH = process.env.AUTH ?? 'static'
const TOKEN = 'a-token-of-the-receiver-0123456789abcdef'
const BROKER = 'https://broker.emobix.test:9443'
const SESSION_REVOKED = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked'
const LONGEST_MS = 120_000
const client = {
  client_id: 'cmb-receiver',
  client_secret: 'cmb-receiver-secret-0123456789abcdef',
  scope: 'ssf.read ssf.manage',
}
const config = {
  alias: 'cmbrx',
  description: 'Case Manager Identity Broker, SSF receiver',
  client,
  ssf: {
    stream: { audience: BROKER },
    transmitter: { access_token: TOKEN },
    subjects: {
      valid: { format: 'opaque', id: 'a-user' },
      invalid: { format: 'opaque', id: 'invalid' },
    },
  },
}

let demo
async function stop() {
  if (demo === undefined) return
  const ended = new Promise((done) => demo.once('exit', done))
  demo.kill('SIGTERM')
  await ended
  demo = undefined
}

/** Restarts the broker with these settings of its stream. */
async function start(issuer, stream) {
  await stop()
  const { client_id, client_secret, scope } = client
  const authorization =
    AUTH === 'static'
      ? { token: TOKEN }
      : { token_endpoint: `${issuer}/token`, client_id, client_secret, scope }
  const subscription = {
    issuer,
    jwks_uri: `${issuer}/jwks`,
    audience: BROKER,
    subject: 'opaque',
    max_silence_seconds: 60,
    stream: { ...authorization, ...stream },
  }
  const file = path.resolve(dir, 'signal-issuers.yaml')
  fs.writeFileSync(file, JSON.stringify({ issuers: [subscription] }))
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: path.resolve(dir, 'tls/ca.pem') }
  const args = ['dist/demo/main.js', '--json', '--public-url', BROKER, '--signal-issuers', file]
  const cwd = path.join(import.meta.dirname, '../../..')
  demo = spawn(process.execPath, args, { cwd, env, stdio: ['ignore', 'ignore', 'inherit'] })
}

/**
 * Creates a stream at a transmitter that the broker does not manage: by hand, with the address of
 * this broker.
 */
async function createByHand(issuer) {
  const delivery = { method: 'urn:ietf:rfc:8935', endpoint_url: `${BROKER}/signal/events` }
  const answer = await fetch(`${issuer}/streams`, {
    method: 'POST',
    headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      delivery,
      events_requested: [SESSION_REVOKED],
      description: 'created by hand',
    }),
  })
  if (answer.status !== 201)
    throw new Error(`the stream cannot be created by hand: ${answer.status}`)
}

// Messages in the log of a module that show what the suite has seen.
const CREATED = /Detected Stream creation/
const READ = /Detected Stream Lookup/
const UPDATED = /Detected Stream update/
const REPLACED = /Detected Stream replace/
const STATUS_SET = /Detected Stream status update/
const VERIFIED = /Detected Stream Verification/
const DELIVERED = /Detected expected delivery/

/**
 * The operator's steps in each module: settings of the stream, and what the suite has to see before
 * the next step. At the end the stream is deleted.
 */
const STEPS = {
  'openid-ssf-receiver-happypath': [
    { byHand: true, seen: [CREATED] },
    { stream: {}, seen: [REPLACED, READ] },
    { stream: { events: [SESSION_REVOKED] }, seen: [UPDATED] },
  ],
  'openid-ssf-receiver-stream-create-delete': [{ stream: {}, seen: [CREATED] }],
  'openid-ssf-receiver-stream-status-update': [
    { stream: {}, seen: [CREATED] },
    { stream: { status: 'paused' }, seen: [STATUS_SET] },
  ],
  'openid-ssf-receiver-stream-verification': [{ stream: {}, seen: [CREATED, VERIFIED] }],
  'openid-ssf-receiver-unsolicited-stream-verification': [
    { stream: {}, seen: [CREATED, VERIFIED] },
  ],
  'openid-ssf-receiver-stream-supported-events': [
    { stream: {}, seen: [CREATED, VERIFIED, DELIVERED] },
  ],
  // This module ends by itself.
  'openid-ssf-receiver-stream-caep-interop': [{ stream: {}, seen: [] }],
}

async function logHas(id, patterns) {
  for (const until = Date.now() + LONGEST_MS; Date.now() < until; await sleep(500)) {
    const log = await api('GET', `/api/log/${id}`)
    if (patterns.every((pattern) => log.some(({ msg }) => pattern.test(msg ?? '')))) return
  }
  throw new Error(`the suite did not see ${patterns.join(', ')}`)
}

/**
 * Waits until every event is pushed. The suite sends none a second time, so the broker must not
 * stop before it has them.
 */
async function isSettled(id, starts) {
  if (mode === 'poll') return
  for (let quiet = 0; quiet < 10; await sleep(500)) {
    const log = await api('GET', `/api/log/${id}`)
    const [made, pushed] = [/^Created SET for event/, /^Got receiver push endpoint response/].map(
      (pattern) => log.filter(({ msg }) => pattern.test(msg ?? '')).length,
    )
    quiet = made >= starts && made === pushed ? quiet + 1 : 0
  }
}

async function issuerOf(id) {
  for (const until = Date.now() + LONGEST_MS; Date.now() < until; await sleep(300)) {
    const { exposed } = await api('GET', `/api/runner/${id}`)
    if (exposed?.ssf_issuer !== undefined) return exposed.ssf_issuer
  }
  throw new Error('the module named no issuer')
}

async function play(id, module) {
  const issuer = await issuerOf(id)
  let starts = 0
  for (const { byHand, stream, seen } of STEPS[module]) {
    await (byHand ? createByHand(issuer) : start(issuer, { delivery: mode, ...stream }))
    await logHas(id, seen)
    if (module !== 'openid-ssf-receiver-stream-caep-interop')
      await isSettled(id, byHand ? starts : ++starts)
  }
  if (module !== 'openid-ssf-receiver-stream-caep-interop')
    await start(issuer, { delivery: 'none' })
  await waitFor(id)
}

const variant = {
  ssf_delivery_mode: mode,
  ssf_auth_mode: AUTH,
  ...(AUTH === 'dynamic' && { client_auth_type: 'client_secret_basic' }),
}
const results = await runPlan({ planName, variant, config, only }, (id, module) =>
  play(id, module).finally(stop),
)
fs.writeFileSync(outFile, JSON.stringify({ planName, variant, results }, null, 1))
console.log(SUITE, planName, mode, count(results))
