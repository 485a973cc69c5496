import { setTimeout as sleep } from 'node:timers/promises'
import type { Deps } from '../src/deps.ts'

/** After an upgrade: indexes the names of users who were known before, so that operators find them. Later it finds nothing to do. */

const PAGE = 200
const MOST_PAUSE_MS = 20

export async function indexNames({ store }: Pick<Deps, 'store'>, going: () => boolean = () => true): Promise<void> {
  for (let more = true; more && going();) {
    const begunMs = performance.now()
    more = await store.indexOlderNames({ limit: PAGE })
    if (more) await sleep(Math.min(performance.now() - begunMs, MOST_PAUSE_MS))
  }
}
