// The guard's receiver of logout tokens under the official "Back-Channel RP" plan: a small relying
// party made of fetch and of the guard's pieces. node guard-rp.mjs GUARD_DIST OUT.json needs the
// suite at SUITE, and app.emobix.test:9444 → 127.0.0.1:9555 over TLS
import http from 'node:http'
import fs from 'node:fs'
import crypto from 'node:crypto'
import path from 'node:path'
process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
process.emitWarning = () => {}
const [dist, outFile] = process.argv.slice(2)
const { KeySet, createLogoutReceiver } = await import(path.resolve(dist, 'index.js'))
const SUITE = process.env.SUITE ?? 'https://localhost.emobix.co.uk:8443',
  APP = 'https://app.emobix.test:9444',
  PLAN = process.env.PLAN ?? 'oidcc-client-back-channel-logout-rp-basic'
const client = {
  client_id: 'guard-rp',
  client_secret: 'guard-rp-secret-0123456789abcdef0123456789abcdef',
  redirect_uri: APP + '/cb',
  post_logout_redirect_uri: APP + '/out',
  backchannel_logout_uri: APP + '/bcl',
  id_token_signed_response_alg: 'RS256',
}
const sleep = (ms) => new Promise((r) => setTimeout(r, ms)),
  q = (o) => new URLSearchParams(o).toString()
async function api(method, p, body) {
  const r = await fetch(SUITE + p, {
    method,
    headers: body === undefined ? {} : { 'content-type': 'application/json' },
    body,
  })
  const t = await r.text()
  if (!r.ok) throw new Error(`${method} ${p}: ${r.status} ${t.slice(0, 300)}`)
  return t ? JSON.parse(t) : undefined
}
let receiver,
  answers = []
http
  .createServer(async (q0, a) => {
    const parts = []
    for await (const c of q0) parts.push(c)
    if (q0.url !== '/bcl' || !receiver) return a.writeHead(404).end()
    const r = await receiver.receive(
      new Request(APP + q0.url, {
        method: q0.method,
        headers: q0.headers,
        body: q0.method === 'POST' ? Buffer.concat(parts) : undefined,
      }),
    )
    const text = await r.text()
    answers.push(`${r.status} ${text.slice(0, 160)}`)
    a.writeHead(r.status, Object.fromEntries(r.headers)).end(text)
  })
  .listen(9555, '127.0.0.1')
const plan = await api(
  'POST',
  '/api/plan?' +
    q({
      planName: PLAN,
      variant: JSON.stringify({
        client_registration: 'static_client',
        client_auth_type: 'client_secret_basic',
        request_type: 'plain_http_request',
        response_mode: 'default',
      }),
    }),
  JSON.stringify({ alias: 'guardrp', description: 'guard', client, waitTimeoutSeconds: 2 }),
)
const results = []
for (const m of plan.modules) {
  answers = []
  const { id } = await api(
    'POST',
    '/api/runner?' +
      q({ test: m.testModule, plan: plan.id, variant: JSON.stringify(m.variant ?? {}) }),
    '',
  )
  let note,
    ended = []
  try {
    for (let i = 0; i < 40; i++) {
      const s = (await api('GET', `/api/info/${id}`)).status
      if (s === 'CONFIGURED') await api('POST', `/api/runner/${id}`, '')
      if (s === 'WAITING') break
      await sleep(300)
    }
    const issuer = (await api('GET', `/api/runner/${id}`)).exposed.issuer,
      meta = await (
        await fetch(issuer.replace(/\/$/, '') + '/.well-known/openid-configuration')
      ).json()
    receiver = createLogoutReceiver({
      issuer: meta.issuer,
      clientId: client.client_id,
      keys: new KeySet({
        uri: meta.jwks_uri,
        fetch,
        clock: {
          monotonicMs: () => performance.now(),
          nowMs: Date.now,
          after: (ms, run) => {
            const t = setTimeout(() => run(), ms)
            t.unref()
            return () => clearTimeout(t)
          },
        },
        onProblem: (e) => {
          note = String(e.cause ?? e)
        },
      }),
      sink: (l) => {
        ended.push(l)
      },
      now: () => Math.floor(Date.now() / 1000),
      toleranceSeconds: 5,
      onProblem: (e) => {
        note = String(e)
      },
    })
    const state = crypto.randomUUID(),
      nonce = crypto.randomUUID(),
      at = await fetch(
        meta.authorization_endpoint +
          '?' +
          q({
            client_id: client.client_id,
            response_type: 'code',
            scope: 'openid',
            redirect_uri: client.redirect_uri,
            state,
            nonce,
          }),
        { redirect: 'manual' },
      )
    const code = new URL(at.headers.get('location')).searchParams.get('code'),
      tok = await (
        await fetch(meta.token_endpoint, {
          method: 'POST',
          headers: {
            'content-type': 'application/x-www-form-urlencoded',
            authorization:
              'Basic ' +
              Buffer.from(`${client.client_id}:${client.client_secret}`).toString('base64'),
          },
          body: q({ grant_type: 'authorization_code', code, redirect_uri: client.redirect_uri }),
        })
      ).json()
    await fetch(meta.userinfo_endpoint, {
      headers: { authorization: `Bearer ${tok.access_token}` },
    })
    await fetch(
      meta.end_session_endpoint +
        '?' +
        q({
          id_token_hint: tok.id_token,
          post_logout_redirect_uri: client.post_logout_redirect_uri,
          state,
        }),
      { redirect: 'manual' },
    )
    for (let i = 0; i < 60; i++) {
      const s = (await api('GET', `/api/info/${id}`)).status
      if (['FINISHED', 'INTERRUPTED'].includes(s)) break
      await sleep(300)
    }
  } catch (e) {
    note = String(e.stack ?? e).slice(0, 400)
  }
  const info = await api('GET', `/api/info/${id}`),
    log = await api('GET', `/api/log/${id}`),
    problems = log
      .filter((e) => ['FAILURE', 'WARNING'].includes(e.result))
      .map((e) => `${e.result} ${e.src}: ${e.msg}`)
  if (!['FINISHED', 'INTERRUPTED'].includes(info.status))
    await api('DELETE', `/api/runner/${id}`).catch(() => {})
  results.push({
    module: m.testModule,
    result: info.result,
    status: info.status,
    answers,
    ended: ended.length,
    problems,
    note,
  })
  console.log(info.result ?? info.status, m.testModule, answers, 'ended', ended.length, note ?? '')
  for (const p of problems) console.log('   ', p.slice(0, 240))
}
fs.writeFileSync(outFile, JSON.stringify(results, null, 1))
process.exit(0)
