import { resolve } from 'node:path'
import { verb } from './context.ts'

/** Time limit: a large store on a slow disk takes long. */
const BACKUP_MS = 3_600_000

/** The command `cmb backup`, which backs up the running broker. */
export const backupCommand = verb({
  name: 'backup <file>',
  at: 'POST /backup',
  ask: (_, { broker, id }) => broker.ask('POST /backup', { path: resolve(id) }, BACKUP_MS),
})
