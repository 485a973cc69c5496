import { importJWK, jwtVerify, SignJWT } from 'jose'
import { randomUUID } from 'node:crypto'
import { EntraError } from '../aadsts.ts'
import type { AppRegistration } from '../users.ts'
import type { Site } from '../site.ts'

/** Application-only tokens for Graph. Their `roles` decide which calls are allowed. */

const GRAPH = 'https://graph.microsoft.com'
const LIFETIME = 3599

export interface GraphCaller {
  tid: string
  clientId: string
  roles: string[]
}

export async function issueAppToken(
  site: Site,
  tid: string,
  app: AppRegistration,
  scope: string,
): Promise<Record<string, unknown>> {
  const { world } = site
  if (!scope.endsWith('/.default'))
    throw new EntraError(70011, 'An application asks for <resource>/.default.')
  if (world.switches.appMissingIn.includes(tid)) throw new EntraError(700016)
  if (world.switches.appDisabledIn.includes(tid)) throw new EntraError(7000112)
  const provider = await site.provider(tid)
  const now = world.now()
  const consented = (world.switches.consent[tid] ?? 'granted') === 'granted'
  const token = await new SignJWT({
    appid: app.clientId,
    tid,
    ver: '1.0',
    roles: consented ? app.graphRoles : [],
    uti: randomUUID(),
  })
    .setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid: provider.signingKey.kid! })
    .setIssuer(world.issuerOf(tid))
    .setAudience(GRAPH)
    .setSubject(app.clientId)
    .setIssuedAt(now)
    .setNotBefore(now)
    .setExpirationTime(now + LIFETIME)
    .sign(await importJWK(provider.signingKey, 'RS256'))
  return {
    token_type: 'Bearer',
    expires_in: LIFETIME,
    ext_expires_in: LIFETIME,
    access_token: token,
  }
}

/** Returns the caller; undefined where there is no token, or a foreign one. */
export async function readAppToken(
  site: Site,
  authorization: string | undefined,
): Promise<GraphCaller | undefined> {
  const token = /^Bearer (.+)$/i.exec(authorization ?? '')?.[1]
  if (!token) return undefined
  for (const provider of await site.providers()) {
    for (const key of provider.publicKeys()) {
      try {
        const { payload } = await jwtVerify(token, await importJWK(key, 'RS256'), {
          audience: GRAPH,
          issuer: site.world.issuerOf(provider.tenant.tid),
          currentDate: new Date(site.world.clock.nowMs()),
          clockTolerance: 90_000,
        })
        return {
          tid: String(payload['tid']),
          clientId: String(payload['appid']),
          roles: Array.isArray(payload['roles']) ? payload['roles'].map(String) : [],
        }
      } catch {
        // Continues with another key, or another tenant.
      }
    }
  }
  return undefined
}
