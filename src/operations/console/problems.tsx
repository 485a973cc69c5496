import type { Child } from 'hono/jsx'
import { causeOf } from '../checks/finding.ts'
import { isHidden, type Problem, readinessOf } from '../checks/readiness.ts'
import { Button } from '../../pages/components.tsx'
import { ask } from '../contract/ask.ts'
import { day, since } from '../times.ts'
import { Now } from './deliveries.tsx'
import { Done, Hidden, Live, Panel } from './layout.tsx'
import { count, nameOf, plural } from './format.ts'
import {
  queryParam,
  clientLink,
  type ConsoleRequest,
  linkOf,
  mayAct,
  type Mounted,
  userLink,
} from './request.ts'
import { REPORT_RESULT, ReportDone } from './reports.tsx'
import { HID, HIDE, PROBLEM } from './texts/hiding.ts'

/** The verdict and the problems behind it, the worst first. Notes are collapsed. */

export const URGENCY = {
  now: { words: 'act now', tag: 'tag bad' },
  today: { words: 'act today', tag: 'tag wait' },
  note: { words: 'note', tag: 'tag calm' },
} as const

/** Returns the problems that need an operator now or today. */
export const urgentOf = (problems: readonly Problem[]): Problem[] =>
  problems.filter((problem) => !isHidden(problem) && problem.urgency !== 'note')

export function Problems({
  request,
  verdict,
  problems,
}: {
  request: ConsoleRequest
  verdict: string
  problems: readonly Problem[]
}) {
  const hidden = problems.filter(isHidden)
  const notes = problems.filter((problem) => !isHidden(problem) && problem.urgency === 'note')
  const urgent = urgentOf(problems)
  return (
    <>
      <Live id="news" announced>
        {verdict}. {urgent.map(({ found }) => causeOf(found)[0]).join(' ')}
      </Live>
      <Live id="problems">
        <Panel title={verdict}>
          {problems.length === 0 ? (
            <p>
              <span class="tag">ok</span> {PROBLEM.none}
            </p>
          ) : null}
          <Items request={request} problems={urgent} />
          <Folded request={request} title={plural(notes.length, 'note')} problems={notes} />
          <Folded request={request} title={`${count(hidden.length)} hidden`} problems={hidden} />
        </Panel>
      </Live>
    </>
  )
}

const Folded = ({
  request,
  title,
  problems,
}: {
  request: ConsoleRequest
  title: string
  problems: readonly Problem[]
}) =>
  problems.length === 0 ? null : (
    <details>
      <summary>{title}</summary>
      <Items request={request} problems={problems} />
    </details>
  )

export const Items = ({
  request,
  problems,
}: {
  request: ConsoleRequest
  problems: readonly Problem[]
}) =>
  problems.length === 0 ? null : (
    <ul class="alerts">
      {problems.map((problem) => (
        <Item request={request} problem={problem} />
      ))}
    </ul>
  )

/** A problem. Its first sentence says the cause, and the others what follows from it. */
function Item({ request, problem }: { request: ConsoleRequest; problem: Problem }) {
  const { urgency, found, fix, about, user, report, runbook, since_ms: sinceMs } = problem
  const nowMs = request.deps.clock.nowMs()
  const [cause, then] = causeOf(found)
  const { words, tag } = URGENCY[urgency]
  return (
    <li class={`alert ${urgency}`}>
      <h3>
        <span class={tag}>{words}</span> {cause}
      </h3>
      {about.length === 0 ? null : <p class="small">{aboutWords(request, problem)}</p>}
      {then === '' ? null : <p>{then}</p>}
      {fix === undefined ? null : (
        <p>
          <strong>{PROBLEM.whatToDo}</strong> {user ? PROBLEM.reported : fix}
        </p>
      )}
      {report !== undefined && user !== undefined && mayAct(request) ? (
        <Reported request={request} user={user} report={report} />
      ) : null}
      {problem.redrive !== undefined && mayAct(request) ? (
        <Now request={request} which={problem.redrive} small label={`${PROBLEM.tryAll}: ${cause}`}>
          {PROBLEM.tryAll}
        </Now>
      ) : null}
      {problem.hideable && mayAct(request) ? <Hiding request={request} problem={problem} /> : null}
      <p class="small soft">
        {sinceMs === undefined ? null : `${since(sinceMs, nowMs)} `}
        {isHidden(problem)
          ? HIDE.by(problem.hidden_by, day((problem.hidden_until ?? 0) * 1000))
          : null}
        {runbook === undefined ? null : <Runbook request={request} heading={runbook} />}
      </p>
    </li>
  )
}

/** Hides a problem, or shows a hidden problem again. */
const Hiding = ({ request, problem }: { request: ConsoleRequest; problem: Problem }) => {
  const [cause] = causeOf(problem.found)
  return isHidden(problem) ? (
    <ShowAgain request={request} problem={problem} />
  ) : (
    <form method="post" action="/ops/problems/hide">
      <Hidden request={request} fields={{ id: problem.id }} />
      <Button kind="quiet" small label={`${HIDE.button}: ${cause}`}>
        {HIDE.button}
      </Button>
    </form>
  )
}

/** Leads from the report of a user to what ends it. */
const Reported = ({
  request,
  user,
  report,
}: {
  request: ConsoleRequest
  user: NonNullable<Problem['user']>
  report: string
}) => (
  <div class="row">
    <a href={userLink(request, user.sub)}>{PROBLEM.sessionsOf}</a>
    <a href={linkOf('/ops/lock', { user: user.sub })}>{PROBLEM.lock(user.name)}</a>
    <ReportDone request={request} id={report} of={user.name} />
  </div>
)

const ShowAgain = ({ request, problem }: { request: ConsoleRequest; problem: Problem }) => (
  <form method="post" action="/ops/problems/unhide">
    <Hidden request={request} fields={{ id: problem.id }} />
    <Button kind="quiet" small label={`${PROBLEM.showAgain}: ${causeOf(problem.found)[0]}`}>
      {PROBLEM.showAgain}
    </Button>
  </form>
)

/** Shows the result of hiding a problem, with a button that undoes it. */
export function HidingDone({
  request,
  problems,
}: {
  request: ConsoleRequest
  problems: readonly Problem[]
}) {
  const hidden = problems.filter(isHidden).find(({ id }) => id === queryParam(request, 'id'))
  return (
    <>
      <Done request={request} results={{ ...HID, ...REPORT_RESULT }} />
      {hidden && <ShowAgain request={request} problem={hidden} />}
    </>
  )
}

export const problemsNow = async ({ deps, checks }: ConsoleRequest): Promise<readonly Problem[]> =>
  checks === undefined ? [] : (await readinessOf(deps, checks)).problems

async function hide(request: ConsoleRequest, form: URLSearchParams): Promise<Response> {
  const id = form.get('id') ?? ''
  await ask(request, request.viewer.caller, 'POST /problems/:id/hide', { id })
  return request.c.redirect(linkOf('/ops', { done: 'hidden', id }), 303)
}

async function unhide(request: ConsoleRequest, form: URLSearchParams): Promise<Response> {
  const id = form.get('id') ?? ''
  await ask(request, request.viewer.caller, 'POST /problems/:id/unhide', { id })
  return request.c.redirect(linkOf('/ops', { done: 'unhidden' }), 303)
}

export const problemRoutes: readonly Mounted[] = [
  { path: '/problems/hide', form: hide },
  { path: '/problems/unhide', form: unhide },
]

/** Names the things that a problem concerns. A single instance or user is a link to its page. */
function aboutWords(request: ConsoleRequest, { about, user }: Problem): Child {
  const [only = ''] = about.length === 1 ? about : []
  const [, clientId] = /^client (\S+)$/.exec(only) ?? []
  if (clientId !== undefined)
    return (
      <>
        Instance: <a href={clientLink(clientId)}>{nameOf(request.deps, clientId)}</a>
      </>
    )
  if (user === undefined) return about.join(', ')
  return (
    <>
      User: <a href={userLink(request, user.sub)}>{user.name}</a>
    </>
  )
}

/**
 * Renders a link if the operators' documents have an address (BROKER_RUNBOOK_URL), else names the
 * document and its heading.
 */
const Runbook = ({ request, heading }: { request: ConsoleRequest; heading: string }) => {
  const { runbookUrl } = request.deps.config
  if (runbookUrl === undefined) return <>Runbook: docs/runbook.md, “{heading}”</>
  const section = heading
    .toLowerCase()
    .replaceAll(/[^\w\s-]/g, '')
    .replaceAll(' ', '-')
  return <a href={`${runbookUrl}#${section}`}>Runbook: {heading}</a>
}
