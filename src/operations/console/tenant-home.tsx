import type { Child } from 'hono/jsx'
import type {
  HelpContact,
  RejectedSignIn,
  SecurityEvent,
  Subject,
  Tenant,
} from '../../../db/types.ts'
import { assertedByTenantSetting } from '../../microsoft/tenants.ts'
import { Button, Facts, LinkButton, Notice } from '../../pages/components.tsx'
import { TextField } from '../../pages/fields.tsx'
import { MOST_ENTRIES, sessionsBy } from '../acts/search.ts'
import { REPORT_SECONDS, reportId } from '../acts/reports.ts'
import { ask } from '../contract/ask.ts'
import { plural, whoIs } from './format.ts'
import { consolePage, Done, Hidden, Panel } from './layout.tsx'
import { type Columns, listOf, ms, timeColumn } from './list.tsx'
import { lockList, ofOperator } from './locks.tsx'
import { doneWords, ReportDone, REPORT_RESULT } from './reports.tsx'
import { type ConsoleRequest, type Mounted, pageLink, userLink } from './request.ts'
import { AtMicrosoft, rejectedColumns, tenantToDo } from './sign-ins.tsx'
import { REJECTED } from './texts/reasons.ts'
import { HELP_CONTACT, HOME } from './texts/tenant-home.ts'
import { timeAt } from './time.tsx'

/**
 * The first page of a tenant's administrator: what to act on, who is locked, rejected or signed in,
 * and the tenant itself.
 */

/**
 * Returns the address of the page on which an administrator of the tenant asserts its proof of MFA.
 */
export type InvitationAddress = (tid: string, now: number) => string

export async function tenantHome(
  request: ConsoleRequest,
  tenant: Tenant,
  invitation: InvitationAddress,
): Promise<Response> {
  return consolePage(
    request,
    { title: tenant.name ?? HOME.yours, at: '' },
    <>
      <Done request={request} results={{ contact: HELP_CONTACT.saved, ...REPORT_RESULT }} />
      {await reportsPanel(request, tenant)}
      {await locksPanel(request, tenant)}
      {await rejectedPanel(request, tenant)}
      {await signedInPanel(request, tenant)}
      <Panel>
        <HelpContactForm request={request} contact={tenant.helpContact} />
      </Panel>
      {await tenantPanel(request, tenant, invitation)}
    </>,
  )
}

const DAY = 86_400
const MOST = 20
const FEW = 5

/** A report, the user who made it, and whether they are locked. */
type Report = SecurityEvent & { user: Subject | undefined; isLocked: boolean }

async function reportsOf(
  { deps: { store, connection }, now }: ConsoleRequest,
  { tid }: Tenant,
  done: boolean,
): Promise<Report[]> {
  const { operatorTenant } = connection.current()
  const since = now - REPORT_SECONDS
  const found = await store.userReports({ tid, since, done, limit: MOST })
  return Promise.all(
    found.map(async (report) => {
      const user = await store.findSubject(report.sub)
      const lock = user && (await store.lockInForce({ user, operatorTenant }))
      return { ...report, user, isLocked: lock !== undefined }
    }),
  )
}

const nameIn = ({ sub, user }: Report): string => (user === undefined ? sub : whoIs({ user }))

async function reportsPanel(request: ConsoleRequest, tenant: Tenant): Promise<Child> {
  const [reports, done] = await Promise.all([
    reportsOf(request, tenant, false),
    reportsOf(request, tenant, true),
  ])
  const columns: Columns<Report> = [
    [
      'User',
      (report) => (
        <strong>
          <a href={userLink(request, report.sub)}>{nameIn(report)}</a>
        </strong>
      ),
    ],
    ['Reported', ({ device }) => device ?? HOME.aSignIn],
    timeColumn(request, 'When', ({ at }) => ms(at)),
  ]
  return (
    <Panel title={HOME.reports}>
      {reports.length === 0 ? null : <p>{HOME.whatToDo}</p>}
      {await listOf<Report>(request, {
        label: HOME.reports,
        columns: [
          ...columns,
          [
            'Act',
            (report) => (
              <div class="row">
                {report.isLocked ? (
                  <span class="tag wait">{HOME.isLocked}</span>
                ) : (
                  <LinkButton
                    href={pageLink(request, '/lock', { user: report.sub })}
                    kind="quiet"
                    label={`Lock ${nameIn(report)}`}
                    small
                  >
                    Lock
                  </LinkButton>
                )}
                <ReportDone request={request} id={reportId(report)} of={nameIn(report)} />
              </div>
            ),
          ],
        ],
        entries: reports,
        none: HOME.noReport,
      })}
      {done.length === 0 ? null : (
        <details>
          <summary>{HOME.doneReports(done.length)}</summary>
          {await listOf<Report>(request, {
            label: HOME.doneReports(done.length),
            columns: [...columns, ['Done', (report) => doneWords(request, report)]],
            entries: done,
            none: '',
          })}
        </details>
      )}
    </Panel>
  )
}

async function locksPanel(request: ConsoleRequest, { tid }: Tenant): Promise<Child> {
  const locks = await request.deps.store.listLocks({
    state: 'open',
    kind: 'user',
    key: tid,
    limit: MOST,
  })
  return (
    <Panel title={HOME.locked}>
      {locks.length === 0 ? (
        <p class="soft">{HOME.noLock}</p>
      ) : (
        await lockList(request, HOME.locked, locks)
      )}
      {await ofOperator(request, locks)}
      {locks.length < MOST ? null : <a href={pageLink(request, '/locks')}>All locks</a>}
    </Panel>
  )
}

const reasonWords = (reason: string): string =>
  (REJECTED as Readonly<Record<string, string>>)[reason] ?? reason

async function rejectedPanel(request: ConsoleRequest, { tid }: Tenant): Promise<Child> {
  const { deps, now } = request
  const since = now - DAY
  const [counts, { found }] = await Promise.all([
    deps.store.rejectedByReason({ tid, since, most: MOST_ENTRIES }),
    deps.store.listRejectedSignIns({ tid, since, limit: FEW * 2, most: FEW * 2 }),
  ])
  return (
    <Panel title={HOME.rejected}>
      {counts.length === 0 ? null : (
        <ul class="bullets">
          {counts.map(({ reason, count }) => (
            <li>
              {reasonWords(reason)}: {plural(count, 'sign-in')}
              <div class="small">{tenantToDo(reason)}</div>
            </li>
          ))}
        </ul>
      )}
      {await listOf<RejectedSignIn>(request, {
        label: HOME.rejected,
        columns: rejectedColumns(request, false),
        entries: found,
        none: HOME.noneRejected,
      })}
      <AtMicrosoft />
    </Panel>
  )
}

async function signedInPanel(request: ConsoleRequest, { tid }: Tenant): Promise<Child> {
  const { deps, now } = request
  const { found } = await sessionsBy(deps, { tid, now, limit: FEW, most: 1_000 })
  return (
    <Panel title={HOME.signedIn}>
      {await listOf<(typeof found)[number]>(request, {
        label: HOME.signedIn,
        columns: [
          ['User', ({ session }) => <a href={userLink(request, session.sub)}>{whoIs(session)}</a>],
          ['Device', ({ session }) => session.device],
          timeColumn(request, 'Signed in', ({ session }) => ms(session.openedAt)),
        ],
        entries: found,
        none: HOME.nobody,
      })}
      <p>
        <a href={pageLink(request, '/sessions')}>{HOME.all}</a>
      </p>
    </Panel>
  )
}

async function tenantPanel(
  request: ConsoleRequest,
  { tid, connectedAt, proofAssertedAt, proofAssertedBy }: Tenant,
  invitation: InvitationAddress,
): Promise<Child> {
  const { deps, now } = request
  // The name of an operator who asserted the proof is not shown to the tenant.
  const isTheirs =
    (await deps.store.setting(assertedByTenantSetting(tid))) === String(proofAssertedAt)
  return (
    <Panel title={HOME.title}>
      <Facts
        items={[
          ['Tenant ID', <code>{tid}</code>],
          ['Connected', timeAt(request, connectedAt)],
          [HOME.assertedBy, isTheirs ? proofAssertedBy : undefined],
          ['Asserted', isTheirs ? timeAt(request, proofAssertedAt) : undefined],
        ]}
      />
      {isTheirs ? null : (
        <Notice kind="warn" title={HOME.notAsserted}>
          {HOME.whoAsserts}
        </Notice>
      )}
      <div class="row">
        <LinkButton href={invitation(tid, now)} kind="quiet">
          {HOME.consent}
        </LinkButton>
      </div>
    </Panel>
  )
}

/** The form in which the administrator says whom users of the tenant ask for help. */
const HelpContactForm = ({
  request,
  contact = {},
}: {
  request: ConsoleRequest
  contact: HelpContact | undefined
}) => (
  <>
    <h2>{HELP_CONTACT.title}</h2>
    <p class="soft">{HELP_CONTACT.what}</p>
    <form class="stack" method="post" action={pageLink(request, '/help-contact')}>
      <Hidden request={request} />
      {FIELDS.map(([name, field]) => (
        <TextField name={name} {...field} value={contact[name]} maxlength={500} />
      ))}
      <div class="row">
        <Button kind="quiet">{HELP_CONTACT.save}</Button>
      </div>
    </form>
  </>
)

const FIELDS = Object.entries(HELP_CONTACT.fields) as [
  keyof HelpContact,
  { label: string; hint?: string },
][]

/** Changes the help contact; empty fields remove it. */
async function saveHelpContact(request: ConsoleRequest, form: URLSearchParams): Promise<Response> {
  const tid = request.viewer.tenant?.tid ?? ''
  const given = FIELDS.map(([name]) => [name, form.get(name)?.trim() ?? ''] as const)
  const named = given.filter(([, value]) => value !== '')
  await ask(request, request.viewer.caller, 'PATCH /tenants/:tid', {
    tid,
    help_contact: named.length === 0 ? null : Object.fromEntries(named),
  })
  return request.c.redirect(pageLink(request, '', { done: 'contact' }), 303)
}

export const tenantHomeRoutes: readonly Mounted[] = [
  { path: '/help-contact', need: 'administer', tenant: true, form: saveHelpContact },
]
