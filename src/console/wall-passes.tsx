import type { Child } from 'hono/jsx'
import type { WallPass } from '../../db/types.ts'
import { Problem } from '../acts/problem.ts'
import { makeWallPass, revokeWallPass } from '../acts/wall-passes.ts'
import { Button, HiddenFields, Notice } from '../page/components.tsx'
import { CSRF_FIELD } from '../page/csrf.ts'
import { TextField } from '../page/fields.tsx'
import { storedText } from '../protocol/stored-text.ts'
import { isFresh } from '../session/fresh.ts'
import { desk, formToken, isAdministrator, Panel, Table, type ConsoleRequest } from './desk.tsx'
import { when } from './format.ts'
import { NOT_FRESH, SignInAgain } from './fresh-sign-in.tsx'
import { byWords } from './locks.tsx'
import { nothingHere } from './nothing.tsx'

/** Passes of wall displays: listed for operators, created and revoked by administrators. */

const PAGE = '/ops/wall-passes'
const LONGEST_NAME = 60
const [MOST_DAYS, USUAL_DAYS] = [90, 30]
/** Those that ended go after 30 days. */
const LISTED = 100

interface Said {
  problem?: string
  /** Shown once. */
  secret?: string
  done?: string
}

export async function wallPassesPage(request: ConsoleRequest, said: Said = {}, status: 200 | 422 = 200): Promise<Response> {
  const { deps, now, operator } = request
  const acts = isAdministrator(request)
  const passes = await deps.store.listWallPasses(LISTED)
  const rows = await Promise.all(passes.map((one) => row(request, one)))
  return desk(
    request,
    { title: 'Wall displays', status },
    <>
      <SaidNotices said={said} />
      <Panel>
        <p>
          A wall display shows the broker’s health at <code>{deps.config.opsOrigin}/ops/wall</code>, and names no user. It opens with a pass, and the
          pass opens nothing else.
        </p>
        <Table
          label="Passes"
          head={['Name', 'State', 'Created', 'By', 'Expires', 'Last used', ...(acts ? ['Revoke'] : [])]}
          rows={rows}
          none={NONE}
        />
      </Panel>
      {acts ? (
        <Panel title="Create a pass" class="narrow">
          {isFresh(operator.session, now) ? null : <SignInAgain what="Creating or revoking a pass" />}
          <MakeForm request={request} />
        </Panel>
      ) : null}
    </>,
  )
}

const NONE = 'No pass has been created yet.'

const SaidNotices = ({ said: { problem, secret, done } }: { said: Said }) => (
  <>
    {problem === undefined ? null : <Notice kind="bad" title={problem} />}
    {done === undefined ? null : <Notice kind="good" title={done} />}
    {secret === undefined ? null : (
      <Notice kind="good" title="The pass was created. It is shown only once.">
        <p>
          <code id="pass">{secret}</code>
        </p>
        <p>Enter it on the display. The broker keeps only its hash.</p>
      </Notice>
    )}
  </>
)

const MakeForm = ({ request }: { request: ConsoleRequest }) => (
  <form class="stack" method="post" action={PAGE}>
    <HiddenFields fields={{ [CSRF_FIELD]: formToken(request) }} />
    <TextField name="name" label="Name" hint="Where the display is." maxlength={LONGEST_NAME} required />
    <TextField name="days" label={`Days until it expires, 1 to ${MOST_DAYS}`} value={String(USUAL_DAYS)} maxlength={2} required literal />
    <div class="row">
      <Button>Create a pass</Button>
    </div>
  </form>
)

async function row(request: ConsoleRequest, pass: WallPass): Promise<Child[]> {
  const { deps, now } = request
  const at = (seconds: number) => when(seconds * 1000, deps.clock.nowMs())
  const valid = pass.endsAt > now
  const state = pass.revokedAt !== undefined ? 'revoked' : valid ? 'valid' : 'expired'
  const revoke = (
    <form method="post" action={`${PAGE}/revoke`}>
      <HiddenFields fields={{ [CSRF_FIELD]: formToken(request), id: pass.id }} />
      <Button kind="danger" small label={`Revoke the pass ${pass.name}`}>
        Revoke
      </Button>
    </form>
  )
  return [
    <strong>{pass.name}</strong>,
    <span class={valid ? 'tag' : 'tag calm'}>{state}</span>,
    at(pass.createdAt),
    await byWords(request, pass.madeBy),
    at(pass.endsAt),
    pass.usedAt === undefined ? <span class="soft">never</span> : at(pass.usedAt),
    ...(isAdministrator(request) ? [valid ? revoke : ''] : []),
  ]
}

const notAllowed = (request: ConsoleRequest): Response =>
  nothingHere(request, 'Creating and revoking passes for wall displays needs the app role Broker.Administrator.', '/ops', 403, PAGE)

const NAME = storedText().trim().min(1).max(LONGEST_NAME)

/** The problem, or what is to be made. */
function wantedIn(form: URLSearchParams): string | { name: string; days: number } {
  const name = NAME.safeParse(form.get('name') ?? '')
  if (!name.success) return `Nothing was done: give a name of at most ${LONGEST_NAME} characters.`
  const days = Number(/^\d{1,2}$/.exec((form.get('days') ?? '').trim())?.[0] ?? 0)
  return days < 1 || days > MOST_DAYS ? `Nothing was done: a pass expires after 1 to ${MOST_DAYS} days.` : { name: name.data, days }
}

/** @returns what the page says after the act; a rejection in its own words */
async function acted(request: ConsoleRequest, act: () => Promise<Said>): Promise<Response> {
  if (!isAdministrator(request)) return notAllowed(request)
  if (!isFresh(request.operator.session, request.now)) return wallPassesPage(request, { problem: NOT_FRESH }, 422)
  try {
    const said = await act()
    return await wallPassesPage(request, said, said.problem === undefined ? 200 : 422)
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    return wallPassesPage(request, { problem: `${error.title}. ${error.message}` }, 422)
  }
}

export const makePassNow = (request: ConsoleRequest, form: URLSearchParams): Promise<Response> =>
  acted(request, async () => {
    const wanted = wantedIn(form)
    if (typeof wanted === 'string') return { problem: wanted }
    const { deps, operator, now } = request
    return { secret: await makeWallPass(deps, operator.caller, { ...wanted, now }) }
  })

export const revokePassNow = (request: ConsoleRequest, form: URLSearchParams): Promise<Response> =>
  acted(request, async () => {
    const { deps, operator, now } = request
    await revokeWallPass(deps, operator.caller, { id: (form.get('id') ?? '').slice(0, 100), now })
    return { done: 'The pass was revoked. Displays that use it stop at their next update, within ten seconds.' }
  })
