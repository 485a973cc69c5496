import type { Command } from 'commander'
import { resolve } from 'node:path'
import { asJson, examples, type Context } from './context.ts'

/** A backup of the running broker. */
export function backupCommand(program: Command, context: Context): void {
  examples(
    program
      .command('backup <file>')
      .description('Copy the whole store into a new file, while the broker serves. Secrets in it stay sealed under BROKER_SECRET: keep that too.')
      .addOption(asJson())
      .action(async (file: string, _options: unknown, command: Command) => {
        const broker = await context.broker(command)
        const answer = await broker.send<Backup>('POST', '/backup', { path: resolve(file) }, BACKUP_MS)
        context.print(command, answer, () => `${answer.path}: ${answer.bytes} bytes, the log up to ${answer.log.seq}.\n`)
      }),
    'cmb backup /var/backups/broker-2026-11-24.db',
  )
}

interface Backup {
  path: string
  bytes: number
  log: { epoch: string; seq: number }
}

/** A large store on a slow disk. */
const BACKUP_MS = 3_600_000
