import type { Child } from 'hono/jsx'
import type { AuditEntry } from '../../../db/types.ts'
import { Notice } from '../../pages/components.tsx'
import { Problem } from '../../clients/problem.ts'
import { auditLines, linesResponse } from '../acts/audit.ts'
import { targetName } from '../acts/names.ts'
import { idNamedBy, MOST_ENTRIES } from '../acts/search.ts'
import { actsOf } from '../contract/acts.ts'
import type { Deps } from '../deps.ts'
import { consolePage, nothingHere, Panel } from './layout.tsx'
import { actorWords, count, plural, when } from './format.ts'
import { Filters, listOf, MOMENT, momentOf, orProblem } from './list.tsx'
import { numberedPlace, numberText, pageOfSearch } from './pages.tsx'
import { asked, type ConsoleRequest, linkOf, type Mounted, pageLink, tidOf } from './request.ts'

/**
 * The audit log page: each entry with its actor, act, target and outcome. Operators can download
 * the entries that match the filter as JSON lines. The administrator of a tenant sees only the
 * entries of that tenant's administrators.
 */

const PAGE = 50
/** The acts of the audit log that the contract does not name. */
const ACTS = [
  'revoke',
  'lock',
  'lock.lift',
  'redrive',
  'try_now',
  'close',
  'microsoft.redrive',
  'problem.acknowledge',
  'console.sign_in',
  'api.denied',
  'setup.enter',
  'connection.change',
  'connection.operators',
  'consent.returned',
  'consent.confirm',
  'proof.propose',
  'proof.assert',
  'branding.change',
  'user.report',
  'sessions.export',
  'revocations.export',
  'stream.create',
  'stream.change',
  'stream.delete',
  'stream.disable',
  'stream.remove',
]

const actsNamed = (deps: Deps): string[] => [
  ...new Set([...ACTS, ...actsOf(deps).flatMap(({ audit }) => audit ?? [])].toSorted()),
]

const AsJsonLines = ({ href }: { href: string }) => (
  <p>
    <a href={href} download="broker-audit.jsonl">
      Download as JSON lines
    </a>
  </p>
)

async function auditPage(request: ConsoleRequest): Promise<Response> {
  const { deps } = request
  const isOperator = tidOf(request) === undefined
  const { place, before } = numberedPlace(request)
  const filter = await orProblem(filterOf(request))
  const found =
    filter instanceof Problem
      ? { found: [], searchedTo: undefined }
      : await deps.store.pageOfAudit({
          before,
          ...filter,
          tid: tidOf(request),
          limit: PAGE + 1,
          most: MOST_ENTRIES,
        })
  const { shown, next, searchedTo } = pageOfSearch(found, PAGE, ({ id }) => numberText(request, id))
  const list = await listOf<AuditEntry>(request, {
    label: 'Audit log',
    columns: [
      isOperator && ['Number', ({ id }) => id],
      ['When', ({ atMs }) => when(atMs, deps.clock.nowMs())],
      ['Who', (one) => whoOf(request, one)],
      isOperator && ['Via', ({ via }) => via],
      ['What', ({ act }) => act],
      ['Target', async (one) => <Target entry={one} name={await targetName(deps, one.target)} />],
      ['Case', ({ caseReference }) => caseReference ?? ''],
      ['Outcome', (one) => <Outcome entry={one} isOperator={isOperator} />],
    ],
    entries: shown,
    none: 'No entry matches.',
    pages: {
      of: 'the audit log',
      place,
      next,
      searchedTo:
        searchedTo &&
        `${when(searchedTo.atMs, deps.clock.nowMs())} (entry ${count(searchedTo.id)})`,
    },
  })
  return consolePage(
    request,
    { title: 'Audit log', at: '/audit' },
    <>
      <Panel>
        <Filters request={request} path="/audit" fields={fieldsOf(request)} />
        {isOperator ? <AsJsonLines href={linkOf('/ops/audit.jsonl', sent(request))} /> : null}
      </Panel>
      <Panel>
        {filter instanceof Problem ? <Notice kind="warn" title={filter.message} /> : list}
      </Panel>
    </>,
  )
}

/** Returns the fields of the filter. Only operators see actors, targets and cases. */
const fieldsOf = (request: ConsoleRequest): Parameters<typeof Filters>[0]['fields'] => {
  const isOperator = tidOf(request) === undefined
  return [
    isOperator && ['actor', 'Who', 'Name, sub or client'],
    isOperator && [
      'act',
      'What',
      [
        ['', 'Anything'],
        ...actsNamed(request.deps).map((one) => [one, ACT_WORDS[one] ?? one] as const),
      ],
    ],
    isOperator && ['target', 'Target'],
    isOperator && ['case', 'Case'],
    ['since', 'From (UTC)', MOMENT],
    ['until', 'Before (UTC)', MOMENT],
  ]
}

const FILTERS = ['actor', 'act', 'target', 'case', 'since', 'until'] as const

/** Returns the filter's parameters of the request by their names. */
const sent = (request: ConsoleRequest) =>
  Object.fromEntries(FILTERS.map((name) => [name, asked(request, name)]))

async function filterOf(request: ConsoleRequest) {
  // The names that a filter finds are those of every tenant.
  const isOperator = tidOf(request) === undefined
  const { actor, act, target, case: caseReference } = isOperator ? sent(request) : {}
  const atMs = (name: string): number | undefined => {
    const at = momentOf(request, name)
    return at === undefined ? undefined : at * 1000
  }
  return {
    actorId: await idNamedBy(request.deps, 'actor', actor),
    act,
    target,
    caseReference,
    sinceMs: atMs('since'),
    untilMs: atMs('until'),
  }
}

async function whoOf(request: ConsoleRequest, { actor }: AuditEntry): Promise<Child> {
  const words = await actorWords(request, actor)
  return tidOf(request) === undefined ? (
    <a href={pageLink(request, '/audit', { actor: actor.id })}>{words}</a>
  ) : (
    words
  )
}

const Target = ({ entry, name }: { entry: AuditEntry; name: string | undefined }) => (
  <>
    {name === undefined ? null : <div>{name}</div>}
    <span class="small">{entry.target}</span>
    {entry.comment === undefined ? null : <div class="small soft">“{entry.comment}”</div>}
    <Changes entry={entry} />
  </>
)

const OUTCOME = {
  done: { words: 'done', tag: 'tag' },
  rejected: { words: 'rejected', tag: 'tag wait' },
  failed: { words: 'failed', tag: 'tag bad' },
} as const

/**
 * Shows the revocation's number to operators only, because the numbers count the revocations of
 * every tenant.
 */
function Outcome({ entry, isOperator }: { entry: AuditEntry; isOperator: boolean }) {
  const { ended } = entry
  const { words, tag } =
    ended === undefined ? { words: 'not finished', tag: 'tag bad' } : OUTCOME[ended.outcome]
  const seq = ended?.result.seq
  const reason = reasonOf(entry)
  return (
    <>
      <span class={tag}>{words}</span>
      {reason === undefined ? null : <div class="small">{reason}</div>}
      {isOperator && typeof seq === 'number' ? <a href={`/ops/revocations/${seq}`}>{seq}</a> : null}
    </>
  )
}

const ACT_WORDS: Readonly<Record<string, string>> = {
  'api.denied': 'api.denied: requests and forms that were denied',
  'console.sign_in': 'console.sign_in: accepted and rejected',
}

interface Change {
  before: unknown
  after: unknown
}
const isChange = (value: unknown): value is Change =>
  typeof value === 'object' && value !== null && 'before' in value && 'after' in value

/**
 * Returns the fields that the act changed. The entry has them in the request's details or in the
 * outcome.
 */
function changesOf({ details, ended }: AuditEntry): [name: string, change: Change][] {
  const changed = details.changed ?? ended?.result.changed
  if (typeof changed !== 'object' || changed === null) return []
  return Object.entries(changed).filter((pair): pair is [string, Change] => isChange(pair[1]))
}

/**
 * Lists each changed field with its value before and after. Renders nothing if no field changed.
 */
function Changes({ entry }: { entry: AuditEntry }) {
  const changes = changesOf(entry)
  if (changes.length === 0) return null
  return (
    <details class="small">
      <summary>{plural(changes.length, 'field')} changed</summary>
      <dl class="changes">
        {changes.map(([name, { before, after }]) => (
          <>
            <dt>{name}</dt>
            <dd>
              <del>{valueWords(before)}</del> <ins>{valueWords(after)}</ins>
            </dd>
          </>
        ))}
      </dl>
    </details>
  )
}

const valueWords = (value: unknown): string =>
  value === null ? 'not set' : typeof value === 'string' ? value : JSON.stringify(value)

/** Returns why the act was rejected, as the caller was answered. */
function reasonOf({ ended }: AuditEntry): string | undefined {
  if (ended?.outcome !== 'rejected') return undefined
  const { title, why } = ended.result
  return typeof title === 'string' ? title : typeof why === 'string' ? why : undefined
}

export const auditRoutes: readonly Mounted[] = [
  { path: '/audit', tenant: true, page: auditPage },
  {
    path: '/audit.jsonl',
    async page(request) {
      const filter = await orProblem(filterOf(request))
      return filter instanceof Problem
        ? nothingHere(request, filter.message, '/audit', 422)
        : linesResponse(auditLines(request.deps, filter), 'audit')
    },
  },
]
