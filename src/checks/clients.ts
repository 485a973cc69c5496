import type { Deps } from '../deps.ts'
import type { Client } from '../protocol/client-metadata.ts'
import type { Finding } from './finding.ts'
import { message } from './readiness.ts'

/** Every client's addresses, as the broker reaches them. A GET without a token: it ends nothing, and any answer below 500 shows that somebody is there. */

const TIMEOUT_MS = 3_000
const AT_ONCE = 8

export async function examineClients(deps: Deps): Promise<Finding[]> {
  const [clients, reports] = await Promise.all([deps.store.listClients(), deps.store.guardReports()])
  const guarded = new Set([...reports, ...deps.feed.streams()].map((one) => one.clientId))
  // The broker's own console is looked at by whoever opens it.
  const checks = clients.filter((client) => client.source !== 'broker').flatMap((client) => checksOf(deps, client, guarded))
  const found: Finding[] = []
  const run = async (): Promise<void> => {
    for (let check = checks.shift(); check !== undefined; check = checks.shift()) found.push(await check())
  }
  await Promise.all(Array.from({ length: AT_ONCE }, run))
  return found.toSorted((a, b) => a.name.localeCompare(b.name))
}

type Check = () => Promise<Finding>

function checksOf(deps: Deps, client: Client, guarded: ReadonlySet<string>): Check[] {
  const { logoutUris, redirectUris, jwksUri } = client.metadata
  const name = `client ${client.clientId}`
  const checks: Check[] = logoutUris.map((uri) => () => logoutAddress(deps, name, uri))
  for (const home of new Set(redirectUris.filter((uri) => /^https?:/.test(uri)).map((uri) => new URL(uri).origin)))
    checks.push(() => origin(deps, name, home))
  if (jwksUri !== undefined) checks.push(() => jwks(deps, name, jwksUri))
  if (logoutUris.length === 0 && !guarded.has(client.clientId) && client.metadata.grants.includes('authorization_code'))
    checks.push(async () => deaf(name, client))
  return checks
}

const deaf = (name: string, client: Client): Finding => ({
  name,
  state: 'warning',
  found: `It has neither a logout address nor a guard: after a sign-out it honours access tokens for up to ${client.metadata.accessTokenSeconds} seconds, and its own session for as long as it likes.`,
  mend: 'Register a backchannel_logout_uri, or let it use the guard (docs/relying-party.md).',
})

async function get(deps: Deps, url: string, maxBytes: number): Promise<{ status: number; body: string } | { problem: string }> {
  try {
    return await deps.outbound.request(url, { method: 'GET', timeoutMs: TIMEOUT_MS, maxBytes })
  } catch (error) {
    return { problem: message(error) }
  }
}

async function logoutAddress(deps: Deps, name: string, uri: string): Promise<Finding> {
  const answer = await get(deps, uri, 64 * 1024)
  if ('problem' in answer)
    return {
      name,
      state: 'bad',
      found: `Its logout address ${uri} is not reached: ${answer.problem}`,
      mend: 'Start the instance, or mend its backchannel_logout_uri, DNS or the firewall. Its deliveries stay pending.',
    }
  if (answer.status >= 500)
    return { name, state: 'warning', found: `Its logout address ${uri} answers ${answer.status}.`, mend: "Look at the instance's own log." }
  return { name, state: 'good', found: `Its logout address ${uri} is reached.` }
}

async function origin(deps: Deps, name: string, home: string): Promise<Finding> {
  const answer = await get(deps, `${home}/`, 1024 * 1024)
  if (!('problem' in answer)) return { name, state: 'good', found: `${home}, where browsers return to, is reached.` }
  return {
    name,
    state: 'warning',
    found: `${home}, where browsers return to, is not reached from here: ${answer.problem}`,
    mend: 'Nothing, where browsers reach it and the broker need not; else start the instance or mend its redirect_uris.',
  }
}

async function jwks(deps: Deps, name: string, uri: string): Promise<Finding> {
  const answer = await get(deps, uri, 256 * 1024)
  const problem =
    'problem' in answer
      ? answer.problem
      : answer.status !== 200
        ? `It answers ${answer.status}.`
        : hasKeys(answer.body)
          ? undefined
          : 'It answers no JWK Set with keys.'
  if (problem === undefined) return { name, state: 'good', found: `Its keys at ${uri} are read.` }
  return {
    name,
    state: 'bad',
    found: `Its keys at ${uri} are not read: ${problem}`,
    mend: 'Without them it cannot authenticate (private_key_jwt). Mend its jwks_uri, or register its jwks by value.',
  }
}

function hasKeys(body: string): boolean {
  try {
    const { keys } = JSON.parse(body) as { keys?: unknown }
    return Array.isArray(keys) && keys.length > 0
  } catch {
    return false
  }
}
