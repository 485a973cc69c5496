import { describe, expect, test, vi } from 'vitest'
import { announce } from '../../src/revocation/announce.ts'
import { requestRevocation } from '../../src/revocation/revoke.ts'
import { logoutTokens } from '../../src/outbox/logout-token.ts'
import { mintAccessToken } from '../../src/provider/token/tokens.ts'
import { Browser } from '../browser.ts'
import type { Rig } from '../rig.ts'
import { type City, world } from './world.ts'

const eventually = <T>(what: () => T | Promise<T>): Promise<T> =>
  vi.waitFor(what, { timeout: 60_000, interval: 10 })

const at = (cities: City[], index: number): City => {
  const city = cities[index]
  if (city === undefined) throw new Error('no such city')
  return city
}

const statusOf = async (browser: Browser, city: City): Promise<number> =>
  (await browser.get(`${city.url}/api/cases`)).status
const sidAt = async (browser: Browser, city: City): Promise<string> =>
  (JSON.parse((await browser.get(`${city.url}/api/session`)).html) as { sid: string }).sid

/** Opens a user's page. `said` is everything that its stream has sent when it closes. */
async function openPage(browser: Browser, city: City): Promise<{ said: Promise<string> }> {
  const cookie = `${city.name.toLowerCase().replaceAll(' ', '_')}=${browser.cookies.get(city.name.toLowerCase().replaceAll(' ', '_'))}`
  const response = await fetch(`${city.url}/events`, { headers: { cookie } })
  expect(response.status).toBe(200)
  return { said: response.text() }
}

describe('a sample instance', () => {
  test('signs in through the broker, and at the other one without a page; signed out everywhere, both reject at once and the open pages hear it', async () => {
    const { rig, cities, browser, signIn } = await world()
    const [sydney, melbourne] = [at(cities, 0), at(cities, 1)]
    expect((await browser.get(`${sydney.url}/`)).html).toContain('Sign in')
    expect(await statusOf(browser, sydney)).toBe(401)
    const page = await signIn(sydney)
    expect(page).toContain('Alice Adams')
    expect(page).toContain('SYD-1042')
    expect(page).toContain('Go to Case Manager Melbourne')
    expect(await signIn(melbourne)).toContain('MEL-2207')
    expect([await statusOf(browser, sydney), await statusOf(browser, melbourne)]).toEqual([
      200, 200,
    ])
    const open = await Promise.all([openPage(browser, sydney), openPage(browser, melbourne)])
    const { sub } = (
      (await rig.store.statusBySid(await sidAt(browser, sydney), rig.clock.now())) as {
        session: { sub: string }
      }
    ).session
    await requestRevocation(rig.deps, {
      selector: { kind: 'subject', sub },
      reason: 'signed_out_everywhere',
      actor: { kind: 'user', id: sub },
      now: rig.clock.now(),
    })
    for (const { said } of open)
      expect(await said).toContain('event: ended\ndata: {"why":"You signed out everywhere."}')
    expect([await statusOf(browser, sydney), await statusOf(browser, melbourne)]).toEqual([
      401, 401,
    ])
    expect((await browser.get(`${sydney.url}/`)).html).not.toContain('SYD-1042')
  })

  test('a logout token that comes late does not end a newer session; one that does not, ends it', async () => {
    const { rig, cities, browser, signIn } = await world({ unannounced: true })
    const sydney = at(cities, 0)
    await signIn(sydney)
    const sid = await sidAt(browser, sydney)
    const status = (await rig.store.statusBySid(sid, rig.clock.now())) as {
      session: { sub: string }
    }
    const { sub } = status.session
    const revoked = await rig.store.revoke({
      selector: { kind: 'subject', sub },
      reason: 'administrator',
      actor: { kind: 'operator', id: 'o' },
      now: rig.clock.now(),
    })
    if (revoked.outcome !== 'revoked') throw new Error(revoked.outcome)
    const { seq } = revoked.committed.revocation
    const tell = async (): Promise<number> => {
      const uri = `${sydney.url}/oidc/backchannel-logout`
      const delivery = {
        id: 'd',
        kind: 'logout_token',
        clientId: sydney.clientId,
        targetId: 't',
        uri,
        sub,
        seq,
        reason: 'administrator',
        priority: 'urgent',
        state: 'pending',
        attempts: 0,
        createdAtMs: 0,
      } as const
      const { headers, body } = await logoutTokens(rig.deps).mint(delivery, rig.clock.now())
      return (await fetch(uri, { method: 'POST', headers, body })).status
    }
    // The feed has no entry about it, so that only the logout token ends the session.
    expect(await tell()).toBe(200)
    expect(await statusOf(browser, sydney)).toBe(401)
    expect((await browser.get(`${sydney.url}/`)).text).toContain('An administrator signed you out.')
    announce(rig.deps, [revoked.committed])
    await signIn(sydney)
    expect(await tell()).toBe(200)
    await eventually(() => expect(sydney.instance.guard.status().enforcedSeq).toBe(seq))
    expect(await statusOf(browser, sydney)).toBe(200)
  })

  test('refreshes before the token expires, once for all requests; ends without a valid token', async () => {
    const { rig, cities, browser, signIn } = await world()
    const sydney = at(cities, 0)
    await signIn(sydney)
    rig.clock.advance(245)
    rig.feed.publishKeys([])
    await eventually(() => expect(sydney.instance.guard.status().leaseMs).toBeGreaterThan(0))
    expect(await Promise.all(Array.from({ length: 8 }, () => statusOf(browser, sydney)))).toEqual(
      Array(8).fill(200),
    )
    expect(await counted(rig, 'refresh_token')).toBe(1)
    const sid = await sidAt(browser, sydney)
    // The broker ends the session without a message to the instance. The next refresh finds it out.
    await rig.store.revoke({
      selector: { kind: 'session', sid },
      reason: 'administrator',
      actor: { kind: 'operator', id: 'o' },
      now: rig.clock.now(),
    })
    rig.clock.advance(245)
    rig.feed.publishKeys([])
    await eventually(() => expect(sydney.instance.guard.status().leaseMs).toBeGreaterThan(0))
    expect(await statusOf(browser, sydney)).toBe(401)
  })

  test('with the line to the broker cut, no page and no API of an ended session is served when the lease is over', async () => {
    const { rig, cities, browser, signIn, cut, endLeases } = await world()
    const sydney = at(cities, 0)
    await signIn(sydney)
    const sid = await sidAt(browser, sydney)
    cut()
    await requestRevocation(rig.deps, {
      selector: { kind: 'session', sid },
      reason: 'administrator',
      actor: { kind: 'operator', id: 'o' },
      now: rig.clock.now(),
    })
    const paths = ['/', '/api/cases', '/api/session', '/events']
    const statuses = (): Promise<number[]> =>
      Promise.all(paths.map(async (path) => (await browser.get(sydney.url + path)).status))
    endLeases()
    expect(await statuses()).toEqual(paths.map(() => 503))
    expect((await browser.get(`${sydney.url}/`)).html).toContain('You are not signed out.')
  })

  test('signing out begins here and ends at the broker’s page; the way back needs its state', async () => {
    const { rig, cities, browser, signIn } = await world()
    const sydney = at(cities, 0)
    const page = await browser.get((await signIn(sydney), `${sydney.url}/`))
    // A browser would send `Origin: null` with its forms if the page said `no-referrer`, and could
    // not sign out.
    expect(page.headers.get('referrer-policy')).toBe('same-origin')
    const out = await browser.submit(page, {}, 'Sign out')
    const asked = new URL(out.url)
    expect(`${asked.origin}${asked.pathname}`).toBe(`${rig.config.issuer}/logout`)
    await browser.get(`${sydney.url}/signed-out?state=wrong`)
    expect(await statusOf(browser, sydney)).toBe(200)
    const done = await browser.submit(out, {}, 'Sign out')
    expect(done.url).toContain(`${sydney.url}/signed-out`)
    // Only the broker knows whether the user chose to sign out of Microsoft 365 too.
    expect(done.text).not.toContain('Microsoft 365 may still be open')
    const ended = await browser.press(done, 'See what you are signed out of')
    expect(ended.title).toBe('You are signed out on this device')
    expect(ended.text).toContain('Microsoft 365 may still be open')
    const microsoft = await browser.press(ended, 'Sign out of Microsoft 365')
    expect(microsoft.location).toContain('/oauth2/v2.0/logout?')
    await eventually(async () => expect(await statusOf(browser, sydney)).toBe(401))
  })

  test('a sign-out that another origin posts is rejected', async () => {
    const { cities, browser, signIn } = await world()
    const sydney = at(cities, 0)
    await signIn(sydney)
    const forged = await browser.post(`${sydney.url}/sign-out`, {}, { from: at(cities, 1).url })
    expect(forged.status).toBe(403)
  })

  test('an answer to a sign-in that this browser did not begin is rejected', async () => {
    const { cities, browser } = await world()
    const sydney = at(cities, 0)
    const begun = await browser.get(`${sydney.url}/sign-in`)
    expect(begun.left?.host).toBe('login.microsoftonline.com')
    const asked = new URL(begun.visited[1] ?? '')
    const answer = `${sydney.url}/oidc/callback?code=x&state=${asked.searchParams.get('state')}`
    const another = await new Browser().get(answer)
    expect([another.status, another.text]).toEqual([
      400,
      expect.stringContaining('Allow cookies for this site, then sign in again.'),
    ])
    const unknown = await browser.get(`${sydney.url}/oidc/callback?code=x&state=y`)
    expect([unknown.status, unknown.text]).toEqual([
      400,
      expect.stringContaining('already finished, or too old'),
    ])
  })

  test('a user who turns back is led to the start page, not to an error; Back while signed in leads to the cases', async () => {
    const { rig, cities, browser, signIn } = await world()
    const sydney = at(cities, 0)
    const begun = await browser.get(`${sydney.url}/sign-in`)
    const state = new URL(begun.visited[1] ?? '').searchParams.get('state')
    const answer = { error: 'access_denied', state: state ?? '', iss: rig.config.issuer }
    const back = await browser.get(`${sydney.url}/oidc/callback?${new URLSearchParams(answer)}`)
    expect([back.status, back.text]).toEqual([
      200,
      expect.stringContaining('You did not sign in. Nothing was changed.'),
    ])
    await signIn(sydney)
    const again = await browser.get(`${sydney.url}/oidc/callback?code=x&state=used`)
    expect([again.status, again.url]).toEqual([200, `${sydney.url}/`])
    expect(again.html).toContain('SYD-1042')
  })

  test('another user signs in in this browser: the page that is open says so', async () => {
    const { rig, cities, browser, signIn } = await world()
    const [sydney, melbourne] = [at(cities, 0), at(cities, 1)]
    await signIn(sydney)
    const open = await openPage(browser, sydney)
    rig.microsoft.user = {
      ...rig.microsoft.user,
      oid: '00000000-0000-4000-8000-000000000b0b',
      name: 'Bob Brown',
    }
    const account = await browser.get(
      `${rig.config.issuer}/signin/start?return_to=/&account=another`,
    )
    const left = (await browser.press(account, 'Sign in with Microsoft')).left
    await browser.get(
      `${rig.config.issuer}/signin/callback?code=x&state=${encodeURIComponent(left?.searchParams.get('state') ?? '')}`,
    )
    expect(await open.said).toContain(
      'Another person used this browser to sign in, so you were signed out here.',
    )
    expect(await signIn(melbourne)).toContain('Bob Brown')
  })

  test('a bearer token of another service is judged by the guard', async () => {
    const { rig, cities } = await world()
    const sydney = at(cities, 0)
    const { session } = await rig.openSession()
    const client = rig.clients.find('sydney')
    if (client === undefined) throw new Error('no client')
    const mint = (audience: string): string =>
      mintAccessToken(rig.deps, {
        client,
        session,
        audience,
        scope: 'openid',
        rev: session.openedSeq,
        now: rig.clock.now(),
        jkt: undefined,
      }).access_token
    const who = (token: string) =>
      fetch(`${sydney.url}/api/whoami`, { headers: { authorization: `Bearer ${token}` } })
    const token = mint(sydney.url)
    expect(await (await who(token)).json()).toMatchObject({
      sub: session.sub,
      sid: session.sid,
      client_id: 'sydney',
    })
    expect((await who(mint('https://elsewhere.example'))).status).toBe(401)
    await requestRevocation(rig.deps, {
      selector: { kind: 'session', sid: session.sid },
      reason: 'administrator',
      actor: { kind: 'operator', id: 'o' },
      now: rig.clock.now(),
    })
    await eventually(async () => expect((await who(token)).status).toBe(401))
  })
})

async function counted(rig: Rig, grant: string): Promise<number> {
  const { values } = await rig.metrics.tokens.get()
  return values
    .filter(({ labels }) => labels.grant === grant)
    .reduce((sum, { value }) => sum + value, 0)
}
