import type { Finding } from '../checks/finding.ts'
import { isOfSetup } from '../checks/list.ts'
import { QUESTIONS } from '../checks/texts/questions.ts'
import { Answer } from '../../pages/components.tsx'
import { nameOf, setupPage, type SetupRequest } from './frame.tsx'
import { allSeen } from './seen.ts'
import { Links } from './steps.tsx'
import type { StepResult } from './texts/results.ts'
import { CHECKS } from './texts/checks.ts'

/**
 * The page that runs the checks of the connection to Microsoft and says how to fix problems. It
 * changes nothing.
 */

const ANSWER = { ok: 'yes', warning: 'warning', failed: 'no', unknown: 'unknown' } as const

export async function checksPage(request: SetupRequest): Promise<Response> {
  const [tenants, findings] = await Promise.all([
    allSeen(request.deps.store),
    request.checks.look({ fresh: true, which: isOfSetup }),
  ])
  return setupPage(
    request,
    { title: CHECKS.title, result: headline(findings) },
    <>
      <Findings findings={findings.filter((one) => one.tid === undefined)} />
      {tenants.map(({ row }) => (
        <section class="stack" aria-label={nameOf(row)}>
          <h2>{nameOf(row)}</h2>
          <Findings findings={findings.filter((one) => one.tid === row.tid)} />
          <Links links={[[`Open ${nameOf(row)}`, `/setup/tenants/${row.tid}`]]} />
        </section>
      ))}
      <Links links={[[CHECKS.again, '/setup/checks']]} />
    </>,
  )
}

function headline(findings: readonly Finding[]): StepResult {
  const wrong = findings.filter(({ state }) => state === 'failed' || state === 'warning')
  if (wrong.length === 0) return { kind: 'good', title: CHECKS.good }
  return {
    kind: wrong.some(({ state }) => state === 'failed') ? 'bad' : 'warn',
    title: CHECKS.wrong(wrong.length),
  }
}

export const Findings = ({ findings }: { findings: readonly Finding[] }) => (
  <>
    {findings.map(({ check, state, found, fix }) => (
      <Answer question={QUESTIONS[check] ?? check} is={ANSWER[state]}>
        <p>{found}</p>
        {fix === undefined ? null : <p class="soft">{fix}</p>}
      </Answer>
    ))}
  </>
)
