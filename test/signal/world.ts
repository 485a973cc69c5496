import { createHash, randomBytes } from 'node:crypto'
import { expect } from 'vitest'
import { APP_CLIENT_ID } from '../../demo/entra/users.ts'
import type { Session } from '../../db/types.ts'
import type { SignalSettings } from '../../src/config/config.ts'
import { createMicrosoft } from '../../src/microsoft/microsoft.ts'
import { sha256 } from '../../src/runtime/compare.ts'
import { newSecret, newSid, newSub } from '../../src/runtime/ids.ts'
import { sealForSession } from '../../src/session/sealed.ts'
import { askMicrosoft, subscriptionCare } from '../../workers/ask-microsoft.ts'
import { Probing } from '../../workers/probe-microsoft.ts'
import { Browser, brokerSettings, entra as startSimulator } from '../demo-entra/relying-party.ts'
import { createRig, OTHER_TENANT, type RegisteredClient, type Rig, TENANT } from '../rig.ts'

/**
 * The broker's modules on a real listener, msal-node, and the simulated Microsoft with its Graph.
 * The test runs the workers' turns.
 */

export interface SignedIn {
  session: Session
  /** Refresh tokens, by client. */
  tokens: Map<string, string>
}

export const ALICE = 'alice@contoso.example'
export const BOB = 'bob@contoso.example'

export async function openWorld(
  options: { graph?: boolean; signals?: Partial<SignalSettings>; appRole?: string } = {},
) {
  let rig: Rig | undefined
  const clock = {
    now: () => rig?.clock.now() ?? Math.floor(Date.now() / 1000),
    nowMs: () => rig?.clock.nowMs() ?? Date.now(),
  }
  const entra = await startSimulator({ clock, apps: [{ redirectUris: [] }] })
  const settings = {
    issuer: '',
    entra: brokerSettings(entra, [TENANT, OTHER_TENANT]),
    signals: {
      probeEverySeconds: 60,
      graph: { tenants: options.graph ? [TENANT] : [], origin: `${entra.origin}/graph/v1.0` },
      revokeAtMicrosoft: [],
      risk: [],
      issuers: [],
      ...options.signals,
    },
  }
  const log = { info: () => {}, warn: () => {}, error: () => {} }
  const microsoft = createMicrosoft({ config: settings, clock, log })
  const { entra: entraSettings, signals } = settings
  rig = await createRig({
    listening: true,
    realTime: true,
    config: { entra: entraSettings, signals },
    deps: { microsoft },
  })
  settings.issuer = rig.config.issuer
  const app = entra.world.apps.get(APP_CLIENT_ID) ?? expect.unreachable()
  app.redirectUris = [`${rig.config.issuer}/signin/callback`, `${rig.config.issuer}/logout/return`]
  app.logoutUrl = `${rig.config.issuer}/signal/microsoft/front-channel-logout`
  const clients = [
    await rig.register('Sydney', options.appRole === undefined ? {} : { appRole: options.appRole }),
    await rig.register('Melbourne'),
  ]
  const probing = new Probing(rig.deps)
  return {
    ...acts(rig, clients),
    rig,
    entra,
    clients,
    probing,
    tend: subscriptionCare(rig.deps),
    ask: () => askMicrosoft(rig.deps),
  }
}

function acts(rig: Rig, clients: readonly RegisteredClient[]) {
  const { deps, store, clock } = rig
  /** Signs a user in as the callback does, in a new browser, and then at both instances. */
  const signIn = async (upn: string, browser = new Browser()): Promise<SignedIn> => {
    const [verifier, nonce] = [
      randomBytes(40).toString('base64url'),
      randomBytes(8).toString('hex'),
    ]
    const codeChallenge = createHash('sha256').update(verifier).digest('base64url')
    const url = await deps.microsoft.authorizeUrl({
      state: 's',
      nonce,
      codeChallenge,
      authContext: 'c1',
      loginHint: upn,
    })
    const { left } = await browser.signIn(url, upn)
    const code = left?.searchParams.get('code') ?? expect.unreachable(`no code: ${left?.href}`)
    const now = clock.now()
    const identity = await deps.microsoft.redeemCode({ code, codeVerifier: verifier, nonce, now })
    const opened = await store.signIn({
      session: {
        user: identity.user,
        authTime: identity.authTime ?? 0,
        visitStartedAt: now,
        idleSeconds: 28_800,
        absoluteAt: now + 43_200,
        roles: identity.roles,
        staySignedIn: false,
        microsoftSid: identity.sid,
        microsoftCacheSealed: sealForSession(
          deps.sealer,
          'microsoft_cache',
          identity.user,
          identity.cache,
        ),
        device: 'Firefox on Linux',
        cookieHash: sha256(newSecret(deps.random)),
      },
      provenSeq: Number.MAX_SAFE_INTEGER,
      ids: { sub: newSub(deps.random), sid: newSid(deps.random) },
      now,
    })
    const tokens = new Map<string, string>()
    const { session } = opened.outcome === 'signed_in' ? opened : expect.unreachable()
    for (const client of clients)
      tokens.set(
        client.clientId,
        (await rig.signInAt(session.sid, client)).refresh_token ?? expect.unreachable(),
      )
    return { session, tokens }
  }
  /** Returns each instance's answer when it refreshes: 200, or the error. */
  const refreshes = async ({ tokens }: SignedIn): Promise<(string | number)[]> => {
    const answers: (string | number)[] = []
    for (const client of clients) {
      const response = await rig.post(
        '/token',
        { grant_type: 'refresh_token', refresh_token: tokens.get(client.clientId) ?? '' },
        { authorization: client.basic },
      )
      const body = (await response.json()) as { refresh_token?: string; error?: string }
      if (body.refresh_token !== undefined) tokens.set(client.clientId, body.refresh_token)
      answers.push(body.error ?? response.status)
    }
    return answers
  }
  const reasonOf = async ({ session }: SignedIn): Promise<string | undefined> => {
    const status = await store.statusBySid(session.sid, clock.now())
    return status.state === 'ended' ? (status.session.ended?.reason ?? status.why) : status.state
  }
  const signals = async (kind: string, outcome: string): Promise<number> => {
    const { values } = await rig.metrics.signals.get()
    return (
      values.find(
        (metricValue) => metricValue.labels.kind === kind && metricValue.labels.outcome === outcome,
      )?.value ?? 0
    )
  }
  return { signIn, refreshes, reasonOf, signals, head: async () => (await store.head()).seq }
}

export const REJECTED = ['invalid_grant', 'invalid_grant']
export const GOOD = [200, 200]
