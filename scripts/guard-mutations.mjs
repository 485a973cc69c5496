// `npm run mutations`: puts faults into our guards one by one, and says which of them the conformance
// kit finds. A guard in any language is trusted by the kit, so a fault that it does not find is a hole
// of the kit. A tool makes the faults from the syntax trees; others were thought of.
import { fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { readCases } from '../guard/src/conformance/kit.ts'
import { BY_HAND } from './mutations/by-hand.mjs'
import { mutantsOf } from './mutations/mutants.mjs'

const USAGE = `Usage: npm run mutations -- [--only TEXT] [--sample NUMBER] [--seed TEXT] [--survivors] [--again] [--at-once NUMBER] [--list]

  --only TEXT       only mutants whose name contains this, such as node/lease.ts; more than once for several
  --sample NUMBER   so many of them, drawn by --seed
  --survivors       only those that survived the last run, for example after new cases
  --again           also those whose source has not changed since they were judged
  --at-once NUMBER  how many are judged at once
  --list            prints their names

Exit status: 0 if each survivor has a reason in scripts/mutations/survivors.json, and each reason a survivor.
`
const ROOT = join(import.meta.dirname, '..')
const STATE = join(ROOT, 'node_modules', '.cache', 'guard-mutations.jsonl')
/** The folder of the guards for Python with a fault. */
const HOME = mkdtempSync(join(tmpdir(), 'guard-mutants-'))
process.once('exit', () => rmSync(HOME, { recursive: true, force: true }))
const REASONS = join(import.meta.dirname, 'mutations', 'survivors.json')
/** Longer than any case waits. A guard that is silent for so long hangs, and so does the kit. */
const SILENT_MS = 60_000

/** Returns the mutants that were thought of. @throws Error if a text is not in its source once */
function byHand() {
  return BY_HAND.map(([name, module, from, to, only, because]) => {
    const isPython = module.endsWith('.py')
    const file = isPython ? module : `${module}.ts`
    const folder = isPython ? 'guard-python/src/case_manager_guard' : 'guard/src'
    let source = readFileSync(join(ROOT, folder, file), 'utf8')
    for (const [index, text] of [from].flat().entries()) {
      const count = source.split(text).length - 1
      if (count !== 1) throw new Error(`${name}: ${folder}/${file} has ${count} of ${text}`)
      source = source.replace(text, () => [to].flat()[index])
    }
    return {
      id: `by hand/${file}: ${name}`,
      guard: isPython ? 'python' : 'node',
      kind: 'by hand',
      file,
      only,
      source: () => source,
      because,
    }
  })
}

/** Checks that each mutation can be made. @returns their number */
export const possible = () => byHand().length

/** Returns the reasons why survivors are no holes of the kit, by the name of the mutant. */
function reasons() {
  const groups = JSON.parse(readFileSync(REASONS, 'utf8'))
  return new Map(groups.flatMap(({ reason, mutants }) => mutants.map((id) => [id, reason])))
}

const digest = (text) => createHash('sha256').update(text).digest('base64url')

/** Returns the last verdict of each mutant. One of another source is void. */
const verdicts = () =>
  new Map(
    (existsSync(STATE) ? readFileSync(STATE, 'utf8').trimEnd().split('\n') : []).map((line) => {
      const verdict = JSON.parse(line)
      return [verdict.id, verdict]
    }),
  )

const start = () =>
  fork(join(import.meta.dirname, 'mutations', 'judge.mjs'), {
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })

/** Gives work to a process, and returns what it finds. */
const ask = (child, message) =>
  new Promise((resolve) => {
    let timer
    const beat = () => {
      clearTimeout(timer)
      timer = setTimeout(() => resolve('it hangs'), SILENT_MS)
    }
    const done = (found) => (clearTimeout(timer), resolve(found))
    beat()
    child.removeAllListeners('message').removeAllListeners('exit')
    child.on('message', (answer) => ('beat' in answer ? beat() : done(answer.found)))
    child.on('exit', () => done('it ends'))
    child.send({ home: HOME, ...message })
  })

/** Judges mutants in one process, which is started again after each that is found. */
async function work(next, casesOf, note) {
  let child
  for (let mutant = next(); mutant !== undefined; mutant = next()) {
    const begun = performance.now()
    const cases = casesOf(mutant)
    const { guard, file } = mutant
    if (cases.length > 0) child ??= start()
    const found =
      cases.length === 0
        ? undefined
        : await ask(child, { guard, file, cases, source: mutant.source() })
    // A guard for Node that was found may still run, and would disturb the next mutant.
    if (found !== undefined && (guard === 'node' || !cases.includes(found))) {
      kill(child)
      child = undefined
    }
    note(mutant, found, Math.round(performance.now() - begun), cases.length)
  }
  kill(child)
}

function kill(child) {
  child?.removeAllListeners()
  try {
    if (child !== undefined) process.kill(-child.pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}

/**
 * Runs the kit on the guards as they are.
 * @throws Error if it finds a fault
 */
async function mustPass(guards) {
  const sound = [...guards].map((guard) => ({ guard, file: '', source: () => '' }))
  const note = ({ guard }, found) => {
    if (found !== undefined) throw new Error(`The guard for ${guard} as it is: ${found}`)
  }
  await work(
    () => sound.shift(),
    () => NAMES,
    note,
  )
}

const NAMES = readCases().map(({ name }) => name)

/** Returns a function that says which cases run a mutant of a guard, the quickest first: only they can find it. */
async function readCoverage(guard, atOnce) {
  const parts = Array.from({ length: atOnce }, (_, at) =>
    NAMES.filter((_name, index) => index % atOnce === at),
  )
  const covered = await Promise.all(
    parts.map(async (covers) => {
      const child = start()
      const found = await ask(child, { covers, guard })
      kill(child)
      if (typeof found === 'string')
        throw new Error(`The cases of the guard for ${guard}: ${found}`)
      return found
    }),
  )
  const quickest = covered.flat().sort(([, , a], [, , b]) => a - b)
  const runs = guard === 'node' ? runsPart : runsLine
  return (mutant) =>
    quickest.flatMap(([name, { [mutant.file]: ran = [] }]) =>
      mutant.isOfModule || runs(mutant, ran) ? [name] : [],
    )
}

function runsPart({ start: at }, ranges) {
  // The ranges of a function are from the outer to the inner, and its own come before those within.
  const within = ranges.filter(({ endOffset, startOffset }) => startOffset <= at && at < endOffset)
  const [inmost] = within.sort(
    (a, b) => a.endOffset - a.startOffset - (b.endOffset - b.startOffset),
  )
  return (inmost?.count ?? 0) > 0
}

const runsLine = ({ lines: [first, last] }, ran) =>
  ran.some((line) => first <= line && line <= last)

/** Draws mutants in an order that only the seed decides. */
const drawn = (mutants, seed) =>
  mutants
    .map((mutant) => [digest(seed + mutant.id), mutant])
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, mutant]) => mutant)

/**
 * Prints how many mutants of each kind were found, then the holes of the kit and the reasons without a
 * survivor. Returns the exit status.
 */
function report(results, ids) {
  const why = reasons()
  const reasonOf = ({ because, id }) => because ?? why.get(id)
  const survivorsOf = (some) => some.filter(({ found }) => found === null)
  for (const [kind, some] of Map.groupBy(results, (result) => result.kind)) {
    const left = survivorsOf(some)
    console.log(
      `${kind}: ${some.length}, found ${some.length - left.length}, no fault ${left.filter(reasonOf).length}`,
    )
  }
  const holes = survivorsOf(results).filter((mutant) => reasonOf(mutant) === undefined)
  const found = new Set(results.filter((result) => result.found !== null).map(({ id }) => id))
  const stale = [...why.keys()].filter((id) => !ids.has(id) || found.has(id))
  for (const { id } of holes) console.log(`A HOLE of the kit: ${id}`)
  for (const id of stale) console.log(`A REASON without a survivor: ${id}`)
  return holes.length + stale.length === 0 ? 0 : 1
}

async function main() {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', multiple: true, default: [''] },
      sample: { type: 'string', default: 'Infinity' },
      seed: { type: 'string', default: '1' },
      'at-once': { type: 'string', default: String(availableParallelism()) },
      survivors: { type: 'boolean', default: false },
      again: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return void process.stdout.write(USAGE)
  const all = [...byHand(), ...mutantsOf('node'), ...mutantsOf('python')]
  const before = verdicts()
  const isOf = ({ id }) => values.only.some((text) => id.includes(text))
  const survived = ({ id }) => !values.survivors || before.get(id)?.found === null
  const chosen = drawn(
    all.filter((mutant) => isOf(mutant) && survived(mutant)),
    values.seed,
  ).slice(0, Number(values.sample))
  if (values.list)
    return void process.stdout.write(chosen.map(({ id, kind }) => `${kind}: ${id}\n`).join(''))

  mkdirSync(dirname(STATE), { recursive: true })
  const results = []
  await mustPass(new Set(chosen.map(({ guard }) => guard)))
  const isJudged = ({ id, source }) =>
    !values.again && !values.survivors && before.get(id)?.of === digest(source())
  for (const mutant of chosen.filter(isJudged))
    results.push({ ...mutant, found: before.get(mutant.id).found })
  const waiting = chosen.filter((mutant) => !isJudged(mutant))
  const covers = {}
  for (const guard of new Set(
    waiting.filter(({ start: at }) => at !== undefined).map((mutant) => mutant.guard),
  ))
    covers[guard] = await readCoverage(guard, Number(values['at-once']))
  /** How many mutants of a file each case has found. Those that found the most come first. */
  const finds = new Map()
  const findsOf = ({ file, only }, name) =>
    only && name.includes(only) ? Infinity : (finds.get(`${file} ${name}`) ?? 0)
  const casesOf = (mutant) =>
    (mutant.start === undefined ? [...NAMES] : covers[mutant.guard](mutant)).sort(
      (a, b) => findsOf(mutant, b) - findsOf(mutant, a) || 0,
    )
  const note = (mutant, found = null, ms = 0, count = 0) => {
    const { file, id, kind } = mutant
    if (found !== null) finds.set(`${file} ${found}`, findsOf(mutant, found) + 1)
    appendFileSync(
      STATE,
      `${JSON.stringify({ id, kind, found, ms, count, of: digest(mutant.source()) })}\n`,
    )
    results.push({ ...mutant, found })
    console.log(
      `${found === null ? 'SURVIVED' : 'found   '}  ${id}${found === null ? '' : `: ${found}`} (${count} cases, ${ms} ms)`,
    )
  }
  await Promise.all(
    Array.from({ length: Number(values['at-once']) }, () =>
      work(() => waiting.shift(), casesOf, note),
    ),
  )
  process.exitCode = report(results, new Set(all.map(({ id }) => id)))
}

if (process.argv[1] === import.meta.filename) await main()
