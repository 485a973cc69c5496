import type { Config } from '../config/config.ts'
import { openApplication, sessionCache } from './application.ts'
import { type Need, outage, rejected, SCOPES } from './asking.ts'
import { type Connection, connectionOf } from './connection.ts'
import { createDirectory, type Directory } from './directory.ts'
import type { Microsoft, MicrosoftIdentity, StartSignIn } from './interface.ts'
import { createGraph } from './graph.ts'
import { credentialEnd, examine, tryConnection } from './examine.ts'
import { renew } from './renew.ts'
import { createTransport, systemFetch, type Fetch, waiting } from './transport.ts'
import { verifyIdToken } from './verify.ts'

/**
 * Microsoft Entra ID as the rest of the broker uses it: the addresses for sign-in and sign-out, and
 * the verified answers. Rejects everything that Microsoft did not sign for this broker, and never
 * reads a missing answer as one about a user.
 */

/** Creates the module's interface. Without a `connection`, only the settings count. */
export function createMicrosoft(
  input: Omit<Need, 'fetch' | 'connection'> & {
    fetch?: Fetch | undefined
    connection?: (() => Connection) | undefined
  },
): Microsoft {
  const connection = input.connection ?? (() => connectionOf(input.config))
  const { entra } = input.config
  const need: Need = {
    ...input,
    connection,
    fetch: waiting(input.fetch ?? systemFetch, new URL(entra.authority).origin, () =>
      input.clock.nowMs(),
    ),
  }
  const directory = createDirectory({
    authority: entra.authority,
    simulated: entra.simulated,
    fetch: need.fetch,
    clock: need.clock,
  })
  return {
    readiness: () => readiness(connection()),
    authorizeUrl: (start) => authorizeUrl(need, directory, start),
    redeemCode: (code) => redeemCode(need, directory, code),
    renew: (session) => renew(need, directory, session),
    graph: createGraph(need, directory),
    logoutUrl: (signOut) => logoutUrl(need, directory, signOut),
    examine: (tid) => examine(need, tid),
    tryConnection: (tid, candidate) => tryConnection(need, tid, candidate),
    credentialEnd: () => credentialEnd(need),
  }
}

function readiness(entra: Connection): ReturnType<Microsoft['readiness']> {
  const missing: string[] = []
  if (entra.tenants.length === 0)
    missing.push(
      'BROKER_ENTRA_TENANT: the directory (tenant) id of each organization whose users may sign in.',
    )
  if (entra.clientId === undefined)
    missing.push(
      'BROKER_ENTRA_CLIENT_ID: the application (client) id of the app registration in Entra.',
    )
  if (entra.credential === undefined)
    missing.push(
      'BROKER_ENTRA_CLIENT_SECRET, BROKER_ENTRA_CERTIFICATE_FILE or BROKER_ENTRA_FEDERATED_TOKEN_FILE: the credential that the broker presents to Entra.',
    )
  return missing.length === 0 ? { connected: true } : { connected: false, missing }
}

/**
 * Returns the tenant for a sign-in. With one connected tenant it is that one, whose sign-in page
 * has the organization's look. With several it is `organizations`, and the list of connected
 * tenants decides afterwards.
 */
const tenantFor = ({ tenants }: Connection, tid: string | undefined): string => {
  if (tid !== undefined && tenants.includes(tid)) return tid
  return tenants.length === 1 ? (tenants[0] ?? 'organizations') : 'organizations'
}

const redirectUri = (config: Pick<Config, 'issuer'>): string => `${config.issuer}/signin/callback`

async function authorizeUrl(need: Need, directory: Directory, input: StartSignIn): Promise<string> {
  const connection = need.connection()
  const tenant = tenantFor(connection, input.tid)
  const discovery = await directory.discovery(tenant).catch(outage)
  const application = await openApplication({
    config: need.config,
    connection,
    tenant,
    discovery,
    transport: createTransport(need.fetch, need.clock),
    cache: sessionCache(),
  })
  const claims = mergeClaims(input.claims, input.authContext)
  return application.getAuthCodeUrl({
    scopes: SCOPES,
    redirectUri: redirectUri(need.config),
    responseMode: 'query',
    state: input.state,
    nonce: input.nonce,
    codeChallenge: input.codeChallenge,
    codeChallengeMethod: 'S256',
    ...(input.prompt !== undefined && { prompt: input.prompt }),
    ...(input.loginHint !== undefined && { loginHint: input.loginHint }),
    ...(claims !== undefined && { claims }),
    // MSAL's own option `maxAge` has no effect.
    ...(input.maxAgeSeconds !== undefined && {
      extraQueryParameters: { max_age: String(input.maxAgeSeconds) },
    }),
  })
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * Combines a claims challenge from Microsoft with the authentication context to request. A
 * challenge that is not a JSON object is dropped.
 */
function mergeClaims(
  challenge: string | undefined,
  authContext: string | undefined,
): string | undefined {
  let claims: Record<string, unknown> = {}
  try {
    const parsed: unknown = challenge === undefined ? {} : JSON.parse(challenge)
    if (isObject(parsed)) claims = parsed
  } catch {
    // An unreadable challenge is dropped, and Microsoft challenges the user again.
  }
  if (authContext !== undefined)
    claims.id_token = {
      ...(isObject(claims.id_token) ? claims.id_token : {}),
      acrs: { essential: true, value: authContext },
    }
  return Object.keys(claims).length === 0 ? undefined : JSON.stringify(claims)
}

async function redeemCode(
  need: Need,
  directory: Directory,
  input: Parameters<Microsoft['redeemCode']>[0],
): Promise<MicrosoftIdentity> {
  const { config } = need
  const connection = need.connection()
  const tenant = tenantFor(connection, input.tid)
  const discovery = await directory.discovery(tenant).catch(outage)
  const transport = createTransport(need.fetch, need.clock)
  const cache = sessionCache()
  const application = await openApplication({
    config,
    connection,
    tenant,
    discovery,
    transport,
    cache,
  })
  const result = await application
    .acquireTokenByCode({
      code: input.code,
      codeVerifier: input.codeVerifier,
      nonce: input.nonce,
      scopes: SCOPES,
      redirectUri: redirectUri(config),
    })
    .catch((error: unknown) => rejected(error, transport))
  const identity = await verifyIdToken(directory, result.idToken, {
    clientId: connection.clientId ?? '',
    tenants: connection.tenants,
    tid: tenant === 'organizations' ? undefined : tenant,
    nonce: input.nonce,
    now: input.now,
  })
  return {
    ...identity,
    user: { ...identity.user, homeId: homeIdOf(result.account?.homeAccountId) },
    clockOffsetSeconds: transport.clockOffsetSeconds,
    cache: cache.serialized ?? application.getTokenCache().serialize(),
  }
}

/** Returns MSAL's account id in the form `uid.utid`, or undefined if it has another form. */
const homeIdOf = (value: string | undefined): string | undefined =>
  value !== undefined && /^[\w-]{8,64}\.[\w-]{8,64}$/.test(value) ? value.toLowerCase() : undefined

async function logoutUrl(
  need: Need,
  directory: Directory,
  input: { tid: string; logoutHint?: string | undefined },
): Promise<string> {
  // Sign-out must not depend on Microsoft's metadata: without it, the documented address is used.
  const documented = `${need.config.entra.authority}/${encodeURIComponent(input.tid)}/oauth2/v2.0/logout`
  const known = need.connection().tenants.includes(input.tid)
  const endpoint = known
    ? await directory.discovery(input.tid).then(
        (found) => found.endSessionEndpoint,
        () => documented,
      )
    : documented
  const url = new URL(endpoint)
  url.searchParams.set('post_logout_redirect_uri', `${need.config.issuer}/logout/return`)
  if (input.logoutHint !== undefined) url.searchParams.set('logout_hint', input.logoutHint)
  return url.href
}
