import type { Child } from 'hono/jsx'
import type { AuditEntry } from '../../db/types.ts'
import { Button } from '../page/components.tsx'
import { SelectField, TextField } from '../page/fields.tsx'
import { auditLines } from '../acts/audit.ts'
import { desk, Panel, Table, type ConsoleRequest } from './desk.tsx'
import { when } from './format.ts'
import { NUMBER, pageOf, Pages, placeOf } from './pages.tsx'

/** The audit log: who did what, by which way, and how it ended. It can be read and taken away whole; nobody can write in it. */

const PAGE = 50
const ACTS = [
  'revoke',
  'lock',
  'lock.lift',
  'scheduled.add',
  'scheduled.confirm',
  'scheduled.cancel',
  'scheduled.announce',
  'scheduled.run',
  'redrive',
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
  'webhook.add',
  'webhook.change',
  'webhook.rotate_secret',
  'webhook.test',
  'webhook.remove',
  'stream.create',
  'stream.change',
  'stream.delete',
  'backup',
]

const asked = ({ c }: ConsoleRequest, name: string): string | undefined => c.req.query(name)?.trim().slice(0, 200) || undefined

export async function auditPage(request: ConsoleRequest): Promise<Response> {
  const { deps } = request
  const [actorId, act, caseReference] = [asked(request, 'actor'), asked(request, 'act'), asked(request, 'case')]
  const place = placeOf(request, NUMBER)
  const before = place.before === undefined ? undefined : Number(place.before)
  const found = await deps.store.listAudit({ before, actorId, act, caseReference, limit: PAGE + 1 })
  const { shown, next } = pageOf(found, PAGE, ({ id }) => String(id))
  const names = await namesOf(request, shown)
  const filter = Object.entries({ actor: actorId, act, case: caseReference }).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))
  return desk(
    request,
    { title: 'Audit log', at: '/ops/audit' },
    <>
      <Panel>
        <Filters actorId={actorId} act={act} caseReference={caseReference} />
        <p>
          <a href={`/ops/audit.jsonl?${new URLSearchParams(filter).toString()}`} download="broker-audit.jsonl">
            Download as JSON lines
          </a>
        </p>
      </Panel>
      <Panel>
        <Table
          label="Audit log"
          head={['Number', 'When', 'Who', 'Way', 'What', 'To what', 'Case', 'Outcome']}
          rows={shown.map((one) => row(request, one, names))}
          none="Nothing that fits was done."
        />
        <Pages request={request} of="the audit log" place={place} next={next} />
      </Panel>
    </>,
  )
}

export const auditDownload = (request: ConsoleRequest): Response =>
  auditLines(request.deps, { actorId: asked(request, 'actor'), act: asked(request, 'act'), caseReference: asked(request, 'case') })

async function namesOf({ deps }: ConsoleRequest, entries: readonly AuditEntry[]): Promise<Map<string, string>> {
  const subs = [...new Set(entries.map((one) => one.actor.id).filter((id) => id.startsWith('u_')))]
  const found = await Promise.all(subs.map(async (sub) => [sub, await deps.store.findSubject(sub)] as const))
  return new Map(found.flatMap(([sub, subject]) => (subject === undefined ? [] : [[sub, subject.name ?? subject.username ?? sub] as const])))
}

const OUTCOME = {
  done: { words: 'done', tag: 'tag' },
  rejected: { words: 'rejected', tag: 'tag wait' },
  failed: { words: 'failed', tag: 'tag bad' },
} as const

function row(request: ConsoleRequest, one: AuditEntry, names: Map<string, string>): Child[] {
  const { words, tag } = one.ended === undefined ? { words: 'not finished', tag: 'tag bad' } : OUTCOME[one.ended.outcome]
  const seq = one.ended?.result.seq
  return [
    one.id,
    when(one.atMs, request.deps.clock.nowMs()),
    <a href={`/ops/audit?${new URLSearchParams({ actor: one.actor.id }).toString()}`}>{names.get(one.actor.id) ?? one.actor.id}</a>,
    one.via,
    one.act,
    <>
      <span class="small">{one.target}</span>
      {one.comment === undefined ? null : <div class="small soft">“{one.comment}”</div>}
    </>,
    one.caseReference ?? '',
    <>
      <span class={tag}>{words}</span>
      {typeof seq === 'number' ? <a href={`/ops/revocations/${seq}`}>{seq}</a> : null}
    </>,
  ]
}

const Filters = ({ actorId, act, caseReference }: { actorId: string | undefined; act: string | undefined; caseReference: string | undefined }) => (
  <form class="search" method="get" action="/ops/audit">
    <TextField name="actor" label="Who" value={actorId} maxlength={200} placeholder="sub, client or cmb@user (unverified)" literal />
    <SelectField name="act" label="What" options={[['', 'Anything'], ...ACTS.map((one) => [one, one] as const)]} chosen={act} />
    <TextField name="case" label="Case" value={caseReference} maxlength={200} literal />
    <Button kind="quiet">Show</Button>
  </form>
)
