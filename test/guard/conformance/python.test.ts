import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'vitest'
import { findPython } from '../../../scripts/python-guard.mjs'
import { completeClock } from '../../../guard/src/clock.ts'
import { openAdapter } from '../../../guard/src/conformance/adapter.ts'
import { runKit, type Result } from '../../../guard/src/conformance/kit.ts'

/**
 * The example guard in Python, written from docs/feed.md, against the kit. Left out where
 * scripts/python-guard.mjs could not install what it needs.
 */

const PYTHON = findPython()
const EXAMPLE = new URL('../../../examples/python-guard/', import.meta.url).pathname

/**
 * How many times longer than the kit says the guard may take: a busy machine is no fault of its. A
 * wait ends as soon as what it waits for is so.
 */
const PATIENCE = 4
const clock = completeClock(undefined)
/** For an answer of the adapter. */
const patiently = {
  ...clock,
  after: (ms: number, run: () => void) => clock.after(ms * PATIENCE, run),
}

/**
 * Runs the kit against the guard in Python.
 * @param mistake a text of the guard and its wrong replacement
 */
async function run(
  { expect, onTestFinished }: TestContext,
  only: string,
  mistake?: [string, string],
): Promise<Result[]> {
  const directory = mkdtempSync(join(tmpdir(), 'python-guard-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  cpSync(EXAMPLE, directory, { recursive: true })
  if (mistake !== undefined) {
    const source = readFileSync(join(directory, 'guard.py'), 'utf8')
    expect(source.split(mistake[0])).toHaveLength(2)
    writeFileSync(join(directory, 'guard.py'), source.replace(...mistake))
  }
  const command = `${PYTHON} ${join(directory, 'adapter.py')}`
  const adapters = Array.from({ length: only === '' ? 3 : 1 }, () =>
    openAdapter(command, patiently),
  )
  try {
    return await runKit({
      adapters,
      clock,
      patience: PATIENCE,
      leaseSeconds: 3,
      only,
      without: ['logout', 'private_key_jwt', 'polling', 'introspection', 'timers'],
    })
  } finally {
    await Promise.all(adapters.map((adapter) => adapter.close()))
  }
}

// The cases wait, mostly: each test has a guard and a fake broker of its own.
describe
  .skipIf(PYTHON === undefined)
  .concurrent('the guard in Python (examples/python-guard)', { timeout: 300_000 }, () => {
    test('passes every case of the kit; it receives no logout tokens', async (context) => {
      const { expect } = context
      const results = await run(context, '')
      expect(results.filter(({ outcome }) => outcome === 'fail')).toEqual([])
      expect(results.filter(({ outcome }) => outcome === 'pass').length).toBeGreaterThan(100)
    })

    test.for<[mistaken: string, only: string, problem: string, mistake: [string, string]]>([
      [
        'compares no typ',
        'access-token/security event token',
        'the guard answered accept',
        [' or typ != "at+jwt"', ''],
      ],
      [
        'accepts before live',
        'feed/nothing before live',
        'the guard answered accept',
        [
          '        self.retired |= set(data["retired_kids"])\n        self.seq = max',
          '        self.ready, self.live_here = True, True\n        self.seq = max',
        ],
      ],
      [
        'takes its position as proof that an entry was applied',
        'feed/an older entry after a newer one',
        'the guard answered accept',
        [
          '        self._apply(data)\n',
          '        if data["seq"] > self.seq:\n            self._apply(data)\n',
        ],
      ],
      [
        'trusts a stream that is stuck',
        'feed/a newer rev on a stream that is stuck',
        'no new connection within 5 s',
        ['lambda: shut(self.socket) if self.live_here', 'lambda: None if self.live_here'],
      ],
      [
        'keeps its log after 409',
        'feed/a report of another log',
        'no new connection within 5 s',
        ['            if status == 409:\n', '            if False:\n'],
      ],
      [
        'answers 401 where its clock is wrong',
        'feed/a clock ahead of the broker',
        'the guard answered reject',
        ['return 503 if ahead >', 'return 401 if ahead >'],
      ],
    ])('fails the kit where it %s', async ([, only, problem, mistake], context) => {
      const { expect } = context
      const [result] = await run(context, only, mistake)
      expect(result).toMatchObject({
        outcome: 'fail',
        problem: expect.stringContaining(problem) as string,
      })
    })
  })
