import type { Child } from 'hono/jsx'
import type { AuditEntry } from '../../../db/types.ts'
import { Button } from '../../pages/components.tsx'
import { SelectField, TextField } from '../../pages/fields.tsx'
import { auditLines } from '../acts/audit.ts'
import { MOST_ENTRIES } from '../acts/search.ts'
import { consolePage, Panel, Table, type ConsoleRequest, type Mounted } from './layout.tsx'
import { count, plural, when } from './format.ts'
import { MomentField, momentOf } from './moments.tsx'
import { NUMBER, pageOfSearch, Pages, placeOf } from './pages.tsx'
import { asked, linkOf } from './links.ts'

/**
 * The audit log: who did what, by which way, and how it ended. Read-only, and downloadable as a
 * whole.
 */

const PAGE = 50
const ACTS = [
  'revoke',
  'lock',
  'lock.lift',
  'redrive',
  'try_now',
  'close',
  'microsoft.redrive',
  'console.sign_in',
  'api.denied',
  'client.add',
  'client.change',
  'client.rotate_secret',
  'client.remove_secret',
  'client.remove',
  'key.rotate',
  'key.retire',
  'setup.token',
  'setup.recovery_token',
  'setup.enter',
  'connection.change',
  'connection.operators',
  'tenant.add',
  'tenant.remove',
  'tenant.resume_probe',
  'consent.returned',
  'consent.confirm',
  'trial.sign_in',
  'proof.propose',
  'proof.assert',
  'tenant.change',
  'branding.change',
  'fresh_sign_in.waive',
  'users.erase',
  'user.report',
  'users.export',
  'sessions.export',
  'revocations.export',
  'webhook.add',
  'webhook.change',
  'webhook.rotate_secret',
  'webhook.test',
  'webhook.remove',
  'stream.create',
  'stream.change',
  'stream.delete',
  'stream.disable',
  'stream.remove',
  'backup',
]

async function auditPage(request: ConsoleRequest): Promise<Response> {
  const { deps } = request
  const filter = readFilter(request)
  const place = placeOf(request, NUMBER)
  const before = place.before === undefined ? undefined : Number(place.before)
  const found = await deps.store.pageOfAudit({
    before,
    ...wantedBy(filter),
    limit: PAGE + 1,
    most: MOST_ENTRIES,
  })
  const { shown, next, searchedTo } = pageOfSearch(found, PAGE, ({ id }) => String(id))
  const names = await namesOf(request, shown)
  return consolePage(
    request,
    { title: 'Audit log', at: '/ops/audit' },
    <>
      <Panel>
        <Filters filter={filter} />
        <p>
          <a href={linkOf('/ops/audit.jsonl', sent(request))} download="broker-audit.jsonl">
            Download as JSON lines
          </a>
        </p>
      </Panel>
      <Panel>
        <Table
          label="Audit log"
          head={['Number', 'When', 'Who', 'Via', 'What', 'Target', 'Case', 'Outcome']}
          rows={shown.map((one) => row(request, one, names))}
          none={searchedTo === undefined ? 'No entry matches.' : 'No match so far.'}
        />
        <Pages
          request={request}
          of="the audit log"
          place={place}
          next={next}
          searchedTo={
            searchedTo &&
            `${when(searchedTo.atMs, deps.clock.nowMs())} (entry ${count(searchedTo.id)})`
          }
        />
      </Panel>
    </>,
  )
}

const auditDownload = (request: ConsoleRequest): Response =>
  auditLines(request.deps, wantedBy(readFilter(request)))

interface Filter {
  actor: string | undefined
  act: string | undefined
  target: string | undefined
  caseReference: string | undefined
  since: number | undefined
  until: number | undefined
}

const readFilter = (request: ConsoleRequest): Filter => ({
  actor: asked(request, 'actor'),
  act: asked(request, 'act'),
  target: asked(request, 'target'),
  caseReference: asked(request, 'case'),
  since: momentOf(request, 'since'),
  until: momentOf(request, 'until'),
})

const wantedBy = ({ actor: actorId, since, until, ...rest }: Filter) => ({
  ...rest,
  actorId,
  sinceMs: since === undefined ? undefined : since * 1000,
  untilMs: until === undefined ? undefined : until * 1000,
})

/** The same filter, for the download. */
const sent = (request: ConsoleRequest): Record<string, string> =>
  Object.fromEntries(
    ['actor', 'act', 'target', 'case', 'since', 'until'].flatMap((name) => {
      const value = asked(request, name)
      return value === undefined ? [] : [[name, value]]
    }),
  )

async function namesOf(
  { deps }: ConsoleRequest,
  entries: readonly AuditEntry[],
): Promise<Map<string, string>> {
  const subs = [...new Set(entries.map((one) => one.actor.id).filter((id) => id.startsWith('u_')))]
  const found = await Promise.all(
    subs.map(async (sub) => [sub, await deps.store.findSubject(sub)] as const),
  )
  return new Map(
    found.flatMap(([sub, subject]) =>
      subject === undefined ? [] : [[sub, subject.name ?? subject.username ?? sub] as const],
    ),
  )
}

const OUTCOME = {
  done: { words: 'done', tag: 'tag' },
  rejected: { words: 'rejected', tag: 'tag wait' },
  failed: { words: 'failed', tag: 'tag bad' },
} as const

function row(request: ConsoleRequest, one: AuditEntry, names: Map<string, string>): Child[] {
  const { words, tag } =
    one.ended === undefined ? { words: 'not finished', tag: 'tag bad' } : OUTCOME[one.ended.outcome]
  const seq = one.ended?.result.seq
  return [
    one.id,
    when(one.atMs, request.deps.clock.nowMs()),
    <a href={linkOf('/ops/audit', { actor: one.actor.id })}>
      {names.get(one.actor.id) ?? one.actor.id}
    </a>,
    one.via,
    one.act,
    <>
      <span class="small">{one.target}</span>
      {one.comment === undefined ? null : <div class="small soft">“{one.comment}”</div>}
      <Changes entry={one} />
    </>,
    one.caseReference ?? '',
    <>
      <span class={tag}>{words}</span>
      {reasonOf(one) === undefined ? null : <div class="small">{reasonOf(one)}</div>}
      {typeof seq === 'number' ? <a href={`/ops/revocations/${seq}`}>{seq}</a> : null}
    </>,
  ]
}

const Filters = ({ filter }: { filter: Filter }) => (
  <form class="search" method="get" action="/ops/audit">
    <TextField
      name="actor"
      label="Who"
      value={filter.actor}
      maxlength={200}
      placeholder="sub, client or cmb@user (unverified)"
      literal
    />
    <SelectField
      name="act"
      label="What"
      options={[['', 'Anything'], ...ACTS.map((one) => [one, ACT_WORDS[one] ?? one] as const)]}
      chosen={filter.act}
    />
    <TextField name="target" label="Target" value={filter.target} maxlength={200} literal />
    <TextField name="case" label="Case" value={filter.caseReference} maxlength={200} literal />
    <MomentField name="since" label="From (UTC)" value={filter.since} />
    <MomentField name="until" label="Before (UTC)" value={filter.until} />
    <Button kind="quiet">Show</Button>
  </form>
)

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

/** What an act has changed: in the request, or in the outcome. */
function changesOf({ details, ended }: AuditEntry): [name: string, change: Change][] {
  const changed = details.changed ?? ended?.result.changed
  if (typeof changed !== 'object' || changed === null) return []
  return Object.entries(changed).filter((pair): pair is [string, Change] => isChange(pair[1]))
}

/** Before and after, field by field; nothing where an act changes no field. */
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

/** Why it was rejected, as the caller was answered. */
function reasonOf({ ended }: AuditEntry): string | undefined {
  if (ended?.outcome !== 'rejected') return undefined
  const { title, why } = ended.result
  return typeof title === 'string' ? title : typeof why === 'string' ? why : undefined
}

export const auditRoutes: readonly Mounted<ConsoleRequest>[] = [
  { path: '/ops/audit', page: auditPage },
  { path: '/ops/audit.jsonl', page: auditDownload },
]
