import type { Store } from '../../../db/store.ts'

/**
 * When `cmb backup` last made a backup. It is kept in the store, so that a restart does not forget
 * it.
 */

const SETTING = 'last_backup_at'

export const noteBackup = (store: Pick<Store, 'setSetting'>, now: number): Promise<void> =>
  store.setSetting(SETTING, String(now))

/** Epoch seconds; 0 where no backup was ever made. */
export const lastBackupAt = async (store: Pick<Store, 'setting'>): Promise<number> =>
  Number((await store.setting(SETTING)) ?? 0)
