// `npm run release -- [VERSION]` writes the version and the changelog, commits them and makes the
// tag; the tag's workflow publishes. With --dry-run it prints these steps and builds the artifacts,
// but changes no file. With --artifacts DIR it only builds the artifacts of the current version.
import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
const HELP = `Usage: npm run release -- [VERSION] [--dry-run]
       npm run release -- --artifacts DIR

Without VERSION it makes the next minor version, or the next patch version where CHANGELOG.md lists only fixes.`

/** Returns the section of a version in the changelog; undefined where it has no such heading. */
export const notesOf = (changelog, version) =>
  changelog
    .split(/^(?=## )/m)
    .find(
      (section) => section.startsWith(`## ${version}\n`) || section.startsWith(`## ${version} `),
    )
    ?.replace(/^.*\n/, '')
    .trim()

export function nextVersion(current, notes) {
  const [major, minor, patch] = current.split('.').map(Number)
  const onlyFixes = [...notes.matchAll(/^### (.*)$/gm)].every(([, heading]) =>
    ['Fixed', 'Security'].includes(heading),
  )
  return onlyFixes ? `${major}.${minor}.${patch + 1}` : `${major}.${minor + 1}.0`
}

export function isNewer(version, current) {
  if (!/^\d+\.\d+\.\d+$/.test(version)) return false
  const [wanted, present] = [version, current].map((one) => one.split('.').map(Number))
  const at = wanted.findIndex((number, index) => number !== present[index])
  return at >= 0 && wanted[at] > present[at]
}

const PACKAGES = [
  'package.json',
  'guard/package.json',
  'broker-dev/package.json',
  'guard-python/pyproject.toml',
]
/** The files that a release changes. */
export const RELEASED = [...PACKAGES, 'package-lock.json', 'CHANGELOG.md']

/** Returns the new contents of the files by path. */
export function releasedFiles(files, { version, current, date }) {
  const inPackage = (text) =>
    text
      .replace(`"version": "${current}"`, `"version": "${version}"`)
      .replace(`\nversion = "${current}"\n`, `\nversion = "${version}"\n`)
      .replace(`"@case-manager/guard": "^${current}"`, `"@case-manager/guard": "^${version}"`)
  const lock = JSON.parse(files['package-lock.json'])
  for (const entry of [lock, lock.packages[''], lock.packages.guard, lock.packages['broker-dev']])
    entry.version = version
  lock.packages['broker-dev'].dependencies['@case-manager/guard'] = `^${version}`
  return {
    ...Object.fromEntries(PACKAGES.map((path) => [path, inPackage(files[path])])),
    'package-lock.json': `${JSON.stringify(lock, null, 2)}\n`,
    'CHANGELOG.md': files['CHANGELOG.md'].replace(
      '## Unreleased\n',
      `## Unreleased\n\n## ${version} (${date})\n`,
    ),
  }
}

/**
 * Returns the images that the workflow builds, each with the labels from the workflow and the
 * Dockerfile.
 */
export function imagesOf(dockerfile, workflow, version) {
  const [, targets] = /for target in ([\w ]+); do\n\s*docker buildx build/.exec(workflow)
  const ofWorkflow = [...workflow.matchAll(/--label "(.+?)" \\/g)].map(([, label]) =>
    label.replace('${GITHUB_REF_NAME#v}', version),
  )
  return targets.split(' ').map((target) => {
    const [, stage] = dockerfile.split(new RegExp(`^FROM .* AS ${target}$`, 'm'))
    const ofStage = [
      ...stage.split(/^FROM /m)[0].matchAll(/(org\.opencontainers\.image\.\w+)="([^"]*)"/g),
    ].map(([, name, value]) => `${name}=${value}`)
    return { name: `${target}:${version}`, labels: [...ofStage, ...ofWorkflow] }
  })
}

const npm = (...args) =>
  execFileSync('npm', args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
const git = (...args) => execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).trim()

/**
 * Returns the path at which Node finds `name` from the package at `from`; undefined where it is not
 * installed there.
 */
function found(packages, from, name) {
  const above = from
    .split('/node_modules/')
    .map((_, index, parts) => `${parts.slice(0, parts.length - index).join('/node_modules/')}/`)
  const path = [...above, '']
    .map((at) => `${at}node_modules/${name}`)
    .find((one) => packages[one] !== undefined)
  return path !== undefined && packages[path].link ? packages[path].resolved : path
}

const nameOf = (path, one) => one.name ?? path.replace(/^.*node_modules\//, '')
const purlOf = (name, version) => `pkg:npm/${name.replace('@', '%40')}@${version}`

/**
 * Returns the runtime dependencies of the image as CycloneDX, from the lock file. (`npm sbom --omit
 * dev` leaves out packages that a development package uses too: hono, jose, zod.)
 */
export function billOfMaterials(lock, { serial, timestamp }) {
  const { packages } = lock
  // The guard is the only workspace in the image.
  const isShipped = (path, one) =>
    (path === 'guard' || path.includes('node_modules/')) &&
    !one.link &&
    !one.dev &&
    !one.devOptional &&
    !one.optional
  const shipped = Object.entries(packages).filter(([path, one]) => isShipped(path, one))
  const refOf = (path) =>
    purlOf(path === '' ? lock.name : nameOf(path, packages[path]), packages[path].version)
  const refs = new Set(shipped.map(([path]) => refOf(path)))
  const component = (path, one, type) => ({
    type,
    'bom-ref': refOf(path),
    name: nameOf(path, one),
    version: one.version,
    purl: refOf(path),
    ...(one.license && { licenses: [{ expression: one.license }] }),
    ...(one.integrity && {
      hashes: [
        {
          alg: 'SHA-512',
          content: Buffer.from(one.integrity.replace('sha512-', ''), 'base64').toString('hex'),
        },
      ],
    }),
  })
  const dependsOn = (path) => [
    ...new Set(
      Object.keys(packages[path].dependencies ?? {})
        .map((name) => found(packages, path, name))
        .filter((at) => at !== undefined)
        .map(refOf)
        .filter((ref) => refs.has(ref)),
    ),
  ]
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.5.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    serialNumber: `urn:uuid:${serial}`,
    version: 1,
    metadata: {
      timestamp,
      component: component('', { ...packages[''], name: lock.name }, 'application'),
    },
    components: [
      ...new Map(
        shipped.map(([path, one]) => [refOf(path), component(path, one, 'library')]),
      ).values(),
    ],
    dependencies: [
      ...new Map(
        ['', ...shipped.map(([path]) => path)].map((path) => [
          refOf(path),
          { ref: refOf(path), dependsOn: dependsOn(path) },
        ]),
      ).values(),
    ],
  }
}

/** Writes the packages that a release publishes, the bill of materials, and the notes. */
function writeArtifacts(directory, notes) {
  mkdirSync(directory, { recursive: true })
  execFileSync(process.execPath, [join(ROOT, 'scripts', 'build-broker-dev.mjs')], {
    stdio: 'inherit',
  })
  for (const workspace of ['guard', 'broker-dev'])
    npm(
      'pack',
      '--silent',
      '--ignore-scripts',
      '--workspace',
      workspace,
      '--pack-destination',
      directory,
    )
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'))
  const bill = billOfMaterials(lock, { serial: randomUUID(), timestamp: new Date().toISOString() })
  writeFileSync(join(directory, 'sbom.cdx.json'), `${JSON.stringify(bill, null, 2)}\n`)
  writeFileSync(join(directory, 'notes.md'), `${notes}\n`)
  for (const name of readdirSync(directory))
    console.log(`${join(directory, name)}  ${statSync(join(directory, name)).size} bytes`)
}

function stop(problem) {
  console.error(`${problem}\n\n${HELP}`)
  process.exit(1)
}

function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      'dry-run': { type: 'boolean' },
      artifacts: { type: 'string' },
      help: { type: 'boolean' },
    },
  })
  if (values.help) return console.log(HELP)
  const files = Object.fromEntries(
    RELEASED.map((path) => [path, readFileSync(join(ROOT, path), 'utf8')]),
  )
  const current = JSON.parse(files['package.json']).version
  if (values.artifacts !== undefined) {
    const notes = notesOf(files['CHANGELOG.md'], current)
    return notes === undefined
      ? stop(`CHANGELOG.md has no section ${current}.`)
      : writeArtifacts(values.artifacts, notes)
  }
  const notes = notesOf(files['CHANGELOG.md'], 'Unreleased')
  if (!notes) stop('CHANGELOG.md has nothing under "Unreleased", so there is nothing to release.')
  const version = positionals[0] ?? nextVersion(current, notes)
  if (!isNewer(version, current))
    stop(
      `"${version}" is not a version after ${current}. Give one like ${nextVersion(current, notes)}.`,
    )
  const tag = `v${version}`
  const become = releasedFiles(files, {
    version,
    current,
    date: new Date().toISOString().slice(0, 10),
  })
  if (values['dry-run']) {
    console.log(`Would release ${version} after ${current}.`)
    for (const path of RELEASED) console.log(`Would write ${path}.`)
    console.log(`Would commit "Release ${version}" and make the tag ${tag}.`)
    const [dockerfile, workflow] = ['Dockerfile', '.github/workflows/release.yml'].map((path) =>
      readFileSync(join(ROOT, path), 'utf8'),
    )
    for (const { name, labels } of imagesOf(dockerfile, workflow, version))
      console.log(`The workflow would push the image ${name}:\n  ${labels.join('\n  ')}`)
    console.log('Artifacts, as the workflow builds them:')
    return writeArtifacts(mkdtempSync(join(tmpdir(), 'cmb-release-')), notes)
  }
  if (git('status', '--porcelain') !== '')
    stop('The work tree has changes. Commit or remove them first.')
  for (const path of RELEASED) writeFileSync(join(ROOT, path), become[path])
  git('commit', '--quiet', '--message', `Release ${version}`, '--', ...RELEASED)
  git('tag', '--annotate', tag, '--message', `Release ${version}\n\n${notes}`)
  console.log(`Made the commit and the tag ${tag}. To publish: git push --follow-tags`)
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main()
