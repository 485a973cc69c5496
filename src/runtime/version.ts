import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The broker's version: the number of the package that this file is in, built or not. */
export function version(): string {
  let folder = import.meta.dirname
  while (!existsSync(join(folder, 'package.json')) && folder !== dirname(folder))
    folder = dirname(folder)
  return (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string })
    .version
}
