import type { Configuration, KoaContextWithOIDC } from 'oidc-provider'
import type { World } from './world.ts'

/** The settings of `oidc-provider`, the same for every tenant. */

const HOUR = 3600
export const REFRESH_SECONDS = 90 * 24 * HOUR
const SCOPES = ['openid', 'profile', 'email', 'offline_access', 'User.Read']
export const INNER_COOKIE = 'inner'
const CLAIMS = [
  'sub',
  'tid',
  'oid',
  'name',
  'preferred_username',
  'email',
  'sid',
  'login_hint',
  'auth_time',
  'acrs',
  'amr',
  'roles',
  'wids',
  'ver',
  'uti',
  'rh',
  'signin_state',
  'tenant_region_sub_scope',
  'nbf',
  'iat',
  'aio',
]

/** Returns a new settings object for each provider. */
export function settings(world: World): Configuration {
  return {
    scopes: SCOPES,
    claims: { openid: CLAIMS, profile: [], email: [] },
    subjectTypes: ['pairwise'],
    sectorIdentifierUriValidate: () => false,
    cookies: { names: { session: INNER_COOKIE, interaction: 'inner_i', resume: 'inner_r' } },
    features: {
      devInteractions: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      resourceIndicators: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      dPoP: { enabled: false },
    },
    interactions: { policy: [], url: () => '/' },
    pkce: { required: () => false },
    conformIdTokenClaims: true,
    clientBasedCORS: () => false,
    expiresWithSession: () => false,
    issueRefreshToken: (_ctx, _client, code) =>
      Boolean(code.grantId && world.signIns.get(code.grantId)?.offline),
    rotateRefreshToken: true,
    ttl: lifetimes(world),
    renderError: (ctx: KoaContextWithOIDC, out) => {
      ctx.type = 'json'
      ctx.body = out
    },
  }
}

const lifetimes = (world: World): Configuration['ttl'] => ({
  AccessToken: HOUR + 600,
  AuthorizationCode: 600,
  Grant: REFRESH_SECONDS,
  RefreshToken: REFRESH_SECONDS,
  Session: 60,
  Interaction: 60,
  // `iat` is set by the simulator, so that a skewed clock shows; the expiry moves with it.
  IdToken: () => Math.max(1, HOUR + world.now() - Math.floor(Date.now() / 1000)),
})
