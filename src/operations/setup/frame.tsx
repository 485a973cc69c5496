import { moment } from '../times.ts'
import type { Context } from 'hono'
import type { Child } from 'hono/jsx'
import type { NewAuditEntry, Tenant } from '../../../db/types.ts'
import type { Caller } from '../../audit/caller.ts'
import { record } from '../../audit/record.ts'
import { openUntil, sealUntil } from '../../keys/sealed-in-browser.ts'
import { Button, HiddenFields } from '../../pages/components.tsx'
import { CSRF_FIELD, csrfHolds, csrfToken } from '../../pages/csrf.ts'
import { page } from '../../pages/layout.tsx'
import { messagePage } from '../../pages/message.tsx'
import type { Checks } from '../checks/checks.ts'
import type { Deps } from '../deps.ts'
import { Result } from './results.tsx'
import { Links } from './steps.tsx'
import type { SetupCaller } from './setup-caller.ts'
import type { StepResult } from './texts/results.ts'
import { FRESH, NOT_OUR_FORM } from './texts/frame.ts'

/**
 * Shared parts of the /setup pages: the visitor, forms that only this visitor can send, and acts
 * that are recorded before they run.
 */

export interface SetupRequest {
  deps: Deps
  c: Context
  caller: SetupCaller
  now: number
  checks: Checks
}

const formPurpose = ({ key }: SetupCaller): string => `setup ${key}`

export function formHolds(
  { deps, c, caller }: SetupRequest,
  form: URLSearchParams | FormData,
): boolean {
  const token = form.get(CSRF_FIELD)
  return csrfHolds(
    deps,
    c,
    formPurpose(caller),
    typeof token === 'string' ? token : undefined,
    deps.config.opsOrigin,
  )
}

/** The hidden field with what the visitor typed before, sealed, so that no page holds a secret. */
const TYPED_FIELD = 'typed_before'
const TYPED_SECONDS = 900
const typedPlace = ({ key }: SetupCaller): string => `setup/typed/${key}`

/**
 * Returns a form that was sent, with what the visitor typed before in fields that are empty now.
 * Undefined if nothing else was sent, and what was typed before is no longer kept.
 */
export function withTypedBefore(
  { deps, caller, now }: SetupRequest,
  sent: URLSearchParams,
): URLSearchParams | undefined {
  const sealed = sent.get(TYPED_FIELD) ?? undefined
  const before = openUntil(deps.sealer, typedPlace(caller), sealed, now)
  const form = new URLSearchParams(before as Record<string, string> | undefined)
  for (const [name, value] of sent) if (value !== '' || !form.has(name)) form.set(name, value)
  for (const name of [CSRF_FIELD, TYPED_FIELD]) form.delete(name)
  return sealed !== undefined && form.size === 0 ? undefined : form
}

/**
 * A form with the visitor's CSRF token.
 * @param typed what the visitor typed before, for fields that the page does not show again
 */
export function Form({
  request: { deps, c, caller, now },
  action,
  button,
  danger,
  files,
  typed,
  children,
}: {
  request: SetupRequest
  action: string
  /** The label of the button. */
  button: string
  danger?: boolean
  files?: boolean
  typed?: Record<string, string> | undefined
  children?: Child
}) {
  const fields = {
    [CSRF_FIELD]: csrfToken(deps, c, formPurpose(caller)),
    [TYPED_FIELD]: typed && sealUntil(deps.sealer, typedPlace(caller), typed, now + TYPED_SECONDS),
  }
  return (
    <form
      class="stack"
      method="post"
      action={action}
      enctype={files ? 'multipart/form-data' : undefined}
    >
      <HiddenFields fields={fields} />
      {children}
      <div class="row">
        <Button kind={danger ? 'danger' : 'primary'}>{button}</Button>
      </div>
    </form>
  )
}

export function setupPage(
  { deps, c, caller }: SetupRequest,
  about: {
    title: string
    status?: 200 | 400 | 403 | 422
    result?: StepResult | undefined
    home?: boolean
  },
  children: Child,
): Response {
  const { title, status, result, home } = about
  return page(
    c,
    { title, status, wide: true, config: deps.config },
    <>
      <Result result={result} />
      {children}
      <Links
        links={[
          ...(home ? [] : [['All steps', '/setup'] as const]),
          ...(caller.by === 'role' ? [['Operators’ console', '/ops'] as const] : []),
        ]}
      />
    </>,
  )
}

/** The part of a request that identifies who acts. */
type Acting = Pick<SetupRequest, 'deps'> & { caller: Pick<SetupCaller, 'actor'> }

/** Returns an administrator of a tenant as the one who acts. Microsoft has proved who it is. */
export const asTenant = (deps: Deps, tid: string): Acting => ({
  deps,
  caller: { actor: { kind: 'microsoft', id: tid } },
})

/** Carries out a step with its entry in the audit log. */
export const recordStep = <T,>(
  request: Acting,
  entry: Omit<NewAuditEntry, 'actor' | 'via'>,
  act: () => Promise<T>,
  result?: (answer: T) => Record<string, unknown>,
): Promise<T> => record(request.deps, callerOf(request), entry, act, result)

/** Returns the visitor as the one who carries out an act. */
export const callerOf = ({ caller }: Acting): Caller => ({
  actor: caller.actor,
  source: 'broker',
  via: 'setup',
  may: 'administer',
})

/** Makes a tenant the operator tenant. The audit entry names the one before it. */
export const makeOperatorTenant = (request: SetupRequest, tid: string): Promise<unknown> => {
  const { connection } = request.deps
  const details = { before: connection.current().operatorTenant ?? null }
  return recordStep(
    request,
    { act: 'connection.operators', target: `tenant ${tid}`, details },
    () => connection.change({ operatorTenant: tid }),
  )
}

/** Redirects after an accepted form, so that reloading the next page sends nothing twice. */
export const redirectTo = (c: Context, to: string): Response => c.redirect(to, 303)

export const when = (at: number | undefined): string | undefined =>
  at === undefined ? undefined : moment(at * 1000)

export const nameOf = (row: Pick<Tenant, 'tid' | 'name'>): string => row.name ?? row.tid

/**
 * Asks for a fresh sign-in in another tab, and keeps the form that was sent for after it. A form
 * with files cannot be kept.
 */
export const freshFirst = (request: SetupRequest, sent?: URLSearchParams): Response =>
  setupPage(
    request,
    { title: FRESH.title, status: 403 },
    <>
      <p>{FRESH.why}</p>
      <p>
        <a href="/ops/sign-in?fresh=yes&return_to=%2Fops%2Ffresh" target="_blank" rel="noopener">
          {FRESH.otherTab}
        </a>
        {sent === undefined ? FRESH.sendAgain : FRESH.goOn}
      </p>
      {sent === undefined ? null : (
        <Form
          request={request}
          action={request.c.req.path}
          typed={Object.fromEntries(sent)}
          button={FRESH.button}
        />
      )}
    </>,
  )

export const notOurForm = ({ deps, c }: Pick<SetupRequest, 'deps' | 'c'>): Response =>
  messagePage(c, {
    ...NOT_OUR_FORM,
    status: 403,
    config: deps.config,
  })
