import type { Context } from 'hono'
import type { Child } from 'hono/jsx'
import type { NewAuditEntry, Tenant } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import type { Administration } from '../../microsoft/administration.ts'
import { withAudit } from '../../clients/with-audit.ts'
import { HiddenFields, LinkButton, Notice } from '../../pages/components.tsx'
import { CSRF_FIELD, csrfHolds, csrfToken } from '../../pages/csrf.ts'
import { page } from '../../pages/layout.tsx'
import { messagePage } from '../../pages/message.tsx'
import { newId } from '../../runtime/ids.ts'
import { type SignInPurpose, seal } from './sign-in-purpose.ts'
import type { Visitor } from './visitor.ts'

/**
 * Shared parts of the /setup pages: the visitor, forms that only this visitor can send, and acts
 * that are recorded before they run.
 */

/** Returns whether an identity proves MFA by that policy, as the sign-in itself judges. */
export type ProvesMfa = (
  proof: string,
  identity: { acrs: string[]; amr: string[] | undefined },
) => boolean

export interface SetupRequest {
  deps: Deps
  c: Context
  visitor: Visitor
  now: number
  administration: Administration
  proves: ProvesMfa
}

const formPurpose = ({ key }: Visitor): string => `setup ${key}`

export function formHolds(
  { deps, c, visitor }: SetupRequest,
  form: URLSearchParams | FormData,
): boolean {
  const token = form.get(CSRF_FIELD)
  return csrfHolds(
    deps,
    c,
    formPurpose(visitor),
    typeof token === 'string' ? token : undefined,
    deps.config.opsOrigin,
  )
}

/** A form with the visitor's CSRF token. */
export const Form = ({
  request,
  action,
  files,
  children,
}: {
  request: SetupRequest
  action: string
  files?: boolean
  children: Child
}) => (
  <form
    class="stack"
    method="post"
    action={action}
    enctype={files ? 'multipart/form-data' : undefined}
  >
    <HiddenFields
      fields={{ [CSRF_FIELD]: csrfToken(request.deps, request.c, formPurpose(request.visitor)) }}
    />
    {children}
  </form>
)

/**
 * Returns the link to a sign-in at Microsoft. It is not a form, because the CSP `form-action` would
 * also apply to Microsoft's further redirects.
 */
export function signInAddress(
  { deps, visitor, now }: SetupRequest,
  about: Pick<SignInPurpose, 'kind' | 'tid' | 'proof'>,
): string {
  const purpose: SignInPurpose = { ...about, id: newId(deps.random), key: visitor.key }
  return `${deps.config.issuer}/signin/setup?${new URLSearchParams({ request: seal(deps, 'purpose', purpose, now) })}`
}

export interface StepResult {
  kind: 'good' | 'warn' | 'bad'
  title: string
  words?: string | undefined
}

export function setupPage(
  { deps, c, visitor }: Pick<SetupRequest, 'deps' | 'c' | 'visitor'>,
  about: {
    title: string
    status?: 200 | 400 | 403 | 409 | 422
    result?: StepResult | undefined
    script?: string
    home?: boolean
  },
  children: Child,
): Response {
  return page(
    c,
    {
      title: about.title,
      status: about.status,
      wide: true,
      script: about.script,
      config: deps.config,
    },
    <>
      {about.result === undefined ? null : (
        <Notice kind={about.result.kind} title={about.result.title}>
          {about.result.words}
        </Notice>
      )}
      {children}
      {about.home && visitor.by !== 'role' ? null : (
        <div class="row">
          {about.home ? null : (
            <LinkButton href="/setup" kind="quiet">
              All steps
            </LinkButton>
          )}
          {visitor.by === 'role' ? (
            <LinkButton href="/ops" kind="quiet">
              Operators’ console
            </LinkButton>
          ) : null}
        </div>
      )}
    </>,
  )
}

/** The part of a request that identifies who acts. */
export type Acting = Pick<SetupRequest, 'deps' | 'now' | 'administration'> & {
  visitor: Pick<Visitor, 'actor'>
}

/** Runs an act after its audit entry is written. */
export const withSetupAudit = <T,>(
  { deps, visitor }: Pick<Acting, 'deps' | 'visitor'>,
  entry: Omit<NewAuditEntry, 'actor' | 'via'>,
  act: () => Promise<T>,
  result?: (answer: T) => Record<string, unknown>,
): Promise<T> =>
  withAudit(
    deps,
    { actor: visitor.actor, source: 'broker', via: 'setup', may: 'administer' },
    entry,
    act,
    result,
  )

/**
 * Returns the operator tenant before the act, for the audit log. The entry's target is the one
 * after it.
 */
export const operatorsBefore = ({ deps }: Acting): Record<string, unknown> => ({
  before: deps.connection.current().operatorTenant ?? null,
})

/** Redirects after an accepted form, so that reloading the next page sends nothing twice. */
export const redirectTo = (c: Context, to: string): Response => c.redirect(to, 303)

export const nameOf = (row: Pick<Tenant, 'tid' | 'name'>): string => row.name ?? row.tid

export const freshFirst = (
  { deps, c }: Pick<SetupRequest, 'deps' | 'c'>,
  returnTo: string,
): Response =>
  messagePage(c, {
    title: 'Please sign in again',
    status: 403,
    what: 'What you are about to change decides who can sign in, so your own sign-in at Microsoft has to be at most five minutes old. Nothing was changed.',
    links: [
      {
        href: `/ops/sign-in?${new URLSearchParams({ fresh: 'yes', return_to: returnTo })}`,
        label: 'Sign in again',
      },
      { href: '/setup', label: 'All steps' },
    ],
    config: deps.config,
  })

export const notOurForm = ({ deps, c }: Pick<SetupRequest, 'deps' | 'c'>): Response =>
  messagePage(c, {
    title: 'That form cannot be used',
    status: 403,
    what: 'It was not sent from a page that this browser was shown, or the page is too old. Nothing was changed.',
    next: `Open the page again at ${deps.config.opsOrigin}/setup and send it from there.`,
    links: [{ href: '/setup', label: 'All steps' }],
    config: deps.config,
  })
