import { expect } from 'vitest'
import { blocksOf } from '../markdown.ts'
import { commandsOf, runCommands } from './shell.ts'

/** Runs the commands of an incident of docs/runbook.md unchanged. */

interface Incident {
  title: string
  blocks: string[][]
}

export const INCIDENTS: readonly Incident[] = Object.entries(
  Object.groupBy(blocksOf('docs/runbook.md'), ({ heading }) => heading),
)
  .filter(([title]) => title !== '')
  .map(([title, blocks = []]) => ({ title, blocks: blocks.map(({ text }) => commandsOf(text)) }))

/** Substitutes for commands of the machine rather than of the broker. */
export type Machine = Record<string, () => Promise<unknown>>

export class Walk {
  readonly #blocks: string[][]
  readonly #parts: { dir: string; dataDir: string; machine: Machine }
  #done = 0

  constructor(title: string, parts: { dir: string; dataDir: string; machine: Machine }) {
    this.#parts = parts
    this.#blocks =
      INCIDENTS.find((incident) => incident.title === title)?.blocks ??
      expect.fail(`docs/runbook.md has no incident “${title}”.`)
  }

  /**
   * Runs the next block with these variables set.
   * @param codes the expected exit codes; 0 for commands without one
   * @returns the whole output
   */
  async next(
    variables: Record<string, string> = {},
    codes: readonly number[] = [0],
  ): Promise<string> {
    const lines = this.#blocks[this.#done++] ?? expect.fail('The incident has no more commands.')
    const { dir, dataDir } = this.#parts
    let printed = ''
    for (const line of lines) {
      const machine = this.#parts.machine[line]
      if (machine !== undefined) {
        await machine()
        continue
      }
      const env = {
        PATH: `${dir}:${process.env.PATH ?? ''}`,
        BROKER_DATA_DIR: dataDir,
        CASE: 'INC-1',
        ...variables,
      }
      const [ran] = await runCommands([line], { env })
      // 1: something needs an operator, as it does in an incident.
      const expected = line.startsWith('cmb status') ? [...codes, 1] : codes
      expect(expected, `${line}\n${ran?.printed}`).toContain(ran?.code)
      printed += ran?.printed
    }
    return printed
  }

  /** Checks that no command of the incident was left out. */
  end(): void {
    expect(this.#done).toBe(this.#blocks.length)
  }
}
