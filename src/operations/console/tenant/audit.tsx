import { Panel, Table } from '../layout.tsx'
import { when } from '../format.ts'
import { pageOf, Pages } from '../pages.tsx'
import { tenantPage, type TenantRequest } from './layout.tsx'
import { byWords, numberedPlace, sealedNumber } from './lists.tsx'

/**
 * What the administrators of one tenant did here, newest first. What operators did is in their own
 * audit log.
 */

const PAGE = 50
const OUTCOME = { done: 'done', rejected: 'rejected', failed: 'failed' } as const

export async function auditPage(request: TenantRequest): Promise<Response> {
  const { deps, administrator } = request
  const { place, before } = numberedPlace(request)
  const found = await deps.store.listAudit({
    tid: administrator.actor.tid,
    before,
    limit: PAGE + 1,
  })
  const { shown, next } = pageOf(found, PAGE, (last) => sealedNumber(request, last.id))
  const rows = shown.map(async (one) => [
    when(one.atMs, deps.clock.nowMs()),
    (await byWords(request, one.actor)).by,
    one.act,
    <code>{one.target}</code>,
    one.ended === undefined ? 'not ended' : OUTCOME[one.ended.outcome],
    one.caseReference ?? '',
    one.comment ?? '',
  ])
  return tenantPage(
    request,
    { title: 'Audit', at: '/tenant/audit' },
    <Panel>
      <Table
        label="Acts of administrators of your tenant"
        head={['When', 'By', 'Act', 'Target', 'Outcome', 'Case', 'Comment']}
        rows={await Promise.all(rows)}
        none="No administrator of your tenant has done anything here yet."
      />
      <Pages request={request} of="the audit log" place={place} next={next} />
    </Panel>,
  )
}
