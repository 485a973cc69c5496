import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = resolve(import.meta.dirname, '../..')

test('no object literal is spread in another: its members stand there themselves', () => {
  const files = execFileSync('git', ['ls-files', 'src', 'db', 'workers', 'demo', 'bench', 'test'], {
    cwd: ROOT,
    encoding: 'utf8',
  })
  const spread = files
    .split('\n')
    .filter((file) => /[.]tsx?$/.test(file))
    .filter((file) => /^\s*\.{3}\{\s/m.test(readFileSync(join(ROOT, file), 'utf8')))
  expect(spread).toEqual([])
})
