import type { Context } from 'hono'
import { record } from '../../audit/record.ts'
import { remoteOf } from '../../runtime/remote-address.ts'
import type { Deps } from '../deps.ts'
import { Button, HiddenFields } from '../../pages/components.tsx'
import { CSRF_FIELD, csrfHolds, csrfToken } from '../../pages/csrf.ts'
import { TextField } from '../../pages/fields.tsx'
import { page } from '../../pages/layout.tsx'
import { messagePage } from '../../pages/message.tsx'
import { mustBeWithin } from '../../runtime/rate-limits.ts'
import { operatorExists, recoveryPending, useSetupToken } from '../acts/setup-token.ts'
import { notOurForm, redirectTo } from './frame.tsx'
import { Result } from './results.tsx'
import { RESULTS } from './texts/results.ts'
import { setSetupCookie } from './setup-caller.ts'
import { ENTRANCE, noAdministrator } from './texts/entrance.tsx'

/**
 * The entrance of /setup: the one-time token while there is no operator, then the console's
 * sign-in.
 */

const PURPOSE = 'setup token'
const TITLE = 'Setting up the connection to Microsoft'

/** Shows the field of the token. @param rejected true if the token that was sent is not valid */
export async function entrancePage(deps: Deps, c: Context, rejected = false): Promise<Response> {
  const recovery = await recoveryPending(deps, deps.clock.now())
  if (!recovery && !rejected && (await operatorExists(deps.store))) return signInPage(deps, c)
  return page(
    c,
    { title: TITLE, status: rejected ? 403 : 401, config: deps.config },
    <>
      <p>{recovery ? ENTRANCE.recovery : noAdministrator}</p>
      <Result result={rejected ? RESULTS.token_rejected : undefined} />
      <form class="stack" method="post" action="/setup/token">
        <HiddenFields fields={{ [CSRF_FIELD]: csrfToken(deps, c, PURPOSE) }} />
        <TextField label="Token" name="token" literal required />
        <div class="row">
          <Button>Begin</Button>
        </div>
      </form>
    </>,
  )
}

const signInPage = (deps: Deps, c: Context): Response =>
  messagePage(c, {
    title: TITLE,
    status: 401,
    what: ENTRANCE.forWhom,
    links: [
      {
        href: `/ops/sign-in?${new URLSearchParams({ return_to: c.req.method === 'GET' ? c.req.path : '/setup' })}`,
        label: 'Sign in',
      },
    ],
    config: deps.config,
  })

export async function enter(
  deps: Deps,
  c: Context,
  form: URLSearchParams,
  now: number,
): Promise<Response> {
  if (!csrfHolds(deps, c, PURPOSE, form.get(CSRF_FIELD) ?? undefined, deps.config.opsOrigin))
    return notOurForm({ deps, c })
  const token = await useSetupToken(deps, form.get('token') ?? '', now)
  if (token === undefined) {
    const key = { address: remoteOf(c, deps.config) }
    if (deps.rateLimits.mayLog(key)) deps.log.warn('setup_token_rejected', { from: key.address })
    // Only wrong tokens are limited, so the right one always works.
    mustBeWithin(deps.rateLimits, 'setupToken', key)
    return entrancePage(deps, c, true)
  }
  const recovery = token === 'recovery'
  const holder = { actor: { kind: 'operator', id: 'setup-token' }, via: 'setup' } as const
  await record(deps, holder, { act: 'setup.enter', details: { recovery } }, () =>
    setSetupCookie(deps, c, now, recovery),
  )
  return redirectTo(c, '/setup')
}
