import { exportIn } from '../../acts/tenant.ts'
import { Button } from '../../page/components.tsx'
import { TextField } from '../../page/fields.tsx'
import { Panel, Table } from '../desk.tsx'
import { whoIs } from '../format.ts'
import { pageOf } from '../pages.tsx'
import { tenantDesk, type TenantRequest } from './desk.tsx'
import { asked, csvResponse, isoTime, Next, userPath } from './lists.tsx'
import { instances, RevokeLink, times } from './users.tsx'

/** Live sessions of one tenant, as a list and as CSV. */

const PAGE = 100
const SID = /^[\w-]{1,100}$/

export async function sessionsPage(request: TenantRequest): Promise<Response> {
  const { deps, now, administrator } = request
  const [text, before] = [asked(request, 'q'), asked(request, 'before')]
  const after = before !== undefined && SID.test(before) ? before : undefined
  const found = await deps.store.sessionsOfTenant({ tid: administrator.actor.tid, text, after, now, limit: PAGE + 1 })
  const { shown, next } = pageOf(found, PAGE, (last) => last.session.sid)
  return tenantDesk(
    request,
    { title: 'Sessions', at: '/tenant/sessions' },
    <>
      <Panel>
        <form class="search" role="search" method="get" action="/tenant/sessions">
          <TextField name="q" label="User" value={text} maxlength={200} placeholder="Name or username" literal />
          <Button>Search</Button>
        </form>
        <p>
          <a href="/tenant/sessions.csv" download="sessions.csv">
            Download all as CSV
          </a>
        </p>
      </Panel>
      <Panel>
        <Table
          label="Live sessions"
          head={['User', 'Device', 'Signed in', 'Last used', 'Instances', 'Revoke']}
          rows={shown.map(({ session, participants }) => [
            <a href={userPath(session.sub)}>{whoIs(session)}</a>,
            session.device,
            ...times(request, session),
            instances(request, participants),
            <RevokeLink session={session} whose={whoIs(session)} />,
          ])}
          none="No live session matches."
        />
        <Next request={request} before={next} />
      </Panel>
    </>,
  )
}

export async function sessionsCsv(request: TenantRequest): Promise<Response> {
  const { deps, now, administrator } = request
  await exportIn(deps, administrator.actor, 'sessions', now)
  async function* pages() {
    for (let after: string | undefined; ;) {
      const found = await deps.store.sessionsOfTenant({ tid: administrator.actor.tid, after, now, limit: PAGE })
      yield found.map(({ session, participants }) => [
        ...[session.sid, session.sub, session.user.oid, session.user.name, session.user.username, session.device],
        ...[isoTime(session.openedAt), isoTime(session.lastActiveAt), isoTime(session.absoluteAt)],
        participants.map(({ clientId }) => clientId).join(' '),
      ])
      after = found.at(-1)?.session.sid
      if (found.length < PAGE) return
    }
  }
  const head = ['sid', 'sub', 'oid', 'name', 'username', 'device', 'opened_at', 'last_active_at', 'absolute_at', 'clients']
  return csvResponse('sessions', head, pages())
}
