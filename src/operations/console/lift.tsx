import { liftAs } from '../acts/locks.ts'
import { Problem } from '../../clients/problem.ts'
import { Button, Facts, HiddenFields, LinkButton } from '../../pages/components.tsx'
import { CSRF_FIELD } from '../../pages/csrf.ts'
import { TextField } from '../../pages/fields.tsx'
import { isFresh } from '../../clients/session/fresh.ts'
import { desk, formToken, isAdministrator, Panel, type ConsoleRequest } from './desk.tsx'
import { SignInAgain } from './fresh-sign-in.tsx'
import { targetWords } from './locks.tsx'
import { nothingHere } from './nothing.tsx'
import { queried } from './revoke.tsx'

/** Lifting a lock: for administrators who signed in a short time ago. */

const idOf = (source: URLSearchParams): string => (source.get('id') ?? '').slice(0, 200)
const notAllowed = (request: ConsoleRequest): Response =>
  nothingHere(request, 'This needs the app role Broker.Administrator. Operators may lock one user for at most 24 hours.', '/ops/locks', 403)
const gone = (request: ConsoleRequest): Response => nothingHere(request, 'There is no such open lock. Nothing was changed.', '/ops/locks')
const signInFirst = (request: ConsoleRequest): Response =>
  desk(request, { title: 'That was not done', at: '/ops/locks', status: 403 }, <Panel class="narrow">{[<SignInAgain what="This" />]}</Panel>)

export async function liftPage(request: ConsoleRequest): Promise<Response> {
  const { deps, operator, now } = request
  if (!isAdministrator(request)) return notAllowed(request)
  const lock = await deps.store.findLock(idOf(queried(request)))
  if (lock === undefined || lock.lifted !== undefined) return gone(request)
  return desk(
    request,
    { title: 'Lift a lock', at: '/ops/locks' },
    <Panel class="narrow">
      <Facts
        items={[
          ['Locked', await targetWords(request, lock.target)],
          ['Case', lock.caseReference],
          ['Comment', lock.comment],
        ]}
      />
      {isFresh(operator.session, now) ? null : <SignInAgain what="Lifting a lock" />}
      <form class="stack" method="post" action="/ops/locks/lift">
        <HiddenFields fields={{ [CSRF_FIELD]: formToken(request), id: lock.id }} />
        <TextField name="comment" label="Comment" hint="Kept in the audit log." maxlength={2000} />
        <div class="row">
          <Button>Lift the lock</Button>
          <LinkButton kind="quiet" href="/ops/locks">
            Back
          </LinkButton>
        </div>
      </form>
    </Panel>,
  )
}

export async function liftNow(request: ConsoleRequest, form: URLSearchParams): Promise<Response> {
  const { deps, c, operator, now } = request
  if (!isAdministrator(request)) return notAllowed(request)
  if (!isFresh(operator.session, now)) return signInFirst(request)
  try {
    const comment = (form.get('comment') ?? '').trim().slice(0, 2000) || undefined
    const { outcome } = await liftAs(deps, operator.caller, { id: idOf(form), comment, now })
    return c.redirect(`/ops/locks?done=${outcome === 'lifted' ? 'lifted' : 'lifted_before'}`, 303)
  } catch (error) {
    if (error instanceof Problem) return gone(request)
    throw error
  }
}
