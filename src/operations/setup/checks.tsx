import type { Checks } from '../checks/checks.ts'
import type { Finding } from '../checks/finding.ts'
import { CHECKS } from '../checks/list.ts'
import { Answer, LinkButton } from '../../pages/components.tsx'
import { nameOf, setupPage, type SetupRequest } from './frame.tsx'
import { allSeen } from './seen.ts'

/**
 * The page that runs the checks of the connection to Microsoft and says how to fix problems. It
 * changes nothing.
 */

const QUESTION = new Map(CHECKS.map(({ id, question }) => [id, question]))
const ANSWER = { ok: 'yes', warning: 'warning', failed: 'no', unknown: 'unknown' } as const

export async function checksPage(request: SetupRequest, checks: Checks): Promise<Response> {
  const [tenants, findings] = await Promise.all([
    allSeen(request.deps.store),
    checks.look({ fresh: true, which: ({ setup }) => setup === true }),
  ])
  return setupPage(
    request,
    { title: 'Does everything work?', result: headline(findings) },
    <>
      {shown(findings.filter((one) => one.tid === undefined))}
      {tenants.map(({ row }) => (
        <section class="stack" aria-label={nameOf(row)}>
          <h2>{nameOf(row)}</h2>
          {shown(findings.filter((one) => one.tid === row.tid))}
          <div class="row">
            <LinkButton href={`/setup/tenants/${row.tid}`} kind="quiet">
              Open {nameOf(row)}
            </LinkButton>
          </div>
        </section>
      ))}
      <div class="row">
        <LinkButton href="/setup/checks" kind="quiet">
          Check again
        </LinkButton>
      </div>
    </>,
  )
}

function headline(findings: readonly Finding[]) {
  const [failures, warnings] = (['failed', 'warning'] as const).map(
    (state) => findings.filter((one) => one.state === state).length,
  )
  if (failures)
    return {
      kind: 'bad',
      title: failures === 1 ? 'One thing is wrong.' : `${failures} things are wrong.`,
    } as const
  if (warnings)
    return {
      kind: 'warn',
      title:
        warnings === 1
          ? 'One check needs your attention.'
          : `${warnings} checks need your attention.`,
    } as const
  return { kind: 'good', title: 'Nothing is wrong.' } as const
}

const shown = (findings: readonly Finding[]) =>
  findings.map(({ check, state, found, fix }) => (
    <Answer question={QUESTION.get(check) ?? check} is={ANSWER[state]}>
      <p>{found}</p>
      {fix === undefined ? null : <p class="soft">{fix}</p>}
    </Answer>
  ))
