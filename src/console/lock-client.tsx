import { previewedLock } from '../acts/locks.ts'
import { Problem } from '../acts/problem.ts'
import { scheduleAs } from '../acts/scheduled.ts'
import { Button, Facts, HiddenFields, LinkButton, Notice } from '../page/components.tsx'
import { CSRF_FIELD } from '../page/csrf.ts'
import type { LockTarget } from '../protocol/lock-target.ts'
import { isFresh } from '../session/fresh.ts'
import { desk, formToken, isAdministrator, Panel, type ConsoleRequest } from './desk.tsx'
import { NOT_FRESH, SignInAgain } from './fresh-sign-in.tsx'
import { clientLink, linkOf } from './links.ts'
import { targetWords } from './locks.tsx'
import { nothingHere } from './nothing.tsx'
import { onceField, onceOnly } from './once.tsx'
import { howMany } from './revocations.tsx'
import { SaidFields } from './said.tsx'
import { queried } from './revoke.tsx'
import { type Draft, readDraft, saidOf, wordsIn } from './revoke-wanted.ts'
import { SameWaits, sameWaiting } from './waiting.tsx'

/** Asking for the lock of an instance, from its page: a dry run, and a proposal that another administrator confirms. */

const targetIn = (source: URLSearchParams): Extract<LockTarget, { kind: 'client' }> => ({
  kind: 'client',
  clientId: (source.get('client') ?? '').slice(0, 200),
})
const notAllowed = (request: ConsoleRequest): Response =>
  nothingHere(request, 'Locking an instance needs the app role Broker.Administrator.', '/ops/clients', 403)
/** The form has no addresses of the API to send an administrator to. */
const words = (error: unknown): string => {
  if (!(error instanceof Problem)) throw error
  return error.status === 404 ? 'No client of that ID is registered.' : `${error.title}. ${error.message}`
}

export async function lockClientPage(request: ConsoleRequest, source = queried(request), problem?: string): Promise<Response> {
  const { deps, now, operator } = request
  if (!isAdministrator(request)) return notAllowed(request)
  const [target, draft] = [targetIn(source), readDraft(source)]
  try {
    const { wouldEnd, open } = await previewedLock(deps, target, now)
    return desk(
      request,
      { title: 'Check before you ask for the lock', at: '/ops/clients', status: problem === undefined ? 200 : 422 },
      <Panel class="narrow">
        {problem === undefined ? null : <Notice kind="bad" title={problem} />}
        {open === undefined ? null : <Notice kind="warn" title="This instance is locked already." />}
        <SameWaits act={await sameWaiting(request, { act: 'lock', target, endsAt: undefined })} />
        <Facts
          items={[
            ['What', await targetWords(request, target)],
            ['Would end now', howMany(wouldEnd)],
            ['Lifted', 'by an administrator'],
          ]}
        />
        <p>While it is locked the instance gets no code and no token. Another administrator must confirm the lock within a day.</p>
        {isFresh(operator.session, now) ? null : <SignInAgain what="Locking" />}
        <Ask request={request} clientId={target.clientId} draft={draft} />
      </Panel>,
    )
  } catch (error) {
    return nothingHere(request, words(error), '/ops/clients', 422)
  }
}

const Ask = ({ request, clientId, draft }: { request: ConsoleRequest; clientId: string; draft: Draft }) => (
  <form class="stack" method="post" action="/ops/lock/client">
    <HiddenFields fields={{ [CSRF_FIELD]: formToken(request), ...onceField(request), client: clientId }} />
    <SaidFields said={draft} />
    <div class="row">
      <Button kind="danger">Ask for the lock</Button>
      <LinkButton kind="quiet" href={clientLink(clientId)}>
        Back
      </LinkButton>
    </div>
  </form>
)

export async function lockClientNow(request: ConsoleRequest, form: URLSearchParams): Promise<Response> {
  const { deps, c, operator, now } = request
  if (!isAdministrator(request)) return notAllowed(request)
  const [target, draft] = [targetIn(form), readDraft(form)]
  const problem = isFresh(operator.session, now) ? wordsIn(draft)[0] : NOT_FRESH
  if (problem !== undefined) return lockClientPage(request, form, problem)
  const asked = { what: { act: 'lock', target, endsAt: undefined }, dueAt: undefined, ...saidOf(draft), now } as const
  try {
    return await onceOnly(request, form, target.clientId, async () => {
      const act = await scheduleAs(deps, operator.caller, asked)
      return c.redirect(linkOf('/ops/scheduled', { id: act.id, asked: 'yes' }), 303)
    })
  } catch (error) {
    return nothingHere(request, words(error), '/ops/clients', 422)
  }
}
