import { type Context, Hono } from 'hono'
import type { Deps } from '../deps.ts'
import type { Checks } from '../checks/checks.ts'
import { createAdministration } from '../../microsoft/administration.ts'
import { pageErrors } from '../../pages/errors.tsx'
import { isGuid } from '../../protocol/guid.ts'
import { saveAdministrators } from './administrators.tsx'
import { BRANDING, brandingPage, saveBrand } from './branding.tsx'
import { checksPage } from './checks.tsx'
import {
  addTenantPage,
  connectPage,
  keepConnection,
  saveConnection,
  saveTenant,
} from './connect.tsx'
import { entrancePage, enter } from './entrance.tsx'
import { formLimit, formOf, uploadLimit, uploadOf } from './form.ts'
import {
  formHolds,
  freshFirst,
  redirectTo,
  notOurForm,
  type ProvesMfa,
  type SetupRequest,
} from './frame.tsx'
import { overviewPage } from './overview.tsx'
import { assertProof, proofPage } from './proof.tsx'
import { saveReEntry } from './re-entry.tsx'
import { REGISTER, registerPage, SCRIPT, scriptFile } from './register.tsx'
import { returned } from './returned.ts'
import { type Seen, seenOf } from './seen.ts'
import { makeOperators, removeTenant, tenantPage } from './tenant.tsx'
import { type AskConsole, visitorOf } from './visitor.ts'

/**
 * Owns /setup on the operators' listener: the registration in Entra, the application, tenants,
 * consent, proof of MFA and checks. Only the holder of the one-time token has access, and after the
 * first operator only administrators. Changes to who may sign in need a fresh sign-in at Microsoft.
 */
export function setupEndpoints(
  deps: Deps,
  {
    administrator,
    proves,
    checks,
  }: { administrator: AskConsole; proves: ProvesMfa; checks: Checks },
): Hono {
  const administration = createAdministration({
    config: deps.config,
    connection: () => deps.connection.current(),
  })
  const endpoints = new Hono()
  const requestOf = async (c: Context): Promise<SetupRequest | undefined> => {
    const now = deps.clock.now()
    const visitor = await visitorOf(deps, administrator, c, now)
    return visitor && { deps, c, visitor, now, administration, proves }
  }
  const { show, change, upload } = forVisitors(endpoints, deps, requestOf)
  endpoints.post('/setup/token', formLimit, async (c) =>
    enter(deps, c, await formOf(c), deps.clock.now()),
  )
  show('/setup', overviewPage)
  show(REGISTER, registerPage)
  show(SCRIPT, scriptFile)
  show('/setup/connect', (request) => connectPage(request))
  change('/setup/connect', '/setup/connect', saveConnection, keepConnection)
  show('/setup/add-tenant', (request) => addTenantPage(request))
  change('/setup/tenants', '/setup/add-tenant', saveTenant)
  show(BRANDING, (request) => brandingPage(request))
  upload(BRANDING, saveBrand)
  show('/setup/returned', returned)
  show('/setup/checks', (request) => checksPage(request, checks))
  const page = '/setup/tenants/:tid'
  show(page, withTenant(tenantPage))
  show(`${page}/proof`, withTenant(proofPage))
  change(`${page}/proof`, `${page}/proof`, withTenant(assertProof))
  change(`${page}/re-entry`, page, withTenant(saveReEntry))
  change(`${page}/administrators`, page, withTenant(saveAdministrators))
  change(`${page}/operators`, page, withTenant(makeOperators))
  change(`${page}/remove`, page, withTenant(removeTenant))
  endpoints.onError(
    pageErrors(deps, { title: 'Nothing was changed', what: 'It could not be written down.' }),
  )
  return endpoints
}

/** Mounts pages and forms for visitors with access. Others get the entrance page. */
function forVisitors(
  endpoints: Hono,
  deps: Deps,
  requestOf: (c: Context) => Promise<SetupRequest | undefined>,
) {
  const show = (
    path: string,
    render: (request: SetupRequest) => Response | Promise<Response>,
  ): void => {
    endpoints.get(path, async (c) => {
      const request = await requestOf(c)
      return request === undefined ? entrancePage(deps, c) : render(request)
    })
  }
  /** Mounts a form. @param keep keeps the draft if the sign-in is too old */
  const change = (
    path: string,
    again: string,
    act: (request: SetupRequest, form: URLSearchParams) => Promise<Response>,
    keep?: (request: SetupRequest, form: URLSearchParams) => Promise<void>,
  ): void => {
    endpoints.post(path, formLimit, (c) => take(c, again, formOf, act, keep))
  }
  const take = async <F extends URLSearchParams | FormData>(
    c: Context,
    again: string,
    read: (c: Context) => Promise<F>,
    act: (request: SetupRequest, form: F) => Promise<Response>,
    keep?: (request: SetupRequest, form: F) => Promise<void>,
  ): Promise<Response> => {
    const request = await requestOf(c)
    if (request === undefined) return entrancePage(deps, c)
    const form = await read(c)
    if (!formHolds(request, form)) return notOurForm(request)
    if (request.visitor.fresh) return act(request, form)
    await keep?.(request, form)
    return freshFirst(request, again.replace(':tid', c.req.param('tid') ?? ''))
  }
  const upload = (
    path: string,
    act: (request: SetupRequest, form: FormData) => Promise<Response>,
  ): void => {
    endpoints.post(path, uploadLimit, (c) => take(c, path, uploadOf, act))
  }
  return { show, change, upload }
}

const withTenant =
  <Rest extends unknown[]>(
    act: (request: SetupRequest, seen: Seen, ...rest: Rest) => Response | Promise<Response>,
  ) =>
  async (request: SetupRequest, ...rest: Rest): Promise<Response> => {
    const tid = (request.c.req.param('tid') ?? '').toLowerCase()
    const seen = isGuid(tid)
      ? await seenOf(request.deps.store, tid, request.visitor.actor.id)
      : undefined
    return seen === undefined ? redirectTo(request.c, '/setup') : act(request, seen, ...rest)
  }
