import type { Child } from 'hono/jsx'
import type { Finding } from '../checks/finding.ts'
import { CHECKS } from '../checks/list.ts'
import { Live, Panel } from './layout.tsx'
import { plural, span, when } from './format.ts'
import { healthOf, type InstanceNow } from './instances.ts'
import { clientLink, type ConsoleRequest } from './request.ts'

/**
 * The current problems, the worst first: each finding of the checks, and each instance that does
 * not get what it should.
 */

interface Problem {
  id: string
  title: string
  severity: keyof typeof SEVERITY
  bad: boolean
  /** Epoch milliseconds. */
  sinceMs: number | undefined
  found: Child
  fix: Child
  /** A section of docs/runbook.md. */
  runbook: string | undefined
}

const BY_ID = new Map(CHECKS.map((one) => [one.id, one]))
const SEVERITY = {
  page: { words: 'act now', rank: 0 },
  ticket: { words: 'act today', rank: 1 },
  none: { words: 'note', rank: 2 },
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
}
const [DOWN, REJECTS, NO_GUARD] = [
  'an-instance-is-down',
  'an-instance-rejects-logout-tokens',
  'a-guard-is-outdated-or-gone',
]

const ofFinding = (one: Finding, sinceMs: number | undefined): Problem => ({
  id: `${one.check} ${one.about ?? ''}`.trim(),
  title: [BY_ID.get(one.check)?.question ?? one.check, one.about].filter(Boolean).join(' '),
  severity: BY_ID.get(one.check)?.severity ?? 'none',
  bad: one.state === 'failed',
  sinceMs,
  found: one.found,
  fix: one.fix,
  runbook: RUNBOOK[one.check],
})

const honors = ({ tokenSeconds }: InstanceNow): string =>
  `It honors an access token for up to ${span(tokenSeconds * 1000)} after it was revoked.`

function ofInstance(one: InstanceNow): Problem[] {
  const { health, why } = healthOf(one)
  if (health === 'good' || health === 'waits') return []
  const { pending, rejected, failed } = one.counts
  const oldest = Math.min(...one.targets.flatMap(({ oldestAtMs }) => oldestAtMs ?? []))
  const left = [
    [pending, 'pending'],
    [rejected, 'rejected'],
    [failed, 'failed'],
  ] as const
  const counted = left.filter(([count]) => count > 0).map(([count, state]) => `${count} ${state}`)
  return [
    {
      id: `instance ${one.clientId}`,
      title: `${one.name}: ${why}`,
      severity: health === 'bad' ? 'page' : 'ticket',
      bad: health === 'bad',
      sinceMs: Number.isFinite(oldest) ? oldest : undefined,
      found: one.unreached
        ? honors(one)
        : counted.length === 0
          ? undefined
          : `Deliveries: ${counted.join(', ')}.`,
      fix: one.unreached ? (
        'Install the guard in it, or register its logout address.'
      ) : (
        <a href={clientLink(one.clientId)}>See what does not work at {one.name}</a>
      ),
      runbook: one.unreached ? NO_GUARD : rejected > 0 && pending + failed === 0 ? REJECTS : DOWN,
    },
  ]
}

export function problemsOf(
  findings: readonly Finding[],
  instances: readonly InstanceNow[],
  since: (one: Finding) => number | undefined,
): Problem[] {
  const all = [
    ...findings.map((one) => ofFinding(one, since(one))),
    ...instances.flatMap(ofInstance),
  ]
  return all.toSorted(
    (a, b) =>
      SEVERITY[a.severity].rank - SEVERITY[b.severity].rank || Number(b.bad) - Number(a.bad),
  )
}

export function Problems({
  request,
  problems,
}: {
  request: ConsoleRequest
  problems: readonly Problem[]
}) {
  const nowMs = request.deps.clock.nowMs()
  const title = problems.length === 0 ? 'Everything works' : plural(problems.length, 'problem')
  return (
    <>
      <Live id="news" announced>
        {problems.length === 0 ? 'No problem.' : `${title}. The first: ${problems[0]?.title ?? ''}`}
      </Live>
      <Live id="problems">
        <Panel title={title}>
          {problems.length === 0 ? (
            <p>
              <span class="tag">ok</span> No check fails, and every instance gets what it should.
            </p>
          ) : (
            <ul class="alerts">
              {problems.map((one) => (
                <Item request={request} problem={one} nowMs={nowMs} />
              ))}
            </ul>
          )}
        </Panel>
      </Live>
    </>
  )
}

const Item = ({
  request,
  problem,
  nowMs,
}: {
  request: ConsoleRequest
  problem: Problem
  nowMs: number
}) => (
  <li class={problem.bad ? 'alert bad' : 'alert'}>
    <h3>
      <span class={problem.bad ? 'tag bad' : 'tag wait'}>{SEVERITY[problem.severity].words}</span>{' '}
      {problem.title}
    </h3>
    {problem.found === undefined ? null : <p>{problem.found}</p>}
    {problem.fix === undefined ? null : (
      <p>
        <strong>What to do:</strong> {problem.fix}
      </p>
    )}
    <p class="small soft">
      {problem.sinceMs === undefined ? null : <>Since {when(problem.sinceMs, nowMs)}. </>}
      {problem.runbook === undefined ? null : (
        <Runbook request={request} section={problem.runbook} />
      )}
    </p>
  </li>
)

/**
 * Renders a link if the operators' documents have an address (BROKER_RUNBOOK_URL), else the name of
 * the document and its section.
 */
const Runbook = ({ request, section }: { request: ConsoleRequest; section: string }) => {
  const { runbookUrl } = request.deps.config
  if (runbookUrl === undefined) return <>Runbook: docs/runbook.md#{section}</>
  return <a href={`${runbookUrl}#${section}`}>Runbook: {section.replaceAll('-', ' ')}</a>
}
