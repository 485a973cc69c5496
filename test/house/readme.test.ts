import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { BLOCKS, commandsOf, ROOT } from '../readme.ts'

/** README.md is what a stranger reads first: it is short, and each of its commands is run by a test. */

const text = (path: string): string => readFileSync(join(ROOT, path), 'utf8')
const BY_THE_PROCESS_TEST = ['Run it', 'Operate it']
/** Who else runs a command, and what there shows it. */
const RUN_BY: Record<string, [file: string, shows: string]> = {
  'npm run demo': ['test/process/demo-process.ts', "'demo', '--'"],
  'npm test': ['.ci/run', 'npm test --'],
}

test('each command of README.md is run by a test', () => {
  const others = BLOCKS.filter(({ heading }) => !BY_THE_PROCESS_TEST.includes(heading)).flatMap(({ script }) => commandsOf(script))
  expect(others).toEqual(Object.keys(RUN_BY))
  for (const [command, [file, shows]] of Object.entries(RUN_BY)) expect(text(file), `${file} runs ${command}`).toContain(shows)
})

test('README.md has at most 150 lines, and its picture is within the first 20', () => {
  const lines = text('README.md').trimEnd().split('\n')
  expect(lines.length).toBeLessThanOrEqual(150)
  expect(lines.slice(0, 20).join('\n')).toContain('![')
})
