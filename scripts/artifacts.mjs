/**
 * The files of a release: the packages, a bill of materials for each artifact, the licenses, the
 * notes and the checksums. The same commit makes the same bytes.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { billOfMaterials, licenseList, npmParts, pythonParts } from './bill-of-materials.mjs'
import { environmentSteps, pythonIn } from './python-environment.mjs'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
/** The build backend of guard-python/pyproject.toml, at one version. */
const FLIT = 'flit_core==3.12.0'

/** Prints the metadata of an environment's distributions. (`pip inspect` of 2023 has no licenses.) */
const METADATA = `import importlib.metadata as m, json
print(json.dumps([{'name': d.name, 'version': d.version, 'expression': d.metadata['License-Expression'],
  'license': d.metadata['License'], 'classifiers': d.metadata.get_all('Classifier') or [],
  'requires': d.requires or []} for d in m.distributions()]))`

const run = (file, args, options = {}) =>
  execFileSync(file, args, {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 1 << 26,
    ...options,
  })

/** Packs the guard and broker-dev for npm. */
function packForNpm(directory) {
  run(process.execPath, [join(ROOT, 'scripts', 'build-broker-dev.mjs')], {
    stdio: ['ignore', 2, 2],
  })
  const options = ['--silent', '--ignore-scripts', '--pack-destination', directory]
  for (const workspace of ['guard', 'broker-dev'])
    run('npm', ['pack', ...options, '--workspace', workspace])
}

/**
 * Packs the guard for Python, as a wheel and as its sources, and installs the wheel into an empty
 * environment.
 * @returns the parts of the environment
 */
function packForPython(directory, seconds) {
  const temporary = mkdtempSync(join(tmpdir(), 'cmb-python-'))
  try {
    const home = join(temporary, 'environment')
    for (const [file, args] of environmentSteps(home, FLIT)) run(file, args)
    const sources = join(temporary, 'guard-python')
    cpSync(join(ROOT, 'guard-python'), sources, {
      recursive: true,
      filter: (path) => !path.endsWith('__pycache__'),
    })
    const backend = 'import sys; from flit_core import buildapi'
    const build = `${backend}; buildapi.build_sdist(sys.argv[1]); print(buildapi.build_wheel(sys.argv[1]))`
    const env = { ...process.env, SOURCE_DATE_EPOCH: String(seconds) }
    const wheel = run(pythonIn(home), ['-c', build, directory], { cwd: sources, env }).trim()
    const pip = ['-m', 'pip', '--disable-pip-version-check']
    run(pythonIn(home), [...pip, 'install', '--quiet', join(directory, wheel)])
    return pythonParts(JSON.parse(run(pythonIn(home), ['-c', METADATA])), 'case-manager-guard')
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
}

/**
 * Writes the files.
 * @param notes the text of the changelog
 * @param python false leaves out the package for Python, which needs Python and PyPI
 * @returns their paths
 */
export function writeArtifacts(directory, { notes, python = true }) {
  mkdirSync(directory, { recursive: true })
  const seconds = Number(run('git', ['log', '-1', '--format=%ct']))
  const timestamp = new Date(seconds * 1000).toISOString()
  packForNpm(directory)
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'))
  const artifacts = {
    broker: npmParts(lock, ''),
    guard: npmParts(lock, 'guard'),
    'broker-dev': npmParts(lock, 'broker-dev'),
    ...(python && { 'guard-python': packForPython(directory, seconds) }),
  }
  const write = (name, text) => writeFileSync(join(directory, name), text)
  for (const [name, parts] of Object.entries(artifacts))
    write(`${name}.cdx.json`, `${JSON.stringify(billOfMaterials(parts, timestamp), null, 2)}\n`)
  write('licenses.md', licenseList(artifacts))
  write('notes.md', `${notes}\n`)
  const names = readdirSync(directory).sort()
  const sums = names.map((name) => {
    const hash = createHash('sha256').update(readFileSync(join(directory, name)))
    return `${hash.digest('hex')}  ${name}\n`
  })
  write('SHA256SUMS', sums.join(''))
  return [...names, 'SHA256SUMS'].map((name) => join(directory, name))
}
