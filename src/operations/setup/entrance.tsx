import type { Context } from 'hono'
import { withAuditEntry } from '../../clients/with-audit.ts'
import { remoteOf } from '../../runtime/remote-address.ts'
import type { Deps } from '../deps.ts'
import { Button, HiddenFields, LinkButton, Notice } from '../../pages/components.tsx'
import { CSRF_FIELD, csrfHolds, csrfToken } from '../../pages/csrf.ts'
import { TextField } from '../../pages/fields.tsx'
import { page } from '../../pages/layout.tsx'
import { mustBeWithin } from '../../runtime/rate-limits.ts'
import { operatorExists, recoveryPending, useSetupToken } from '../acts/setup-token.ts'
import { redirectTo, notOurForm } from './frame.tsx'
import { setVisitorCookie } from './visitor.ts'

/**
 * The entrance of /setup: the one-time token while there is no operator, then the console's
 * sign-in.
 */

const PURPOSE = 'setup token'
const RUN_SETUP = (
  <>
    This broker has no administrator yet. On the machine where it runs, run <code>cmb setup</code>{' '}
    (or <code>npx cmb setup</code>): it prints a token that is valid once, for 15 minutes. Enter
    that token here.
  </>
)

export async function entrancePage(
  deps: Deps,
  c: Context,
  { rejected = false, status = 401 }: { rejected?: boolean; status?: 401 | 403 } = {},
): Promise<Response> {
  const recovery = await recoveryPending(deps, deps.clock.now())
  const signsIn = !recovery && !rejected && (await operatorExists(deps.store))
  return page(
    c,
    { title: 'Setting up the connection to Microsoft', status, config: deps.config },
    signsIn ? (
      <SignInEntrance c={c} />
    ) : (
      <TokenEntrance csrf={csrfToken(deps, c, PURPOSE)} recovery={recovery} rejected={rejected} />
    ),
  )
}

function SignInEntrance({ c }: { c: Context }) {
  const path = new URL(c.req.url).pathname
  const asserted = c.req.query('result') === 'asserted'
  const signIn = new URLSearchParams({
    return_to: c.req.method === 'GET' && path !== '/setup/returned' && !asserted ? path : '/setup',
  })
  return (
    <>
      {asserted ? (
        <Notice
          kind="good"
          title="Microsoft is connected: the proof of MFA is set, and users can sign in now."
        >
          The token is no longer needed. From now on administrators sign in here.
        </Notice>
      ) : null}
      <p>
        This is for administrators of the broker: users of the operator tenant with the app role
        Broker.Administrator.
      </p>
      <div class="row">
        <LinkButton href={`/ops/sign-in?${signIn}`}>Sign in</LinkButton>
      </div>
    </>
  )
}

function TokenEntrance({
  csrf,
  recovery,
  rejected,
}: {
  csrf: string
  recovery: boolean
  rejected: boolean
}) {
  return (
    <>
      <p>
        {recovery
          ? 'A recovery token was made with cmb setup --recover. It is valid once, for 15 minutes. Enter that token here.'
          : RUN_SETUP}
      </p>
      {rejected ? (
        <div class="notice bad" role="alert">
          <strong>That token is not valid.</strong>
          <div>
            It may have been used, be older than 15 minutes, or be mistyped. Make a new one with
            `cmb setup` or, once the broker has an administrator, `cmb setup --recover`.
          </div>
        </div>
      ) : null}
      <form class="stack" method="post" action="/setup/token">
        <HiddenFields fields={{ [CSRF_FIELD]: csrf }} />
        <TextField label="Token" name="token" literal required />
        <div class="row">
          <Button>Begin</Button>
        </div>
      </form>
    </>
  )
}

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
    return entrancePage(deps, c, { rejected: true, status: 403 })
  }
  const recovery = token === 'recovery'
  const entry = {
    actor: { kind: 'operator', id: 'setup-token' },
    via: 'setup',
    act: 'setup.enter',
    details: { recovery },
  } as const
  await withAuditEntry(deps.store, entry, () => setVisitorCookie(deps, c, now, recovery))
  return redirectTo(c, '/setup')
}
