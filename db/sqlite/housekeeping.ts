import type { Housekeeping } from '../store.ts'
import type { Core } from './core.ts'
import { purging, purgingOneTime } from './purge.ts'
import type { FanOut } from './fan-out.ts'

/** The broker's own values, and what is asked of the store as a store. */
export function housekeeping(core: Core, fanOut: FanOut): Omit<Housekeeping, 'close' | 'backup' | 'checkIntegrity'> {
  const { db, write, read, nowMs } = core
  const get = db.prepare<[string], string>('SELECT value FROM settings WHERE name = ?').pluck()
  const set = db.prepare<[string, string]>('INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value')
  const setOnce = db.prepare<[string, string]>('INSERT OR IGNORE INTO settings (name, value) VALUES (?, ?)')
  const unset = db.prepare<[string]>('DELETE FROM settings WHERE name = ?')
  // What a wide revocation covers is counted until its owing has reached it: moments.
  const live = db.prepare<[number], number>('SELECT count(*) FROM sessions WHERE ended_seq IS NULL AND deadline_at > ?').pluck()

  return {
    setting: (name) => read(() => get.get(name)),
    setSetting: (name, value) => write(() => void (value === undefined ? unset.run(name) : set.run(name, value))),
    setSettingOnce: (name, value) =>
      write(() => {
        setOnce.run(name, value)
        return get.get(name) ?? value
      }),
    liveSessionCount: (now) => read(() => live.get(now) ?? 0),
    purge: purging(core, fanOut),
    purgeOneTime: purgingOneTime(core),
    async probe() {
      const written = String(nowMs())
      await write(() => {
        set.run('probe', written)
        if (get.get('probe') !== written) throw new Error('The store does not read back what it has just written.')
      })
    },
  }
}
