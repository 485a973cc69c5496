import type { Directory } from './directory.ts'
import { openApplication, sessionCache } from './application.ts'
import { type Microsoft, MicrosoftRejection, type Renewal } from './interface.ts'
import { type Need, outage, rejected, SCOPES } from './asking.ts'
import { createTransport } from './transport.ts'
import { verifyIdToken } from './verify.ts'

/**
 * Redeems the refresh token of one session. This is the strongest check of a session, because it
 * detects users who were revoked, disabled or deleted. It uses one MSAL application over this
 * session's cache only, and rejects tokens of another user.
 */
export async function renew(
  need: Need,
  directory: Directory,
  input: Parameters<Microsoft['renew']>[0],
): Promise<Renewal | undefined> {
  const { user, now } = input
  const connection = need.connection()
  if (!connection.tenants.includes(user.tid))
    throw new MicrosoftRejection('tenant_not_connected', { effect: 'nothing' })
  const discovery = await directory.discovery(user.tid).catch(outage)
  const transport = createTransport(need.fetch, need.clock)
  const cache = sessionCache(input.cache)
  const application = await openApplication({
    config: need.config,
    connection,
    tenant: user.tid,
    discovery,
    transport,
    cache,
  })
  const account = (await application.getTokenCache().getAllAccounts()).find(
    (accountInfo) => accountInfo.localAccountId.toLowerCase() === user.oid,
  )
  if (account === undefined) return undefined
  await application
    .acquireTokenSilent({ account, scopes: SCOPES, forceRefresh: true })
    .catch((error: unknown) => {
      // MSAL sent no request because the cache has no refresh token.
      if (transport.answer === undefined && transport.outage === undefined && hasNone(error))
        return undefined
      return rejected(error, transport)
    })
  if (transport.answer === undefined || cache.serialized === undefined) return undefined
  const idToken = transport.answer.body.id_token
  if (typeof idToken !== 'string') return { cache: cache.serialized, roles: undefined }
  const expected = {
    clientId: connection.clientId ?? '',
    tenants: connection.tenants,
    tid: user.tid,
    nonce: undefined,
    now,
  }
  const identity = await verifyIdToken(directory, idToken, expected)
  if (identity.user.oid !== user.oid)
    throw new MicrosoftRejection('untrusted_token', {
      effect: 'nothing',
      cause: new Error('ID token: of another user than the session'),
    })
  return { cache: cache.serialized, roles: identity.roles, directoryRoles: identity.directoryRoles }
}

const hasNone = (error: unknown): boolean =>
  /no_tokens_found|no_account/.test((error as { errorCode?: unknown }).errorCode?.toString() ?? '')
