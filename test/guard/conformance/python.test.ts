import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'vitest'
import { findPython } from '../../../scripts/python-guard.mjs'
import { completeClock } from '../../../guard/src/clock.ts'
import { openAdapter } from '../../../guard/src/conformance/adapter.ts'
import { runKit, type Result } from '../../../guard/src/conformance/kit.ts'

/**
 * The guard for Python (guard-python), packed and installed, against the kit. Left out where
 * scripts/python-guard.mjs could not install it.
 */

const PYTHON = findPython()
const PACKAGE = new URL('../../../guard-python/', import.meta.url).pathname

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
 * @param mistake a file of the guard, a text in it and its wrong replacement
 */
async function run(
  { expect, onTestFinished }: TestContext,
  only: string,
  mistake?: [file: string, text: string, wrong: string],
): Promise<Result[]> {
  let environment = 'PYTHONDONTWRITEBYTECODE=1'
  if (mistake !== undefined) {
    const [file, text, wrong] = mistake
    const directory = mkdtempSync(join(tmpdir(), 'python-guard-'))
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
    cpSync(join(PACKAGE, 'src'), directory, { recursive: true })
    const path = join(directory, 'case_manager_guard', file)
    const source = readFileSync(path, 'utf8')
    expect(source.split(text)).toHaveLength(2)
    writeFileSync(path, source.replace(text, wrong))
    environment += ` PYTHONPATH=${directory}`
  }
  const command = `${environment} ${PYTHON} ${join(PACKAGE, 'conformance', 'adapter.py')}`
  const adapters = Array.from({ length: only === '' ? 6 : 1 }, () =>
    openAdapter(command, patiently),
  )
  try {
    return await runKit({
      adapters,
      clock,
      patience: PATIENCE,
      leaseSeconds: 3,
      only: [only],
      without: [],
    })
  } finally {
    await Promise.all(adapters.map((adapter) => adapter.close()))
  }
}

// The cases wait, mostly: each test has a guard and a fake broker of its own.
describe
  .skipIf(PYTHON === undefined)
  .concurrent('the guard for Python (guard-python)', { timeout: 300_000 }, () => {
    test('passes every case of the kit', async (context) => {
      const { expect } = context
      const results = await run(context, '')
      expect(results.filter(({ outcome }) => outcome !== 'pass')).toEqual([])
    })

    test.for<[mistaken: string, only: string, problem: string, mistake: [string, string, string]]>([
      [
        'compares no typ',
        'access-token/security event token',
        'the guard answered accept',
        ['_tokens.py', 'bare_typ(header.get("typ")) not in typ or ', ''],
      ],
      [
        'accepts before live',
        'feed/nothing before live',
        'the guard answered accept',
        [
          '_feed.py',
          '        self._keys.retire(read_texts(data, "retired_kids"))\n        self.seq',
          '        self.ready, self.live_here = True, True\n        self.seq',
        ],
      ],
      [
        'takes its position as proof that an entry was applied',
        'feed/an older entry after a newer one',
        'the guard answered accept',
        [
          '_feed.py',
          '        self._apply_entry(data)\n',
          '        if data["seq"] > self.seq:\n            self._apply_entry(data)\n',
        ],
      ],
      [
        'trusts a stream that is stuck',
        'feed/a newer rev on a stream that is stuck',
        'no new connection within 5 s',
        ['_stream.py', 'if self._feed.live_here and self._feed.seq < seq', 'if False'],
      ],
      [
        'keeps its log after 409',
        'feed/a report of another log',
        'no new connection within 5 s',
        ['_report.py', 'if status == 409:', 'if False:'],
      ],
      [
        'answers 401 where its clock is wrong',
        'feed/a clock ahead of the broker',
        'the guard answered reject',
        ['_tokens.py', 'raise Unsure(f"this machine', 'raise Invalid(f"this machine'],
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
