import { expect, test } from 'vitest'
import { CONTOSO } from '../../demo/entra/users.ts'
import { entra } from './relying-party.ts'

/** The fields of the live document since 2026-07-13. */
const FIELDS = [
  'issuer',
  'authorization_endpoint',
  'token_endpoint',
  'jwks_uri',
  'userinfo_endpoint',
  'device_authorization_endpoint',
  'end_session_endpoint',
  'response_types_supported',
  'response_modes_supported',
  'subject_types_supported',
  'scopes_supported',
  'id_token_signing_alg_values_supported',
  'token_endpoint_auth_methods_supported',
  'claims_supported',
  'tenant_region_scope',
  'cloud_instance_name',
  'cloud_graph_host_name',
  'msgraph_host',
  'rbac_url',
  'http_logout_supported',
  'frontchannel_logout_supported',
  'request_uri_parameter_supported',
  'kerberos_endpoint',
  'mtls_endpoint_aliases',
  'tls_client_certificate_bound_access_tokens',
]

test.each([CONTOSO.tid, CONTOSO.domain, 'organizations', 'common'])(
  'the discovery document of %s has every field Entra’s has, with Entra’s values',
  async (tenant) => {
    const at = await entra()
    const document = (await (
      await fetch(`${at.origin}/${tenant}/v2.0/.well-known/openid-configuration`)
    ).json()) as Record<string, unknown>
    for (const field of FIELDS) expect(document).toHaveProperty(field)
    expect(document).toMatchObject({
      subject_types_supported: ['pairwise'],
      http_logout_supported: true,
      frontchannel_logout_supported: true,
      request_uri_parameter_supported: false,
      tls_client_certificate_bound_access_tokens: true,
      scopes_supported: expect.arrayContaining(['openid', 'profile', 'email', 'offline_access']),
      token_endpoint_auth_methods_supported: expect.arrayContaining([
        'client_secret_post',
        'client_secret_basic',
        'private_key_jwt',
      ]),
      claims_supported: expect.arrayContaining([
        'sub',
        'iss',
        'aud',
        'exp',
        'iat',
        'tid',
        'name',
        'preferred_username',
        'email',
        'nonce',
        'ver',
      ]),
    })
    expect(document['id_token_signing_alg_values_supported']).toEqual(['RS256'])
    for (const absent of ['backchannel_logout_supported', 'pushed_authorization_request_endpoint'])
      expect(document).not.toHaveProperty(absent)
    expect(document['issuer']).toBe(
      `${at.origin}/${tenant === 'organizations' || tenant === 'common' ? '{tenantid}' : CONTOSO.tid}/v2.0`,
    )
  },
)

test('keys of one tenant, and of all at organizations; none that is private', async () => {
  const at = await entra()
  const keysOf = async (tenant: string) =>
    (
      (await (await fetch(`${at.origin}/${tenant}/discovery/v2.0/keys`)).json()) as {
        keys: Record<string, unknown>[]
      }
    ).keys
  expect(await keysOf(CONTOSO.tid)).toHaveLength(1)
  const all = await keysOf('organizations')
  expect(all).toHaveLength(3)
  for (const key of all) expect(key).not.toHaveProperty('d')
  expect((await fetch(`${at.origin}/nowhere/discovery/v2.0/keys`)).status).toBe(400)
})
