// `npm run release -- [VERSION]` writes the version and the changelog, commits them and makes the
// tag; the tag's workflow publishes. With --dry-run it prints these steps and builds the artifacts,
// but changes no file. With --artifacts DIR it only builds the artifacts of the current version.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { writeArtifacts } from './artifacts.mjs'
import { recordOf, RELEASED_MIGRATIONS } from './released-migrations.mjs'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
const HELP = `Usage: npm run release -- [VERSION] [--dry-run] [--no-python]
       npm run release -- --artifacts DIR [--no-python]

Without VERSION it makes the next minor version, or the next patch version where CHANGELOG.md lists only fixes.
After a release candidate (1.0.0-rc.1) it makes the next one.
--no-python leaves out the package for Python, which needs Python and PyPI.`

/** Returns the section of a version in the changelog; undefined where it has no such heading. */
export const notesOf = (changelog, version) =>
  changelog
    .split(/^(?=## )/m)
    .find(
      (section) => section.startsWith(`## ${version}\n`) || section.startsWith(`## ${version} `),
    )
    ?.replace(/^.*\n/, '')
    .trim()

/**
 * Returns the numbers of a version, of which a release candidate comes before the release;
 * undefined where it is not a version.
 */
const numbersOf = (version) =>
  /^(\d+)\.(\d+)\.(\d+)(?:-rc\.(\d+))?$/
    .exec(version)
    ?.slice(1)
    .map((number) => (number === undefined ? Infinity : Number(number)))

export function nextVersion(current, notes) {
  const [major, minor, patch, candidate] = numbersOf(current)
  if (candidate !== Infinity) return `${major}.${minor}.${patch}-rc.${candidate + 1}`
  const onlyFixes = [...notes.matchAll(/^### (.*)$/gm)].every(([, heading]) =>
    ['Fixed', 'Security'].includes(heading),
  )
  return onlyFixes ? `${major}.${minor}.${patch + 1}` : `${major}.${minor + 1}.0`
}

export function isNewer(version, current) {
  const [wanted, present] = [version, current].map(numbersOf)
  const at = wanted?.findIndex((number, index) => number !== present[index]) ?? -1
  return at >= 0 && wanted[at] > present[at]
}

/** The images of a release, as compose.yaml and the manifests name them. */
const IMAGES = 'ghcr.io/case-manager/identity-broker'
/** The files that have the version in their text. */
const VERSIONED = [
  'package.json',
  'guard/package.json',
  'guard/src/version.ts',
  'broker-dev/package.json',
  'guard-python/pyproject.toml',
  'src/operations/acts/guards.ts',
  'compose.yaml',
  'deploy/kubernetes/broker.yaml',
  'deploy/kubernetes/recover/recover.yaml',
]
/** The files that a release changes, beside the record of migrations. */
export const RELEASED = [...VERSIONED, 'package-lock.json', 'CHANGELOG.md']

/** Returns the new contents of the files by path. */
export function releasedFiles(files, { version, current, date }) {
  const inText = (text) =>
    text
      .replace(`"version": "${current}"`, `"version": "${version}"`)
      .replace(`\nversion = "${current}"\n`, `\nversion = "${version}"\n`)
      .replace(`VERSION = '${current}'`, `VERSION = '${version}'`)
      .replace(`"@case-manager/guard": "^${current}"`, `"@case-manager/guard": "^${version}"`)
      .replaceAll(`image: ${IMAGES}/broker:${current}\n`, `image: ${IMAGES}/broker:${version}\n`)
      .replaceAll(`image: ${IMAGES}/guard:${current}\n`, `image: ${IMAGES}/guard:${version}\n`)
  const lock = JSON.parse(files['package-lock.json'])
  for (const entry of [lock, lock.packages[''], lock.packages.guard, lock.packages['broker-dev']])
    entry.version = version
  lock.packages['broker-dev'].dependencies['@case-manager/guard'] = `^${version}`
  return {
    ...Object.fromEntries(VERSIONED.map((path) => [path, inText(files[path])])),
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

const git = (...args) => execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).trim()

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
      'no-python': { type: 'boolean' },
      help: { type: 'boolean' },
    },
  })
  if (values.help) return console.log(HELP)
  const artifactsIn = (directory, notes) => {
    for (const path of writeArtifacts(directory, { notes, python: !values['no-python'] }))
      console.log(`${path}  ${statSync(path).size} bytes`)
  }
  const files = Object.fromEntries(
    RELEASED.map((path) => [path, readFileSync(join(ROOT, path), 'utf8')]),
  )
  const current = JSON.parse(files['package.json']).version
  if (values.artifacts !== undefined) {
    const notes = notesOf(files['CHANGELOG.md'], current)
    return notes === undefined
      ? stop(`CHANGELOG.md has no section ${current}.`)
      : artifactsIn(values.artifacts, notes)
  }
  const notes = notesOf(files['CHANGELOG.md'], 'Unreleased')
  if (!notes) stop('CHANGELOG.md has nothing under "Unreleased", so there is nothing to release.')
  const version = positionals[0] ?? nextVersion(current, notes)
  if (!isNewer(version, current))
    stop(
      `"${version}" is not a version after ${current}. Give one like ${nextVersion(current, notes)}.`,
    )
  const tag = `v${version}`
  const become = {
    ...releasedFiles(files, { version, current, date: new Date().toISOString().slice(0, 10) }),
    [RELEASED_MIGRATIONS]: recordOf(ROOT),
  }
  if (values['dry-run']) {
    console.log(`Would release ${version} after ${current}.`)
    for (const path of Object.keys(become)) console.log(`Would write ${path}.`)
    console.log(`Would commit "Release ${version}" and make the tag ${tag}.`)
    const [dockerfile, workflow] = ['Dockerfile', '.github/workflows/release.yml'].map((path) =>
      readFileSync(join(ROOT, path), 'utf8'),
    )
    for (const { name, labels } of imagesOf(dockerfile, workflow, version))
      console.log(`The workflow would push the image ${name}:\n  ${labels.join('\n  ')}`)
    console.log('Artifacts, as the workflow builds them:')
    return artifactsIn(mkdtempSync(join(tmpdir(), 'cmb-release-')), notes)
  }
  if (git('status', '--porcelain') !== '')
    stop('The work tree has changes. Commit or remove them first.')
  for (const [path, text] of Object.entries(become)) writeFileSync(join(ROOT, path), text)
  git('commit', '--quiet', '--message', `Release ${version}`, '--', ...Object.keys(become))
  git('tag', '--annotate', tag, '--message', `Release ${version}\n\n${notes}`)
  console.log(`Made the commit and the tag ${tag}. To publish: git push --follow-tags`)
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main()
