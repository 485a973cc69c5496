import type { ScheduledAct } from '../../db/types.ts'
import { liftAs } from '../acts/locks.ts'
import { Problem } from '../acts/problem.ts'
import { cancelAs, confirmAs, previewedAct } from '../acts/scheduled.ts'
import { Button, Facts, HiddenFields, LinkButton, Notice } from '../page/components.tsx'
import { CSRF_FIELD } from '../page/csrf.ts'
import { TextField } from '../page/fields.tsx'
import { isFresh } from '../session/fresh.ts'
import { desk, formToken, isAdministrator, Panel, type ConsoleRequest } from './desk.tsx'
import { SignInAgain } from './fresh-sign-in.tsx'
import { byWords, minuteOf, targetWords, whatWords } from './locks.tsx'
import { nothingHere } from './nothing.tsx'
import { howMany } from './revocations.tsx'
import { queried } from './revoke.tsx'

/** Lifting a lock, and confirming or canceling what another administrator proposed: for administrators who signed in a short time ago. */

const idOf = (source: URLSearchParams): string => (source.get('id') ?? '').slice(0, 200)
const notAllowed = (request: ConsoleRequest): Response =>
  nothingHere(request, 'This needs the app role Broker.Administrator. Operators may lock one user for at most 24 hours.', '/ops/locks', 403)
const gone = (request: ConsoleRequest): Response => nothingHere(request, 'There is no such lock or act. Nothing was changed.', '/ops/locks')
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

export async function decidePage(request: ConsoleRequest): Promise<Response> {
  const { deps, c, operator, now } = request
  if (!isAdministrator(request)) return notAllowed(request)
  const act = await deps.store.findScheduledAct(idOf(queried(request)))
  if (act === undefined || act.settled !== undefined) return gone(request)
  const own = act.actor.kind === operator.caller.actor.kind && act.actor.id === operator.caller.actor.id
  const confirms = act.state === 'proposed' && !own
  return desk(
    request,
    { title: titleOf(act, confirms), at: '/ops/locks' },
    <Panel class="narrow">
      {c.req.query('asked') === 'yes' && own ? <Notice title="Nothing is done yet: the request waits for another administrator." /> : null}
      <Facts
        items={[
          ['What', await whatWords(request, act)],
          ['Asked by', await byWords(request, act.actor.id)],
          ['Would end now', await endsNow(request, act)],
          ['When', minuteOf(act.dueAt, 'as soon as it is confirmed')],
          ['Expires', act.state === 'proposed' && act.confirmUntil !== undefined ? minuteOf(act.confirmUntil, '') : undefined],
          ['Case', act.caseReference],
          ['Comment', act.comment],
        ]}
      />
      {act.state === 'proposed' ? <p class="soft">It covers what exists when it is confirmed, also newer sessions.</p> : null}
      {own && act.state === 'proposed' ? <p class="soft">You proposed this. Another administrator must confirm it.</p> : null}
      {isFresh(operator.session, now) ? null : <SignInAgain what="Deciding" />}
      <form class="row" method="post" action="/ops/scheduled">
        <HiddenFields fields={{ [CSRF_FIELD]: formToken(request), id: act.id }} />
        {confirms ? (
          <Button kind="danger" name="decision" value="confirm">
            Confirm
          </Button>
        ) : null}
        <Button kind="quiet" name="decision" value="cancel">
          Cancel this act
        </Button>
      </form>
    </Panel>,
  )
}

const titleOf = ({ state }: ScheduledAct, confirms: boolean): string =>
  confirms ? 'Confirm or cancel' : state === 'proposed' ? 'Waiting for another administrator' : 'Scheduled'

/** Undefined where its target is gone. */
async function endsNow({ deps, now }: ConsoleRequest, { what }: ScheduledAct): Promise<string | undefined> {
  try {
    return howMany((await previewedAct(deps, what, now)).wouldEnd)
  } catch (error) {
    if (error instanceof Problem) return undefined
    throw error
  }
}

const NO_TARGET = 'It was not done: its target no longer exists.'
const NOT_DONE: Readonly<Record<string, string>> = {
  right_lost: 'It was not done: the administrator who proposed it no longer has that role.',
  self: 'It was not done: the proposer cannot lock their own account or client.',
  operator_tenant: 'It was not done: the operator tenant cannot be locked.',
  console: 'It was not done: the console’s own client cannot be locked.',
}

export async function decideNow(request: ConsoleRequest, form: URLSearchParams): Promise<Response> {
  const { deps, c, operator, now } = request
  if (!isAdministrator(request)) return notAllowed(request)
  if (!isFresh(operator.session, now)) return signInFirst(request)
  const [id, decision] = [idOf(form), form.get('decision')]
  try {
    if (decision === 'cancel') await cancelAs(deps, operator.caller, id, now)
    else if (decision === 'confirm') {
      const { state, settled, what } = await confirmAs(deps, operator.caller, id, now)
      if (state === 'failed') return nothingHere(request, NOT_DONE[String(settled?.result['why'])] ?? NO_TARGET, '/ops/locks', 422)
      if (what.act === 'revoke' && typeof settled?.result['seq'] === 'number')
        return c.redirect(`/ops/revocations/${settled.result['seq']}?done=yes`, 303)
    } else return gone(request)
    return c.redirect(`/ops/locks?done=${decision === 'cancel' ? 'cancelled' : 'confirmed'}`, 303)
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    return error.status === 404 ? gone(request) : nothingHere(request, `${error.title}. ${error.message}`, '/ops/locks', 422)
  }
}
