import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { ROOT } from '../markdown.ts'

/**
 * The container engine of this machine, or the one that the script CONTAINERS_SETUP starts for all
 * tests of this folder.
 */

/** The image of the proxies, besides those that compose.yaml and the Dockerfile name. */
export const NGINX = 'nginx:1.28'

export const hasEngine = (): boolean =>
  spawnSync('docker', ['info'], { stdio: 'ignore' }).status === 0

/** Starts a container engine if none runs. Returns a function that ends the one that it started. */
export default function startEngine(): (() => void) | undefined {
  if (hasEngine()) return undefined
  const setup = process.env.CONTAINERS_SETUP
  const folder = join(tmpdir(), 'cmb-engine')
  const started =
    setup !== undefined && existsSync(setup)
      ? spawnSync('bash', [setup, folder, NGINX], {
          cwd: ROOT,
          stdio: ['ignore', 'pipe', 'inherit'],
        })
      : undefined
  if (setup === undefined || started?.status !== 0) {
    console.warn(
      'No container engine answers, and CONTAINERS_SETUP names no script that starts one: what runs in containers is left out.',
    )
    return undefined
  }
  for (const [, name = '', value = ''] of started.stdout
    .toString()
    .matchAll(/^export (\w+)='(.*)'$/gm))
    process.env[name] = value
  return () =>
    void spawnSync('bash', [join(dirname(setup), 'stop.sh'), folder], { stdio: 'inherit' })
}
