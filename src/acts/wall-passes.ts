import type { WallPass } from '../../db/types.ts'
import type { Deps } from '../deps.ts'
import { sha256 } from '../protocol/compare.ts'
import { newId, newSecret } from '../protocol/ids.ts'
import type { Caller } from './caller.ts'
import { Problem } from './problem.ts'
import { recorded } from './recorded.ts'

/** Passes of wall displays, made and revoked by administrators. */

/** Valid at one time. */
const MOST_PASSES = 20
const DAY = 86_400

/** @returns the pass itself, which is kept as a hash: this answer alone has it */
export async function makeWallPass(
  deps: Pick<Deps, 'store' | 'random'>,
  caller: Caller,
  { name, days, now }: { name: string; days: number; now: number },
): Promise<string> {
  const secret = newSecret(deps.random)
  const pass: WallPass = { id: newId(deps.random), name, madeBy: caller.actor.id, createdAt: now, endsAt: now + days * DAY }
  const entry = { act: 'wall_pass.create', target: `wall_pass ${pass.id}`, details: { name, expires_at: pass.endsAt } }
  await recorded(deps, caller, entry, async () => {
    if (!(await deps.store.addWallPass({ pass, passHash: sha256(secret), now, most: MOST_PASSES })))
      throw new Problem(409, `There are ${MOST_PASSES} valid passes`, 'Revoke one that is no longer used, then make this one.')
  })
  return secret
}

export async function revokeWallPass(deps: Pick<Deps, 'store'>, caller: Caller, { id, now }: { id: string; now: number }): Promise<void> {
  await recorded(deps, caller, { act: 'wall_pass.revoke', target: `wall_pass ${id}` }, async () => {
    if (!(await deps.store.revokeWallPass({ id, now }))) throw new Problem(404, 'No such pass', 'No valid pass has that ID.')
  })
}
