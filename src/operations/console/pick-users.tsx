import type { Subject } from '../../../db/types.ts'
import { firstUsers } from '../acts/revocations.ts'
import { Button, HiddenFields } from '../../pages/components.tsx'
import { TextField } from '../../pages/fields.tsx'
import { consolePage, Panel } from './layout.tsx'
import { whoIs } from './format.ts'
import { asked, type ConsoleRequest, queried } from './request.ts'

/**
 * Picking the users of one revocation, by a form without a script: each search keeps those that are
 * ticked.
 */

/** In one revocation: so that their dry run stays bounded. */
const MOST_PICKED = 50
const FOUND = 20

/** The subs that the address or a form names, each once. */
export const pickedIn = (source: URLSearchParams): string[] =>
  [...new Set(source.getAll('user').map((one) => one.trim()))]
    .filter((one) => /^[\w-]{1,200}$/.test(one))
    .slice(0, MOST_PICKED)

export async function pickUsersPage(request: ConsoleRequest, problem?: string): Promise<Response> {
  const { deps } = request
  const text = asked(request, 'q')
  const picked = await firstUsers(deps, pickedIn(queried(request)))
  const { users, more } =
    text === undefined
      ? { users: [], more: false }
      : await deps.store.searchUsers({ text, limit: FOUND })
  const found = users.filter(({ sub }) => !picked.some((one) => one.sub === sub))
  const tenants = await tenantNames(request, [...found, ...picked])
  return consolePage(
    request,
    { title: 'Pick users to revoke', at: '/revoke', status: problem === undefined ? 200 : 422 },
    <Panel class="narrow">
      {problem === undefined ? null : <p role="alert">{problem}</p>}
      <form class="stack" method="get" action="/ops/revoke/users">
        <TextField
          name="q"
          label="Find users"
          hint="The beginnings of words of a name, username or address. The users that are ticked stay ticked."
          value={text}
          maxlength={200}
          literal
        />
        <div class="row">
          <Button kind="quiet">Search</Button>
        </div>
        {text === undefined ? null : <p role="status">{foundWords(text, found.length, more)}</p>}
        <Ticks
          legend={`Found for “${text ?? ''}”`}
          users={found}
          tenants={tenants}
          checked={false}
        />
        <Ticks
          legend={`Picked (${picked.length} of at most ${MOST_PICKED})`}
          users={picked}
          tenants={tenants}
          checked
        />
        {picked.length + found.length === 0 ? null : (
          <div class="row">
            <button class="button" name="kind" value="users" formaction="/ops/revoke/check">
              See whom it would sign out
            </button>
          </div>
        )}
        <p class="soft small">Nothing changes yet.</p>
      </form>
    </Panel>,
  )
}

function foundWords(text: string, found: number, more: boolean): string {
  if (found === 0) return `No other user matches “${text}”.`
  return more ? 'More users match than are shown. Add a word to the search.' : ''
}

/** By `tid`. */
async function tenantNames(
  { deps }: ConsoleRequest,
  users: readonly Subject[],
): Promise<Map<string, string>> {
  const tids = [...new Set(users.map(({ tid }) => tid))]
  return new Map(
    await Promise.all(
      tids.map(async (tid): Promise<[string, string]> => [
        tid,
        (await deps.store.findTenant(tid))?.name ?? tid,
      ]),
    ),
  )
}

interface TicksProps {
  legend: string
  users: readonly Subject[]
  tenants: ReadonlyMap<string, string>
  checked: boolean
}
const Ticks = ({ legend, users, tenants, checked }: TicksProps) =>
  users.length === 0 ? null : (
    <fieldset>
      <legend>{legend}</legend>
      {users.map((user) => (
        <label class="choice">
          <input type="checkbox" name="user" value={user.sub} checked={checked} />
          <span>{whoIs({ user })}</span>
          <span class="hint">{tenants.get(user.tid)}</span>
        </label>
      ))}
    </fieldset>
  )

/** What a form needs to name the same users. */
export const PickedFields = ({ subs }: { subs: readonly string[] }) => (
  <>
    {subs.map((user) => (
      <HiddenFields fields={{ user }} />
    ))}
  </>
)
