import { createLocalJWKSet, decodeJwt, importX509, jwtVerify, type JWTPayload } from 'jose'
import { X509Certificate, createHash, timingSafeEqual } from 'node:crypto'
import { EntraError } from './aadsts.ts'
import type { AppRegistration } from './users.ts'
import type { World } from './world.ts'

/**
 * Authenticates an application at the token endpoint: by secret, certificate, or an assertion of an
 * issuer that it trusts.
 */

const ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const FEDERATED_AUDIENCE = 'api://AzureADTokenExchange'

export async function authenticateApp(
  world: World,
  form: URLSearchParams,
  authorization: string | undefined,
): Promise<AppRegistration> {
  const basic = basicCredentials(authorization)
  const assertion = form.get('client_assertion')
  const clientId =
    basic?.id ??
    form.get('client_id') ??
    (assertion === null ? undefined : subjectOf(assertion)) ??
    ''
  const app = world.apps.get(clientId)
  if (!app) throw new EntraError(700016, `Application with identifier '${clientId.slice(0, 60)}'.`)
  if (world.switches.credentialExpired) throw new EntraError(7000222)
  if (assertion !== null) {
    if (form.get('client_assertion_type') !== ASSERTION) throw new EntraError(7000218)
    await verifyAssertion(world, app, assertion)
    return app
  }
  const secret = basic?.secret ?? form.get('client_secret')
  if (secret === null || secret === '') throw new EntraError(7000218)
  checkSecret(world, app, secret)
  return app
}

function checkSecret(world: World, app: AppRegistration, presented: string): void {
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest()
  const found = app.secrets.find((secret) => timingSafeEqual(hash(secret.value), hash(presented)))
  if (!found) throw new EntraError(7000215)
  if (found.expiresAt !== undefined && found.expiresAt <= world.clock.now())
    throw new EntraError(7000222)
}

function basicCredentials(header: string | undefined): { id: string; secret: string } | undefined {
  if (!header?.toLowerCase().startsWith('basic ')) return undefined
  const [id, secret] = Buffer.from(header.slice(6), 'base64').toString('utf8').split(':', 2)
  return id === undefined || secret === undefined
    ? undefined
    : { id: decodeURIComponent(id), secret: decodeURIComponent(secret) }
}

function subjectOf(assertion: string): string | undefined {
  try {
    return decodeJwt(assertion).sub
  } catch {
    return undefined
  }
}

async function verifyAssertion(
  world: World,
  app: AppRegistration,
  assertion: string,
): Promise<void> {
  const payload =
    (await byCertificate(world, app, assertion)) ?? (await byFederation(world, app, assertion))
  if (!payload) throw new EntraError(700027)
}

async function byCertificate(
  world: World,
  app: AppRegistration,
  assertion: string,
): Promise<JWTPayload | undefined> {
  for (const pem of app.certificates) {
    const until = Date.parse(new X509Certificate(pem).validTo)
    if (until <= world.clock.nowMs()) continue
    for (const algorithm of ['PS256', 'RS256']) {
      try {
        const key = await importX509(pem, algorithm)
        const { payload } = await jwtVerify(assertion, key, {
          algorithms: [algorithm],
          issuer: app.clientId,
          subject: app.clientId,
          clockTolerance: 300,
          currentDate: new Date(world.clock.nowMs()),
        })
        if (isTokenEndpoint(world, payload.aud)) return payload
      } catch {
        // Continues with the other padding or the next certificate.
      }
    }
  }
  return undefined
}

async function byFederation(
  world: World,
  app: AppRegistration,
  assertion: string,
): Promise<JWTPayload | undefined> {
  for (const credential of app.federated) {
    try {
      const { payload } = await jwtVerify(assertion, createLocalJWKSet(credential.jwks), {
        issuer: credential.issuer,
        subject: credential.subject,
        audience: credential.audience ?? FEDERATED_AUDIENCE,
        clockTolerance: 300,
        currentDate: new Date(world.clock.nowMs()),
      })
      return payload
    } catch {
      // Continues with the next credential.
    }
  }
  return undefined
}

/**
 * Returns whether the audience is a token endpoint of this authority. MSAL names it with https,
 * even where it is called over http.
 */
function isTokenEndpoint(world: World, audience: string | string[] | undefined): boolean {
  if (typeof audience !== 'string' || !URL.canParse(audience)) return false
  const url = new URL(audience)
  return (
    url.host === new URL(world.origin).host && /^\/[^/]+\/oauth2\/v2\.0\/token$/.test(url.pathname)
  )
}
