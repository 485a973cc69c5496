import type { Command } from 'commander'
import { join, resolve } from 'node:path'
import { StoreUnavailable } from '../../db/store.ts'
import { systemClock } from '../system-clock.ts'
import { CommandFailure, EXIT } from './broker.ts'
import { asJson, examples, type Context } from './context.ts'
import { lines, time } from './show.ts'

/** A backup of the running broker, and putting one in the place of what a stopped broker has. */
export function backupCommands(program: Command, context: Context): void {
  examples(
    program
      .command('backup <file>')
      .description(
        'Copy the whole store into a new file, while the broker serves. What is secret in it stays sealed under BROKER_SECRET: keep that too.',
      )
      .addOption(asJson())
      .action(async (file: string, _options: unknown, command: Command) => {
        const broker = await context.broker(command)
        const answer = await broker.send<Backup>('POST', '/backup', { path: resolve(file) }, BACKUP_MS)
        context.print(command, answer, () => `${answer.path}: ${answer.bytes} bytes, the log up to ${answer.log.seq}.\n`)
      }),
    'cmb backup /var/backups/broker-2026-11-24.db',
  )
  examples(
    program
      .command('restore <file>')
      .description(
        'Put a backup in the place of the store of a broker that is stopped. It signs everybody out: the backup has forgotten who has signed out since.',
      )
      .option('--yes', 'do not ask')
      .addOption(asJson())
      .action(async (file: string, options: { yes?: boolean }, command: Command) => {
        await agree(context, file, options.yes === true)
        const restored = await restore(context, resolve(file), context.dataDir(command))
        context.print(command, { restored: resolve(file), ...restored }, () => restoredShown(restored))
      }),
    'cmb restore /var/backups/broker-2026-11-24.db',
    'cmb --data-dir /var/lib/broker restore broker.db --yes',
  )
}

interface Backup {
  path: string
  bytes: number
  log: { epoch: string; seq: number }
}

/** A large store on a slow disk. */
const BACKUP_MS = 3_600_000

async function agree(context: Context, file: string, yes: boolean): Promise<void> {
  if (yes) return
  if (context.terminal.ask === undefined)
    throw new CommandFailure(EXIT.usage, 'This replaces the store and signs everybody out. Say --yes if that is meant; nothing was done.')
  const answer = await context.terminal.ask(`This replaces the store by ${file} and signs everybody out. Type yes to do it: `)
  if (answer !== 'yes') throw new CommandFailure(EXIT.failed, 'Nothing was done.')
}

async function restore(context: Context, backup: string, dataDir: string) {
  // Loaded only when it is needed: other commands ask the running broker, and open no database.
  const { restoreBackup } = await import('../../db/sqlite/restore.ts')
  const actor = { kind: 'operator', id: `cmb@${context.terminal.user.replace(/[^\w.@-]/g, '_').slice(0, 64)} (unverified)` } as const
  try {
    const { lastRevocationAt, formerKeptAs, ...log } = restoreBackup({ backup, file: join(dataDir, 'broker.db'), actor, nowMs: systemClock.nowMs() })
    return { log, last_revocation_at: lastRevocationAt ?? null, former_kept_as: formerKeptAs ?? null }
  } catch (error) {
    if (error instanceof StoreUnavailable) throw new CommandFailure(EXIT.failed, error.message)
    throw error
  }
}

const restoredShown = (restored: Awaited<ReturnType<typeof restore>>): string =>
  `${lines([
    ['log', `${restored.log.seq} (epoch ${restored.log.epoch})`],
    ['newest revocation in the backup', time(restored.last_revocation_at)],
    ['what was there is kept as', restored.former_kept_as],
  ])}
Everybody is signed out, and the broker makes new signing keys. Start it: instances hear of it at once.
Look through what may have changed since the backup: cmb clients list (removed clients and secrets are back), cmb tenants, users who were erased.
`
