import type { Store } from '../../db/store.ts'
import type { Sealer } from './interface.ts'

/**
 * Seals a setting again with the current secret, so that an old secret can be removed. A value that
 * is entered in the meantime is kept.
 * @param name the setting's name; it is sealed for `settings/<name>`
 * @returns false if the setting does not exist or no secret opens it
 */
export async function resealed(
  { store, sealer }: { store: Pick<Store, 'setting' | 'resealSetting'>; sealer: Sealer },
  name: string,
): Promise<boolean> {
  const place = `settings/${name}`
  const from = await store.setting(name)
  const opened = from === undefined ? undefined : sealer.open(place, from)
  if (from === undefined || opened === undefined) return false
  await store.resealSetting({ name, from, to: sealer.seal(place, opened) })
  return true
}
