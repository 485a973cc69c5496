import type { Command } from 'commander'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { highWaterFile } from '../../../db/high-water.ts'
import { type LockTarget, lockTargetName } from '../../protocol/lock-target.ts'
import { systemClock } from '../../runtime/clock.ts'
import { storeFailure, misused } from './broker.ts'
import {
  agree,
  databaseDefault,
  databaseUrl,
  local,
  namedDatabaseUrl,
  option,
  YES,
  type Context,
} from './context.ts'
import { inWords } from './show.ts'
import { OPTION } from './texts/options.ts'
import { SAYS } from './texts/answers.ts'

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
    flags: [
      option(
        '--to <url>',
        `the Postgres database; for a file one that is prepared by cmb migrate and empty (${databaseDefault}, else SQLite)`,
      ),
      option('--adopt', OPTION.adopt),
      option('--nothing-lost', OPTION.nothing_lost),
      YES,
    ],
  },
  async ({ context, self, args: [file], options }) => {
    mustBeOneOf(file, options)
    const question = questionOf(file, options.nothingLost)
    if (options.yes !== true) await agree(context, question)
    const run =
      file === undefined
        ? adopt(context, self, options)
        : restore(context, resolve(file), context.dataDir(self), options)
    const answer = answerOf(await run.catch(storeFailure))
    context.print(self, answer, () => shown(answer, options.nothingLost === true))
  },
)

function mustBeOneOf(file: string | undefined, { adopt: adopting, nothingLost }: Options): void {
  if ((file === undefined) === (adopting !== true)) throw misused(SAYS.what_to_restore)
  if (nothingLost === true && adopting !== true) throw misused('--nothing-lost goes with --adopt.')
}

const questionOf = (file: string | undefined, nothingLost: boolean | undefined): string =>
  nothingLost === true
    ? SAYS.as_it_is
    : `This ${file === undefined ? 'begins a new log in the database' : `replaces the store by ${file}`} and signs every user out.`

interface Restored {
  epoch: string
  seq: number
  lastRevocationAt: number | undefined
  formerKeptAs?: string | undefined
  database?: string
  locksBack?: LockTarget[]
  locksGone?: LockTarget[]
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
  const actor = actorOf(context)
  const input = { backup, to, dataDir, actor, nowMs: systemClock.nowMs, report }
  const restored = await restoreInto(input)
  return { ...restored, database: restored.to, locksBack: restored.openLocks }
}

async function restoreFile(context: Context, backup: string, dataDir: string): Promise<Restored> {
  // The shell may lack the broker's settings: a SQLite file beside a Postgres database in use would
  // restore nothing.
  const mark = highWaterFile(join(dataDir, 'postgres'))
  if (existsSync(mark)) throw misused(SAYS.in_postgres(dataDir, mark))
  // Loaded on demand, because other commands open no database.
  const { restoreBackup } = await import('../../../db/sqlite/restore.ts')
  const file = join(dataDir, 'broker.db')
  const actor = actorOf(context)
  return {
    ...restoreBackup({ backup, file, actor, nowMs: systemClock.nowMs() }),
    database: file,
  }
}

async function adopt(
  context: Context,
  command: Command,
  { to, nothingLost = false }: Options,
): Promise<Restored> {
  const url = namedDatabaseUrl(context, to)
  const { adoptDatabase } = await import('../../../db/postgres/adopt.ts')
  const mark = join(context.dataDir(command), 'postgres')
  const actor = actorOf(context)
  const adopted = await adoptDatabase({ url, actor, nowMs: systemClock.nowMs, nothingLost, mark })
  return { ...adopted, locksBack: adopted.openLocks ?? [] }
}

const answerOf = (restored: Restored) => ({
  log: { epoch: restored.epoch, seq: restored.seq },
  last_revocation_at: restored.lastRevocationAt ?? null,
  database: restored.database,
  former_kept_as: restored.formerKeptAs,
  /** Lock targets in the form of `cmb lock`. */
  locks_back: restored.locksBack?.map(lockTargetName),
  locks_gone: restored.locksGone?.map(lockTargetName),
})

function shown(
  { locks_back: back = [], locks_gone: gone = [], ...facts }: ReturnType<typeof answerOf>,
  nothingLost: boolean,
): string {
  if (nothingLost)
    return `${inWords(facts)}
The log goes on at this server. No user is signed out. Start the brokers.
`
  return `${inWords(facts)}
Every user is signed out. Start the broker: it makes new signing keys, and instances learn of the restore at once.
Look through what may have changed since the backup: cmb clients list (removed clients and secrets are back), cmb tenants, users who were erased.
${gone.map((name) => `Not in the backup, lock it again: cmb lock ${name}\n`).join('')}${back.map((name) => `Locked in the backup; where the lock was lifted since, lift it: ${name} (cmb locks list)\n`).join('')}`
}
