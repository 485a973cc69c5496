import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'

/**
 * `cmb` as a process of its own in a pipeline: the broker is stood in for by what it would answer.
 */

const ROOT = resolve(import.meta.dirname, '../..')
const NAME = 'x'.repeat(1_000)

async function pipeline(then: string): Promise<{ stdout: string; stderr: string }> {
  const dir = mkdtempSync(join(tmpdir(), 'cmb-pipe-'))
  const entries = Array.from({ length: 1_200 }, (_, id) => ({
    id,
    at_ms: 0,
    actor: { kind: 'operator', id: NAME },
    via: 'api',
    act: 'x',
  }))
  const server = createServer((_request, response) =>
    response.end(JSON.stringify({ entries, next: null })),
  )
  await new Promise<void>((ready) => server.listen(join(dir, 'broker.sock'), ready))
  onTestFinished(() => {
    server.close()
    rmSync(dir, { recursive: true, force: true })
  })
  const cmb = `"${process.execPath}" --import tsx src/cli.ts --data-dir "${dir}" audit --json`
  return promisify(execFile)('bash', ['-c', `set -o pipefail; ${cmb} | ${then}; echo "codes $?"`], {
    cwd: ROOT,
    maxBuffer: 8e6,
  })
}

test('output that is larger than a pipe’s buffer arrives whole', async () => {
  const { stdout } = await pipeline(
    `"${process.execPath}" -e 'let s=""; process.stdin.on("data", (d) => s += d).on("end", () => console.log(JSON.parse(s).entries.length, s.length > 1e6))'`,
  )
  expect(stdout).toBe('1200 true\ncodes 0\n')
})

test('a reader that closes the pipe early is no failure', async () => {
  expect(await pipeline('head -n 1')).toEqual({ stdout: '{\ncodes 0\n', stderr: '' })
})
