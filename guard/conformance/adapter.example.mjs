// The adapter of the Node guard for `guard conformance --adapter 'node adapter.example.mjs'`.
import { createInterface } from 'node:readline'
import { createGuard } from '@case-manager/guard'
import { movableClock } from './movable-clock.mjs'

let clock
let guard
const acts = {
  start: ({ audience, client_id: clientId, guard: guardId, issuer, ...more }) => {
    const {
      client_secret: clientSecret,
      client_key: clientKey,
      poll,
      public_address: publicAddress,
      sessions,
      without_lease,
    } = more
    const credentials = { clientId, clientSecret, clientKey }
    clock = movableClock()
    guard = createGuard({
      issuer,
      clock,
      ...credentials,
      audience,
      guardId,
      poll,
      publicAddress,
      withoutLease: without_lease,
      onLogout: () => {},
      hooks: { problem: () => {} },
    })
    if (sessions) guard.judgeSessions()
    void guard.start()
  },
  check: async ({ acr, max_age: maxAgeSeconds, request, token }) => {
    if (request !== undefined) {
      const { method, path, proofs, scheme } = request
      const headers = new Headers({ authorization: `${String(scheme)} ${String(token)}` })
      for (const proof of proofs) headers.append('dpop', proof)
      const authorized = await guard.authorize({ method, url: path, headers })
      return { status: authorized.ok ? 200 : authorized.response.status }
    }
    const result = await guard.check(token)
    if (!result.ok) return { status: result.status }
    return { status: guard.stepUp(result.claims, { acr, maxAgeSeconds }) ? 401 : 200 }
  },
  session: async ({ session }) => {
    const { state } = await guard.checkSession(session)
    return { status: { live: 200, ended: 401, unknown: 503 }[state] }
  },
  logout: async ({ logout_token }) => {
    const request = new Request('http://localhost/', {
      method: 'POST',
      body: new URLSearchParams({ logout_token }),
    })
    return { status: (await guard.receiveLogout(request)).status }
  },
  clock: (by) => clock.move(by),
  stop: () => guard.stop(),
}
for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line)
  process.stdout.write(`${JSON.stringify((await acts[message.do](message)) ?? {})}\n`)
}
