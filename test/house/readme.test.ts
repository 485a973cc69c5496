import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT } from '../markdown.ts'

/**
 * README.md is what a stranger reads first: it is short. Its commands are executed by
 * test/documented.
 */

test('README.md has at most 150 lines, and its picture is within the first 20', () => {
  const lines = readFileSync(join(ROOT, 'README.md'), 'utf8').trimEnd().split('\n')
  expect(lines.length).toBeLessThanOrEqual(150)
  expect(lines.slice(0, 20).join('\n')).toContain('![')
})
