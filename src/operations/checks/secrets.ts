import type { Deps } from '../deps.ts'

/**
 * Remembers the values of BROKER_SECRET that this database was used with, by the ids in sealed
 * values.
 */

type Need = Pick<Deps, 'sealer' | 'store' | 'clock'>

const SEEN = 'secrets_seen'
const idsOf = ({ sealer }: Pick<Need, 'sealer'>): string[] =>
  sealer.macKeys('secret-since').map(({ id }) => id)

/** Returns when this broker first used its current secret. Called at start to record the time. */
export async function secretSince(deps: Need): Promise<number> {
  const since = Number(
    await deps.store.setSettingOnce(
      `secret_since/${idsOf(deps)[0] ?? 'none'}`,
      String(deps.clock.now()),
    ),
  )
  const known = await seen(deps)
  const all = [...new Set([...known, ...idsOf(deps)])]
  if (all.length > known.length) await deps.store.setSetting(SEEN, JSON.stringify(all))
  return since
}

/** Returns the number of former secrets that are no longer configured. */
export async function missingSecrets(deps: Need): Promise<number> {
  const ids = idsOf(deps)
  return (await seen(deps)).filter((id) => !ids.includes(id)).length
}

const seen = async ({ store }: Pick<Need, 'store'>): Promise<string[]> =>
  JSON.parse((await store.setting(SEEN)) ?? '[]') as string[]
