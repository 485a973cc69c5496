// `npm run model`: verifies the model of the leases (docs/model/leases.pml) with Spin, and checks
// that Spin finds the error of each broken variant. It needs Debian's `spin` and `gcc`: as root on
// Debian it installs them. Where they are missing it prints that, and does not verify the model.
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isOnPath, provide, runApt } from './test-needs.mjs'

const MODEL = join(import.meta.dirname, '..', 'docs', 'model', 'leases.pml')
const NEEDS = [
  ['Spin', 'spin'],
  ['GCC', 'gcc'],
].map(([name, program]) => ({
  name,
  programs: [program],
  alternatives: [program === 'gcc' ? ['gcc', 'libc6-dev'] : [program]],
  optional: true,
  without: 'The model of the leases is not verified.',
}))

/**
 * The parts of the model: the length of the lease in ticks for the design, and the variants that
 * break the part's claim. One tick is enough for those.
 */
const PARTS = [
  {
    part: 'STREAM',
    ticks: 2,
    variants: [
      'FROM_RECEIPT',
      'FROM_WRITING',
      'FROM_CONFIRMATION',
      'LEASE_FIRST',
      'SHARED_K',
      'LOCAL_RENEWAL',
      'KEPT_OVER_RESET',
      'OTHER_CLOCK',
      'SLEEPING_CLOCK',
      'OTHER_SERVER',
    ],
  },
  {
    part: 'POLL',
    ticks: 2,
    variants: [
      'FROM_RECEIPT',
      'FROM_WRITING',
      'FROM_CONFIRMATION',
      'LEASE_FIRST',
      'LOCAL_RENEWAL',
      'KEPT_OVER_RESET',
      'SLEEPING_CLOCK',
      'OTHER_SERVER',
    ],
  },
  {
    part: 'ANSWERS',
    ticks: 3,
    variants: ['FROM_CONFIRMATION', 'LOCAL_RENEWAL', 'SLEEPING_CLOCK', 'NO_WAIT', 'OTHER_SERVER'],
  },
]

/**
 * Checks the model with these definitions.
 * @returns {{ isSafe: boolean, states: number, seconds: number }}
 */
function verify(...definitions) {
  const directory = mkdtempSync(join(tmpdir(), 'lease-model-'))
  const run = (program, ...args) => {
    const { error, status, stderr, stdout } = spawnSync(program, args, {
      cwd: directory,
      encoding: 'utf8',
      maxBuffer: 2 ** 26,
    })
    if (error !== undefined || status !== 0)
      throw new Error(`${program} failed: ${error?.message ?? `${stdout}${stderr}`}`)
    return stdout
  }
  try {
    const begun = performance.now()
    copyFileSync(MODEL, join(directory, 'leases.pml'))
    run('spin', ...definitions.map((name) => `-D${name}`), '-a', 'leases.pml')
    run('gcc', '-O1', '-DSAFETY', '-DNOFAIR', '-o', 'pan', 'pan.c')
    // Any end state is valid, because a process may stop at any moment.
    const out = run('./pan', '-E', '-m1000000')
    const [, states] = /(\S+) states, stored/.exec(out) ?? []
    const [, errors] = /errors: (\d+)/.exec(out) ?? []
    if (errors === undefined || out.includes('max search depth too small'))
      throw new Error(`The search did not end: ${out}`)
    return {
      isSafe: errors === '0',
      states: Number(states),
      seconds: (performance.now() - begun) / 1000,
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/**
 * Checks one part of the model, and prints the result.
 * @returns {boolean} true if the result is the expected one
 */
function report(part, ticks, variant) {
  const defined = variant === undefined ? [] : [variant]
  const { isSafe, seconds, states } = verify(part, `LEASE=${ticks}`, ...defined)
  const found = isSafe ? 'no error' : 'an error'
  console.log(
    `${part.padEnd(8)} ${(variant ?? 'the design').padEnd(18)} ${found}, ${states} states, ${seconds.toFixed(1)} s`,
  )
  return isSafe === (variant === undefined)
}

if (process.argv[1] === import.meta.filename) {
  const isRoot = process.getuid?.() === 0
  const mayInstall = isRoot && isOnPath('apt-get') && process.env.BROKER_TEST_INSTALL !== 'no'
  const say = (line) => console.error(line)
  if (provide({ needs: NEEDS, isThere: isOnPath, apt: runApt, mayInstall, say }).length === 0) {
    const wrong = PARTS.flatMap(({ part, ticks, variants }) =>
      [
        report(part, ticks),
        // The lower bound must fail too, which proves that the design is not only safe because
        // nothing happens in the model.
        ...['ONE_TICK_LESS', ...variants].map((variant) => report(part, 1, variant)),
      ].filter((isRight) => !isRight),
    )
    console.log(wrong.length === 0 ? 'The model says what it should.' : `${wrong.length} wrong.`)
    process.exitCode = wrong.length === 0 ? 0 : 1
  }
}
