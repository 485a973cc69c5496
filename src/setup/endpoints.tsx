import { type Context, Hono } from 'hono'
import { isForm } from '../client/form.ts'
import { bodyLimit } from 'hono/body-limit'
import type { Deps } from '../deps.ts'
import type { Checks } from '../checks/checks.ts'
import { createAdministration } from '../microsoft/administration.ts'
import { pageErrors } from '../page/errors.tsx'
import { OAuthError } from '../protocol/error.ts'
import { checksPage } from './checks.tsx'
import { addTenantPage, connectPage, keepConnection, saveConnection, saveTenant } from './connect.tsx'
import { doorPage, enter } from './entrance.tsx'
import { formHolds, freshFirst, goOn, notOurForm, type ProvesMfa, type Visit } from './frame.tsx'
import { overviewPage } from './overview.tsx'
import { assertProof, proofPage } from './proof.tsx'
import { registerPage } from './register.tsx'
import { returned } from './returned.ts'
import { type Seen, seenOf } from './seen.ts'
import { makeOperators, removeTenant, tenantPage } from './tenant.tsx'
import { type AskConsole, visitorOf } from './visitor.ts'

/**
 * Owns the administrator's side of the connection to Microsoft, on the operators' listener: what to register, the application, tenants, consent, proof
 * of MFA, checks. Refuses everybody but the holder of the one-time token and, from the first operator on, an administrator by role; and of the
 * latter every change that decides who signs in unless they have just proved themselves at Microsoft.
 */
export function setupEndpoints(
  deps: Deps,
  { administrator, proves, checks }: { administrator: AskConsole; proves: ProvesMfa; checks: Checks },
): Hono {
  const administration = createAdministration({ config: deps.config, connection: () => deps.connection.current() })
  const room = new Hono()
  const visitOf = async (c: Context): Promise<Visit | undefined> => {
    const now = deps.clock.now()
    const visitor = await visitorOf(deps, administrator, c, now)
    return visitor && { deps, c, visitor, now, administration, proves }
  }
  const show = (path: string, render: (visit: Visit) => Response | Promise<Response>): void => {
    room.get(path, async (c) => {
      const visit = await visitOf(c)
      return visit === undefined ? doorPage(deps, c) : render(visit)
    })
  }
  /** @param keep keeps what was typed, where the sign-in is too old for it */
  const change = (
    path: string,
    again: string,
    act: (visit: Visit, form: URLSearchParams) => Promise<Response>,
    keep?: (visit: Visit, form: URLSearchParams) => Promise<void>,
  ): void => {
    room.post(path, limit, async (c) => {
      const visit = await visitOf(c)
      if (visit === undefined) return doorPage(deps, c)
      const form = await formOf(c)
      if (!formHolds(visit, form)) return notOurForm(visit)
      if (visit.visitor.fresh) return act(visit, form)
      await keep?.(visit, form)
      return freshFirst(visit, again.replace(':tid', c.req.param('tid') ?? ''))
    })
  }
  room.post('/setup/token', limit, async (c) => enter(deps, c, await formOf(c), deps.clock.now()))
  show('/setup', overviewPage)
  show('/setup/register', registerPage)
  show('/setup/connect', (visit) => connectPage(visit))
  change('/setup/connect', '/setup/connect', saveConnection, keepConnection)
  show('/setup/add-tenant', (visit) => addTenantPage(visit))
  change('/setup/tenants', '/setup/add-tenant', saveTenant)
  show('/setup/returned', returned)
  show('/setup/checks', (visit) => checksPage(visit, checks))
  const page = '/setup/tenants/:tid'
  show(page, withTenant(tenantPage))
  show(`${page}/proof`, withTenant(proofPage))
  change(`${page}/proof`, `${page}/proof`, withTenant(assertProof))
  change(`${page}/operators`, page, withTenant(makeOperators))
  change(`${page}/remove`, page, withTenant(removeTenant))
  room.onError(pageErrors(deps, { title: 'Nothing was changed', what: 'It could not be written down.' }))
  return room
}

const withTenant =
  <Rest extends unknown[]>(act: (visit: Visit, seen: Seen, ...rest: Rest) => Response | Promise<Response>) =>
  async (visit: Visit, ...rest: Rest): Promise<Response> => {
    const seen = await seenOf(visit.deps.store, (visit.c.req.param('tid') ?? '').toLowerCase())
    return seen === undefined ? goOn(visit.c, '/setup') : act(visit, seen, ...rest)
  }

const limit = bodyLimit({
  maxSize: 64 * 1024,
  onError: () => {
    throw new OAuthError('invalid_request', 'The form is larger than 64 kB.', { status: 413 })
  },
})

async function formOf(c: Context): Promise<URLSearchParams> {
  if (!isForm(c)) throw new OAuthError('invalid_request', 'Send the form as application/x-www-form-urlencoded.', { status: 415 })
  return new URLSearchParams(await c.req.text())
}
