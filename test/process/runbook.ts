import { execFile } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect } from 'vitest'

/** Reads docs/runbook.md, and runs the commands of an incident as they are written there. */

const ROOT = resolve(import.meta.dirname, '../..')
const PAGE = readFileSync(join(ROOT, 'docs/runbook.md'), 'utf8')

interface Incident {
  title: string
  /** The fenced blocks of commands, a line each. */
  blocks: string[][]
}

export const INCIDENTS: readonly Incident[] = PAGE.split(/^## /m)
  .slice(1)
  .map((section) => ({
    title: /^.*/.exec(section)?.[0] ?? '',
    blocks: [...section.matchAll(/^ *```sh\n([\s\S]*?)^ *```$/gm)].map(([, lines = '']) =>
      lines
        .split('\n')
        .map((line) => line.trim())
        .filter((line) => line !== ''),
    ),
  }))

export interface Ran {
  line: string
  code: number
  out: string
  err: string
}

/** Stand-ins for the commands that are the machine's and not the broker's. */
export type Machine = Record<string, () => Promise<unknown>>

export class Walk {
  readonly #blocks: string[][]
  readonly #parts: { dir: string; dataDir: string; machine: Machine }
  #done = 0

  constructor(title: string, parts: { dir: string; dataDir: string; machine: Machine }) {
    this.#parts = parts
    this.#blocks = INCIDENTS.find((one) => one.title === title)?.blocks ?? expect.fail(`docs/runbook.md has no incident “${title}”.`)
  }

  /**
   * Runs the next block with those variables set.
   * @param codes exit codes that are right; 0 where none is named
   * @returns all that was printed
   */
  async next(variables: Record<string, string> = {}, codes: readonly number[] = [0]): Promise<string> {
    const lines = this.#blocks[this.#done++] ?? expect.fail('The incident has no more commands.')
    let printed = ''
    for (const line of lines) {
      const machine = this.#parts.machine[line]
      if (machine !== undefined) {
        await machine()
        continue
      }
      const ran = await this.#run(line, variables)
      expect(codes, `${line}\n${ran.out}${ran.err}`).toContain(ran.code)
      printed += ran.out
    }
    return printed
  }

  /** Nothing of the incident is left out. */
  end(): void {
    expect(this.#done).toBe(this.#blocks.length)
  }

  /** By a shell, whose `cmb` is the built one. A variable that is not set is an error. */
  #run(line: string, variables: Record<string, string>): Promise<Ran> {
    const { dir, dataDir } = this.#parts
    const env = { PATH: `${dir}:${process.env.PATH ?? ''}`, BROKER_DATA_DIR: dataDir, CASE: 'INC-1', ...variables }
    return new Promise((done) => {
      execFile('sh', ['-euc', line], { env }, (error, out, err) => done({ line, code: typeof error?.code === 'number' ? error.code : 0, out, err }))
    })
  }
}

/** @returns a directory with `cmb` in it */
export function installCmb(parent: string): string {
  const dir = mkdtempSync(join(parent, 'bin-'))
  const file = join(dir, 'cmb')
  writeFileSync(file, `#!/bin/sh\nexec '${process.execPath}' '${join(ROOT, 'dist/src/cli.js')}' "$@"\n`)
  chmodSync(file, 0o755)
  return dir
}
