import { chownSync, closeSync, existsSync, fsyncSync, openSync, statSync } from 'node:fs'

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
  for (const one of files) if (existsSync(one)) chownSync(one, uid, gid)
}
