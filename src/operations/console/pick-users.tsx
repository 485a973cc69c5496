import type { Subject } from '../../../db/types.ts'
import { tenantName } from '../acts/names.ts'
import { firstUsers } from '../acts/revocations.ts'
import { Button, HiddenFields, Notice } from '../../pages/components.tsx'
import { SelectField, TextField } from '../../pages/fields.tsx'
import { consolePage, Panel } from './layout.tsx'
import { instances, whoIs } from './format.ts'
import { asked, type ConsoleRequest, queried } from './request.ts'

/**
 * The page that chooses what to revoke: several users, or every user of an instance, of a tenant or
 * of the broker. It needs no script: each search keeps the users that are ticked. The page of a
 * user revokes that user alone.
 */

/** The most users of one form, so that the cost of its dry run is bounded. */
const MOST_PICKED = 50
const FOUND = 20

/** The subs that the address or a form names, each once. */
export const pickedIn = (source: URLSearchParams): string[] =>
  [...new Set(source.getAll('user').map((one) => one.trim()))]
    .filter((one) => /^[\w-]{1,200}$/.test(one))
    .slice(0, MOST_PICKED)

export async function revokePage(request: ConsoleRequest, problem?: string): Promise<Response> {
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
    { title: 'Revoke', at: '/revoke', status: problem === undefined ? 200 : 422 },
    <>
      {problem === undefined ? null : (
        <Notice kind="bad" title="Nothing was done yet.">
          {problem}
        </Notice>
      )}
      <Panel class="narrow" title="Users">
        <p class="soft">
          To revoke one session, find it in <a href="/ops/sessions">Sessions</a>. To revoke one
          instance of it, open the page of its user.
        </p>
        <form class="stack" method="get" action="/ops/revoke">
          <TextField
            name="q"
            label="Find users"
            hint="The beginning of a name, username or address. Users that you have ticked stay ticked when you search again."
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
          <p class="soft small">Nothing is revoked until you confirm it on the next page.</p>
        </form>
      </Panel>
      <Panel class="narrow" title="Many users at once">
        <form class="stack" method="get" action="/ops/revoke/check">
          <SelectField name="of" label="Every user of" options={await wideChoices(request)} />
          <div class="row">
            <Button kind="quiet">See whom it would sign out</Button>
          </div>
        </form>
      </Panel>
    </>,
  )
}

const wideChoices = async (request: ConsoleRequest) => [
  ...instances(request).map(([id, name]) => [`client ${id}`, name] as const),
  ...(await request.deps.store.listTenants()).map(
    ({ tid, name }) => [`tenant ${tid}`, `The tenant ${name ?? tid}`] as const,
  ),
  ['everything', 'Every instance and tenant, you included'] as const,
]

function foundWords(text: string, found: number, more: boolean): string {
  if (found === 0) return `No other user matches “${text}”.`
  return more ? 'More users match than are shown. Add a word to the search.' : ''
}

/** Returns the names of the users' tenants by `tid`. */
async function tenantNames(
  { deps }: ConsoleRequest,
  users: readonly Subject[],
): Promise<Map<string, string>> {
  const tids = [...new Set(users.map(({ tid }) => tid))]
  return new Map(
    await Promise.all(
      tids.map(async (tid): Promise<[string, string]> => [tid, await tenantName(deps, tid)]),
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

/** Hidden form fields that name the picked users. */
export const PickedFields = ({ subs }: { subs: readonly string[] }) => (
  <>
    {subs.map((user) => (
      <HiddenFields fields={{ user }} />
    ))}
  </>
)
