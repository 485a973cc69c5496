import type { Command } from 'commander'
import { resolve } from 'node:path'
import type { z } from 'zod'
import type { position } from '../contract/shapes.ts'
import { type Context, verb } from './context.ts'

/** Time limit: a large store on a slow disk takes long. */
const BACKUP_MS = 3_600_000

/** Defines `cmb backup`, which backs up the running broker. */
export function backupCommand(program: Command, context: Context): void {
  verb(program, context, {
    name: 'backup <file>',
    about:
      'Copy the whole store into a new file, while the broker serves. Secrets in it stay sealed under BROKER_SECRET: keep that too.',
    ask: (broker, { id }) =>
      broker.send<{ path: string; bytes: number; log: z.output<typeof position> }>(
        'POST',
        '/backup',
        { path: resolve(id) },
        BACKUP_MS,
      ),
    words: (made) => `${made.path}: ${made.bytes} bytes, the log up to ${made.log.seq}.\n`,
    examples: ['cmb backup /var/backups/broker-2026-11-24.db'],
  })
}
