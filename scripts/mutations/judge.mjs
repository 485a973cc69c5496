// A process that judges mutants by the conformance kit, one after the other.
import { spawn } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Session } from 'node:inspector/promises'
import { registerHooks } from 'node:module'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { completeClock } from '../../guard/src/clock.ts'
import { openAdapter } from '../../guard/src/conformance/adapter.ts'
import { runKit } from '../../guard/src/conformance/kit.ts'
import { findPython } from '../python-guard.mjs'

const ROOT = join(import.meta.dirname, '..', '..')
const GUARD = pathToFileURL(join(ROOT, 'guard')).href
const PYTHON = join(ROOT, 'guard-python')
/** The cases that run beside each other. The guards for Node are in this process. */
const AT_ONCE = { node: 12, python: 12 }
const QUERY = /\?mutant=\d+/
const clock = completeClock(undefined)

/** The mutant whose modules are read now. Their addresses have a query; those of the kit have none. */
let loading
registerHooks({
  resolve(specifier, context, next) {
    const query = QUERY.exec(context.parentURL ?? '')?.[0]
    if (query === undefined) return next(specifier, context)
    if (specifier === '@case-manager/guard')
      return { url: `${GUARD}/src/index.ts${query}`, shortCircuit: true }
    const found = next(specifier, context)
    return found.url.startsWith(GUARD) ? { ...found, url: found.url + query } : found
  },
  load(url, context, next) {
    if (!QUERY.test(url)) return next(url, context)
    const path = fileURLToPath(url.split('?')[0])
    const isMutant = path === join(ROOT, 'guard', 'src', loading?.file ?? '')
    const source = isMutant ? loading.source : readFileSync(path, 'utf8')
    // The adapter is used as it is, but without what reads its messages.
    if (path.endsWith('adapter.example.mjs'))
      return {
        format: 'module',
        source: `${source.split('for await')[0]}export { acts }`,
        shortCircuit: true,
      }
    return {
      format: path.endsWith('.ts') ? 'module-typescript' : 'module',
      source,
      shortCircuit: true,
    }
  },
})

let number = 0
const nodeAdapter = async (query) => {
  const { acts } = await import(
    `${GUARD}/conformance/adapter.example.mjs${query}&adapter=${number++}`
  )
  return {
    ask: async ({ do: act, ...message }) => (await acts[act](message)) ?? {},
    close: async () => {},
  }
}

const ADAPTER = join(PYTHON, 'conformance', 'adapter.py')

/** Starts an adapter that writes to a file which lines it runs. */
const coveredAdapter = (file) =>
  openAdapter(
    `PYTHONPATH=${join(PYTHON, 'src')} PYTHONDONTWRITEBYTECODE=1 exec ${findPython()} ${join(import.meta.dirname, 'python-coverage.py')} ${file} ${ADAPTER} 2>/dev/null`,
    clock,
  )

/** The socket of the process that forks adapters for Python. */
let forks
async function startForks(home) {
  const script = join(import.meta.dirname, 'python-adapters.py')
  const path = join(mkdtempSync(join(home, 'forks-')), 'socket')
  spawn(findPython(), [script, path], { stdio: 'ignore' })
  while (!existsSync(path)) await setTimeout(20)
  return { path, script }
}

const pythonAdapter = (home) =>
  openAdapter(
    `exec ${findPython()} -I -S ${forks.script} ${forks.path} ${ADAPTER} ${home} 2>/dev/null`,
    clock,
  )

/** Returns the adapters of a guard, and what removes them. */
async function open(mutant, count = AT_ONCE[mutant.guard] + 1) {
  if (mutant.guard === 'node') {
    loading = mutant
    const query = `?mutant=${number++}`
    const adapters = []
    for (let at = 0; at < count; at++) adapters.push(await nodeAdapter(query))
    return { adapters, close: async () => {} }
  }
  forks ??= await startForks(mutant.home)
  const home = mkdtempSync(join(mutant.home, 'python-'))
  cpSync(join(PYTHON, 'src'), home, { recursive: true })
  if (mutant.file) writeFileSync(join(home, 'case_manager_guard', mutant.file), mutant.source)
  const adapters = Array.from({ length: count }, () => pythonAdapter(home))
  const close = async () => {
    await Promise.all(adapters.map((each) => each.close()))
    rmSync(home, { recursive: true, force: true })
  }
  return { adapters, close }
}

/** Plays one case. Returns its result. */
async function play(adapter, only, patience = 1) {
  const options = { clock, leaseSeconds: 2, patience, without: [] }
  const results = await runKit({ ...options, adapters: [adapter], only: [only] })
  return results.find(({ name }) => name === only)
}

/** Returns the first case that fails for sure: twice, where a guard without the fault passes it. Undefined if there is none. */
async function judge(mutant) {
  const { adapters, close } = await open(mutant)
  const sound = await open({ ...mutant, file: '' }, 1)
  const [alone, ...others] = adapters
  const waiting = [...mutant.cases]
  /** The last case that is played again. An adapter plays one at a time. */
  let last = Promise.resolve()
  // A busy machine may be why a case fails: a guard without a fault then fails it too.
  const isWrong = async (adapter, name) => (await play(adapter, name, 3)).outcome === 'fail'
  const isSure = async (name) =>
    (await isWrong(alone, name)) && !(await isWrong(sound.adapters[0], name))
  let running = 0
  const run = async (own, resolve) => {
    running++
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const { outcome } = await play(own, name)
      process.send({ beat: true })
      if (outcome === 'fail') {
        const isFault = last.then(() => isSure(name))
        last = isFault
        if (await isFault) {
          waiting.length = 0
          return resolve(name)
        }
      }
      // Most faults are found by the first cases, and each adapter costs a start.
      const next = others.shift()
      if (next !== undefined) begin(next, resolve)
    }
    if (--running === 0) resolve()
  }
  const begin = (own, resolve) =>
    void run(own, resolve).catch((error) => resolve(`it ends: ${error.message}`))
  try {
    return await new Promise((resolve) => {
      for (const own of others.splice(0, 2)) begin(own, resolve)
    })
  } finally {
    for (const end of [close, sound.close]) void end().catch(() => {})
  }
}

/** Returns which lines of the guard for Python each case runs, by file, and how long it takes. */
async function coverPython(cases, home) {
  const covered = []
  const waiting = [...cases]
  const run = async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const file = join(mkdtempSync(join(home, 'covered-')), 'lines.json')
      const adapter = coveredAdapter(file)
      const { ms } = await play(adapter, name, 3)
      await adapter.close()
      covered.push([name, JSON.parse(readFileSync(file, 'utf8')), ms])
      process.send({ beat: true })
    }
  }
  await Promise.all(Array.from({ length: 4 }, run))
  return covered
}

/** Returns which parts of the guard for Node each case runs, by file, and how long it takes. */
async function coverNode(cases) {
  const { adapters } = await open({ guard: 'node' })
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  const covered = []
  for (const name of cases) {
    const { ms } = await play(adapters[0], name)
    const { result } = await session.post('Profiler.takePreciseCoverage')
    const files = result
      .filter(({ url }) => url.startsWith(`${GUARD}/src/`) && QUERY.test(url))
      .map(({ functions, url }) => [
        url.split('?')[0].slice(`${GUARD}/src/`.length),
        functions.flatMap(({ ranges }) => ranges),
      ])
    covered.push([name, Object.fromEntries(files), ms])
    process.send({ beat: true })
  }
  return covered
}

const cover = (cases, { guard, home }) =>
  guard === 'node' ? coverNode(cases) : coverPython(cases, home)
process.on('message', ({ covers, ...mutant }) => {
  ;(covers === undefined ? judge(mutant) : cover(covers, mutant)).then(
    (found) => process.send({ found }),
    (error) => process.send({ found: `it cannot be read: ${error.message}` }),
  )
})
process.once('disconnect', () => process.exit())
// A fault may make the guard throw where nothing catches it.
for (const event of ['uncaughtException', 'unhandledRejection'])
  process.on(event, (error) => {
    process.send({ found: `it throws: ${error?.message}` })
  })
