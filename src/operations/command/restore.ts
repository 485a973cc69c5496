import type { Command } from 'commander'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { highWaterFile } from '../../../db/high-water.ts'
import { lockTargetName } from '../../protocol/lock-target.ts'
import { systemClock } from '../../runtime/clock.ts'
import { CommandFailure, EXIT, storeFailure } from './broker.ts'
import {
  agree,
  databaseDefault,
  databaseUrl,
  JSON_OUTPUT,
  local,
  namedDatabaseUrl,
  option,
  YES,
  type Context,
} from './context.ts'
import { lines, time } from './show.ts'

/**
 * Restores a backup over the store of a stopped broker, or adopts a Postgres database that other
 * tools restored.
 */

interface Options {
  adopt?: boolean
  nothingLost?: boolean
  to?: string
  yes?: boolean
}

export const restoreCommand = local<Options>(
  {
    name: 'restore [file]',
    about:
      'Replace the store of a stopped broker with a backup. This signs every user out, because the backup lacks the revocations made since.',
    flags: [
      option(
        '--to <url>',
        `the Postgres database; for a file one that is prepared by cmb migrate and empty (${databaseDefault}, else SQLite)`,
      ),
      option(
        '--adopt',
        'instead of a file: serve from the Postgres database as it is, after a recovery, a loaded dump or a promotion',
      ),
      option(
        '--nothing-lost',
        'with --adopt: the database has everything that was acknowledged, so that no user is signed out',
      ),
      YES,
      JSON_OUTPUT,
    ],
    examples: [
      'cmb restore /var/backups/broker-2026-11-24.db',
      'cmb --data-dir /var/lib/broker restore broker.db --yes',
      'cmb restore --adopt',
      'cmb restore --adopt --nothing-lost',
    ],
  },
  async ({ context, self, args: [file], options }) => {
    mustBeOneOf(file, options)
    const question = questionOf(file, options.nothingLost)
    if (options.yes !== true) await agree(context, question, question)
    const run =
      file === undefined
        ? adopt(context, self, options)
        : restore(context, resolve(file), context.dataDir(self), options)
    const restored = await run.catch(storeFailure)
    const answer = { ...(file !== undefined && { restored: resolve(file) }), ...restored }
    context.print(self, answer, () => shown(restored, options.nothingLost === true))
  },
)

function mustBeOneOf(file: string | undefined, { adopt: adopting, nothingLost }: Options): void {
  if ((file === undefined) === (adopting !== true))
    throw new CommandFailure(
      EXIT.usage,
      'Name what to restore: the file of a backup, or --adopt for the Postgres database as it is.',
    )
  if (nothingLost === true && adopting !== true)
    throw new CommandFailure(EXIT.usage, '--nothing-lost goes with --adopt.')
}

const questionOf = (file: string | undefined, nothingLost: boolean | undefined): string =>
  nothingLost === true
    ? 'This serves from the database as it is. If it lacks revocations, sessions that had ended come back.'
    : `This ${file === undefined ? 'begins a new log in the database' : `replaces the store by ${file}`} and signs every user out.`

interface Restored {
  log: { epoch: string; seq: number }
  last_revocation_at: number | null
  former_kept_as?: string | null
  database?: string
  /** Lock targets in the form of `cmb lock`. */
  locks_back?: string[]
  locks_gone?: string[]
}

const actorOf = ({ terminal }: Context) =>
  ({
    kind: 'operator',
    id: `cmb@${terminal.user.replace(/[^\w.@-]/g, '_').slice(0, 64)} (unverified)`,
  }) as const

async function restore(
  context: Context,
  backup: string,
  dataDir: string,
  { to }: Options,
): Promise<Restored> {
  const url = databaseUrl(context, to)
  return url === undefined
    ? restoreFile(context, backup, dataDir)
    : restoreIntoPostgres(context, backup, dataDir, url)
}

async function restoreIntoPostgres(
  context: Context,
  backup: string,
  dataDir: string,
  to: string,
): Promise<Restored> {
  const { restoreInto } = await import('../../../db/move/restore.ts')
  const report = (line: string): void => context.terminal.err(`${line}\n`)
  const restored = await restoreInto({
    backup,
    to,
    dataDir,
    actor: actorOf(context),
    nowMs: systemClock.nowMs,
    report,
  })
  const { epoch, seq, lastRevocationAt, openLocks } = restored
  const locks = { locks_back: openLocks.map(lockTargetName) }
  return {
    log: { epoch, seq },
    last_revocation_at: lastRevocationAt ?? null,
    database: restored.to,
    ...locks,
  }
}

async function restoreFile(context: Context, backup: string, dataDir: string): Promise<Restored> {
  // The shell may lack the broker's settings: a SQLite file beside a Postgres database in use would
  // restore nothing.
  const mark = highWaterFile(join(dataDir, 'postgres'))
  if (existsSync(mark))
    throw new CommandFailure(
      EXIT.usage,
      `The broker of ${dataDir} keeps its state in Postgres. Name the database: --to postgres://…, or set BROKER_DATABASE_URL. To go back to SQLite, first remove ${mark}.`,
    )
  // Loaded on demand, because other commands open no database.
  const { restoreBackup } = await import('../../../db/sqlite/restore.ts')
  const input = {
    backup,
    file: join(dataDir, 'broker.db'),
    actor: actorOf(context),
    nowMs: systemClock.nowMs(),
  }
  const { lastRevocationAt, formerKeptAs, locksBack, locksGone, ...log } = restoreBackup(input)
  const locks = {
    locks_back: locksBack.map(lockTargetName),
    locks_gone: locksGone.map(lockTargetName),
  }
  return {
    log,
    last_revocation_at: lastRevocationAt ?? null,
    database: input.file,
    former_kept_as: formerKeptAs ?? null,
    ...locks,
  }
}

async function adopt(
  context: Context,
  command: Command,
  { to, nothingLost = false }: Options,
): Promise<Restored> {
  const url = namedDatabaseUrl(context, to)
  const { adoptDatabase } = await import('../../../db/postgres/adopt.ts')
  const input = {
    url,
    actor: actorOf(context),
    nowMs: systemClock.nowMs,
    nothingLost,
    mark: join(context.dataDir(command), 'postgres'),
  }
  const { lastRevocationAt, epoch, seq, openLocks = [] } = await adoptDatabase(input)
  const locks = { locks_back: openLocks.map(lockTargetName) }
  return { log: { epoch, seq }, last_revocation_at: lastRevocationAt ?? null, ...locks }
}

function shown({ log, ...restored }: Restored, nothingLost: boolean): string {
  const facts = lines([
    ['database', restored.database ?? null],
    ['log', `${log.seq} (epoch ${log.epoch})`],
    ['newest revocation in the backup', time(restored.last_revocation_at)],
    ['what was there is kept as', restored.former_kept_as ?? null],
  ])
  if (nothingLost)
    return `${facts}\nThe log goes on at this server. No user is signed out. Start the brokers.\n`
  return `${facts}
Every user is signed out. Start the broker: it makes new signing keys, and instances learn of the restore at once.
Look through what may have changed since the backup: cmb clients list (removed clients and secrets are back), cmb tenants, users who were erased.
${locksShown(restored)}`
}

/** Lists the locks that the operator must set again or may have to lift. */
function locksShown({
  locks_back: back = [],
  locks_gone: gone = [],
}: Omit<Restored, 'log'>): string {
  return [
    ...gone.map((name) => `Not in the backup, lock it again: cmb lock ${name}\n`),
    ...back.map(
      (name) =>
        `Locked in the backup; where the lock was lifted since, lift it: ${name} (cmb locks list)\n`,
    ),
  ].join('')
}
