import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Hono } from 'hono'
import type { Session } from '../../db/types.ts'
import { ACR_MFA, adminAudience } from '../../src/protocol/names.ts'
import { requestRevocation } from '../../src/revocation/revoke.ts'
import { CHALLENGE, createRig, type RegisteredClient, type Rig, VERIFIER } from '../rig.ts'
import { browserAt } from '../browser.ts'
import { authorizePath, createBrowser, fieldsOf, linkOf } from '../signin/browser.ts'
import { type Whole, wholeRequests } from './whole.ts'

/**
 * A broker with everything that a request could name: clients of each kind, a signed-in user,
 * tokens, codes, and unfinished pages.
 */

export interface Armed {
  /** Valid values by parameter or field name. */
  known: Readonly<Record<string, readonly string[]>>
  authorization: readonly string[]
  cookies: readonly string[]
  /** The same for the operators' listener: the admin API's tokens, and the console's cookie. */
  operators: { authorization: readonly string[]; cookies: readonly string[] }
  /** Valid requests, for the fuzzer to break. */
  whole: readonly Whole[]
  /** Texts that may be in no answer and in no log line. */
  secrets: readonly string[]
}

const GRANTS = [
  'authorization_code',
  'refresh_token',
  'client_credentials',
  'urn:ietf:params:oauth:grant-type:token-exchange',
] as const

export interface Target {
  of: 'public' | 'operators'
  app: Hono
  origin: string
}

export async function openTargets(
  onEnd: (close: () => Promise<void>) => void,
): Promise<{ rig: Rig; apps: Target[] }> {
  // An issuer whose signals the broker accepts. It uses the broker's own keys, which saves making
  // others.
  let keys = (): unknown => ({ keys: [] })
  const issuers = createServer((_request, response) =>
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(keys())),
  )
  await new Promise<void>((ready) => issuers.listen(0, '127.0.0.1', ready))
  const jwksUri = `http://127.0.0.1:${(issuers.address() as AddressInfo).port}/jwks`
  const known = { jwksUri, audience: 'broker', subject: 'opaque' as const, tenants: undefined }
  const rig = await createRig({
    config: {
      signals: {
        probeEverySeconds: 0,
        graph: { tenants: 'all', origin: 'https://graph.microsoft.com' },
        revokeAtMicrosoft: [],
        risk: [],
        issuers: [
          { ...known, issuer: 'https://issuer.example', kind: 'secevent' },
          { ...known, issuer: 'https://provider.example', kind: 'oidc' },
        ],
      },
    },
    onEnd: (close) =>
      onEnd(async () => {
        issuers.closeAllConnections()
        await new Promise((done) => issuers.close(done))
        await close()
      }),
  })
  keys = () => rig.keys.jwks()
  return {
    rig,
    apps: [
      { of: 'public', app: rig.app, origin: rig.config.issuer },
      { of: 'public', app: rig.tenantApp, origin: rig.config.issuer },
      { of: 'operators', app: rig.opsApp, origin: rig.config.opsOrigin },
    ],
  }
}

async function clientsOf(
  rig: Rig,
): Promise<{ confidential: RegisteredClient; open: RegisteredClient; machine: RegisteredClient }> {
  const confidential = await rig.register('Sydney', {
    grants: [...GRANTS],
    requirePkce: false,
    exchangeFrom: ['melbourne'],
  })
  const open = await rig.register('Melbourne', {
    authMethod: 'none',
    grants: [...GRANTS],
    allowedOrigins: ['https://melbourne.case-manager.example'],
    exchangeFrom: ['sydney'],
  })
  const machine = await rig.register('Machine', {
    grants: ['client_credentials'],
    scopes: ['broker:operate', 'broker:administer'],
  })
  return { confidential, open, machine }
}

/**
 * Sets everything up again: earlier requests may have signed the user out, removed the clients or
 * used the codes.
 */
export async function arm(rig: Rig): Promise<Armed> {
  const { confidential, open, machine } = await clientsOf(rig)
  const { session, cookie, cookieHeader } = await rig.openSession({
    roles: ['CaseManager.User', 'Broker.Operator', 'Broker.Administrator'],
  })
  const tokens = await rig.signInAt(session.sid, confidential)
  const codes = [
    await rig.issueCode(session.sid, confidential),
    await rig.issueCode(session.sid, open),
  ].map((grant) => grant.code)
  const administrator = await tokenOf(rig, machine, 'broker:administer')
  const operator = await tokenOf(rig, machine, 'broker:operate')
  const half = await halfWay(rig, confidential)
  const requestUri = await pushed(rig, confidential)
  const desk = await atTheConsole(rig, session)
  const ended = await rig.openSession({ user: { oid: '00000000-0000-4000-8000-00000000b0bb' } })
  await rig.signInAt(ended.session.sid, confidential)
  await requestRevocation(rig.deps, {
    selector: { kind: 'session', sid: ended.session.sid },
    reason: 'administrator',
    actor: { kind: 'operator', id: 'olga' },
    now: rig.clock.now(),
  })
  const other = await rig.openSession({ user: { oid: '00000000-0000-4000-8000-00000000b0bb' } })
  const spare = await rig.signInAt(session.sid, confidential)
  const whole = await wholeRequests(rig, {
    confidential,
    machine,
    sid: other.session.sid,
    sub: other.session.sub,
    accessToken: spare.access_token,
    refreshToken: spare.refresh_token ?? '',
    idToken: spare.id_token ?? '',
    code: (await rig.issueCode(session.sid, confidential)).code,
    administrator,
    cookie: cookieHeader,
    passCookie: desk.cookies,
    deliveryId: rig.queue.added.at(-1)?.id ?? '',
    head: await rig.store.head(),
  })
  const [redirectUri = '', postLogoutRedirectUri = ''] = [
    confidential.metadata.redirectUris[0],
    confidential.metadata.postLogoutRedirectUris[0],
  ]
  const bearer = [tokens.access_token, administrator, operator]
  return {
    known: {
      client_id: [confidential.clientId, open.clientId, machine.clientId],
      id: [confidential.clientId, open.clientId, machine.clientId],
      client_secret: [confidential.secret, machine.secret],
      client_assertion_type: ['urn:ietf:params:oauth:client-assertion-type:jwt-bearer'],
      client_assertion: [tokens.id_token ?? ''],
      redirect_uri: [redirectUri, open.metadata.redirectUris[0] ?? ''],
      post_logout_redirect_uri: [postLogoutRedirectUri],
      response_type: ['code', 'token'],
      response_mode: ['query', 'form_post', 'fragment'],
      scope: [
        'openid',
        'openid profile email offline_access',
        'broker:operate',
        'broker:administer',
      ],
      state: ['state-1', half.state],
      nonce: ['nonce-1'],
      prompt: ['none', 'login', 'select_account', 'consent', 'login consent'],
      max_age: ['0', '1', '10000'],
      acr_values: [ACR_MFA],
      claims: [
        '{"userinfo":{"name":{"essential":true}}}',
        `{"id_token":{"acr":{"essential":true,"value":"${ACR_MFA}"},"sub":{"value":"${session.sub}"}}}`,
      ],
      code_challenge: [CHALLENGE],
      code_challenge_method: ['S256', 'plain'],
      code_verifier: [VERIFIER],
      id_token_hint: [tokens.id_token ?? ''],
      login_hint: ['alice@contoso.example'],
      request_uri: [requestUri],
      resource: [confidential.metadata.audience, adminAudience(rig.config.issuer)],
      audience: [confidential.metadata.audience, 'melbourne'],
      grant_type: GRANTS,
      code: [...codes, 'microsoft-code'],
      refresh_token: [tokens.refresh_token ?? ''],
      token: [tokens.access_token, tokens.refresh_token ?? '', administrator],
      token_type_hint: ['access_token', 'refresh_token'],
      access_token: [tokens.access_token],
      subject_token: [tokens.access_token],
      subject_token_type: ['urn:ietf:params:oauth:token-type:access_token'],
      requested_token_type: ['urn:ietf:params:oauth:token-type:access_token'],
      actor_token: [tokens.access_token],
      logout_token: [tokens.id_token ?? ''],
      request: [half.request, ...half.requests, desk.request],
      csrf: [half.csrf, desk.csrf],
      decision: ['allow', 'deny'],
      account: ['another'],
      return_to: ['/account', '/account/ready'],
      about: ['x'],
      microsoft: ['yes'],
      error: ['access_denied', 'interaction_required'],
      error_description: ['AADSTS50105: x', 'AADSTS65004: x'],
      sid: [session.sid],
      sub: [session.sub],
      iss: [rig.config.issuer],
      tid: [session.user.tid],
      after: ['0', '1'],
      before: ['1', '100'],
      epoch: [(await rig.store.head()).epoch],
      guard: ['default', 'sydney-1'],
      last_event_id: [`${(await rig.store.head()).epoch}.0`],
      limit: ['1', '10', '1000'],
      seq: ['1', '2', '3'],
      kid: (await rig.keys.list()).map((key) => key.kid),
      alg: ['ES256', 'RS256'],
      how: ['next'],
      kind: ['session', 'grant', 'subject', 'client', 'tenant'],
      source: ['command', 'api', 'file'],
      format: ['json'],
      target: ['x'],
      actor: ['x'],
      user: ['alice'],
      validationToken: ['validate-me'],
    },
    authorization: [confidential.basic, machine.basic, ...bearer.map((token) => `Bearer ${token}`)],
    cookies: [cookieHeader, half.cookies, `${cookieHeader}; ${half.cookies}`],
    operators: {
      authorization: [administrator, administrator, operator].map((token) => `Bearer ${token}`),
      cookies: [desk.cookies],
    },
    whole,
    secrets: [
      confidential.secret,
      spare.access_token,
      spare.refresh_token ?? '',
      machine.secret,
      cookie,
      desk.pass,
      ...codes,
      ...bearer,
      tokens.refresh_token ?? '',
      tokens.id_token ?? '',
    ],
  }
}

async function tokenOf(rig: Rig, client: RegisteredClient, scope: string): Promise<string> {
  const response = await rig.post(
    '/token',
    { grant_type: 'client_credentials', scope },
    { authorization: client.basic },
  )
  return ((await response.json()) as { access_token: string }).access_token
}

async function pushed(rig: Rig, client: RegisteredClient): Promise<string> {
  const form = {
    response_type: 'code',
    redirect_uri: client.metadata.redirectUris[0] ?? '',
    scope: 'openid',
  }
  const response = await rig.post('/par', form, { authorization: client.basic })
  return ((await response.json()) as { request_uri: string }).request_uri
}

/** Opens the console's page for revoking as an administrator. */
async function atTheConsole(rig: Rig, session: Session) {
  const now = rig.clock.now()
  const pass = {
    sid: session.sid,
    sub: session.sub,
    rev: (await rig.store.head()).seq,
    until: now + 3600,
  }
  const sealed = rig.deps.sealer.seal('ops/pass', JSON.stringify(pass))
  const desk = browserAt(rig, { at: rig.config.opsOrigin, cookies: `__Host-cmb_ops=${sealed}` })
  const fields = fieldsOf((await desk.get(`/ops/revoke?kind=subject&value=${session.sub}`)).html)
  return {
    csrf: fields.csrf ?? '',
    request: fields.request ?? '',
    pass: sealed,
    cookies: desk.cookieHeader,
  }
}

/** Opens the pages of sign-in, consent and sign-out as a user. */
async function halfWay(rig: Rig, client: RegisteredClient) {
  const browser = createBrowser(rig)
  const signInPage = (await browser.get(authorizePath(client, { prompt: 'consent' }))).html
  const link = linkOf(signInPage, 'Sign in with Microsoft')
  const microsoft = new URL((await browser.get(link)).headers.get('location') ?? '')
  const state = microsoft.searchParams.get('state') ?? ''
  const other = createBrowser(rig)
  const otherLink = linkOf(
    (await other.get(authorizePath(client, { prompt: 'consent' }))).html,
    'Sign in with Microsoft',
  )
  const back = new URL((await other.get(otherLink)).headers.get('location') ?? '')
  const consentAt = await other.get(
    `/signin/callback?${new URLSearchParams({ code: 'c', state: back.searchParams.get('state') ?? '' }).toString()}`,
  )
  const consent = fieldsOf((await other.get(consentAt.headers.get('location') ?? '/')).html)
  const logout = fieldsOf((await other.get('/logout')).html)
  const cookies = `${browser.cookieHeader}; ${other.cookieHeader}`
  const requests = [consent.request ?? '', logout.request ?? '']
  return {
    state,
    request: new URL(link, rig.config.issuer).searchParams.get('request') ?? '',
    requests,
    csrf: logout.csrf ?? '',
    cookies,
  }
}
