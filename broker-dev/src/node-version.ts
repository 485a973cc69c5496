/**
 * The minimum of `engines` in package.json, checked here because npm only warns about an older
 * Node.
 */
const NEEDED = [22, 14] as const

/**
 * Checks the version of Node.
 * @throws Error if it is too old: the broker's modules would fail with an error that does not name
 * the cause
 */
export function mustBeNewEnough(version = process.versions.node): void {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major < NEEDED[0] || (major === NEEDED[0] && minor < NEEDED[1]))
    throw new Error(`broker-dev needs Node ${NEEDED.join('.')} or later; this is ${version}.`)
}
