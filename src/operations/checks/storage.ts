import { statfs } from 'node:fs/promises'
import type { Config } from '../../config/config.ts'
import { lastBackupAt } from '../acts/last-backup.ts'
import type { Check, Looked, CheckContext } from './check.ts'
import { at, failed, type Found, ok, warning } from './finding.ts'
import { secretSince } from './secrets.ts'
import { REMEDY } from './texts/fixes.ts'
import { FOUND } from './texts/found.ts'

/** Checks of what the broker keeps on its own disk: the space left, the write-ahead log, backups. */
export const storageChecks: readonly Check[] = [
  {
    id: 'disk',
    severity: 'page',
    look: ({ deps }) => diskOf(deps.config),
  },
  {
    id: 'wal',
    warnsByTicket: true,
    look: wal,
  },
  {
    id: 'backup',
    warnsByTicket: true,
    look: backup,
  },
]

/** The share of the disk, and the bytes, below which little is left. Both have to be true. */
const LOW_SHARE = 0.1
const LOW_BYTES = 10 * 2 ** 30

export async function diskOf({
  dataDir,
  databaseUrl,
}: Pick<Config, 'dataDir' | 'databaseUrl'>): Promise<Found> {
  const { bavail, blocks, bsize } = await statfs(dataDir)
  const share = bavail / blocks
  const found = `The disk of ${dataDir} has ${Math.floor(100 * share)} % free.`
  if (share >= LOW_SHARE || bavail * bsize >= LOW_BYTES) return ok(found)
  return failed(`${found} ${FOUND.disk_full(databaseUrl !== undefined)}`, REMEDY.disk)
}

const MOST_WAL_BYTES = 1e9

async function wal({ deps: { config, store } }: CheckContext): Promise<Looked> {
  if (config.databaseUrl !== undefined) return undefined
  const { walBytes } = await store.size()
  return walBytes > MOST_WAL_BYTES ? warning(FOUND.wal_large, REMEDY.wal) : ok(FOUND.wal_small)
}

const MOST_BACKUP_SECONDS = 2 * 86_400

/**
 * Checks the age of the last backup; before the first one, how long this database has been in use.
 * Postgres may be backed up by other tools that the broker does not know, so none is expected there
 * before the first.
 */
async function backup({ deps, now }: CheckContext): Promise<Looked> {
  const last = await lastBackupAt(deps.store)
  if (last === 0 && deps.config.databaseUrl !== undefined) return undefined
  const isOld = now - (last === 0 ? await secretSince(deps) : last) > MOST_BACKUP_SECONDS
  const found = last === 0 ? FOUND.no_backup : FOUND.last_backup(at(last))
  return isOld ? warning(found, REMEDY.backup) : ok(found)
}
