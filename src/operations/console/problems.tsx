import type { Child } from 'hono/jsx'
import { causeOf } from '../checks/finding.ts'
import { isHidden, type Problem, readinessOf } from '../checks/readiness.ts'
import { Button, LinkButton } from '../../pages/components.tsx'
import { HIDDEN_SECONDS, hideable } from '../acts/hidden-problems.ts'
import { ask } from '../contract/ask.ts'
import { day, moment, since } from '../times.ts'
import { type Asked, actAt, confirmed } from './confirm.tsx'
import { Hidden, Live, orRejected, Panel } from './layout.tsx'
import { count, nameOf, plural } from './format.ts'
import {
  clientLink,
  type ConsoleRequest,
  linkOf,
  mayAct,
  type Mounted,
  userLink,
} from './request.ts'
import { hidingWords, PROBLEM } from './texts/hiding.ts'

/** The verdict and the problems behind it, the worst first. Notes are collapsed. */

const URGENCY = {
  now: { words: 'act now', tag: 'tag bad' },
  today: { words: 'act today', tag: 'tag wait' },
  note: { words: 'note', tag: 'tag calm' },
} as const

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
  const others = problems.filter((one) => !isHidden(one))
  const notes = others.filter(({ urgency }) => urgency === 'note')
  const urgent = others.filter(({ urgency }) => urgency !== 'note')
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
  const { urgency, found, fix, about, user, runbook, since_ms: sinceMs } = problem
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
      {problem.hideable && mayAct(request) ? <Hiding request={request} problem={problem} /> : null}
      <p class="small soft">
        {sinceMs === undefined ? null : `${since(sinceMs, nowMs)} `}
        {isHidden(problem)
          ? hidingWords(problem).by(problem.hidden_by, day((problem.hidden_until ?? 0) * 1000))
          : null}
        {runbook === undefined ? null : <Runbook request={request} heading={runbook} />}
      </p>
    </li>
  )
}

/** Leads to the page that hides a problem, or shows a hidden one again. */
const Hiding = ({ request, problem }: { request: ConsoleRequest; problem: Problem }) => {
  const [cause] = causeOf(problem.found)
  const { button } = hidingWords(problem)
  const { user } = problem
  return isHidden(problem) ? (
    <form method="post" action="/ops/problems/unhide">
      <Hidden request={request} fields={{ id: problem.id }} />
      <Button kind="quiet" small label={`${PROBLEM.showAgain}: ${cause}`}>
        {PROBLEM.showAgain}
      </Button>
    </form>
  ) : (
    <div class="row">
      {user && (
        <>
          <a href={userLink(request, user.sub)}>{PROBLEM.sessionsOf}</a>
          <a href={linkOf('/ops/lock', { user: user.sub })}>{PROBLEM.lock(user.name)}</a>
        </>
      )}
      <LinkButton
        href={linkOf('/ops/problems/hide', { id: problem.id })}
        kind="quiet"
        small
        label={`${button}: ${cause}`}
      >
        {button}
      </LinkButton>
    </div>
  )
}

export const problemsNow = async ({ deps, checks }: ConsoleRequest): Promise<readonly Problem[]> =>
  checks === undefined ? [] : (await readinessOf(deps, checks)).problems

async function hide(request: ConsoleRequest, asking: Asked): Promise<Response> {
  const { viewer, now } = request
  const id = asking.source.get('id') ?? ''
  const problems = await problemsNow(request)
  const problem = hideable(problems, id)
  const { title, button, what, rows, result } = hidingWords(problem)
  return confirmed(request, asking, {
    title,
    at: '',
    action: '/problems/hide',
    fields: { id },
    button,
    back: { href: '/ops' },
    show: () => ({
      facts: [
        [what, problem.found],
        ['About', problem.about.length === 0 ? undefined : aboutWords(request, problem)],
        ...rows(moment((now + HIDDEN_SECONDS) * 1000)),
      ],
    }),
    async carryOut(caseAndComment) {
      await ask(request, viewer.caller, 'POST /problems/:id/hide', { id, ...caseAndComment })
      return linkOf('/ops', { done: result })
    },
  })
}

async function unhide(request: ConsoleRequest, form: URLSearchParams): Promise<Response> {
  const id = form.get('id') ?? ''
  await ask(request, request.viewer.caller, 'POST /problems/:id/unhide', { id })
  return request.c.redirect(linkOf('/ops', { done: 'unhidden' }), 303)
}

export const problemRoutes: readonly Mounted[] = [
  actAt('/problems/hide', hide, { at: '', need: 'operate' }),
  {
    path: '/problems/unhide',
    form: (request, form) => orRejected(request, '', unhide(request, form)),
  },
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
