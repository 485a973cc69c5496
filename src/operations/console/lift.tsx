import { liftAs } from '../acts/locks.ts'
import { Problem } from '../../clients/problem.ts'
import { TextField } from '../../pages/fields.tsx'
import { isFresh } from '../../clients/session/lifetimes.ts'
import { Confirm, SignInAgain } from './confirm.tsx'
import {
  consolePage,
  Hidden,
  isAdministrator,
  Panel,
  type ConsoleRequest,
  nothingHere,
  type Mounted,
} from './layout.tsx'
import { targetWords } from './locks.tsx'
import { queried } from './revoke.tsx'

/** Lifting a lock: for administrators who signed in a short time ago. */

const idOf = (source: URLSearchParams): string => (source.get('id') ?? '').slice(0, 200)
const notAllowed = (request: ConsoleRequest): Response =>
  nothingHere(
    request,
    'This needs the app role Broker.Administrator. Operators may lock one user for at most 24 hours.',
    '/ops/locks',
    403,
  )
const gone = (request: ConsoleRequest): Response =>
  nothingHere(request, 'There is no such open lock. Nothing was changed.', '/ops/locks')
const signInFirst = (request: ConsoleRequest): Response =>
  consolePage(
    request,
    { title: 'That was not done', at: '/ops/locks', status: 403 },
    <Panel class="narrow">{[<SignInAgain what="This" />]}</Panel>,
  )

async function liftPage(request: ConsoleRequest): Promise<Response> {
  const { deps, operator, now } = request
  if (!isAdministrator(request)) return notAllowed(request)
  const lock = await deps.store.findLock(idOf(queried(request)))
  if (lock === undefined || lock.lifted !== undefined) return gone(request)
  return consolePage(
    request,
    { title: 'Lift a lock', at: '/ops/locks' },
    <Confirm
      facts={[
        ['Locked', await targetWords(request, lock.target)],
        ['Case', lock.caseReference],
        ['Comment', lock.comment],
      ]}
      after={isFresh(operator.session, now) ? null : <SignInAgain what="Lifting a lock" />}
      action="/ops/locks/lift"
      button="Lift the lock"
      back={{ href: '/ops/locks' }}
    >
      <Hidden request={request} fields={{ id: lock.id }} />
      <TextField name="comment" label="Comment" hint="Kept in the audit log." maxlength={2000} />
    </Confirm>,
  )
}

async function liftNow(request: ConsoleRequest, form: URLSearchParams): Promise<Response> {
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

export const liftRoutes: readonly Mounted<ConsoleRequest>[] = [
  { path: '/ops/locks/lift', page: liftPage, form: liftNow },
]
