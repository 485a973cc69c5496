import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

/** Reads README.md: the commands of its fenced blocks, by heading. */

export const ROOT = resolve(import.meta.dirname, '..')

/** Every fenced block of commands, as it is written. */
export const BLOCKS: readonly { heading: string; script: string }[] = readFileSync(join(ROOT, 'README.md'), 'utf8')
  .split(/^## /m)
  .flatMap((section) =>
    [...section.matchAll(/^```sh\n([^]*?)^```$/gm)].map(([, script = '']) => ({ heading: /^.*/.exec(section)?.[0] ?? '', script })),
  )

/** The commands of a block, each on one line and without its comment. */
export const commandsOf = (script: string): string[] =>
  script
    .replaceAll(/ *\\\n */g, ' ')
    .split('\n')
    .map((line) => line.replace(/\s+#.*$/, '').trim())
    .filter((line) => line !== '')
