import type { Delivery, DeliveryState } from '../../../db/types.ts'
import { closeAs, type WhichDeliveries } from '../acts/deliveries.ts'
import { Button, LinkButton } from '../../pages/components.tsx'
import { SelectField, TextField } from '../../pages/fields.tsx'
import { FRESH_SECONDS, isFresh } from '../../clients/session/lifetimes.ts'
import {
  consolePage,
  Hidden,
  isAdministrator,
  Panel,
  type ConsoleRequest,
  nothingHere,
} from './layout.tsx'
import { addressOf, nameOf, plural } from './format.ts'
import { linkOf } from './links.ts'

/**
 * Closes deliveries that will never be delivered, with a reason: for administrators who signed in a
 * short time ago, as for a revocation.
 */

/** The states that can be closed. */
export const OPEN: readonly DeliveryState[] = ['pending', 'rejected', 'failed']
const LONGEST_REASON = 500
const LONGEST_CASE = 200

export const closedWords = (closed: number): string =>
  `${plural(closed, 'delivery was', 'deliveries were')} closed.`

/** Not a live part: what an administrator types stays. */
export function Close({
  request,
  shown,
  clientId,
}: {
  request: ConsoleRequest
  shown: readonly Delivery[]
  clientId: string | undefined
}) {
  const targets = [...new Map(shown.map((one) => [one.targetId, addressOf(one)]))]
  return (
    <Panel title="Close deliveries">
      <p class="soft">
        For an instance that no longer exists, or an address that was replaced. The broker no longer
        sends a closed delivery. The reason becomes part of its proof and of the audit log.
      </p>
      <form class="stack" method="post" action="/ops/deliveries/close">
        <Hidden request={request} />
        <SelectField
          name="which"
          label="What do you want to close?"
          options={[
            ...shown.map(
              (one) =>
                [
                  `id ${one.id}`,
                  `${one.seq === undefined ? '' : `Revocation ${one.seq} at `}${nameOf(request.deps, one.clientId)}`,
                ] as const,
            ),
            ...targets.map(
              ([id, uri]) =>
                [`target_id ${id}`, `All pending, rejected and failed to ${uri}`] as const,
            ),
            ...(clientId === undefined
              ? []
              : [
                  [
                    `client_id ${clientId}`,
                    `All pending, rejected and failed to ${nameOf(request.deps, clientId)}`,
                  ] as const,
                ]),
          ]}
        />
        <TextField name="reason" label="Reason" maxlength={LONGEST_REASON} required />
        <TextField
          id="close-case"
          name="case_reference"
          label="Case (optional)"
          maxlength={LONGEST_CASE}
          literal
        />
        <Button kind="danger">Close</Button>
      </form>
    </Panel>
  )
}

export async function closeDeliveries(
  request: ConsoleRequest,
  form: URLSearchParams,
): Promise<Response> {
  const { deps, c, operator, now } = request
  const back = '/ops/deliveries'
  if (!isAdministrator(request))
    return nothingHere(
      request,
      'Closing deliveries needs the app role Broker.Administrator. Operators may redrive deliveries.',
      back,
      403,
    )
  if (!isFresh(operator.session, now)) return signInFirst(request)
  const which = readWhich(form.get('which') ?? '')
  const reason = (form.get('reason') ?? '').trim()
  const caseReference = (form.get('case_reference') ?? '').trim() || undefined
  if (reason === '') return nothingHere(request, 'Nothing was closed: give a reason.', back, 422)
  if (
    which === undefined ||
    reason.length > LONGEST_REASON ||
    (caseReference ?? '').length > LONGEST_CASE
  )
    return nothingHere(
      request,
      'Nothing was closed: choose what to close, and shorten the reason or the case.',
      back,
      422,
    )
  const closed = await closeAs(deps, operator.caller, { ...which, reason, caseReference })
  return c.redirect(linkOf('/ops/deliveries', { state: 'closed', closed: String(closed) }), 303)
}

const SIGN_IN = linkOf('/ops/sign-in', { fresh: 'yes', return_to: '/ops/deliveries?state=pending' })

const signInFirst = (request: ConsoleRequest): Response =>
  consolePage(
    request,
    { title: 'Sign in again', at: '/ops/deliveries', status: 403 },
    <Panel class="narrow">
      <p>
        Nothing was closed. Closing deliveries needs a sign-in that is no older than{' '}
        {FRESH_SECONDS / 60} minutes.
      </p>
      <div class="row">
        <LinkButton href={SIGN_IN}>Sign in again</LinkButton>
      </div>
    </Panel>,
  )

/** Exactly one of them: "id d_…". Undefined where it is none of the form's. */
function readWhich(value: string): WhichDeliveries | undefined {
  const [, name, id] = /^(id|target_id|client_id) (\S{1,200})$/.exec(value) ?? []
  return name === undefined || id === undefined ? undefined : { [name]: id }
}
