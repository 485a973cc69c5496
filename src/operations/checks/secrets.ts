import type { Deps } from '../deps.ts'

/** Which values of BROKER_SECRET this database has known, by the id that sealed values carry. */

type Need = Pick<Deps, 'sealer' | 'store' | 'clock'>

const SEEN = 'secrets_seen'
const idsOf = ({ sealer }: Pick<Need, 'sealer'>): string[] =>
  sealer.macKeys('secret-since').map(({ id }) => id)

/**
 * When this broker was first seen under its current secret. Called at start, so that it is known
 * later.
 */
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

/** How many values were in use once and are not set now. */
export async function missingSecrets(deps: Need): Promise<number> {
  const ids = idsOf(deps)
  return (await seen(deps)).filter((id) => !ids.includes(id)).length
}

const seen = async ({ store }: Pick<Need, 'store'>): Promise<string[]> =>
  JSON.parse((await store.setting(SEEN)) ?? '[]') as string[]
