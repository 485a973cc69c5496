import { TYP } from '../../src/protocol/names.ts'
import { type Browser, browserAt } from '../browser.ts'
import type { RegisteredClient, Rig } from '../rig.ts'
import { authorizePath } from '../signin/browser.ts'

/**
 * Valid requests, so that errors added to them are met deep inside. Forms are read from the pages
 * themselves.
 */

export interface Whole {
  of: 'public' | 'operators'
  method: string
  path: string
  query?: Record<string, string> | undefined
  form?: Record<string, string> | undefined
  json?: unknown
  /** A body with another content type than its own. */
  raw?: { type: string; text: string } | undefined
  authorization?: string | undefined
  cookie?: string | undefined
}

/** Returns a browser that follows no redirect, with the cookies of a `Cookie` header. */
const walkerAt = (rig: Rig, cookies = ''): Browser =>
  browserAt(rig, { cookies, follows: () => false })

/** Returns the page, and all its forms and links within the broker, as requests. */
async function requestsOn(walker: Browser, of: Whole['of'], address: string): Promise<Whole[]> {
  const page = await walker.get(address)
  const cookie = walker.cookieHeader
  const forms = page.forms.map(({ action, method, fields, buttons }): Whole => {
    const [button] = buttons
    const all = { ...fields, ...(button?.name !== undefined && { [button.name]: button.value }) }
    return {
      of,
      method,
      path: new URL(action, page.url).pathname,
      cookie,
      ...(method === 'POST' ? { form: all } : { query: all }),
    }
  })
  const links = page.links.map((href): Whole => {
    const { pathname, searchParams } = new URL(href, page.url)
    return { of, method: 'GET', path: pathname, query: Object.fromEntries(searchParams), cookie }
  })
  return [{ of, method: 'GET', path: page.path, cookie }, ...forms, ...links]
}

export interface Party {
  confidential: RegisteredClient
  machine: RegisteredClient
  /** A session that may end, and its tokens. */
  sid: string
  sub: string
  accessToken: string
  refreshToken: string
  idToken: string
  code: string
  administrator: string
  cookie: string
  passCookie: string
  deliveryId: string
  head: { epoch: string; seq: number }
}

/** Returns the return of a visit to Microsoft, which is valid once. */
async function backFromMicrosoft(rig: Rig, client: RegisteredClient): Promise<Whole> {
  const walker = walkerAt(rig)
  const { left } = await walker.press(
    await walker.get(authorizePath(client)),
    'Sign in with Microsoft',
  )
  const query = { code: 'microsoft-code', state: left?.searchParams.get('state') ?? '' }
  return {
    of: 'public',
    method: 'GET',
    path: '/signin/callback',
    query,
    cookie: walker.cookieHeader,
  }
}

/** Returns the pages of sign-in and sign-out, with the requests of each. */
async function pages(rig: Rig, party: Party): Promise<Whole[]> {
  const { confidential } = party
  const signInPage = await requestsOn(
    walkerAt(rig),
    'public',
    authorizePath(confidential, { prompt: 'consent' }),
  )
  const back = [
    await backFromMicrosoft(rig, confidential),
    await backFromMicrosoft(rig, confidential),
  ]
  const rejected = await backFromMicrosoft(rig, confidential)
  const no = {
    error: 'access_denied',
    error_description: 'AADSTS65004: no',
    state: rejected.query?.state ?? '',
  }

  const agreeing = walkerAt(rig, party.cookie)
  const consent = await agreeing.get(authorizePath(confidential, { prompt: 'consent' }))
  const asked = await requestsOn(agreeing, 'public', consent.location ?? '/')
  const hint = {
    id_token_hint: party.idToken,
    post_logout_redirect_uri: confidential.metadata.postLogoutRedirectUris[0] ?? '',
    state: 's',
  }
  const leave = await requestsOn(
    walkerAt(rig, party.cookie),
    'public',
    `/logout?${new URLSearchParams(hint).toString()}`,
  )
  const again = await rig.post(
    '/authorize',
    Object.fromEntries(new URL(authorizePath(confidential), rig.config.issuer).searchParams),
  )
  const continued = new URL(again.headers.get('location') ?? '/', rig.config.issuer)
  return [
    ...signInPage,
    { ...rejected, query: no },
    ...back,
    ...asked,
    ...leave,
    {
      of: 'public',
      method: 'GET',
      path: continued.pathname,
      query: Object.fromEntries(continued.searchParams),
      cookie: party.cookie,
    },
    ...(await requestsOn(walkerAt(rig, party.cookie), 'public', '/account')),
    ...(await requestsOn(walkerAt(rig, party.cookie), 'public', '/account/ready')),
  ]
}

async function operatorsPages(rig: Rig, party: Party): Promise<Whole[]> {
  const found: Whole[] = []
  const paths = [
    '/ops',
    '/ops/users',
    '/ops/deliveries',
    '/ops/sessions?user=alice',
    '/ops/tenants',
    `/ops/revoke?kind=subject&value=${party.sub}`,
    `/ops/users?q=a&user=${party.sub}`,
    `/ops/revoke?kind=users&user=${party.sub}`,
    '/ops/deliveries/close?which=client_id+sydney',
    `/ops/revocations/${party.head.seq}`,
    '/setup',
  ]
  for (const path of paths)
    found.push(
      ...(await requestsOn(
        walkerAt(rig, party.passCookie),
        'operators',
        rig.config.opsOrigin + path,
      )),
    )
  return found
}

function tokenRequests(rig: Rig, { confidential, machine, ...party }: Party): Whole[] {
  const authorization = confidential.basic
  const redirectUri = confidential.metadata.redirectUris[0] ?? ''
  const post = (
    path: string,
    form: Record<string, string>,
    by: string | undefined = authorization,
  ): Whole => ({
    of: 'public',
    method: 'POST',
    path,
    form,
    authorization: by,
  })
  const exchange = {
    subject_token: party.accessToken,
    subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    audience: 'sydney',
  }
  return [
    post('/token', {
      grant_type: 'authorization_code',
      code: party.code,
      redirect_uri: redirectUri,
    }),
    post('/token', {
      grant_type: 'refresh_token',
      refresh_token: party.refreshToken,
      scope: 'openid',
    }),
    post('/token', { grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange', ...exchange }),
    post('/token', { grant_type: 'client_credentials', scope: 'broker:operate' }, machine.basic),
    post('/introspect', { token: party.accessToken }),
    post('/introspect', { token: party.refreshToken }),
    post('/revoke', { token: 'cmr_nothing', token_type_hint: 'refresh_token' }),
    post('/userinfo', { access_token: party.accessToken }, ''),
    post('/par', { response_type: 'code', redirect_uri: redirectUri, scope: 'openid', state: 's' }),
    {
      of: 'public',
      method: 'GET',
      path: '/userinfo',
      authorization: `Bearer ${party.accessToken}`,
    },
    {
      of: 'public',
      method: 'GET',
      path: '/revocations',
      query: { after: '0', epoch: party.head.epoch },
      authorization,
    },
    {
      of: 'public',
      method: 'POST',
      path: '/revocations/enforced',
      json: { epoch: party.head.epoch, seq: party.head.seq, guard: 'default' },
      authorization,
    },
    {
      of: 'public',
      method: 'POST',
      path: '/revocations/session',
      form: { sid: party.sid, sub: party.sub, rev: '0' },
      authorization,
    },
    ...signals(rig),
  ]
}

function signals(rig: Rig): Whole[] {
  const now = rig.clock.now()
  const token = (typ: string, changes: Record<string, unknown>): string =>
    rig.keys.sign('RS256', typ, {
      iss: 'https://issuer.example',
      aud: 'broker',
      iat: now,
      exp: now + 120,
      jti: String(Math.floor(now)),
      ...changes,
    })
  const revoked = {
    'https://schemas.openid.net/secevent/caep/event-type/session-revoked': { event_timestamp: now },
  }
  const user = { sub_id: { format: 'iss_sub', iss: 'https://issuer.example', sub: 'nobody' } }
  const logout = {
    iss: 'https://provider.example',
    sid: 'nothing',
    events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
  }
  const changed = {
    clientState: 'x',
    tenantId: '11111111-1111-4111-8111-111111111111',
    resourceData: { id: '00000000-0000-4000-8000-00000000a11c' },
  }
  return [
    {
      of: 'public',
      method: 'POST',
      path: '/signal/events',
      raw: {
        type: 'application/secevent+jwt',
        text: token(TYP.securityEvent, { events: revoked, ...user }),
      },
    },
    {
      of: 'public',
      method: 'POST',
      path: '/signal/upstream/back-channel-logout',
      form: { logout_token: token(TYP.logoutToken, logout) },
    },
    {
      of: 'public',
      method: 'POST',
      path: '/signal/microsoft/graph',
      query: { validationToken: 'Validation: token' },
    },
    {
      of: 'public',
      method: 'POST',
      path: '/signal/microsoft/graph',
      json: { value: [changed, { ...changed, lifecycleEvent: 'missed' }] },
    },
    {
      of: 'public',
      method: 'GET',
      path: '/signal/microsoft/front-channel-logout',
      query: { sid: 'entra-1' },
    },
  ]
}

function adminRequests({ administrator, ...party }: Party): Whole[] {
  const ask = (method: string, path: string, json?: unknown): Whole => ({
    of: 'operators',
    method,
    path: `/admin/v1${path}`,
    json,
    authorization: `Bearer ${administrator}`,
  })
  const registration = {
    client_name: 'Perth',
    redirect_uris: ['https://perth.case-manager.example/oidc/callback'],
  }
  return [
    ask('POST', '/clients', { client_id: 'perth', ...registration }),
    ask('PATCH', '/clients/perth', { scope: 'openid', jwks: null }),
    ask('POST', '/clients/perth/secrets'),
    ask('DELETE', '/clients/perth/secrets/x'),
    ask('DELETE', '/clients/perth'),
    ask('GET', '/sessions?user=alice'),
    ask('POST', '/revocations', {
      selector: { kind: 'session', sid: party.sid },
      comment: 'x',
      case_reference: 'C-1',
    }),
    ask('POST', '/revocations', { selector: { kind: 'everything' }, dry_run: true }),
    ask('GET', `/revocations/${party.head.seq}`),
    ask('GET', `/deliveries/${party.deliveryId}`),
    ask('POST', '/deliveries/redrive', { id: party.deliveryId }),
    ask('POST', '/microsoft-work/redrive', { all: true }),
    ask('POST', '/users/erase', { sub: party.sub, dry_run: true }),
    ask('POST', '/users/erase', { sub: party.sub, comment: 'x' }),
    ask('POST', '/keys/rotate', { alg: 'ES256', how: 'next' }),
    ask('POST', '/tenants', {
      tid: '33333333-3333-4333-8333-333333333333',
      name: 'Third',
      mfa_proof: 'amr',
    }),
    ask('DELETE', '/tenants/33333333-3333-4333-8333-333333333333'),
    ask('GET', '/audit?limit=10'),
  ]
}

export const wholeRequests = async (rig: Rig, party: Party): Promise<Whole[]> => [
  ...(await pages(rig, party)),
  ...(await operatorsPages(rig, party)),
  ...tokenRequests(rig, party),
  ...adminRequests(party),
]
