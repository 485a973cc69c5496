import type { Child } from 'hono/jsx'
import type { AuditEntry } from '../../../db/types.ts'
import { targetName } from '../acts/names.ts'
import { LISTS } from '../acts/scope.ts'
import { idNamedBy, targetsNamedBy } from '../acts/search.ts'
import { ACTS } from '../contract/acts.ts'
import { revocationLink } from './layout.tsx'
import { actorWords, count, plural } from './format.ts'
import { listRoutes, momentOf, ms, PERIOD, timeColumn } from './list.tsx'
import { numberIn, numberText } from './pages.tsx'
import {
  queryParam,
  type ConsoleRequest,
  isOperator,
  type Mounted,
  pageLink,
  tidOf,
} from './request.ts'
import { EVIDENCE, howToVerify, OUTCOME, revocation, UNFINISHED } from './texts/audit.tsx'
import { Time } from './time.tsx'

/**
 * The audit log: each entry with its actor, act, target and outcome. The administrator of a tenant
 * sees only the entries of that tenant's administrators.
 */

/** The acts of the audit log that the contract does not name. */
const OTHERS = [
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
  'stream.create',
  'stream.change',
  'stream.delete',
]

const NAMES = [
  ...new Set(
    [
      ...OTHERS,
      ...LISTS.map((list) => `${list}.export`),
      ...ACTS.flatMap(({ definition }) => definition.audit ?? []),
    ].toSorted(),
  ),
]

/** Returns the fields of the filter. Only operators see actors, targets and cases. */
const fieldsOf = (request: ConsoleRequest) => [
  isOperator(request) && (['actor', 'Who', 'Name, sub or client'] as const),
  isOperator(request) &&
    (['act', 'What', [['', 'Anything'], ...NAMES.map((name) => [name, name] as const)]] as const),
  isOperator(request) && (['target', 'Target', 'Name, id or “session s_…”'] as const),
  isOperator(request) && (['case', 'Case'] as const),
  ...PERIOD,
]

/**
 * Returns the filter that the query names.
 * @throws Problem if a name fits no one, or several
 */
async function filterOf(request: ConsoleRequest) {
  const { deps } = request
  const text = (name: string) => queryParam(request, name)
  const period = {
    sinceMs: ms(momentOf(request, 'since')),
    untilMs: ms(momentOf(request, 'until')),
  }
  // The names that a filter finds are those of every tenant.
  if (!isOperator(request)) return period
  return {
    ...period,
    actorId: await idNamedBy(deps, 'actor', text('actor')),
    act: text('act'),
    ...(await targetsNamedBy(deps, text('target'))),
    caseReference: text('case'),
  }
}

export const auditRoutes: readonly Mounted[] = listRoutes<
  AuditEntry,
  number,
  Pick<AuditEntry, 'id' | 'atMs'>
>({
  name: 'audit',
  title: 'Audit log',
  tenant: true,
  fields: fieldsOf,
  columns(request) {
    const { deps } = request
    return [
      isOperator(request) && ['Number', ({ id }) => id],
      timeColumn(request, 'When', ({ atMs }) => atMs),
      ['Who', (entry) => whoOf(request, entry), ({ actor }) => actorWords(request, actor)],
      isOperator(request) && ['Via', ({ via }) => via],
      ['What', ({ act }) => act],
      [
        'Target',
        async (entry) => <Target entry={entry} name={await targetName(deps, entry.target)} />,
        ({ target }) => target,
      ],
      ['Name of the target', undefined, ({ target }) => targetName(deps, target)],
      ['Case', ({ caseReference }) => caseReference ?? ''],
      ['Comment', undefined, ({ comment }) => comment],
      [
        'Outcome',
        (entry) => <Outcome request={request} entry={entry} />,
        ({ ended }) => ended?.outcome ?? UNFINISHED,
      ],
      isOperator(request) && ['Details', undefined, ({ details }) => JSON.stringify(details)],
      isOperator(request) && [
        'Result',
        undefined,
        ({ ended }) => ended && JSON.stringify(ended.result),
      ],
    ]
  },
  none: 'No entry matches.',
  note: (request) =>
    isOperator(request) ? (
      <>
        {EVIDENCE} {howToVerify(request.deps.config, 'audit.jsonl')}
      </>
    ) : undefined,
  async read(request) {
    const filter = { ...(await filterOf(request)), tid: tidOf(request) }
    return ({ from, ...bounds }) =>
      request.deps.store.pageOfAudit({ before: from, ...filter, ...bounds })
  },
  placeIn: numberIn,
  cursorOf: (request, { id }) => numberText(request, id),
  stopped: ({ deps }, { id, atMs }) => (
    <>
      <Time atMs={atMs} nowMs={deps.clock.nowMs()} /> (entry {count(id)})
    </>
  ),
})

async function whoOf(request: ConsoleRequest, { actor }: AuditEntry): Promise<Child> {
  const words = await actorWords(request, actor)
  return isOperator(request) ? (
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

/**
 * Shows the revocation's number to operators only, because the numbers count the revocations of
 * every tenant.
 */
function Outcome({ request, entry }: { request: ConsoleRequest; entry: AuditEntry }) {
  const { ended } = entry
  const { words, tag } =
    ended === undefined ? { words: UNFINISHED, tag: 'tag bad' } : OUTCOME[ended.outcome]
  const seq = ended?.result.seq
  const reason = reasonOf(entry)
  return (
    <>
      <span class={tag}>{words}</span>
      {isOperator(request) && typeof seq === 'number' ? (
        <>, {revocationLink(seq, revocation(seq))}</>
      ) : null}
      {reason === undefined ? null : <div class="small">{reason}</div>}
    </>
  )
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
