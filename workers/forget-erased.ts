import { setTimeout as sleep } from 'node:timers/promises'
import type { Deps } from '../src/deps.ts'

/** Forgets what ended sessions of erased users still say of them: page by page over all sessions, which have no index by user once they ended. */

const PAGE = 1_000
const MOST_PAUSE_MS = 20

export async function forgetErased({ store }: Pick<Deps, 'store'>, going: () => boolean = () => true): Promise<void> {
  for (let more = true; more && going();) {
    const begunMs = performance.now()
    more = await store.forgetErased({ limit: PAGE })
    if (more) await sleep(Math.min(performance.now() - begunMs, MOST_PAUSE_MS))
  }
}
