import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { openTables } from '../db/sqlite/open.ts'

/**
 * A data file with the broker's tables and no rows. Its bytes are made once in each worker, because
 * migrating costs more CPU time than most tests.
 */

let bytes: Buffer | undefined

function makeBytes(): Buffer {
  const dir = mkdtempSync(join(tmpdir(), 'broker-tables-'))
  const file = join(dir, 'broker.db')
  openTables(file).close()
  const made = readFileSync(file)
  rmSync(dir, { recursive: true })
  return made
}

/** Writes the file, for a store to open. */
export function placeDataFile(file: string): void {
  bytes ??= makeBytes()
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  writeFileSync(file, bytes, { mode: 0o600, flag: 'wx' })
}
