import { type Context, Hono } from 'hono'
import type { Deps } from '../deps.ts'
import type { Checks } from '../checks/checks.ts'
import { pageErrors } from '../../pages/errors.tsx'
import { isGuid } from '../../protocol/guid.ts'
import { BRANDING, brandingPage, saveBrand } from './branding.tsx'
import {
  ADD_TENANT,
  addTenantPage,
  CONNECT,
  connectPage,
  saveConnection,
  saveTenant,
} from './connect.tsx'
import { enter, entrancePage } from './entrance.tsx'
import { formLimit, formOf, uploadLimit, uploadOf } from './form.ts'
import {
  formHolds,
  freshFirst,
  notOurForm,
  redirectTo,
  type SetupRequest,
  withTypedBefore,
} from './frame.tsx'
import { overviewPage } from './overview.tsx'
import { proposeProof } from './proof.tsx'
import { REGISTER, registerPage, SCRIPT, scriptFile } from './register.tsx'
import { type Seen, seenOf } from './seen.ts'
import { makeOperators, tenantPage } from './tenant.tsx'
import { type AskConsole, setupCallerOf } from './setup-caller.ts'
import { NOT_WRITTEN } from './texts/frame.ts'

type Answering = Response | Promise<Response>

/**
 * Owns /setup on the operators' listener: the registration in Entra, the application, tenants
 * and the proposed proof of MFA. Only the holder of the one-time token has access, and after the
 * first operator only administrators. Changes to who may sign in need a fresh sign-in at Microsoft.
 */
export function setupEndpoints(
  deps: Deps,
  { administrator, checks }: { administrator: AskConsole; checks: Checks },
): Hono {
  const endpoints = new Hono()
  endpoints.post('/setup/token', formLimit, async (c) =>
    enter(deps, c, await formOf(c), deps.clock.now()),
  )
  const entering =
    (answer: (request: SetupRequest) => Answering) =>
    async (c: Context): Promise<Response> => {
      const now = deps.clock.now()
      const caller = await setupCallerOf(deps, administrator, c, now)
      return caller === undefined ? entrancePage(deps, c) : answer({ deps, c, caller, now, checks })
    }
  const show = (path: string, page: (request: SetupRequest) => Answering): void =>
    void endpoints.get(path, entering(page))
  const change = (
    path: string,
    act: (request: SetupRequest, form: URLSearchParams) => Promise<Response>,
  ): void =>
    void endpoints.post(
      path,
      formLimit,
      entering(async (request) => {
        const sent = await formOf(request.c)
        const form = formHolds(request, sent) ? withTypedBefore(request, sent) : undefined
        if (form === undefined) return notOurForm(request)
        return request.caller.fresh ? act(request, form) : freshFirst(request, form)
      }),
    )
  show('/setup', overviewPage)
  show(REGISTER, registerPage)
  show(SCRIPT, scriptFile)
  show(CONNECT, (request) => connectPage(request))
  change(CONNECT, saveConnection)
  show(ADD_TENANT, (request) => addTenantPage(request))
  change(ADD_TENANT, saveTenant)
  const tenant = '/setup/tenants/:tid'
  show(tenant, withTenant(tenantPage))
  change(`${tenant}/proof`, withTenant(proposeProof))
  change(`${tenant}/operators`, withTenant(makeOperators))
  show(BRANDING, (request) => brandingPage(request))
  endpoints.post(
    BRANDING,
    uploadLimit,
    entering(async (request) => {
      const form = await uploadOf(request.c)
      if (!formHolds(request, form)) return notOurForm(request)
      return request.caller.fresh ? saveBrand(request, form) : freshFirst(request)
    }),
  )
  endpoints.onError(pageErrors(deps, NOT_WRITTEN.form))
  return endpoints
}

const withTenant =
  <Rest extends unknown[]>(act: (request: SetupRequest, seen: Seen, ...rest: Rest) => Answering) =>
  async (request: SetupRequest, ...rest: Rest): Promise<Response> => {
    const tid = (request.c.req.param('tid') ?? '').toLowerCase()
    const seen = isGuid(tid) ? await seenOf(request.deps.store, tid) : undefined
    return seen === undefined
      ? redirectTo(request.c, '/setup?result=no_tenant')
      : act(request, seen, ...rest)
  }
