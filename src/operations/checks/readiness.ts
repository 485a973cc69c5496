import type { z } from 'zod'
import type { problem, readiness } from '../contract/shapes.ts'
import type { Deps } from '../deps.ts'
import { hiddenProblems, problemId } from '../acts/hidden-problems.ts'
import { actorName, userName } from '../acts/names.ts'
import type { Check } from './check.ts'
import type { Checks } from './checks.ts'
import { causeOf, type Finding } from './finding.ts'
import { day } from '../times.ts'
import { CHECKS } from './list.ts'
import { FOUND } from './texts/found.ts'
import { RUNBOOK } from './texts/runbook.ts'

/**
 * The state of the broker's parts, for /readyz, the console and the admin API. Only without its
 * database is the broker unavailable. Without the queue or Microsoft it is degraded but ready:
 * sessions still work and can be revoked, which taking the broker out of rotation would prevent.
 */
export type Readiness = Omit<z.output<typeof readiness>, 'status'> & {
  status: 'ready' | 'degraded' | 'unavailable'
  problems: Problem[]
}
export type Problem = z.output<typeof problem>
type PartName = NonNullable<Check['part']>
type Part = Readiness['parts'][PartName]

const PART_OF = new Map(
  CHECKS.flatMap(({ id, part }) => (part === undefined ? [] : [[id, part] as const])),
)

export async function readinessOf(
  deps: Pick<Deps, 'microsoft' | 'store' | 'clients' | 'clock'>,
  checks: Checks,
  which?: (check: Check) => boolean,
): Promise<Readiness> {
  const [findings, hidden, tenants] = await Promise.all([
    checks.look({ which }),
    // Without the store, nothing counts as hidden.
    hiddenProblems(deps).catch(() => []),
    deps.store.listTenants().catch(() => []),
  ])
  const partOf = (name: PartName): Part => {
    const its = findings.filter((finding) => PART_OF.get(finding.check) === name)
    const wrong = its.filter((finding) => finding.state === 'failed')
    const engine = its.find((finding) => finding.engine !== undefined)?.engine
    return {
      state: wrong.length === 0 ? 'up' : 'down',
      ...(wrong.length > 0 && {
        problem: wrong
          .map(({ about, found, fix }) =>
            `${about === undefined ? '' : `${about}: `}${found} ${fix ?? ''}`.trim(),
          )
          .join(' '),
      }),
      ...(engine !== undefined && { engine }),
    }
  }
  const microsoft = partOf('microsoft')
  if (!deps.microsoft.readiness().connected) microsoft.state = 'not_connected'
  const parts = { store: partOf('store'), queue: partOf('queue'), microsoft }
  const status =
    parts.store.state !== 'up'
      ? 'unavailable'
      : parts.queue.state === 'up' && microsoft.state === 'up'
        ? 'ready'
        : 'degraded'
  const wrong = findings.filter(
    (finding) => finding.state === 'failed' || finding.state === 'warning',
  )
  const nameOf = (about: string): string => {
    const tenant = tenants.find(({ tid }) => about === `tenant ${tid}`)
    return tenant?.name === undefined ? about : `tenant ${tenant.name}`
  }
  const problems = await Promise.all(
    problemsOf(wrong, checks).map(async ({ sub, ...finding }) => {
      const found = sub && (await deps.store.findSubject(sub).catch(() => undefined))
      const user = found ? { sub: found.sub, name: userName(found) } : undefined
      const its = finding.hideable ? hidden.find(({ id }) => id === finding.id) : undefined
      return {
        ...finding,
        about: user ? [`user ${user.name} (${user.sub})`] : finding.about.map(nameOf),
        user,
        hidden_by: its && ((await actorName(deps, its.actor)) ?? its.actor.id),
        hidden_until: its?.until,
      }
    }),
  )
  const hides = ({ check, found }: Finding): boolean =>
    problems.some(
      (candidate) => isHidden(candidate) && candidate.check === check && candidate.found === found,
    )
  return {
    status,
    verdict: verdictOf(problems),
    parts,
    checks: wrong.filter((finding) => !hides(finding)),
    problems,
  }
}

/**
 * Says in words how many problems need an operator now and today, and what is hidden.
 * @param names false where no user may be named, because the reader is not authenticated
 */
export function verdictOf(all: readonly Problem[], { names } = { names: true }): string {
  const shown = all.filter((candidate) => !isHidden(candidate))
  const hidden = all.filter(isHidden)
  const counts = Map.groupBy(
    shown.filter((candidate) => candidate.urgency !== 'note'),
    ({ urgency }) => urgency,
  )
  const verdict =
    counts.size > 0
      ? [...counts].map(FOUND.need).join(', ')
      : hidden.some((candidate) => candidate.urgency !== 'note')
        ? 'Nothing needs you now'
        : 'All good'
  const [first] = hidden
  if (first === undefined) return verdict
  const until = day((first.hidden_until ?? 0) * 1000)
  const more = hidden.length === 1 ? '' : `, and ${hidden.length - 1} more`
  return `${verdict}. Hidden until ${until}: ${names ? titleOf(first) + more : hidden.length}`
}

export const isHidden = ({ hidden_by: by }: Problem): boolean => by !== undefined

/** Returns the cause of a problem, and what it is about where the cause does not name it. */
function titleOf({ found, about }: Problem): string {
  const [cause] = causeOf(found)
  const named = about.filter((candidate) => !candidate.startsWith('client ')).join(', ')
  return `${cause.replace(/[.!]$/, '')}${named && ` (${named})`}`
}

const URGENCY = ['now', 'today', 'note'] as const

/**
 * Returns the findings as problems, the worst first. Findings of a check that differ in what they
 * are about alone are one problem.
 */
function problemsOf(findings: readonly Finding[], checks: Pick<Checks, 'since'>) {
  const groups = Map.groupBy(findings, (finding) =>
    [finding.check, finding.found, finding.fix].join('\n'),
  )
  return [...groups.values()]
    .flatMap((group): (Problem & Pick<Finding, 'sub'>)[] => {
      const [first] = group
      if (first === undefined) return []
      const since = group.flatMap((each) => each.since_ms ?? checks.since(each) ?? [])
      const about = group.flatMap((each) => each.about ?? [])
      const { urgency = 'note' } = first
      const isDown = first.state === 'failed' && PART_OF.has(first.check)
      return [
        {
          id: problemId({ ...first, about }),
          check: first.check,
          urgency,
          hideable: urgency !== 'now' && !isDown && first.report === undefined,
          report: first.report,
          redrive: first.redrive,
          found: first.found,
          fix: first.fix,
          runbook: first.runbook ?? RUNBOOK[first.check],
          about,
          tids: group.flatMap(({ tid }) => tid ?? []),
          sub: first.sub,
          ...(since.length > 0 && { since_ms: Math.min(...since) }),
        },
      ]
    })
    .toSorted((a, b) => URGENCY.indexOf(a.urgency) - URGENCY.indexOf(b.urgency))
}
