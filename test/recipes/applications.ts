import { generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Browser, Page } from '../browser.ts'
import { until } from '../process/broker-process.ts'
import { ask, startApplication, type Application } from './application.ts'
import { boundTest, ownSessionsOf, registrationOf, type Asked, type Bound } from './bounds.ts'
import { Program, type Command } from './program.ts'
import type { Recipe } from './recipe.ts'
import { upgradeTests } from './upgrades.ts'
import type { Place, Registered, World } from './world.ts'

/** Checks for every application with a sign-in or an API of its own, in any language. */

export interface ApplicationParts {
  name: string
  missing: string | undefined
  version: () => string
  /** Its paths for sign-in; undefined where it has none. */
  signIn?: {
    /** The page with the button "Sign in with Microsoft", or a page that leads to Microsoft. */
    login: string
    callback: string
    /** The address of its receiver of logout tokens; undefined where it has none. */
    logout?: string
    /** The page to which a sign-out here leads back; undefined where it has none. */
    signedOut?: string
    /**
     * Answers 200 with the user's `sub` and name, and any other status where the user is signed
     * out.
     */
    me: string
    /** The status for a logout token with an unknown key; undefined: 400 or 503. */
    unknownKey?: number
  }
  /** A path that needs an access token, and answers with its `sub`; undefined where it has none. */
  api?: string
  /** The bounds of its pages and of its API. */
  bound: { page?: Bound; api?: Bound }
  /** Fields of its registration, besides the addresses. */
  registration?: Record<string, unknown>
  /** A second client of the recipe. */
  other?: Registered
  /** The command that starts it, besides its secrets and addresses. */
  command: (of: {
    place: Place
    world: World
    directory: string
    applicationPort: number
  }) => Command | Promise<Command>
  /** The path that answers once the program is ready; the default is `me`, `api` or `/`. */
  ready?: string
  more?: (running: () => RunningApplication) => void
}

export interface RunningApplication {
  /** The application behind a proxy. */
  behind: Application
  place: Place
  world: World
  note: (line: string) => void
  me: (browser: Browser) => Promise<{ status: number; body: string }>
  signIn: (browser: Browser) => Promise<void>
}

export const application = (parts: ApplicationParts): Recipe => ({
  name: parts.name,
  missing: parts.missing,
  version: parts.version,
  registered: [
    {
      name: parts.name,
      redirectPath: parts.signIn?.callback ?? '/not-called',
      registration: (baseUrl) => ({
        client_uri: baseUrl,
        ...registrationOf(parts.bound.page),
        ...parts.registration,
        ...(parts.signIn?.logout !== undefined && {
          backchannel_logout_uris: [baseUrl + parts.signIn.logout],
        }),
        ...(parts.signIn?.signedOut !== undefined && {
          post_logout_redirect_uris: [baseUrl + parts.signIn.signedOut],
        }),
      }),
    },
    ...(parts.other === undefined ? [] : [parts.other]),
  ],
  define: (world, note) => defineTests(parts, world, note),
})

function defineTests(
  { api, bound, command, more, name, ready, signIn }: ApplicationParts,
  world: () => World,
  note: (line: string) => void,
): void {
  let program: Program | undefined
  /** The application behind a proxy. */
  let behind: Application | undefined
  const running = (): RunningApplication => {
    if (behind === undefined) throw new Error('The application did not start.')
    const place = world().place(name)
    const me = async (browser: Browser) => {
      // A redirect to sign in is not followed, because it would sign the user in again.
      const response = await browser.send(place.baseUrl + (signIn?.me ?? ''), {
        headers: { accept: 'application/json, */*' },
      })
      return { status: response.status, body: await response.text() }
    }
    return {
      behind,
      place,
      world: world(),
      note,
      me,
      async signIn(browser) {
        const page = await world().signInAt(browser, place.baseUrl + (signIn?.login ?? ''))
        // A guard that has just started answers 503.
        const user = await until('the page answers', async () => {
          const answer = await me(browser)
          return answer.status === 503 ? undefined : answer
        })
        expect(
          user,
          `The sign-in ended at ${page.url} (${page.status}): ${page.html.slice(0, 500)}\n${program?.output}`,
        ).toMatchObject({
          status: 200,
        })
        expect(user.body).toMatch(/\bu_.*Alice Adams|Alice Adams.*\bu_/s)
      },
    }
  }
  beforeAll(async () => {
    const place = world().place(name)
    behind = await startApplication()
    const directory = mkdtempSync(join(world().directory, `${name}-`))
    const { env, ...rest } = await command({
      place,
      world: world(),
      directory,
      applicationPort: behind.port,
    })
    const { baseUrl, clientId, clientSecret } = place
    const common = {
      ISSUER: world().issuer,
      CLIENT_ID: clientId,
      CLIENT_SECRET: clientSecret,
      BASE_URL: baseUrl,
    }
    const ca = {
      NODE_EXTRA_CA_CERTS: world().caFile,
      SSL_CERT_FILE: world().caFile,
      REQUESTS_CA_BUNDLE: world().caFile,
    }
    program = new Program({
      ...rest,
      env: {
        ...common,
        ...ca,
        COOKIE_SECRET: 'the cookie secret of this test, long enough',
        ...env,
      },
    })
    const address = ready ?? signIn?.me ?? api ?? '/'
    await program.start(
      async () => (await ask(baseUrl, address).catch(() => ({ status: 599 }))).status < 500,
    )
  })
  afterAll(async () => {
    await program?.end()
    await behind?.close()
  })

  if (api !== undefined) apiTests(api, running)
  if (signIn !== undefined) signInTests(signIn, running)
  boundTest(ownSessionsOf(bound.page), () => {
    const { me, note, place, signIn, world } = running()
    return {
      clientId: place.clientId,
      note,
      world,
      async signIn(browser) {
        const asked: Asked[] = []
        if (bound.page !== undefined) {
          await signIn(browser)
          const status = async () => (await me(browser)).status
          asked.push({ name: 'page', bound: bound.page, status })
        }
        if (api !== undefined && bound.api !== undefined) {
          const headers = ['Authorization', `Bearer ${await world.accessToken(browser, place)}`]
          const status = async () => (await ask(place.baseUrl, api, headers)).status
          asked.push({ name: 'API', bound: bound.api, status })
        }
        return asked
      },
    }
  })
  more?.(running)
}

function signInTests(
  { logout, unknownKey }: NonNullable<ApplicationParts['signIn']>,
  running: () => RunningApplication,
): void {
  test('a user signs in, and is signed out here when they sign out at the broker; another browser of theirs is not', async () => {
    const { me, note, signIn, world } = running()
    const [here, elsewhere] = [world.newBrowser(), world.newBrowser()]
    expect((await me(here)).status).not.toBe(200)
    await signIn(here)
    await signIn(elsewhere)
    const sentAtMs = await world.signOut(here)
    await until('the user is signed out', async () => (await me(here)).status !== 200)
    note(`signed out ${Date.now() - sentAtMs} ms after the sign-out was sent`)
    expect((await me(elsewhere)).status).toBe(200)
    await signIn(here)
  })

  if (logout === undefined) return
  test('a logout token that is not the broker’s is rejected, and ends nothing', async () => {
    const { me, place, signIn, world } = running()
    const browser = world.newBrowser()
    await signIn(browser)
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
    const events = { 'http://schemas.openid.net/event/backchannel-logout': {} }
    const now = Math.floor(Date.now() / 1000)
    const [sub] = /\bu_[\w-]+/.exec((await me(browser)).body) ?? []
    const claims = {
      iss: world.issuer,
      aud: place.clientId,
      iat: now,
      exp: now + 120,
      jti: 'forged',
      sub,
      events,
    }
    const signed = `${part({ alg: 'RS256', kid: 'forged', typ: 'logout+jwt' })}.${part(claims)}`
    for (const token of [
      '',
      'no token',
      `${part({ alg: 'none', typ: 'logout+jwt' })}.${part(claims)}.`,
      `${signed}.${Buffer.alloc(256, 1).toString('base64url')}`,
    ]) {
      const answer = await fetch(place.baseUrl + logout, {
        method: 'POST',
        body: new URLSearchParams({ logout_token: token }),
        redirect: 'manual',
      })
      expect(answer.status).toBeGreaterThanOrEqual(400)
      if (token.startsWith(signed) && unknownKey !== undefined)
        expect(answer.status).toBe(unknownKey)
    }
    expect((await me(browser)).status).toBe(200)
  })
}

function apiTests(path: string, running: () => RunningApplication): void {
  describe('its API', () => {
    const call = (token: string) =>
      ask(running().place.baseUrl, path, ['Authorization', `Bearer ${token}`])
    /** Returns the first answer that is not 503: until then, a guard knows no revocations. */
    const answered = (token: string) =>
      until('the API answers', async () => {
        const answer = await call(token)
        return answer.status === 503 ? undefined : answer
      })

    test('takes an access token until the user signs out', async () => {
      const { note, place, world } = running()
      const browser = world.newBrowser()
      const token = await world.accessToken(browser, place)
      const answer = await answered(token)
      expect([answer.status, answer.body]).toEqual([200, expect.stringContaining('u_')])
      // The name of a scheme may be written in any case (RFC 9110 §11.1). A client's own identity
      // header means nothing.
      const sent = ['Authorization', `bearer ${token}`, 'X-Guard-Sub', 'admin']
      const again = await ask(place.baseUrl, path, sent)
      expect([again.status, again.body]).toEqual([200, expect.stringContaining('u_')])
      const sentAtMs = await world.signOut(browser)
      const rejected = await until('the token is rejected', async () => {
        const response = await call(token)
        return response.status === 200 ? undefined : response
      })
      note(`token rejected ${Date.now() - sentAtMs} ms after the sign-out was sent`)
      expect(rejected.status).toBe(401)
    })

    test('rejects a request without a token, with a wrong one, and with a malformed one', async () => {
      const { place } = running()
      for (const headers of [
        [],
        ['Authorization', 'Bearer wrong'],
        ['Authorization', 'Bearer e30.e30.e30'],
      ])
        expect((await ask(place.baseUrl, path, headers)).status).toBe(401)
    })

    test('rejects forged tokens, and does not read the broker’s keys for each', async () => {
      const { place, world } = running()
      const token = await world.accessToken(world.newBrowser(), place)
      expect((await answered(token)).status).toBe(200)
      const before = world.keyReads()
      for (let round = 0; round < 4; round++)
        for (const forged of forgeriesOf(token)) expect((await call(forged)).status).toBe(401)
      expect(world.keyReads() - before).toBeLessThan(4)
    })
  })
}

/**
 * Returns the token with another signature, and signed by a key that the broker does
 * not have: with a `kid` of the broker, an unknown one, and none.
 */
function forgeriesOf(token: string): string[] {
  const [header = '', payload = '', signature = ''] = token.split('.')
  const { kid, ...rest } = JSON.parse(Buffer.from(header, 'base64url').toString()) as {
    kid: string
  }
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const signed = (named: object): string => {
    const begin = `${Buffer.from(JSON.stringify(named)).toString('base64url')}.${payload}`
    const by = { key: privateKey, dsaEncoding: 'ieee-p1363' } as const
    return `${begin}.${sign('sha256', Buffer.from(begin), by).toString('base64url')}`
  }
  return [
    `${header}.${payload}.${Buffer.from(signature, 'base64url').reverse().toString('base64url')}`,
    signed({ ...rest, kid }),
    signed({ ...rest, kid: randomUUID() }),
    signed(rest),
  ]
}

/** A test of an API that is only for users. */
export function usersOnly(running: () => RunningApplication): void {
  test('its API rejects a token of client_credentials, which has no user', async () => {
    const { place, world } = running()
    const basic = Buffer.from(`${place.clientId}:${place.clientSecret}`).toString('base64')
    const issued = await fetch(`${world.inside}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${basic}` },
      body: new URLSearchParams({ grant_type: 'client_credentials' }),
    })
    const { access_token: token } = (await issued.json()) as { access_token: string }
    const answer = await ask(place.baseUrl, '/api/me', ['Authorization', `Bearer ${token}`])
    expect(answer.status).toBe(403)
    expect(answer.headers['www-authenticate']).toContain('insufficient_scope')
  })
}

/** Tests of upgrades, for a proxy that signs users in or checks their tokens. */
export const upgrades =
  (path: string, headersOf: (running: RunningApplication) => Promise<string>) =>
  (running: () => RunningApplication): void => {
    let header: Promise<string> | undefined
    upgradeTests(async () => {
      const { behind, place } = running()
      header ??= headersOf(running())
      return { application: behind, port: place.port, passing: [[path, [await header]]] }
    })
  }

/** Tests of refreshing, for an application that shows when its token expires. */
export function refreshes(running: () => RunningApplication): void {
  test('a session is refreshed before its token expires, and goes on', async () => {
    const { me, signIn, world } = running()
    const browser = world.newBrowser()
    await signIn(browser)
    const expiry = async (): Promise<number> =>
      (JSON.parse((await me(browser)).body) as { exp: number }).exp
    const first = await expiry()
    await until('the token is refreshed', async () => (await expiry()) > first)
    await until('the next token is refreshed too', async () => (await expiry()) > first + 1)
  })
}

/** A test of a sign-out at the application, which leads back to its page `end`. */
export function leaves(
  running: () => RunningApplication,
  leave: (browser: Browser, baseUrl: string) => Promise<Page>,
  end: string,
): void {
  test('a sign-out here asks at the broker, and ends nothing before the user has chosen', async () => {
    const { me, place, signIn, world } = running()
    const browser = world.newBrowser()
    await signIn(browser)
    const asked = await leave(browser, place.baseUrl)
    expect(asked.url).toMatch(world.issuer)
    expect((await me(browser)).status).toBe(200)
    const back = await browser.submit(asked, { scope: 'device' }, 'Sign out')
    expect([back.status, back.url.split('?')[0]]).toEqual([200, place.baseUrl + end])
    await until('the user is signed out', async () => (await me(browser)).status !== 200)
  })
}

/**
 * A test of a user who turns back at the sign-in: the start page has this link, and for one who is
 * signed in these words.
 */
export function startsAgain(
  running: () => RunningApplication,
  { callback, link, signedIn }: { callback: string; link: string; signedIn: string },
): void {
  test('a user who turned back sees the start page, and one who is signed in stays so', async () => {
    const { me, place, signIn, world } = running()
    const browser = world.newBrowser()
    const address = `${place.baseUrl}${callback}?state=x&iss=${encodeURIComponent(world.issuer)}`
    const page = await browser.get(`${address}&error=access_denied`)
    expect([page.status, page.html]).toEqual([200, expect.stringContaining(link)])
    await signIn(browser)
    const again = await browser.get(`${address}&code=x`)
    expect([again.status, again.html]).toEqual([200, expect.stringContaining(signedIn)])
    expect((await me(browser)).status).toBe(200)
  })
}

/** Tests of a sign-out at the application, and of a user who turns back at the sign-in. */
export function signsOut(running: () => RunningApplication): void {
  leaves(running, (browser, baseUrl) => browser.get(`${baseUrl}/logout`), '/signed-out')

  startsAgain(running, { callback: '/callback', link: 'href="/login"', signedIn: 'Alice Adams' })

  test('an answer of another issuer is rejected (RFC 9207)', async () => {
    const { place, world } = running()
    const other = await world
      .newBrowser()
      .get(`${place.baseUrl}/callback?code=x&state=x&iss=https%3A%2F%2Fother.example`)
    expect(other.status).toBe(400)
  })
}

/** Tests of the stream of an open page. */
export function tellsPages(running: () => RunningApplication): void {
  test('an open page hears at once that its session has ended, and why', async () => {
    const { place, signIn, world } = running()
    const browser = world.newBrowser()
    await signIn(browser)
    // The browser of the recipes waits for the end of an answer.
    const events = `${place.baseUrl}/session/events`
    const page = await fetch(events, { headers: { cookie: browser.cookies.header(events, false) } })
    expect(page.status).toBe(200)
    await world.signOut(browser)
    expect(await page.text()).toContain(
      'event: ended\ndata: {"why":"revoked","reason_class":"signed_out"}\n',
    )
  })
}

/**
 * Tests of token exchange, for an instance that calls another, `archive`, on a user's behalf and
 * for itself.
 */
export function exchanges(running: () => RunningApplication): void {
  const call = (baseUrl: string, path: string, token: string) =>
    ask(baseUrl, path, ['Authorization', `Bearer ${token}`])

  test('calls the other on the user’s behalf with a token for it, and for itself without a user', async () => {
    const { place, world } = running()
    const token = await world.accessToken(world.newBrowser(), place)
    const { body, status } = await call(place.baseUrl, '/users', token)
    expect([status, JSON.parse(body)]).toEqual([
      200,
      { sub: expect.stringMatching(/^u_/) as string, client_id: place.clientId },
    ])
    expect(JSON.parse((await call(place.baseUrl, '/own', token)).body)).toEqual({
      sub: place.clientId,
      client_id: place.clientId,
    })
    // The user's own token is valid only at the first instance.
    expect((await call(world.place('archive').baseUrl, '/', token)).status).toBe(401)
  })

  test('a token that was exchanged ends with the session', async () => {
    const { note, place, world } = running()
    const { baseUrl } = world.place('archive')
    const browser = world.newBrowser()
    const { body } = await call(
      place.baseUrl,
      '/exchanged',
      await world.accessToken(browser, place),
    )
    const { token } = JSON.parse(body) as { token: string }
    expect((await call(baseUrl, '/', token)).status).toBe(200)
    const sentAtMs = await world.signOut(browser)
    await until(
      'the exchanged token is rejected',
      async () => (await call(baseUrl, '/', token)).status === 401,
    )
    note(`exchanged token rejected ${Date.now() - sentAtMs} ms after the sign-out was sent`)
  })

  describe('the other, with an exchanged token', () => {
    boundTest('none', () => {
      const { note, place, world } = running()
      const { baseUrl, clientId } = world.place('archive')
      return {
        clientId,
        note,
        world,
        async signIn(browser) {
          const own = await world.accessToken(browser, place)
          const { body } = await call(place.baseUrl, '/exchanged', own)
          const { token } = JSON.parse(body) as { token: string }
          const status = async () => (await call(baseUrl, '/', token)).status
          return [{ name: 'API', bound: 'lease', status }]
        },
      }
    })
  })
}
