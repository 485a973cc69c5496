import { isDecided, trialOf } from '../../microsoft/tenants.ts'
import { Answer, Facts, Tick } from '../../pages/components.tsx'
import { ROLE } from '../../protocol/names.ts'
import {
  Form,
  makeOperatorTenant,
  nameOf,
  redirectTo,
  setupPage,
  when,
  type SetupRequest,
} from './frame.tsx'
import { invitationAddress } from './invitation.tsx'
import { Proof } from './proof.tsx'
import { resultOf } from './results.tsx'
import { proofToAssert, type Seen } from './seen.ts'
import { Links } from './steps.tsx'
import { CHANGE, ITS_PAGE, OPERATORS, QUESTIONS, SURE } from './texts/tenant.ts'

/** The page of one tenant: its state, its proof of MFA, and whether operators are of it. */

const ANSWER = { ok: 'yes', warning: 'warning', failed: 'no', unknown: 'unknown' } as const

export async function tenantPage(request: SetupRequest, seen: Seen): Promise<Response> {
  const { row } = seen
  const path = `/setup/tenants/${row.tid}`
  const operates = request.deps.connection.current().operatorTenant === row.tid
  const found = await request.checks.look({ which: ({ id }) => id in QUESTIONS })
  // A fix that only names this page says nothing here.
  const findings = found
    .filter(({ tid }) => tid === row.tid)
    .map((finding) => (finding.fix?.includes(path) ? { ...finding, fix: undefined } : finding))
  return setupPage(
    request,
    { title: nameOf(row), result: resultOf(request.c) },
    <>
      <Facts
        items={[
          ['Tenant id', row.tid],
          ['Connected', when(row.connectedAt)],
          ['Operators', operates ? OPERATORS : undefined],
        ]}
      />
      {findings.map(({ check, state, found, fix }) => (
        <Answer question={QUESTIONS[check] ?? check} is={ANSWER[state]}>
          <p>{found}</p>
          {fix === undefined ? null : <p class="soft">{fix}</p>}
        </Answer>
      ))}
      <Proof request={request} seen={seen} />
      <ItsPage request={request} seen={seen} />
      {operates ? null : <Sure request={request} action={`${path}/operators`} {...SURE} />}
      <p class="soft">{CHANGE(row.tid)}</p>
    </>,
  )
}

/** The link to the page on which an administrator of the tenant takes its steps. */
function ItsPage({ request: { deps, now }, seen }: { request: SetupRequest; seen: Seen }) {
  const href = invitationAddress(deps, seen.row.tid, now)
  const remains = proofToAssert(seen) !== undefined
  return (
    <>
      <p>{ITS_PAGE.what}</p>
      <Links links={[[ITS_PAGE.goOn, href, remains]]} />
      <details>
        <summary>{ITS_PAGE.link}</summary>
        <div class="tight">
          <p class="soft">{ITS_PAGE.valid}</p>
          <pre tabindex={0} role="region" aria-label="the link">
            <code class="value">{href}</code>
          </pre>
        </div>
      </details>
    </>
  )
}

/** An act that needs a tick. */
const Sure = ({
  request,
  action,
  summary,
  words,
  tick,
  button,
}: Record<'action' | 'summary' | 'words' | 'tick' | 'button', string> & {
  request: SetupRequest
}) => (
  <details>
    <summary>{summary}</summary>
    <Form request={request} action={action} button={button} danger>
      <p>{words}</p>
      <Tick name="sure" label={tick} />
    </Form>
  </details>
)

/**
 * Returns whether the visitor may move the console to this tenant. An administrator by role would
 * lose access unless an administrator of the tenant has signed in; the holder of the token can
 * create another token.
 */
async function mayOperate({ caller, deps }: SetupRequest, { row }: Seen): Promise<boolean> {
  if (caller.by === 'token') return true
  const trial = isDecided(row) ? await trialOf(deps, row.tid) : undefined
  return trial?.roles.includes(ROLE.administrator) === true
}

export async function makeOperators(
  request: SetupRequest,
  seen: Seen,
  form: URLSearchParams,
): Promise<Response> {
  const page = `/setup/tenants/${seen.row.tid}`
  if (!(await mayOperate(request, seen)))
    return redirectTo(request.c, `${page}?result=nobody_operates`)
  if (form.get('sure') === 'yes') await makeOperatorTenant(request, seen.row.tid)
  return redirectTo(request.c, page)
}
