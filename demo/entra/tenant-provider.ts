import { randomBytes, randomUUID } from 'node:crypto'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import type { Account, AdapterPayload, Configuration } from 'oidc-provider'
import { DETAIL, inject } from './inject.ts'
import { Provider } from './oidc-provider.ts'
import { INNER_COOKIE, REFRESH_SECONDS, settings } from './provider-settings.ts'
import { ORDINARY_MEMBER, type User, type Tenant } from './users.ts'
import { createTokenStore } from './token-store.ts'
import type { SignIn, World } from './world.ts'

/**
 * One tenant as an OpenID provider, on `oidc-provider`: codes, PKCE, tokens, signatures. User and
 * client are authenticated before it is called, so it knows clients by one inner secret that never
 * leaves this process.
 */

interface AuthorizeParameters {
  redirectUri: string
  scope: string
  nonce?: string | undefined
  codeChallenge?: string | undefined
  codeChallengeMethod?: string | undefined
}

async function newKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true })
  return {
    ...(await exportJWK(privateKey)),
    kid: randomBytes(20).toString('base64url'),
    use: 'sig',
    alg: 'RS256',
  }
}

export class TenantProvider {
  readonly #world: World
  readonly tenant: Tenant
  readonly #store = createTokenStore((id) => this.#client(id))
  readonly #innerSecret = randomBytes(24).toString('base64url')
  /** The published keys. The first one signs. */
  #keys: JWK[]
  #provider: Provider

  static async open(world: World, tenant: Tenant): Promise<TenantProvider> {
    return new TenantProvider(world, tenant, await newKey())
  }

  constructor(world: World, tenant: Tenant, key: JWK) {
    this.#world = world
    this.tenant = tenant
    this.#keys = [key]
    this.#provider = this.#build()
  }

  get signingKey(): JWK {
    return this.#keys[0]!
  }

  publicKeys(): JWK[] {
    return this.#keys.map(({ kty, kid, use, alg, n, e }) => ({
      kty: kty!,
      kid: kid!,
      use: use!,
      alg: alg!,
      n: n!,
      e: e!,
    }))
  }

  /** Adds a key that signs from now on. The old ones stay published, unless they are dropped. */
  async rotateKeys(dropOld = false): Promise<void> {
    this.#keys = [await newKey(), ...(dropOld ? [] : this.#keys.slice(0, 3))]
    this.#provider = this.#build()
  }

  /** Issues a code for a finished sign-in, or returns why there is none. */
  async issueCode(
    signIn: Omit<SignIn, 'grantId'>,
    parameters: AuthorizeParameters,
  ): Promise<{ code: string } | { error: string; description: string }> {
    const provider = this.#provider
    const grant = new provider.Grant({ clientId: signIn.clientId, accountId: signIn.oid })
    grant.addOIDCScope(parameters.scope)
    const grantId = await grant.save()
    this.#world.signIns.set(grantId, { ...signIn, grantId }, REFRESH_SECONDS * 1000)
    const id = randomUUID()
    const { switches } = this.#world
    const session = Object.assign(new provider.Session(), {
      jti: id,
      uid: randomUUID(),
      accountId: signIn.oid,
      authorizations: { [signIn.clientId]: { sid: signIn.sid, grantId } },
      ...(switches.authTime && !switches.omitClaims.includes('auth_time')
        ? { loginTs: signIn.authTime }
        : {}),
      ...(switches.amr ? { amr: signIn.mfa ? ['pwd', 'mfa'] : ['pwd'] } : {}),
    })
    await session.save(60)
    const query = new URLSearchParams({
      response_type: 'code',
      client_id: signIn.clientId,
      redirect_uri: parameters.redirectUri,
      scope: parameters.scope,
    })
    if (parameters.nonce !== undefined) query.set('nonce', parameters.nonce)
    if (parameters.codeChallenge !== undefined)
      query.set('code_challenge', parameters.codeChallenge)
    if (parameters.codeChallengeMethod !== undefined)
      query.set('code_challenge_method', parameters.codeChallengeMethod)
    const answer = await inject(provider.callback(), {
      method: 'GET',
      url: `/auth?${query}`,
      headers: {
        host: new URL(this.#world.origin).host,
        cookie: `${INNER_COOKIE}=${id}`,
        accept: 'text/html',
      },
    })
    await session.destroy()
    const back = answer.location ? new URL(answer.location).searchParams : undefined
    const code = back?.get('code')
    if (code) return { code }
    return {
      error: back?.get('error') ?? 'server_error',
      description: back?.get('error_description') ?? answer.body.slice(0, 500),
    }
  }

  /** Returns the sign-in of a refresh token, whether or not it is still valid. */
  async signInOf(refreshToken: string): Promise<SignIn | undefined> {
    const found = await this.#provider.RefreshToken.find(refreshToken)
    return found?.grantId ? this.#world.signIns.get(found.grantId) : undefined
  }

  /** Returns the sign-in of an unused code. */
  async signInOfCode(code: string): Promise<SignIn | undefined> {
    const found = await this.#provider.AuthorizationCode.find(code)
    return found?.grantId ? this.#world.signIns.get(found.grantId) : undefined
  }

  /** The token endpoint, for an authenticated client. */
  async token(
    clientId: string,
    form: URLSearchParams,
  ): Promise<{ status: number; body: Record<string, unknown>; detail: string }> {
    const inner = new URLSearchParams(form)
    for (const name of ['client_secret', 'client_assertion', 'client_assertion_type', 'client_id'])
      inner.delete(name)
    inner.set('client_id', clientId)
    inner.set('client_secret', this.#innerSecret)
    if (inner.get('grant_type') === 'refresh_token') inner.delete('scope')
    const answer = await inject(this.#provider.callback(), {
      method: 'POST',
      url: '/token',
      headers: { host: new URL(this.#world.origin).host, accept: 'application/json' },
      body: inner.toString(),
    })
    return {
      status: answer.status,
      body: JSON.parse(answer.body) as Record<string, unknown>,
      detail: decodeURIComponent(answer.detail ?? ''),
    }
  }

  async userinfo(authorization: string): Promise<{ status: number; body: string }> {
    return inject(this.#provider.callback(), {
      method: 'GET',
      url: '/userinfo',
      headers: {
        host: new URL(this.#world.origin).host,
        accept: 'application/json',
        authorization,
      },
    })
  }

  #client(id: string): AdapterPayload | undefined {
    const app = this.#world.apps.get(id)
    if (!app) return undefined
    return {
      client_id: app.clientId,
      client_secret: this.#innerSecret,
      client_name: app.name,
      redirect_uris: app.redirectUris,
      response_types: ['code'],
      grant_types: ['authorization_code', 'refresh_token'],
      token_endpoint_auth_method: 'client_secret_post',
      subject_type: 'pairwise',
      // Required for redirect addresses on several hosts. It has no effect, because
      // `pairwiseIdentifier` below decides.
      sector_identifier_uri: 'https://sector.invalid/',
      id_token_signed_response_alg: 'RS256',
    }
  }

  #claims(user: User, signIn: SignIn): Record<string, unknown> {
    const { switches } = this.#world
    const issuedAt = this.#world.now() - switches.iatBackSeconds
    const claims: Record<string, unknown> = {
      tid: user.tid,
      oid: user.oid,
      name: user.name,
      preferred_username: user.upn,
      email: user.upn,
      sid: signIn.sid,
      login_hint: this.#world.loginHintOf(user),
      ver: '2.0',
      uti: randomBytes(16).toString('base64url'),
      rh: `1.${randomBytes(12).toString('base64url')}.`,
      nbf: issuedAt,
      iat: issuedAt,
      wids: user.wids.length > 0 ? user.wids : [ORDINARY_MEMBER],
    }
    if (signIn.acrs.length > 0) claims['acrs'] = signIn.acrs
    if (user.roles.length > 0) claims['roles'] = user.roles
    if (signIn.kmsi) claims['signin_state'] = ['kmsi']
    for (const name of switches.omitClaims) delete claims[name]
    return claims
  }

  #build(): Provider {
    const world = this.#world
    const configuration: Configuration = {
      ...settings(world),
      adapter: this.#store,
      jwks: { keys: this.#keys },
      pairwiseIdentifier: (_ctx, accountId, client) =>
        world.pairwiseSub(this.tenant.tid, accountId, client.clientId),
      findAccount: (_ctx, oid, token) =>
        this.#account(oid, token && 'grantId' in token ? token.grantId : undefined),
      loadExistingGrant: async (ctx) => {
        const clientId = ctx.oidc.client?.clientId
        const grantId = clientId && ctx.oidc.session?.grantIdFor(clientId)
        return grantId ? this.#provider.Grant.find(grantId) : undefined
      },
    }
    const provider = new Provider(world.issuerOf(this.tenant.tid), configuration)
    provider.silent = true
    provider.on('grant.error', (ctx, error) =>
      ctx.res.setHeader(DETAIL, encodeURIComponent(error.error_detail ?? '')),
    )
    return provider
  }

  #account(oid: string, grantId: string | undefined): Account | undefined {
    const world = this.#world
    const user = world.userById(this.tenant.tid, oid)
    if (!user) return undefined
    return {
      accountId: oid,
      claims: () => {
        const signIn = grantId ? world.signIns.get(grantId) : undefined
        return { sub: oid, ...(signIn ? this.#claims(user, signIn) : {}) }
      },
    }
  }
}
