import type { Store } from '../../../db/store.ts'

/** The time of the last `cmb backup`, in the store so that it survives a restart. */

const SETTING = 'last_backup_at'

export const noteBackup = (store: Pick<Store, 'setSetting'>, now: number): Promise<void> =>
  store.setSetting(SETTING, String(now))

/** Returns epoch seconds, or 0 if there was no backup. */
export const lastBackupAt = async (store: Pick<Store, 'setting'>): Promise<number> =>
  Number((await store.setting(SETTING)) ?? 0)
