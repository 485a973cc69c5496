import type { HelpContact, Tenant } from '../../../db/types.ts'
import { assertedByTenantSetting } from '../../microsoft/tenants.ts'
import { Button, Facts, LinkButton, Notice } from '../../pages/components.tsx'
import { TextField } from '../../pages/fields.tsx'
import { ask } from '../contract/ask.ts'
import { consolePage, Done, Hidden, orRejected, Panel } from './layout.tsx'
import { when } from '../times.ts'
import { type ConsoleRequest, type Mounted, pageLink } from './request.ts'
import { HELP_CONTACT, HOME } from './texts/tenant-home.ts'

/** The first page of a tenant's administrator: the tenant, and its proof of MFA. */

/**
 * Returns the address of the page on which an administrator of the tenant asserts its proof of MFA.
 */
export type InvitationAddress = (tid: string, now: number) => string

export async function tenantHome(
  request: ConsoleRequest,
  tenant: Tenant,
  invitation: InvitationAddress,
): Promise<Response> {
  const { deps, now } = request
  const { tid, name, connectedAt, proofAssertedAt, proofAssertedBy } = tenant
  // The name of an operator who asserted the proof is not shown to the tenant.
  const isTheirs =
    (await deps.store.setting(assertedByTenantSetting(tid))) === String(proofAssertedAt)
  const moment = (seconds: number | undefined) =>
    seconds === undefined ? undefined : when(seconds * 1000, deps.clock.nowMs())
  return consolePage(
    request,
    { title: name ?? HOME.yours, at: '' },
    <>
      <Done request={request} results={{ contact: HELP_CONTACT.saved }} />
      <Panel title={HOME.title}>
        <p class="soft">{HOME.search}</p>
        <Facts
          items={[
            ['Tenant ID', <code>{tid}</code>],
            ['Connected', moment(connectedAt)],
            [HOME.assertedBy, isTheirs ? proofAssertedBy : undefined],
            ['Asserted', isTheirs ? moment(proofAssertedAt) : undefined],
          ]}
        />
        {isTheirs ? null : (
          <Notice kind="warn" title={HOME.notAsserted}>
            {HOME.whoAsserts}
          </Notice>
        )}
        <HelpContactForm request={request} contact={tenant.helpContact} />
        <div class="row">
          <LinkButton href={invitation(tid, now)} kind="quiet">
            {HOME.consent}
          </LinkButton>
        </div>
      </Panel>
    </>,
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
  <section class="stack" aria-labelledby="help-contact">
    <h3 id="help-contact">{HELP_CONTACT.title}</h3>
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
  </section>
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
  const save = async () => {
    await ask(request, request.viewer.caller, 'PATCH /tenants/:tid', {
      tid,
      help_contact: named.length === 0 ? null : Object.fromEntries(named),
    })
    return request.c.redirect(pageLink(request, '', { done: 'contact' }), 303)
  }
  return orRejected(request, '', save())
}

export const tenantHomeRoutes: readonly Mounted[] = [
  { path: '/help-contact', need: 'administer', tenant: true, form: saveHelpContact },
]
