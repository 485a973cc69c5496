import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { administratorOf } from '../../../clients/session/tenant-administrator.ts'
import type { Deps } from '../../deps.ts'
import { pageErrors } from '../../../pages/errors.tsx'
import { messagePage } from '../../../pages/message.tsx'
import { inEnglish } from '../../../pages/texts.ts'
import { parseForm } from '../../../protocol/params.ts'
import { hasNul, NUL_IN_ADDRESS } from '../../../protocol/stored-text.ts'
import { sessionCookieHash } from '../../../clients/session/cookie.ts'
import { currentStanding } from '../../../clients/session/current.ts'
import { linkOf } from '../links.ts'
import { type Mounted, NOT_OURS } from '../layout.tsx'
import { actRoutes } from './act.tsx'
import {
  formHolds,
  nothingOfTenant,
  TENANT_HOME,
  TENANT_SHEET,
  type TenantRequest,
} from './layout.tsx'
import { auditPage } from './audit.tsx'
import { freshPage, homePage, type InvitationAddress } from './home.tsx'
import { locksPage } from './locks.tsx'
import { revocationRoutes } from './revocations.tsx'
import { sessionRoutes } from './sessions.tsx'
import { userRoutes } from './users.tsx'

/**
 * The console of one tenant, /tenant on the public listener, for administrators of that tenant.
 * They reach no page of the operators: a page or a form is open to them by being mounted here, and
 * by nothing else. Each is handed their `tid` and hands it to the store, which narrows what is read
 * and done; no request can name another tenant. It refuses every other user.
 */
export function tenantConsole(deps: Deps, invitation: InvitationAddress): Hono {
  const endpoints = new Hono()
  endpoints.get(TENANT_SHEET.path, TENANT_SHEET.serve)
  mount(endpoints, deps, [
    { path: TENANT_HOME, page: (request) => homePage(request, invitation) },
    { path: `${TENANT_HOME}/fresh`, page: freshPage },
    { path: '/tenant/locks', page: locksPage },
    { path: '/tenant/audit', page: auditPage },
    ...userRoutes,
    ...sessionRoutes,
    ...revocationRoutes,
    ...actRoutes,
  ])
  endpoints.onError(
    pageErrors(deps, {
      title: 'Nothing was changed',
      what: 'The audit log could not be written, so nothing was done.',
    }),
  )
  return endpoints
}

function mount(endpoints: Hono, deps: Deps, routes: readonly Mounted<TenantRequest>[]): void {
  const limit = bodyLimit({
    maxSize: 64 * 1024,
    onError: (c) => c.text('The request is too long. Nothing was changed.', 413),
  })
  for (const { path, page, form: act } of routes) {
    if (page !== undefined)
      endpoints.get(path, inEnglish, async (c) => {
        const request = await enter(deps, c)
        return request instanceof Response ? request : page(request)
      })
    if (act !== undefined)
      endpoints.post(path, inEnglish, limit, async (c) => {
        const request = await enter(deps, c)
        if (request instanceof Response) return request
        const form = parseForm(await c.req.text())
        return formHolds(request, form)
          ? act(request, form)
          : nothingOfTenant(request, NOT_OURS, TENANT_HOME, 403)
      })
  }
}

/** Who asks; or the way to sign in, or the page that says why it is not open to them. */
async function enter(deps: Deps, c: Context): Promise<TenantRequest | Response> {
  const now = deps.clock.now()
  const standing = await currentStanding(deps, sessionCookieHash(c), now)
  if (standing.state !== 'live')
    return c.redirect(linkOf('/signin/start', { return_to: TENANT_HOME }), 303)
  const administrator = await administratorOf(deps, standing.session)
  if (administrator === undefined) return notYours(deps, c)
  const request = { deps, c, now, administrator }
  return hasNul(c.req.url) ? nothingOfTenant(request, NUL_IN_ADDRESS, TENANT_HOME, 400) : request
}

/** The same to every user without the role, whatever their tenant has set. */
const notYours = (deps: Deps, c: Context): Response =>
  messagePage(c, {
    title: 'This page is not open to you',
    status: 403,
    what: 'It is for users who administer their organization’s tenant here. You do not have the role that makes one, or none is set for your tenant.',
    next: 'If you administer your tenant, ask the operators of Case Manager which role they have set for it, and sign in again after it was assigned to you.',
    links: [
      { href: '/signin/start?return_to=/tenant&fresh=yes', label: 'Sign in again' },
      { href: '/account', label: 'Your account' },
    ],
    config: deps.config,
  })
