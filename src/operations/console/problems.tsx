import type { Child } from 'hono/jsx'
import { type Problem, readinessOf } from '../checks/readiness.ts'
import { Button } from '../../pages/components.tsx'
import { acknowledgeAs } from '../acts/acknowledged.ts'
import { Hidden, Live, Panel } from './layout.tsx'
import { count, nameOf, plural, span, when } from './format.ts'
import { clientLink, type ConsoleRequest, linkOf, mayAct, userLink } from './request.ts'

/** The verdict and the problems behind it, the worst first. Notes are collapsed. */

const URGENCY = {
  now: { words: 'act now', tag: 'tag bad' },
  today: { words: 'act today', tag: 'tag wait' },
  note: { words: 'note', tag: 'tag calm' },
} as const

/**
 * The section of docs/runbook.md that helps with a check. A test compares them with the document.
 */
export const RUNBOOK: Readonly<Record<string, string>> = {
  queue: 'the-queue-server-is-down-or-lost-its-data',
  'queue-durability': 'the-queue-server-is-down-or-lost-its-data',
  database: 'the-disk-is-full',
  microsoft: 'microsoft-is-down-or-rejects-the-broker',
  credential: 'microsoft-is-down-or-rejects-the-broker',
  registration: 'microsoft-is-down-or-rejects-the-broker',
  'sign-ins': 'microsoft-is-down-or-rejects-the-broker',
  probe: 'microsoft-is-down-or-rejects-the-broker',
  clock: 'the-clock-is-wrong',
  'postgres-clock': 'the-clock-is-wrong',
  secrets: 'broker_secret-leaked',
  instances: 'an-instance-is-down',
  brokers: 'a-broker-is-missing',
  'user-reports': 'a-device-was-stolen',
  'guard-leases': 'a-guard-is-outdated-or-gone',
}

export function Problems({
  request,
  verdict,
  problems,
}: {
  request: ConsoleRequest
  verdict: string
  problems: readonly Problem[]
}) {
  const known = problems.filter((one) => one.acknowledged_by !== undefined)
  const others = problems.filter((one) => one.acknowledged_by === undefined)
  const notes = others.filter(({ urgency }) => urgency === 'note')
  const urgent = others.filter(({ urgency }) => urgency !== 'note')
  return (
    <>
      <Live id="news" announced>
        {verdict}. {urgent[0]?.found}
      </Live>
      <Live id="problems">
        <Panel title={verdict}>
          {problems.length === 0 ? (
            <p>
              <span class="tag">ok</span> No check fails, and every instance gets what it should.
            </p>
          ) : null}
          <Items request={request} problems={urgent} />
          <Folded request={request} title={plural(notes.length, 'note')} problems={notes} />
          <Folded
            request={request}
            title={`${count(known.length)} acknowledged`}
            problems={known}
          />
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

const Items = ({ request, problems }: { request: ConsoleRequest; problems: readonly Problem[] }) =>
  problems.length === 0 ? null : (
    <ul class="alerts">
      {problems.map((problem) => (
        <Item request={request} problem={problem} />
      ))}
    </ul>
  )

/** A problem. Its first sentence says the cause, and the others what follows from it. */
function Item({ request, problem }: { request: ConsoleRequest; problem: Problem }) {
  const { check, urgency, found, fix, about, since_ms: sinceMs } = problem
  const nowMs = request.deps.clock.nowMs()
  const [, cause = found, then = ''] = /^(.*?[.!])\s+(.+)$/s.exec(found) ?? []
  const runbook = problem.runbook ?? RUNBOOK[check]
  const { words, tag } = URGENCY[urgency]
  return (
    <li class={urgency === 'now' ? 'alert bad' : 'alert'}>
      <h3>
        <span class={tag}>{words}</span> {cause}
      </h3>
      {about.length === 0 ? null : <p class="small">{aboutWords(request, about)}</p>}
      {then === '' ? null : <p>{then}</p>}
      {fix === undefined ? null : (
        <p>
          <strong>What to do:</strong> {fix}
        </p>
      )}
      {problem.acknowledgeable && problem.acknowledged_by === undefined && mayAct(request) ? (
        <form method="post" action="/ops/acknowledge">
          <Hidden request={request} fields={{ id: problem.id }} />
          <Button kind="quiet" small label={`Acknowledge: ${cause}`}>
            Acknowledge
          </Button>
        </form>
      ) : null}
      <p class="small soft">
        {sinceMs === undefined ? null : (
          <>
            Since {when(sinceMs, nowMs)}, {lasting(nowMs - sinceMs)}.{' '}
          </>
        )}
        {problem.acknowledged_by === undefined
          ? null
          : `Acknowledged by ${problem.acknowledged_by}. `}
        {runbook === undefined ? null : <Runbook request={request} section={runbook} />}
      </p>
    </li>
  )
}

const lasting = (ms: number): string => (ms < 1000 ? 'just now' : `for ${span(ms)}`)

/** Acknowledges a problem. One that has changed since the page was shown is not acknowledged. */
export async function acknowledge(
  { deps, c, viewer, now, checks }: ConsoleRequest,
  form: URLSearchParams,
): Promise<Response> {
  const { problems } = checks === undefined ? { problems: [] } : await readinessOf(deps, checks)
  const id = form.get('id') ?? ''
  const isThere = problems.some((one) => one.id === id && one.acknowledgeable)
  if (isThere) await acknowledgeAs(deps, viewer.caller, { id, now, problems })
  return c.redirect(linkOf('/ops', { done: isThere ? 'acknowledged' : 'changed' }), 303)
}
export const ACKNOWLEDGED: Readonly<Record<string, string>> = {
  acknowledged: 'Acknowledged. It counts again when its words change, or in 30 days.',
  changed: 'The problem has changed or ended. Nothing was acknowledged.',
}

/** Names the things that a problem concerns. A single instance or user is a link to its page. */
function aboutWords(request: ConsoleRequest, about: readonly string[]): Child {
  const [only = ''] = about.length === 1 ? about : []
  const [, clientId] = /^client (\S+)$/.exec(only) ?? []
  const [, name, sub] = /^user (.+) \((u_\S+)\)$/s.exec(only) ?? []
  if (clientId !== undefined)
    return (
      <>
        Instance: <a href={clientLink(clientId)}>{nameOf(request.deps, clientId)}</a>
      </>
    )
  if (sub === undefined) return about.join(', ')
  return (
    <>
      User: <a href={userLink(request, sub)}>{name}</a>
    </>
  )
}

/**
 * Renders a link if the operators' documents have an address (BROKER_RUNBOOK_URL), else the name of
 * the document and its section.
 */
const Runbook = ({ request, section }: { request: ConsoleRequest; section: string }) => {
  const { runbookUrl } = request.deps.config
  if (runbookUrl === undefined) return <>Runbook: docs/runbook.md#{section}</>
  return <a href={`${runbookUrl}#${section}`}>Runbook: {section.replaceAll('-', ' ')}</a>
}
