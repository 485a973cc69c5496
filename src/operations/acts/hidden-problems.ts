import type { z } from 'zod'
import type { Deps } from '../deps.ts'
import type { Caller } from '../../clients/caller.ts'
import { Problem } from '../../clients/problem.ts'
import { withAudit } from '../../clients/with-audit.ts'
import type { Actor } from '../../protocol/revocation.ts'
import { sha256 } from '../../runtime/compare.ts'
import type { problem as shape } from '../contract/shapes.ts'

/**
 * Problems that an operator has acknowledged. They do not count for 30 days, or until their words
 * change: a problem is identified by its check, what was found, and the things that it concerns.
 */

type Found = Pick<z.output<typeof shape>, 'check' | 'found' | 'about'>
interface Acknowledgment {
  id: string
  actor: Pick<Actor, 'kind' | 'id'>
  at: number
}

const NAME = 'acknowledged'
/** The most acknowledgments that are kept. */
const MOST = 200

export const problemId = ({ check, found, about }: Found): string =>
  sha256([check, found, ...about].join('\n')).slice(0, 8)

const SECONDS = 30 * 86_400

/** Returns the acknowledgments that still count, newest first. */
export async function acknowledgments({
  store,
  clock,
}: Pick<Deps, 'store'> & { clock: Pick<Deps['clock'], 'now'> }): Promise<Acknowledgment[]> {
  const all = JSON.parse((await store.setting(NAME)) ?? '[]') as Acknowledgment[]
  return all.filter(({ at }) => at > clock.now() - SECONDS)
}

/** Acknowledges one of the problems, recorded in the audit log. @throws Problem 404, 409 */
export async function acknowledgeAs(
  deps: Deps,
  caller: Caller,
  { id, now, problems }: { id: string; now: number; problems: z.output<typeof shape>[] },
): Promise<z.output<typeof shape>> {
  const one = problems.find((each) => each.id === id)
  if (one === undefined) throw new Problem(404, 'No such problem', 'cmb status lists them.')
  if (!one.acknowledgeable)
    throw new Problem(
      409,
      'This cannot be acknowledged',
      'It needs an operator now, or a part of the broker is down because of it.',
    )
  const { kind, id: by } = caller.actor
  const entry = {
    act: 'problem.acknowledge',
    target: `problem ${id}`,
    details: { found: one.found },
  }
  await withAudit(deps, caller, entry, async () => {
    const others = (await acknowledgments(deps)).filter((each) => each.id !== id)
    const all = [{ id, actor: { kind, id: by }, at: now }, ...others].slice(0, MOST)
    await deps.store.setSetting(NAME, JSON.stringify(all))
  })
  return { ...one, acknowledged_by: by }
}
