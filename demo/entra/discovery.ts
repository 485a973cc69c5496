import { Hono } from 'hono'
import { EntraError } from './aadsts.ts'
import type { Site } from './site.ts'

/**
 * Metadata and keys, with every field of the live document. For `organizations` the issuer is a
 * template with a literal `{tenantid}`.
 */

const WIDE = new Set(['organizations', 'common', 'consumers'])

const CLAIMS = [
  'sub',
  'iss',
  'cloud_instance_name',
  'cloud_instance_host_name',
  'cloud_graph_host_name',
  'msgraph_host',
  'aud',
  'exp',
  'iat',
  'auth_time',
  'acr',
  'nonce',
  'preferred_username',
  'name',
  'tid',
  'ver',
  'at_hash',
  'c_hash',
  'email',
]

function discoveryDocument(
  origin: string,
  segment: string,
  issuerTid: string,
): Record<string, unknown> {
  const base = `${origin}/${segment}`
  return {
    token_endpoint: `${base}/oauth2/v2.0/token`,
    token_endpoint_auth_methods_supported: [
      'client_secret_post',
      'private_key_jwt',
      'client_secret_basic',
      'self_signed_tls_client_auth',
    ],
    jwks_uri: `${base}/discovery/v2.0/keys`,
    response_modes_supported: ['query', 'fragment', 'form_post'],
    subject_types_supported: ['pairwise'],
    id_token_signing_alg_values_supported: ['RS256'],
    response_types_supported: ['code', 'id_token', 'code id_token', 'id_token token'],
    scopes_supported: ['openid', 'profile', 'email', 'offline_access'],
    issuer: `${origin}/${issuerTid}/v2.0`,
    request_uri_parameter_supported: false,
    userinfo_endpoint: `${origin}/graph/oidc/userinfo`,
    authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
    device_authorization_endpoint: `${base}/oauth2/v2.0/devicecode`,
    http_logout_supported: true,
    frontchannel_logout_supported: true,
    end_session_endpoint: `${base}/oauth2/v2.0/logout`,
    claims_supported: CLAIMS,
    kerberos_endpoint: `${base}/kerberos`,
    mtls_endpoint_aliases: { token_endpoint: `${base}/oauth2/v2.0/token` },
    tls_client_certificate_bound_access_tokens: true,
    tenant_region_scope: WIDE.has(segment) ? null : 'OC',
    cloud_instance_name: new URL(origin).host,
    cloud_graph_host_name: `${new URL(origin).host}/graph`,
    msgraph_host: `${new URL(origin).host}/graph`,
    rbac_url: `${origin}/rbac`,
  }
}

export function discoveryEndpoints(site: Site): Hono {
  const { world } = site
  const app = new Hono()
  app.get('/:tenant/v2.0/.well-known/openid-configuration', async (c) => {
    const trouble = await site.trouble('metadata')
    if (trouble?.retryAfter) c.header('Retry-After', trouble.retryAfter)
    if (trouble) return c.json(trouble.error.body(world.clock.nowMs()), trouble.error.status as 503)
    const segment = c.req.param('tenant')
    const tid = WIDE.has(segment) ? '{tenantid}' : world.tenant(segment)?.tid
    if (tid === undefined) return c.json(new EntraError(90002).body(world.clock.nowMs()), 400)
    c.header('Cache-Control', 'max-age=86400, private')
    return c.json(discoveryDocument(world.origin, tid === '{tenantid}' ? segment : tid, tid))
  })
  app.get('/:tenant/discovery/v2.0/keys', async (c) => {
    const trouble = await site.trouble('metadata')
    if (trouble?.retryAfter) c.header('Retry-After', trouble.retryAfter)
    if (trouble) return c.json(trouble.error.body(world.clock.nowMs()), trouble.error.status as 503)
    const segment = c.req.param('tenant')
    const wide = WIDE.has(segment)
    const tid = world.tenant(segment)?.tid
    if (!wide && tid === undefined)
      return c.json(new EntraError(90002).body(world.clock.nowMs()), 400)
    const providers = wide
      ? await Promise.all(world.tenants.map((tenant) => site.provider(tenant.tid)))
      : [await site.provider(tid!)]
    return c.json({
      keys: providers.flatMap((provider) =>
        provider
          .publicKeys()
          .map((key) => ({ ...key, issuer: world.issuerOf(provider.tenant.tid) })),
      ),
    })
  })
  app.get('/graph/oidc/userinfo', async (c) => {
    for (const provider of await site.providers()) {
      const { status, body } = await provider.userinfo(c.req.header('authorization') ?? '')
      if (status === 200) return c.json(JSON.parse(body) as Record<string, unknown>)
    }
    return c.json(
      {
        error: {
          code: 'InvalidAuthenticationToken',
          message: 'Access token is empty or not one of ours.',
        },
      },
      401,
    )
  })
  app.post('/:tenant/oauth2/v2.0/devicecode', (c) =>
    c.json(
      new EntraError(70003, 'The simulator has no device code flow.').body(world.clock.nowMs()),
      400,
    ),
  )
  return app
}
