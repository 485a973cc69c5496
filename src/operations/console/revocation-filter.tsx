import type { RevocationFilter } from '../../../db/types.ts'
import { Button, LinkButton, Notice } from '../../pages/components.tsx'
import { SelectField, TextField } from '../../pages/fields.tsx'
import { REASONS } from '../../protocol/revocation.ts'
import type { ConsoleRequest } from './layout.tsx'
import { instances, isReason, REASON } from './format.ts'
import { MomentField, momentOf } from './moments.tsx'
import { asked, linkOf } from './links.ts'

/** What the list of revocations is narrowed to. */

interface Asked extends Omit<RevocationFilter, 'sub'> {
  /** Their sub, or words that fit one user. */
  user: string | undefined
}

export function readFilter(request: ConsoleRequest): Asked {
  const reason = asked(request, 'reason')
  return {
    user: asked(request, 'user'),
    clientId: asked(request, 'client'),
    caseReference: asked(request, 'case'),
    reason: reason !== undefined && isReason(reason) ? reason : undefined,
    actorId: asked(request, 'actor'),
    since: momentOf(request, 'since'),
    until: momentOf(request, 'until'),
  }
}

export const isNarrowed = (asked: Asked): boolean =>
  Object.values(asked).some((value) => value !== undefined)

/** Undefined where the words fit no user, or several. */
export async function filterOf(
  { deps }: ConsoleRequest,
  { user, ...rest }: Asked,
): Promise<RevocationFilter | undefined> {
  if (user === undefined || user.startsWith('u_')) return { ...rest, sub: user }
  const { users, more } = await deps.store.searchUsers({ text: user, limit: 2 })
  const [only] = users
  return users.length === 1 && !more && only !== undefined ? { ...rest, sub: only.sub } : undefined
}

export const NoSuchUser = ({ user }: { user: string }) => (
  <Notice kind="warn" title="These words do not match exactly one user.">
    <a href={linkOf('/ops/search', { q: user })}>Search for {user}</a>, and follow “Revocations of
    this user”.
  </Notice>
)

export const RevocationFilters = ({
  request,
  asked,
}: {
  request: ConsoleRequest
  asked: Asked
}) => (
  <form class="search" method="get" action="/ops/revocations">
    <TextField
      name="user"
      label="User"
      value={asked.user}
      maxlength={200}
      placeholder="Name or sub"
      literal
    />
    <SelectField
      name="client"
      label="Instance"
      options={[['', 'Any'], ...instances(request)]}
      chosen={asked.clientId}
    />
    <TextField name="case" label="Case" value={asked.caseReference} maxlength={200} literal />
    <SelectField
      name="reason"
      label="Why"
      options={[['', 'Any reason'], ...REASONS.map((one) => [one, REASON[one]] as const)]}
      chosen={asked.reason}
    />
    <TextField
      name="actor"
      label="By"
      value={asked.actorId}
      maxlength={200}
      placeholder="sub, client or cmb@user (unverified)"
      literal
    />
    <MomentField name="since" label="From (UTC)" value={asked.since} />
    <MomentField name="until" label="Before (UTC)" value={asked.until} />
    <div class="row">
      <Button>Show</Button>
      {isNarrowed(asked) ? (
        <LinkButton kind="quiet" href="/ops/revocations">
          Show all
        </LinkButton>
      ) : null}
    </div>
  </form>
)
