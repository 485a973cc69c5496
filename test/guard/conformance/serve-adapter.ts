import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { Adapter, Message, Start } from '../../../guard/src/conformance/adapter.ts'
import type { Case, Demand } from '../../../guard/src/conformance/shapes.ts'
import { serve, type Serving } from '../../../guard/src/serve/serve.ts'
import { readSettings } from '../../../guard/src/serve/settings.ts'
import { ask, post } from '../serve/rig.ts'

const FEED = new URL('../../../guard/conformance/feed.json', import.meta.url)
/** The demands of the cases. A proxy makes one by the path of the request. */
const DEMANDS: Demand[] = (
  JSON.parse(readFileSync(FEED, 'utf8')) as { cases: Case[] }
).cases.flatMap(({ steps }) =>
  steps.flatMap((step) => (step.do === 'check' && step.demand ? [step.demand] : [])),
)

/** Drives `guard serve` for the conformance kit. Each check is a reverse proxy's request. */
export function serveAdapter(): Adapter {
  const directory = mkdtempSync(join(tmpdir(), 'guard-conformance-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  const rules = join(directory, 'rules.json')
  const demands = DEMANDS.map((demand, at) => ({ path: `/demand/${at}`, ...demand }))
  writeFileSync(rules, JSON.stringify({ rules: [{ path: '/*' }, ...demands] }))
  let serving: Serving | undefined
  return {
    async ask(message) {
      if (message.do === 'start') serving = await start(message, rules, directory)
      else if (message.do === 'stop') {
        await serving?.stop()
        serving = undefined
      }
      // A reverse proxy answers so while nothing listens.
      else if (serving === undefined) return { status: 503 }
      else if (message.do === 'check') return check(serving.checkAddress, message)
      else if (message.do === 'session')
        return post(serving.localAddress, JSON.stringify(message.session))
      return {}
    },
    async close() {},
  }
}

async function start(message: Start, rules: string, directory: string): Promise<Serving> {
  const { audience, client_id, client_key, client_secret, guard: guard_id, issuer } = message
  const { public_address, sessions, without_lease } = message
  const client_key_file = join(directory, 'client-key.json')
  writeFileSync(client_key_file, JSON.stringify(client_key ?? null))
  const credential = client_secret === undefined ? { client_key_file } : { client_secret }
  const local_listen = `unix:${join(directory, 'local.sock')}`
  const given = {
    audience,
    client_id,
    ...credential,
    guard_id,
    issuer,
    rules,
    local_listen,
    listen: '127.0.0.1:0',
  }
  const read = readSettings({
    flags: {
      ...given,
      ...(public_address !== undefined && { public_address }),
      ...(without_lease !== undefined && { without_lease }),
      ...(sessions === true && { sessions: 'yes' }),
    },
    env: {},
    file: undefined,
  })
  if (!read.ok) throw new Error(read.problems.join('\n'))
  return serve({ config: read.config, problem: () => {} })
}

function check(
  address: string,
  { acr, max_age, request, token }: Extract<Message, { do: 'check' }>,
): Promise<{ status: number }> {
  const at = DEMANDS.findIndex((demand) => demand.acr === acr && demand.max_age === max_age)
  const { method, path, proofs, scheme } = request ?? {
    scheme: 'Bearer',
    method: 'GET',
    path: at < 0 ? '/' : `/demand/${at}`,
    proofs: [],
  }
  const original = [
    'X-Forwarded-Method',
    method,
    'X-Forwarded-Host',
    'api.example',
    'X-Forwarded-Uri',
    path,
  ]
  const headers = [...original, ...proofs.flatMap((proof) => ['DPoP', proof])]
  return ask(address, ['Host', 'guard', ...headers, 'Authorization', `${scheme} ${token}`])
}
