/**
 * Bills of materials (CycloneDX) and the list of licenses: of the packages in the lock file, and of
 * the Python packages that an environment has.
 */
import { createHash } from 'node:crypto'

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
    .find((candidate) => packages[candidate] !== undefined)
  return path !== undefined && packages[path].link ? packages[path].resolved : path
}

/** Returns the names that a package needs at runtime, without what is optional. */
const neededBy = ({ dependencies = {}, peerDependencies = {}, peerDependenciesMeta = {} }) => [
  ...Object.keys(dependencies),
  ...Object.keys(peerDependencies).filter((name) => !peerDependenciesMeta[name]?.optional),
]

/**
 * Returns what an installation of the package at `root` contains. (`npm sbom --omit dev` leaves out
 * packages that a development package uses too, and names those of every workspace.)
 * @param root a path in the lock file; '' is the broker, whose image contains the guard as well
 */
export function npmParts(lock, root) {
  const { packages } = lock
  const name = (path) =>
    path === '' ? lock.name : (packages[path].name ?? path.replace(/^.*node_modules\//, ''))
  const purl = (path) =>
    `pkg:npm/${name(path).replace('@', '%40')}@${path === '' ? lock.version : packages[path].version}`
  const needs = (path) => [
    ...neededBy(packages[path])
      .map((dependency) => found(packages, path, dependency))
      .filter((at) => at !== undefined),
    ...(path === '' ? ['guard'] : []),
  ]
  const paths = new Set([root])
  for (const path of paths) for (const at of needs(path)) paths.add(at)
  return [...paths].map((path) => {
    const { version = lock.version, license, integrity } = packages[path]
    return {
      ref: purl(path),
      name: name(path),
      version,
      license: license && { expression: license },
      sha512: integrity && Buffer.from(integrity.replace('sha512-', ''), 'base64').toString('hex'),
      needs: needs(path).map(purl),
    }
  })
}

/**
 * Returns the same for a distribution of Python.
 * @param installed the metadata of the environment in which it is installed
 * @param root its name; the environment's own tools are left out
 */
export function pythonParts(installed, root) {
  const plain = (name) => name.toLowerCase().replace(/[-_.]+/g, '-')
  const all = new Map(installed.map((distribution) => [plain(distribution.name), distribution]))
  const purl = (name) => `pkg:pypi/${name}@${all.get(name).version}`
  const needs = (name) => [
    ...new Set(
      all
        .get(name)
        .requires.map((requirement) => plain(/^[\w.-]+/.exec(requirement)[0]))
        .filter((candidate) => all.has(candidate)),
    ),
  ]
  const names = new Set([plain(root)])
  for (const name of names) for (const need of needs(name)) names.add(need)
  return [...names].map((name) => {
    const { version, expression, license, classifiers } = all.get(name)
    const words =
      license?.split('\n')[0] ||
      classifiers.find((classifier) => classifier.startsWith('License ::'))?.replace(/^.* :: /, '')
    return {
      ref: purl(name),
      name,
      version,
      license: expression ? { expression } : words && { license: { name: words } },
      needs: needs(name).map(purl),
    }
  })
}

const componentOf = ({ ref, name, version, license, sha512 }, type) => ({
  type,
  'bom-ref': ref,
  name,
  version,
  purl: ref,
  ...(license && { licenses: [license] }),
  ...(sha512 && { hashes: [{ alg: 'SHA-512', content: sha512 }] }),
})

const unique = (parts) => [...new Map(parts.map((part) => [part.ref, part])).values()]

/**
 * Returns the bill of materials. The same parts and time make the same text.
 * @param parts the first is the artifact itself
 * @param timestamp ISO 8601
 */
export function billOfMaterials(parts, timestamp) {
  const [artifact, ...others] = unique(parts)
  const body = {
    metadata: { timestamp, component: componentOf(artifact, 'application') },
    components: others.map((part) => componentOf(part, 'library')),
    dependencies: unique(parts).map(({ ref, needs }) => ({ ref, dependsOn: [...new Set(needs)] })),
  }
  const hash = createHash('sha256').update(JSON.stringify(body)).digest('hex')
  const serial = [hash.slice(0, 8), hash.slice(8, 12), `4${hash.slice(13, 16)}`]
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.5.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    serialNumber: `urn:uuid:${serial.join('-')}-a${hash.slice(17, 20)}-${hash.slice(20, 32)}`,
    version: 1,
    ...body,
  }
}

/** Returns the licenses of each artifact's parts as tables. */
export const licenseList = (artifacts) =>
  Object.entries(artifacts)
    .map(([title, parts]) => {
      const rows = unique(parts).map(
        ({ name, version, license }) =>
          `| ${name} | ${version} | ${license?.expression ?? license?.license.name ?? 'not stated'} |`,
      )
      return `## ${title}\n\n| Package | Version | License |\n|---|---|---|\n${rows.join('\n')}\n`
    })
    .join('\n')
