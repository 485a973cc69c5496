import { chownSync, closeSync, existsSync, fsyncSync, openSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { StoreUnavailable } from './types.ts'

/** Work on files that both engines need. */

/** Syncs a file or directory to disk. For a directory that makes its list of files durable. */
export function syncFile(path: string): void {
  const file = openSync(path, 'r')
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

/**
 * Gives files that root has written the owner of their directory, so that the broker can open them.
 */
export function ownedAsItsDirectory(files: string[], directory: string): void {
  if (process.getuid?.() !== 0) return
  const { uid, gid } = statSync(directory)
  for (const file of files) if (existsSync(file)) chownSync(file, uid, gid)
}

/** Returns the failure of a file that the system does not let the broker use, with what to do. */
export function notAllowed(file: string, cause: unknown): StoreUnavailable {
  const { code = 'error' } = cause as NodeJS.ErrnoException
  return new StoreUnavailable(`${file} cannot be used (${code}): ${remedy(code, dirname(file))}.`, {
    cause,
  })
}

export const remedy = (code: string | undefined, folder: string): string =>
  code === 'EROFS'
    ? 'its file system is mounted read-only, look at dmesg'
    : `let the user that runs the broker own it, chown -R <user> ${folder}, or name another folder with BROKER_DATA_DIR`
