import { pacing } from '../db/engine/pace.ts'
import type { Deps } from './deps.ts'

/** Forgets what ended sessions of erased users still say of them: page by page over all sessions, which have no index by user once they ended. */

const LIMITS = { most: 1_000 }

export async function forgetErased({ store }: Pick<Deps, 'store'>, going: () => boolean = () => true): Promise<void> {
  const pace = pacing(LIMITS)
  for (let more = true; more && going();) {
    more = await store.forgetErased({ limit: pace.rows })
    if (more) await pace.rest()
  }
}
