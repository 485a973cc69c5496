import { createHash, randomBytes } from 'node:crypto'
import { serve } from '@hono/node-server'
import type { Store } from '../db/store.ts'
import { createApp } from '../src/app.ts'
import { parseClientMetadata } from '../src/clients/metadata.ts'
import { newClientSecret } from '../src/clients/secret.ts'
import { loadConfig } from '../src/config/config.ts'
import type { Deps } from '../src/deps.ts'
import { createLog } from '../src/runtime/log.ts'
import { openParts } from '../src/parts.ts'
import { newId, newSecret, newSid, newSub } from '../src/runtime/ids.ts'
import { sha256 } from '../src/runtime/compare.ts'
import type { DeliveryQueue } from '../src/outbox/interface.ts'
import { systemClock } from '../src/runtime/clock.ts'
import { announceTarget } from './loader.ts'

/**
 * The broker as it serves: the whole app, its store with every commit synced, over real HTTP. Only
 * the queue server is left out, which no refresh uses.
 */
export async function serveBroker(dataDir: string, sessions: number, store?: Store): Promise<void> {
  const deps = await openBench(dataDir, store)
  const { app } = createApp(deps)
  const url = await new Promise<string>((done) => {
    serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) =>
      done(`http://127.0.0.1:${port}`),
    )
  })
  const authorization = await register(deps)
  const refreshTokens: string[] = []
  for (let index = 0; index < sessions; index++)
    refreshTokens.push(await signIn(deps, url, authorization))
  announceTarget({ url, authorization, refreshTokens })
}

const { now } = systemClock
const REDIRECT_URI = 'https://bench.case-manager.example/oidc/callback'
const TENANT = '11111111-1111-4111-8111-111111111111'

export async function openBench(dataDir: string, store?: Store): Promise<Deps> {
  const config = loadConfig({
    BROKER_ISSUER: 'http://localhost:7400',
    BROKER_SECRET: randomBytes(32).toString('hex'),
    BROKER_DATA_DIR: dataDir,
  })
  const log = createLog((line) => process.stderr.write(`${line}\n`), systemClock.nowMs)
  return (await openParts({ config, log }, { queue: noQueue(), ...(store && { store }) })).deps
}

/** Returns a queue that does nothing. Nothing is revoked here, so no delivery is pending. */
export function noQueue(): DeliveryQueue {
  return {
    send: () => {},
    changed: () => {},
    targets: () => [],
    work: () => ({ stop: async () => {} }),
    health: async () => ({ up: false, engine: 'valkey' }),
    durability: async () => undefined,
    close: async () => {},
  }
}

export async function register(deps: Deps): Promise<string> {
  const parsed = parseClientMetadata({
    client_id: 'bench',
    client_name: 'Bench',
    redirect_uris: [REDIRECT_URI],
  })
  if (!parsed.ok) throw new Error(parsed.problems.join('\n'))
  const { secret, hash } = newClientSecret(deps.random, now())
  await deps.store.putClient({
    clientId: 'bench',
    source: 'command',
    metadata: parsed.metadata,
    secrets: [hash],
    now: now(),
  })
  await deps.clients.reload()
  return `Basic ${Buffer.from(`bench:${secret}`).toString('base64')}`
}

/**
 * Opens a session as a sign-in at Microsoft does, and gets its first tokens with a code at the
 * token endpoint.
 */
export async function signIn(deps: Deps, url: string, authorization: string): Promise<string> {
  const [code, verifier] = [newSecret(deps.random), newSecret(deps.random)]
  const codeChallenge = createHash('sha256').update(verifier).digest('base64url')
  await deps.store.signIn({
    session: {
      user: { tid: TENANT, oid: newId(deps.random), name: 'Somebody' },
      authTime: now(),
      visitStartedAt: now(),
      idleSeconds: 8 * 3600,
      absoluteAt: now() + 12 * 3600,
      acr: 'urn:case-manager:acr:mfa',
      roles: ['CaseManager.User'],
      staySignedIn: false,
      device: 'Firefox on Linux',
      cookieHash: sha256(newSecret(deps.random)),
    },
    code: {
      codeHash: sha256(code),
      clientId: 'bench',
      redirectUri: REDIRECT_URI,
      scope: 'openid profile email offline_access',
      audience: 'urn:case-manager:instance:bench',
      codeChallenge,
      expiresAt: now() + 60,
    },
    provenSeq: 0,
    ids: { sub: newSub(deps.random), sid: newSid(deps.random) },
    now: now(),
  })
  const body = new URLSearchParams({
    grant_type: 'authorization_code',
    code,
    redirect_uri: REDIRECT_URI,
    code_verifier: verifier,
  })
  const answer = await fetch(`${url}/token`, { method: 'POST', headers: { authorization }, body })
  if (answer.status !== 200)
    throw new Error(`The first tokens were rejected: ${answer.status} ${await answer.text()}`)
  return ((await answer.json()) as { refresh_token: string }).refresh_token
}
