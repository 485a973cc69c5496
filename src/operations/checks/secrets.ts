import type { Deps } from '../deps.ts'

/**
 * Remembers the values of BROKER_SECRET that this database was used with, by the ids in sealed
 * values.
 */

type Need = Pick<Deps, 'sealer' | 'store' | 'clock'>

const SEEN = 'secrets_seen'
const idsOf = ({ sealer }: Pick<Need, 'sealer'>): string[] =>
  sealer.macKeys('secret-since').map(({ id }) => id)

const sinceSetting = (id: string): string => `secret_since/${id}`

/** Returns when this broker first used its current secret. Called at start to record the time. */
export async function secretSince(deps: Need): Promise<number> {
  const since = Number(
    await deps.store.setSettingOnce(
      sinceSetting(idsOf(deps)[0] ?? 'none'),
      String(deps.clock.now()),
    ),
  )
  const known = await seen(deps)
  const all = [...new Set([...known, ...idsOf(deps)])]
  if (all.length > known.length) await deps.store.setSetting(SEEN, JSON.stringify(all))
  return since
}

/**
 * Returns for each secret that a broker on this database sealed with, and that this broker lacks,
 * when it was first used. One that no broker has sealed with yet is not missed.
 */
export async function missingSecrets(deps: Need): Promise<number[]> {
  const ids = idsOf(deps)
  const lacking = (await seen(deps)).filter((id) => !ids.includes(id))
  const since = await Promise.all(lacking.map((id) => deps.store.setting(sinceSetting(id))))
  return since.flatMap((at) => (at === undefined ? [] : [Number(at)]))
}

const seen = async ({ store }: Pick<Need, 'store'>): Promise<string[]> =>
  JSON.parse((await store.setting(SEEN)) ?? '[]') as string[]
