import type { Child } from 'hono/jsx'
import type { Problem } from '../checks/readiness.ts'
import { Live, Panel } from './layout.tsx'
import { nameOf, plural, span, when } from './format.ts'
import { clientLink, type ConsoleRequest } from './request.ts'

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
  const notes = problems.filter(({ urgency }) => urgency === 'note')
  const urgent = problems.filter(({ urgency }) => urgency !== 'note')
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
          {notes.length === 0 ? null : (
            <details>
              <summary>{plural(notes.length, 'note')}</summary>
              <Items request={request} problems={notes} />
            </details>
          )}
        </Panel>
      </Live>
    </>
  )
}

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
      <p class="small soft">
        {sinceMs === undefined ? null : (
          <>
            Since {when(sinceMs, nowMs)}, for {span(Math.max(0, nowMs - sinceMs))}.{' '}
          </>
        )}
        {runbook === undefined ? null : <Runbook request={request} section={runbook} />}
      </p>
    </li>
  )
}

/** Names the things that a problem concerns. A single instance is a link to its page. */
function aboutWords({ deps }: ConsoleRequest, about: readonly string[]): Child {
  const [, clientId] = (about.length === 1 && /^client (\S+)$/.exec(about[0] ?? '')) || []
  if (clientId === undefined) return about.join(', ')
  return (
    <>
      Instance: <a href={clientLink(clientId)}>{nameOf(deps, clientId)}</a>
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
