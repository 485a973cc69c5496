import { Hono, type Context } from 'hono'
import { EntraError } from './aadsts.ts'
import { liveAccounts, type Account, type Browser } from './browser.ts'
import { errorPage } from './flow-pages.tsx'
import { render } from './layout.tsx'
import { correlationOf, isForeign, type Site } from './site.ts'
import type { World } from './world.ts'

/**
 * Microsoft's sign-out in one browser: its session ends, the applications that took part get its
 * `sid` in iframes, and the browser goes back to a registered redirect address. Refresh tokens of
 * confidential clients stay valid.
 */

type Answer = Response | Promise<Response>
const GO_ON = `addEventListener('load', () => { const link = document.getElementById('continue'); if (link) location.replace(link.href) })`

export function logoutEndpoints(site: Site): Hono {
  const app = new Hono()
  app.get('/:tenant/oauth2/v2.0/logout', (c) => begin(c, site, new URL(c.req.url).searchParams))
  app.post('/:tenant/oauth2/v2.0/logout', async (c) => {
    const form = new URLSearchParams(await c.req.text())
    const upn = form.get('account')
    if (upn === null) return begin(c, site, form)
    if (isForeign(c, site.world.origin))
      return c.text('Only a form of this site may be sent here.', 403)
    const browser = site.browserOf(c)
    return signOut(
      c,
      site,
      browser,
      liveAccounts(browser).filter((account) => upn === '*' || account.user.upn === upn),
      new URL(c.req.url).searchParams,
    )
  })
  return app
}

async function begin(c: Context, site: Site, parameters: URLSearchParams): Promise<Response> {
  const trouble = await site.trouble('logout')
  if (trouble?.retryAfter) c.header('Retry-After', trouble.retryAfter)
  if (trouble) return errorPage(c, site.world, trouble.error, correlationOf(c))
  const tenant = c.req.param('tenant') ?? ''
  if (!site.world.tenant(tenant) && !['organizations', 'common', 'consumers'].includes(tenant))
    return errorPage(c, site.world, new EntraError(90002), correlationOf(c))
  const browser = site.browserOf(c)
  const live = liveAccounts(browser)
  const hint = parameters.get('logout_hint')
  const hinted =
    hint === null
      ? undefined
      : live.find((account) => site.world.loginHintOf(account.user) === hint)
  if (hinted || live.length < 2)
    return signOut(c, site, browser, hinted ? [hinted] : live, parameters)
  return chooser(c, site, live, parameters)
}

function chooser(c: Context, site: Site, live: Account[], parameters: URLSearchParams): Answer {
  const back = returnAddress(site.world, parameters)
  const action = `${new URL(c.req.url).pathname}${back ? `?${new URLSearchParams({ post_logout_redirect_uri: back.href })}` : ''}`
  return render(
    c,
    { title: 'Pick an account to sign out' },
    <form method="post" action={action}>
      <h1>Pick an account</h1>
      <p>Which account do you want to sign out of?</p>
      {live.map((account) => (
        <button class="tile" name="account" value={account.user.upn}>
          {account.user.name}
          <small>{account.user.upn}</small>
        </button>
      ))}
      <button class="tile" name="account" value="*">
        All of them
      </button>
    </form>,
  )
}

/** Returns the return address, if it is the redirect address of a registered application. */
function returnAddress(world: World, parameters: URLSearchParams): URL | undefined {
  const wanted = parameters.get('post_logout_redirect_uri')
  if (wanted === null || ![...world.apps.values()].some((app) => app.redirectUris.includes(wanted)))
    return undefined
  const url = new URL(wanted)
  const state = parameters.get('state')
  if (state !== null) url.searchParams.set('state', state)
  return url
}

function signOut(
  c: Context,
  site: Site,
  browser: Browser,
  accounts: Account[],
  parameters: URLSearchParams,
): Answer {
  const { world } = site
  const frames: string[] = []
  for (const account of accounts) {
    account.signedIn = false
    account.mfaAt = undefined
    frames.push(
      ...[...account.clientIds].flatMap((clientId) => logoutFrame(world, account, clientId)),
    )
    account.clientIds.clear()
  }
  if (liveAccounts(browser).length === 0) browser.persistent = false
  site.sendBrowser(c, browser)
  const back = returnAddress(world, parameters)
  if (frames.length === 0 && back) return c.redirect(back.href)
  return render(
    c,
    {
      title: 'You signed out',
      frames,
      ...(back ? { script: GO_ON, refresh: { seconds: 5, url: back.href } } : {}),
    },
    <div>
      <h1>You signed out of your account</h1>
      <p>It's a good idea to close all browser windows.</p>
      {back ? (
        <p>
          <a id="continue" href={back.href}>
            Continue
          </a>
        </p>
      ) : null}
      <div class="frames" aria-hidden="true">
        {frames.map((frame) => (
          <iframe src={frame} title="Signing out" tabindex={-1}></iframe>
        ))}
      </div>
    </div>,
  )
}

function logoutFrame(world: World, account: Account, clientId: string): string[] {
  const logoutUrl = world.apps.get(clientId)?.logoutUrl
  if (!logoutUrl) return []
  const url = new URL(logoutUrl)
  url.searchParams.set('sid', account.sid)
  return [url.href]
}
