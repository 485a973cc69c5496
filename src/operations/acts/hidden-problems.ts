import type { z } from 'zod'
import type { Deps } from '../deps.ts'
import { Problem } from '../../audit/problem.ts'
import type { Actor } from '../../protocol/revocation.ts'
import { sha256 } from '../../runtime/compare.ts'
import type { problem as shape } from '../contract/shapes.ts'
import { REJECTED } from './texts/rejected.ts'

/**
 * Problems that an operator has hidden. They do not count for 30 days, or until their words change:
 * a problem is identified by its check, what was found, and the things that it concerns.
 */

type Shown = z.output<typeof shape>
interface HiddenProblem {
  id: string
  actor: Pick<Actor, 'kind' | 'id'>
  /** Epoch seconds. */
  until: number
}

const NAME = 'hidden_problems'
/** The most problems that are hidden at a time. */
const MOST = 200

/** Returns an id that no command reads as an option. */
export const problemId = ({
  check,
  found,
  about,
}: Pick<Shown, 'check' | 'found' | 'about'>): string =>
  `p_${sha256([check, found, ...about].join('\n')).slice(0, 8)}`

export const HIDDEN_SECONDS = 30 * 86_400

/** Returns the problems that are hidden now, the last one first. */
export async function hiddenProblems({
  store,
  clock,
}: Pick<Deps, 'store'> & { clock: Pick<Deps['clock'], 'now'> }): Promise<HiddenProblem[]> {
  const all = JSON.parse((await store.setting(NAME)) ?? '[]') as HiddenProblem[]
  return all.filter(({ until }) => until > clock.now())
}

/** Hides a problem, or shows it again. */
export async function setHidden(
  deps: Pick<Deps, 'store' | 'clock'>,
  problem: HiddenProblem,
  hides: boolean,
): Promise<void> {
  const others = (await hiddenProblems(deps)).filter(({ id }) => id !== problem.id)
  const all = hides ? [problem, ...others] : others
  await deps.store.setSetting(NAME, JSON.stringify(all.slice(0, MOST)))
}

/** Returns a problem that may be hidden. @throws Problem 404, 409 */
export function hideable(problems: readonly Shown[], id: string): Shown {
  const problem = problems.find((each) => each.id === id)
  if (problem === undefined) throw new Problem(404, 'No such problem', REJECTED.problem_ended)
  if (!problem.hideable) throw new Problem(409, 'This cannot be hidden', REJECTED.not_hideable)
  return problem
}
