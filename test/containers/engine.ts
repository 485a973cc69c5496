import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/** The container engine of this machine, or the one that the script CONTAINERS_SETUP starts. */

export interface Engine {
  /** What `docker` needs in its environment. */
  env: Record<string, string>
  stop(): void
}

/** The image of the proxies; what compose.yaml and the Dockerfile name comes besides. */
export const NGINX = 'nginx:1.28'

/** Undefined where this machine has no engine and none can be started. */
export function startEngine(root: string): Engine | undefined {
  if (spawnSync('docker', ['info'], { stdio: 'ignore' }).status === 0) return { env: {}, stop: () => undefined }
  const setup = process.env.CONTAINERS_SETUP
  if (setup === undefined || !existsSync(setup)) return undefined
  const folder = join(tmpdir(), 'cmb-engine')
  const { status, stdout } = spawnSync('bash', [setup, folder, NGINX], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
  if (status !== 0) return undefined
  const env = Object.fromEntries([...stdout.toString().matchAll(/^export (\w+)='(.*)'$/gm)].map(([, name = '', value = '']) => [name, value]))
  return { env, stop: () => void spawnSync('bash', [join(dirname(setup), 'stop.sh'), folder], { stdio: 'inherit' }) }
}
