import type { Clock } from '../runtime/clock.ts'
import { createJwksVerifier, type JwksVerifier } from '../keys/verify.ts'
import { call, type Fetch, MicrosoftUnreachable } from './transport.ts'

/**
 * Caches discovery documents and signing keys of the connected tenants. They are fetched again
 * after 12 hours, and stay valid for a week while Microsoft cannot be reached. Only connected
 * tenants and `organizations` are requested.
 */

export interface Discovery {
  /** The document as text. MSAL gets it, so that it makes no discovery request itself. */
  text: string
  /** The issuer. It contains `{tenantid}` if the document is for several tenants. */
  issuer: string
  jwksUri: string
  endSessionEndpoint: string
}

export interface Directory {
  /**
   * Returns the discovery document of a tenant.
   * @throws MicrosoftUnreachable
   */
  discovery(tenant: string): Promise<Discovery>
  verifier(tid: string): JwksVerifier
}

const FRESH_MS = 12 * 3600_000
const STALE_MS = 7 * 86_400_000
const RETRY_MS = 30_000

interface Entry {
  atMs: number
  triedAtMs: number
  discovery: Discovery
}

interface Source {
  authority: string
  simulated: boolean
  fetch: Fetch
  clock: Clock
}

export function createDirectory(source: Source): Directory {
  const discovery = keptDiscovery(source)
  const verifiers = new Map<string, JwksVerifier>()
  const verifier = (tid: string): JwksVerifier => {
    const known = verifiers.get(tid)
    if (known) return known
    const made = createJwksVerifier({
      nowMs: () => source.clock.nowMs(),
      fetchKeys: async () => {
        const { jwksUri, issuer } = await discovery(tid)
        return keysOf(await call(source.fetch, jwksUri, { method: 'GET' })).filter((key) =>
          signsFor(key, issuer, tid),
        )
      },
    })
    verifiers.set(tid, made)
    return made
  }
  return { discovery, verifier }
}

function keptDiscovery(source: Source): Directory['discovery'] {
  const entries = new Map<string, Entry>()
  const fetching = new Map<string, Promise<Discovery>>()
  const load = async (tenant: string): Promise<Discovery> => {
    const discovery = await loadDiscovery(source, tenant)
    const now = source.clock.nowMs()
    entries.set(tenant, { atMs: now, triedAtMs: now, discovery })
    return discovery
  }
  /** Shares one running request among all callers for a tenant. */
  const once = (tenant: string): Promise<Discovery> => {
    const running = fetching.get(tenant) ?? load(tenant).finally(() => fetching.delete(tenant))
    fetching.set(tenant, running)
    return running
  }
  return async (tenant) => {
    const entry = entries.get(tenant)
    const now = source.clock.nowMs()
    if (entry === undefined || now - entry.atMs > STALE_MS) return once(tenant)
    if (now - entry.atMs < FRESH_MS || now - entry.triedAtMs < RETRY_MS) return entry.discovery
    entry.triedAtMs = now
    return once(tenant).catch(() => entry.discovery)
  }
}

async function loadDiscovery(
  { authority, simulated, fetch }: Source,
  tenant: string,
): Promise<Discovery> {
  const answer = await call(fetch, `${authority}/${tenant}/v2.0/.well-known/openid-configuration`, {
    method: 'GET',
  })
  if (answer.status !== 200)
    throw new MicrosoftUnreachable(
      `The discovery document of ${tenant} answered ${answer.status}: is the tenant's id right?`,
    )
  return readDiscovery(answer.body, tenant, simulated)
}

const ENDPOINTS = [
  'authorization_endpoint',
  'token_endpoint',
  'end_session_endpoint',
  'jwks_uri',
  'issuer',
] as const

function readDiscovery(
  body: Record<string, unknown>,
  tenant: string,
  simulated: boolean,
): Discovery {
  for (const name of ENDPOINTS) {
    const value = body[name]
    const good =
      typeof value === 'string' &&
      (name === 'issuer' || URL.canParse(value)) &&
      (value.startsWith('https://') || (simulated && value.startsWith('http://')))
    if (!good)
      throw new MicrosoftUnreachable(`The discovery document of ${tenant} has no usable ${name}.`)
  }
  return {
    text: JSON.stringify(body),
    issuer: String(body.issuer),
    jwksUri: String(body.jwks_uri),
    endSessionEndpoint: String(body.end_session_endpoint),
  }
}

/**
 * Returns whether Microsoft issued the key for this issuer. The member `issuer` of a key, which may
 * contain `{tenantid}`, names whose tokens it signs. A key for another issuer, such as that of
 * personal accounts, proves nothing about this tenant's users, whatever the token claims.
 */
function signsFor(key: Record<string, unknown>, issuer: string, tid: string): boolean {
  const of = (words: string): string => words.replaceAll('{tenantid}', tid)
  return (
    key.issuer === undefined || (typeof key.issuer === 'string' && of(key.issuer) === of(issuer))
  )
}

function keysOf(answer: {
  status: number
  body: Record<string, unknown>
}): Record<string, unknown>[] {
  const { keys } = answer.body
  if (answer.status !== 200 || !Array.isArray(keys))
    throw new MicrosoftUnreachable(`The keys answered ${answer.status}.`)
  return keys.filter(
    (key): key is Record<string, unknown> => typeof key === 'object' && key !== null,
  )
}
