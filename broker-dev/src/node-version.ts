/** The version of `engines` in package.json. npm only warns of an older one. */
const NEEDED = [22, 14] as const

/**
 * @throws Error where this Node is too old for the broker: its modules would fail with an error
 * that names no cause
 */
export function mustBeNewEnough(version = process.versions.node): void {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major < NEEDED[0] || (major === NEEDED[0] && minor < NEEDED[1]))
    throw new Error(`broker-dev needs Node ${NEEDED.join('.')} or later; this is ${version}.`)
}
