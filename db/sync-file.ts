import { closeSync, fsyncSync, openSync } from 'node:fs'

/** A file, or what a directory says of its files. */
export function syncFile(path: string): void {
  const file = openSync(path, 'r')
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}
